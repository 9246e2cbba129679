import { EMPTY } from '../lib/bytes.js'
import { PartialBuffer } from '../lib/partial-buffer.js'
import { createView } from '../lib/same-bytes.js'
import { DATA, EVENT, findValue, isField, skipByteOrderMark } from '../sse/fields.js'
import { LineFinder } from '../sse/line-finder.js'
import { BareError } from './bare-error.js'
import { BoundedData } from './bounded-data.js'
import { readEvent } from './event-fields.js'
import { LONGEST } from './long-json.js'
import { DirectMeter, type Meter } from './meter.js'
import { ResponseStats } from './response-stats.js'
import { TemplateMatcher } from './template-matcher.js'
import type { UsageForm } from './usage-forms.js'

/** A line may have some bytes before its value. They must not decide, by where the stream is cut, what is too long. */
const LONGEST_LINE = LONGEST + 16

/**
 * Chunks up to SMALL_CHUNK bytes are copied until there are BATCH bytes, which are then read together: between the
 * other work for a chunk, this code is in none of the processor's caches (bench `metering`).
 */
const SMALL_CHUNK = 1024
const BATCH = 2048

/** The first letter of `event`. */
const LETTER_E = 0x65
const COMMENT_LINE = Buffer.from(':')
const ERROR = Buffer.from('error')

/**
 * Reads an event stream beside its way to the client (WHATWG HTML, 9.2.6), as bytes that may be cut anywhere. Events
 * that look like an earlier one are counted by templates; all others are parsed line by line. It also reads lines of
 * JSON, each of which is an event (Ollama's own API).
 *
 * It takes O(n), holds one event and of that at most a megabyte, and never throws: events that it does not understand
 * are counted as `unparsed`.
 */
export class StreamMeter extends DirectMeter implements Meter {
  private readonly stats: ResponseStats
  private readonly lines: LineFinder
  private readonly templates: TemplateMatcher
  /** Data of the event that is not complete yet. */
  private readonly data: BoundedData
  /** The line that is not complete yet; with `templates.isMidEvent` the event. */
  private readonly partial: PartialBuffer
  /** Small chunks that are not read yet. */
  private batch: Buffer
  private batchBytes: number
  private isFirstLine: boolean
  /** Each line is an event. */
  private readonly isJsonLines: boolean
  /** The line is too long to be kept, and goes to `data` as it comes. */
  private isInLongLine: boolean
  /** The event that is not complete yet is called `error`. */
  private isErrorEvent: boolean
  /** Null before the first line that could be an error without a field name. */
  private bareError: BareError | null
  /** Bytes of text in the last parsed event; null if it said anything besides text. */
  private textOnlyBytes: number | null

  /** @param isJsonLines the body is lines of JSON, and no event stream */
  constructor(forms?: readonly UsageForm[], isJsonLines = false) {
    super()
    this.stats = new ResponseStats(forms)
    this.lines = new LineFinder()
    this.templates = new TemplateMatcher(this.stats)
    this.data = new BoundedData()
    this.partial = new PartialBuffer()
    this.batch = EMPTY
    this.batchBytes = 0
    this.isFirstLine = true
    this.isJsonLines = isJsonLines
    this.isInLongLine = false
    this.isErrorEvent = false
    this.bareError = null
    this.textOnlyBytes = null
  }

  readStats(): ResponseStats {
    this.readBatch()
    return this.stats
  }

  get ended(): boolean {
    return this.stats.ended
  }

  push(chunk: Buffer): void {
    const { length } = chunk
    // The time of the first token is taken when it is read. Later events can wait.
    if (length > SMALL_CHUNK || this.stats.firstTokenAt === null) {
      this.readBatch()
      this.readChunk(chunk)
      return
    }
    if (this.batchBytes + length > BATCH) this.readBatch()
    if (this.batch.length === 0) this.batch = Buffer.allocUnsafeSlow(BATCH)
    chunk.copy(this.batch, this.batchBytes)
    this.batchBytes += length
  }

