import { EMPTY } from '../lib/bytes.js'
import { PartialBuffer } from '../lib/partial-buffer.js'
import { createView } from '../lib/same-bytes.js'
import { DATA, findValue, isField, skipByteOrderMark } from '../sse/fields.js'
import { LineFinder } from '../sse/line-finder.js'
import { BoundedData } from './bounded-data.js'
import { readEvent } from './event-fields.js'
import type { Meter } from './meter.js'
import { ResponseStats } from './response-stats.js'
import { TemplateMatcher } from './template-matcher.js'
import { findLast, LONGEST, readTrailingUsage } from './trailing-usage.js'

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
const DATA_LINE = Buffer.from('data:')
const COMMENT_LINE = Buffer.from(':')

/**
 * Reads an event stream beside its way to the client (WHATWG HTML, 9.2.6), as bytes that may be cut anywhere. Events
 * that look like an earlier one are counted by templates; all others are parsed line by line.
 *
 * It takes O(n), holds one event and of that at most a megabyte, and never throws: events that it does not understand
 * are counted as `unparsed`.
 */
export class StreamMeter implements Meter {
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
  /** Bytes of text in the last parsed event; null if it said anything besides text. */
  private textOnlyBytes: number | null

  constructor() {
    this.stats = new ResponseStats()
    this.lines = new LineFinder()
    this.templates = new TemplateMatcher(this.stats)
    this.data = new BoundedData()
    this.partial = new PartialBuffer()
    this.batch = EMPTY
    this.batchBytes = 0
    this.isFirstLine = true
    this.textOnlyBytes = null
  }

  readStats(): ResponseStats {
    this.readBatch()
    return this.stats
  }

  get ended(): boolean {
    return this.stats.ended
  }

  get isRead(): boolean {
    return true
  }

  whenRead(callback: () => void): void {
    callback()
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
    if (this.partial.bytes > 0) this.readPartialLine(EMPTY)
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
    if (at < length) this.readLines(chunk, view, at)
  }

  private get isBetweenEvents(): boolean {
    return this.partial.bytes === 0 && this.data.isEmpty
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
      const endsEvent =
        this.partial.bytes === 0
          ? this.readLine(chunk, lineStart, end)
          : this.readPartialLine(chunk.subarray(lineStart, end))
      if (endsEvent) {
        if (eventStart !== -1 && this.textOnlyBytes !== null)
          this.templates.learn(chunk.subarray(eventStart, at), this.textOnlyBytes)
        if (matchable !== null) {
          at = this.matchEvents(chunk, matchable, at)
          eventStart = at
        }
      } else if (matchable !== null && eventStart !== -1 && data.isEmpty) {
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
    this.partial.add(rest)
    const line = this.partial.take()
    return this.readLine(line, 0, line.length)
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
      return true
    }
    if (isField(line, start, end, DATA)) this.data.add(line.subarray(findValue(line, start, end, DATA), end))
    return false
  }

  private endEvent(): void {
    const { stats } = this
    const { isTruncated } = this.data
    const data = this.data.take()
    stats.events++
    if (isTruncated) {
      stats.unparsed++
      stats.ended = false
      readTrailingUsage(findLast(data), stats)
      return
    }
    const { nonTextFacts, unparsed, deltas, textBytes } = stats
    const text = data.toString('utf8').trim()
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
    const isTextOnly =
      stats.deltas === deltas + 1 &&
      stats.nonTextFacts === nonTextFacts &&
      stats.unparsed === unparsed &&
      !stats.ended
    this.textOnlyBytes = isTextOnly ? stats.textBytes - textBytes : null
  }

  /**
   * Copies the beginning of a line that continues in the next chunk. Of a line that is too long, only the end is
   * kept.
   */
  private keepLine(chunk: Buffer, from: number): void {
    const { partial } = this
    partial.add(chunk, from)
    if (partial.bytes <= LONGEST_LINE) return
    const line = partial.take()
    const isData = isField(line, 0, line.length, DATA)
    if (isData) this.data.isTruncated = true
    const end = findLast(line)
    // The name of the field is kept, so that the line is still known for what it is when it ends.
    partial.add(isData ? DATA_LINE : COMMENT_LINE)
    partial.add(end)
  }
}