  /** The stream is over. A last event counts also without its blank line. */
  end(): void {
    this.readBatch()
    if (this.templates.isMidEvent) {
      this.templates.abandon()
      this.readPartialEvent()
    }
    if (this.isInLine) this.readPartialLine(EMPTY)
    if (!this.data.isEmpty) this.endEvent()
  }

  private readBatch(): void {
    const bytes = this.batchBytes
    if (bytes === 0) return
    this.batchBytes = 0
    this.readChunk(this.batch.subarray(0, bytes))
  }

  /** Does not hold on to the chunk: what is needed later is copied. */
  private readChunk(chunk: Buffer): void {
    const { length } = chunk
    let at = this.lines.startChunk(chunk)
    if (at === length) return
    const view = createView(chunk)
    if (this.templates.isMidEvent) at = this.resumeEvent(chunk, view, at)
    else if (this.isBetweenEvents) at = this.matchEvents(chunk, view, at)
    if (at < length) this.readLines(chunk, this.isJsonLines ? null : view, at)
  }

  /** A line has begun and not ended. */
  private get isInLine(): boolean {
    return this.partial.bytes > 0 || this.isInLongLine
  }

  private get isBetweenEvents(): boolean {
    return !this.isInLine && this.data.isEmpty && !this.isErrorEvent
  }

  /** Counts events that match a template. @returns where reading continues */
  private matchEvents(chunk: Buffer, view: DataView, from: number): number {
    const next = this.templates.match(chunk, view, from)
    if (!this.templates.isMidEvent) return next
    this.partial.add(chunk, next)
    return chunk.length
  }

  /** Continues an event that matches a template so far. @returns where reading continues */
  private resumeEvent(chunk: Buffer, view: DataView, from: number): number {
    const next = this.templates.resume(chunk, view, from)
    if (next >= from) this.partial.clear()
    if (this.templates.isMidEvent) {
      this.partial.add(chunk, Math.max(next, from))
      return chunk.length
    }
    if (next >= from) return next
    this.readPartialEvent()
    return this.lines.startChunk(chunk)
  }

  /** Reads the lines of an event that did not match its template in the end. None of them has a CR. */
  private readPartialEvent(): void {
    const begun = this.partial.take()
    this.readLines(begun, null, this.lines.startChunk(begun))
  }

  /** @param view of the chunk; null if events in it are not to be matched with templates */
  private readLines(chunk: Buffer, view: DataView | null, from: number): void {
    const { lines, data } = this
    const { length } = chunk
    // Templates know LF only.
    const matchable = view === null || lines.hasCarriageReturn(chunk, from) ? null : view
    let eventStart = matchable !== null && this.isBetweenEvents ? from : -1
    let at = from
    while (at < length) {
      const lineStart = at
      const end = lines.findLineEnd(chunk, lineStart)
      if (end === -1) break
      at = lines.nextLine
      const endsEvent = this.isInLine
        ? this.readPartialLine(chunk.subarray(lineStart, end))
        : this.readLine(chunk, lineStart, end)
      if (endsEvent) {
        if (eventStart !== -1 && this.textOnlyBytes !== null)
          this.templates.learn(chunk.subarray(eventStart, at), this.textOnlyBytes)
        if (matchable !== null) {
          at = this.matchEvents(chunk, matchable, at)
          eventStart = at
        }
      } else if (matchable !== null && eventStart !== -1 && data.isEmpty && !this.isErrorEvent) {
        // Other fields and comments say nothing, so an event may as well begin after them. An `event` line right before
        // the data is the same in all events of a kind, so it is a part of the template.
        const next = this.matchEvents(chunk, matchable, at)
        eventStart = next === at && chunk[lineStart] === LETTER_E ? lineStart : next
        at = next
      }
    }
    data.detach()
    if (at < length) this.keepLine(chunk, at)
  }

  /** Reads the line that began in an earlier chunk. @param rest the end of it @returns whether it ended an event */
  private readPartialLine(rest: Buffer): boolean {
    if (!this.isInLongLine) {
      this.partial.add(rest)
      const line = this.partial.take()
      return this.readLine(line, 0, line.length)
    }
    this.data.addLong(rest)
    this.isInLongLine = false
    this.isFirstLine = false
    if (this.isJsonLines) this.endEvent()
    return this.isJsonLines
  }

  /** @returns whether it ended an event */
  private readLine(line: Buffer, from: number, end: number): boolean {
    let start = from
    if (this.isFirstLine) {
      this.isFirstLine = false
      start = skipByteOrderMark(line, from, end)
    }
    if (start === end) {
      this.textOnlyBytes = null
      if (!this.data.isEmpty) this.endEvent()
      this.isErrorEvent = false
      return true
    }
    if (this.isJsonLines) {
      this.data.add(line.subarray(start, end))
      this.endEvent()
      return true
    }
    if (isField(line, start, end, DATA)) this.data.add(line.subarray(findValue(line, start, end, DATA), end))
    else this.readOtherLine(line, start, end)
    return false
  }

  /** Reads a line that has no data. Nearly all of them say nothing. */
  private readOtherLine(line: Buffer, start: number, end: number): void {
    if (isField(line, start, end, EVENT)) {
      const value = findValue(line, start, end, EVENT)
      this.isErrorEvent = line.compare(ERROR, 0, ERROR.length, value, end) === 0
      return
    }
    if (!this.data.isEmpty) return
    this.bareError ??= BareError.begin(line, start)
    const error = this.bareError?.add(line.subarray(start, end)) ?? null
    if (this.bareError?.isOver) this.bareError = null
    if (error === null) return
    this.stats.events++
    readEvent(error, this.stats)
  }

  private endEvent(): void {
    const { stats, isErrorEvent } = this
    const { nonTextFacts, unparsed, deltas, textBytes, errors } = stats
    stats.events++
    const long = this.data.takeFacts()
    if (long !== null) {
      stats.unparsed++
      stats.ended = false
      readFacts(long.root, stats)
    } else {
      const text = this.data.take().toString('utf8').trim()
      if (text === '[DONE]') {
        stats.ended = true
        return
      }
      try {
        readEvent(JSON.parse(text), stats)
      } catch {
        stats.unparsed++
        stats.ended = false
      }
    }
    if (isErrorEvent && stats.errors === errors) {
      stats.setError('error')
      stats.ended = true
    }
    const isTextOnly =
      stats.deltas === deltas + 1 &&
      stats.nonTextFacts === nonTextFacts &&
      stats.unparsed === unparsed &&
      !stats.ended
    this.textOnlyBytes = isTextOnly ? stats.textBytes - textBytes : null
  }

  /** Copies the beginning of a line that continues in the next chunk. Of a line that is too long, nothing is kept. */
  private keepLine(chunk: Buffer, from: number): void {
    const { partial } = this
    if (this.isInLongLine) {
      this.data.addLong(chunk.subarray(from))
      return
    }
    partial.add(chunk, from)
    if (partial.bytes <= LONGEST_LINE) return
    const line = partial.take()
    const start = this.isFirstLine ? skipByteOrderMark(line, 0, line.length) : 0
    if (this.isJsonLines || isField(line, start, line.length, DATA)) {
      this.isInLongLine = true
      const value = this.isJsonLines ? start : findValue(line, start, line.length, DATA)
      this.data.addLong(line.subarray(value))
    } else partial.add(COMMENT_LINE)
  }
}

/** Reads what was kept of an event that is too long. */
function readFacts(root: unknown, stats: ResponseStats): void {
  if (root === undefined) return
  try {
    readEvent(root, stats)
  } catch {
    // The event counts as unparsed already.
  }
}
