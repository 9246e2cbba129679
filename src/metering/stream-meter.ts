import { readEvent } from './event-fields.js'
import { createView, EventTemplate } from './event-template.js'
import type { Meter } from './meter.js'
import { ResponseStats } from './response-stats.js'
import { findLast, KEPT_END, LONGEST, readTrailingUsage } from './trailing-usage.js'

/** With room for what stands before a value, so that where a stream is cut does not decide what is too long. */
const LONGEST_LINE = LONGEST + 16

/**
 * Pieces up to this are gathered until there is so much of them, and looked at together: between the other work of a chunk
 * this code is in none of the processor's caches (bench `metering`).
 */
const SMALL = 1024
const GATHERED = 2048

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const SPACE = 0x20
/** Of `event`. */
const EVENT_NAME = 0x65
const BOM = Buffer.from([0xef, 0xbb, 0xbf])
const DATA = Buffer.from('data')
const NOTHING = Buffer.alloc(0)

/**
 * Looks at an event stream while it passes (WHATWG HTML, 9.2.6), on bytes, however it is cut. O(n), and holds no more than
 * one event, of which no more than a megabyte. It never throws, whatever comes: what it does not understand is counted.
 */
export class StreamMeter implements Meter {
  private readonly stats: ResponseStats
  /** Small pieces that have not been looked at yet, one behind the other. */
  private gathered: Buffer
  private gatheredBytes: number
  /** The line that is still coming, or the event if it has a known shape so far: its bytes, and room for more. */
  private line: Buffer
  private lineBytes: number
  /** Values of the `data` lines of the event that is still coming. */
  private data: Buffer[]
  private dataBytes: number
  /** The event was too long, and its beginning is gone. */
  private cut: boolean
  /** The last piece ended with CR, and an LF that comes first belongs to it. */
  private afterCr: boolean
  private atStart: boolean
  /** The shape that the event has that is still coming, as far as it came. */
  private open: EventTemplate | null
  /** Shapes of text events, the one that was matched last first. */
  private first: EventTemplate | null
  private second: EventTemplate | null
  /** Bytes of text of the event that was read last, if it said nothing else; -1 if it did. */
  private plainText: number

  constructor() {
    this.stats = new ResponseStats()
    this.gathered = NOTHING
    this.gatheredBytes = 0
    this.line = NOTHING
    this.lineBytes = 0
    this.data = []
    this.dataBytes = 0
    this.cut = false
    this.afterCr = false
    this.atStart = true
    this.open = null
    this.first = null
    this.second = null
    this.plainText = -1
  }

  readStats(): ResponseStats {
    this.look()
    return this.stats
  }

  get ended(): boolean {
    return this.stats.ended
  }

  get isRead(): boolean {
    return true
  }

  whenRead(call: () => void): void {
    call()
  }

  push(piece: Buffer): void {
    const { length } = piece
    // When the first token came is told by the clock; after it, there is no haste.
    if (length > SMALL || this.stats.firstTokenAt === 0) {
      this.look()
      this.scan(piece)
      return
    }
    if (this.gatheredBytes + length > GATHERED) this.look()
    if (this.gathered.length === 0) this.gathered = Buffer.allocUnsafeSlow(GATHERED)
    piece.copy(this.gathered, this.gatheredBytes)
    this.gatheredBytes += length
  }

  /** Looks at what was gathered. */
  private look(): void {
    const bytes = this.gatheredBytes
    if (bytes === 0) return
    this.gatheredBytes = 0
    this.scan(this.gathered.subarray(0, bytes))
    // What comes next is gathered in the same place.
    this.keepData()
  }

  private scan(piece: Buffer): void {
    const { length } = piece
    let at = 0
    if (this.afterCr && length > 0) {
      this.afterCr = false
      if (piece[0] === LF) at = 1
    }
    if (at === length) return
    const view = createView(piece)
    if (this.open !== null) at = this.goOn(this.open, piece, view, at)
    else if (this.lineBytes === 0 && this.data.length === 0) at = this.match(piece, view, at)
    if (at < length) this.readLines(piece, view, at)
  }

  /** The stream is over: a last event counts also if no blank line came after it. */
  end(): void {
    this.look()
    if (this.open !== null) this.readKept(this.open)
    if (this.lineBytes > 0) this.onLine(this.join(NOTHING))
    if (this.data.length > 0) this.onEvent()
  }

  /** This piece has more of an event that began before it. @returns where to go on */
  private goOn(open: EventTemplate, piece: Buffer, view: DataView, at: number): number {
    const next = this.walk(open, piece, view, at)
    if (next >= at) this.lineBytes = 0
    if (open.begun > 0) {
      this.keep(piece, Math.max(next, at))
      return piece.length
    }
    if (next < at) {
      this.readKept(open)
      return at
    }
    this.open = null
    return this.match(piece, view, next)
  }

  /** Passes over events that are of a known shape. @returns where the first other one begins */
  private match(piece: Buffer, view: DataView, from: number): number {
    let at = from
    while (at < piece.length && this.first !== null) {
      const { first, second } = this
      let open = first
      let next = this.walk(first, piece, view, at)
      if (next === at && first.begun === 0) {
        if (second === null) break
        open = second
        next = this.walk(second, piece, view, at)
        if (next === at && second.begun === 0) break
        this.first = second
        this.second = first
      }
      at = next
      if (open.begun > 0) {
        this.open = open
        this.keep(piece, at)
        return piece.length
      }
    }
    return at
  }

  private walk(template: EventTemplate, piece: Buffer, view: DataView, at: number): number {
    const { stats: seen } = this
    // The last model that is named counts, and this one names that of the event that it was made from.
    if (template.model !== seen.model) return at
    const next = template.walk(piece, view, at)
    const { events } = template
    if (events > 0) {
      seen.events += events
      seen.ended = false
      seen.addDeltas(events, template.textBytes)
    }
    return next
  }

  /** What was kept is not the beginning of an event of that shape after all. */
  private readKept(open: EventTemplate): void {
    open.forget()
    this.open = null
    const kept = this.line.subarray(0, this.lineBytes)
    this.line = NOTHING
    this.lineBytes = 0
    this.readLines(kept, null, 0)
  }

  /** @param view null where known shapes are not to be looked for */
  private readLines(piece: Buffer, view: DataView | null, from: number): void {
    const { length } = piece
    // JSON has none in it, so in most streams there is none at all.
    const hasCr = piece.includes(CR, from)
    const known = hasCr ? null : view
    let eventStart = known !== null && this.lineBytes === 0 && this.data.length === 0 ? from : -1
    let at = from
    while (at < length) {
      const end = hasCr ? lineEnd(piece, at) : piece.indexOf(LF, at)
      if (end === -1) {
        this.keep(piece, at)
        return
      }
      const line = this.lineBytes === 0 ? piece.subarray(at, end) : this.join(piece.subarray(at, end))
      const begin = at
      at = end + 1
      if (piece[end] === CR) {
        if (at === length) this.afterCr = true
        else if (piece[at] === LF) at++
      }
      if (this.onLine(line)) {
        if (eventStart !== -1) this.learn(piece.subarray(eventStart, at))
        if (known !== null) {
          at = this.match(piece, known, at)
          eventStart = at
        }
      } else if (known !== null && eventStart !== -1 && this.data.length === 0) {
        // Other fields and comments say nothing, so that an event may as well begin behind them. Its name, right before
        // its data, is the same from event to event, and a part of their shape.
        const next = this.match(piece, known, at)
        eventStart = next === at && piece[begin] === EVENT_NAME ? begin : next
        at = next
      }
    }
  }

  /** Takes the shape of an event that was parsed, if that was text and nothing but text. */
  private learn(block: Buffer): void {
    if (this.plainText === -1) return
    const template = EventTemplate.of(block, this.plainText, this.stats.model, this.stats.estimator)
    if (template === null) return
    this.second = this.first
    this.first = template
  }

  /** @returns whether it ended an event */
  private onLine(line: Buffer): boolean {
    let from = 0
    if (this.atStart) {
      this.atStart = false
      if (line.subarray(0, 3).equals(BOM)) from = 3
    }
    if (line.length === from) {
      this.plainText = -1
      if (this.data.length > 0) this.onEvent()
      return true
    }
    if (!isData(line, from)) return false
    let value = from + DATA.length + 1
    if (line[value] === SPACE) value++
    this.addData(line.subarray(Math.min(value, line.length)))
    return false
  }

  private addData(value: Buffer): void {
    this.data.push(value)
    this.dataBytes += value.length + 1
    if (this.dataBytes > LONGEST) {
      this.data = [findLast(joinLines(this.data))]
      this.dataBytes = KEPT_END
      this.cut = true
    }
  }

  private onEvent(): void {
    const { stats: seen } = this
    const value = joinLines(this.data)
    this.data = []
    this.dataBytes = 0
    seen.events++
    if (this.cut) {
      this.cut = false
      seen.unparsed++
      seen.ended = false
      readTrailingUsage(findLast(value), seen)
      return
    }
    const { nonTextFacts, unparsed, deltas, textBytes } = seen
    const text = value.toString('utf8').trim()
    if (text === '[DONE]') {
      seen.ended = true
      return
    }
    try {
      readEvent(JSON.parse(text), seen)
    } catch {
      seen.unparsed++
      seen.ended = false
    }
    const plain =
      seen.deltas === deltas + 1 &&
      seen.nonTextFacts === nonTextFacts &&
      seen.unparsed === unparsed &&
      !seen.ended
    this.plainText = plain ? seen.textBytes - textBytes : -1
  }

  /** What goes on in the next piece. Pieces themselves are not held on to. */
  private keep(piece: Buffer, from: number): void {
    const size = piece.length - from
    if (this.lineBytes === 0) this.keepData()
    this.grow(this.lineBytes + size)
    piece.copy(this.line, this.lineBytes, from)
    this.lineBytes += size
    if (this.lineBytes <= LONGEST_LINE) return
    const line = this.line.subarray(0, this.lineBytes)
    const isDataLine = isData(line, 0)
    this.cut ||= isDataLine
    // Marked as what it was, so that it is still known for that when it ends.
    const end = Buffer.concat([isDataLine ? DATA_LINE : COMMENT_LINE, findLast(line)])
    this.line = end
    this.lineBytes = end.length
  }

  private keepData(): void {
    const { data } = this
    for (let i = 0; i < data.length; i++) data[i] = Buffer.from(data[i] as Buffer)
  }

  private grow(bytes: number): void {
    if (bytes <= this.line.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(256, bytes, this.line.length * 2))
    this.line.copy(larger, 0, 0, this.lineBytes)
    this.line = larger
  }

  private join(rest: Buffer): Buffer {
    const line = Buffer.concat([this.line.subarray(0, this.lineBytes), rest])
    this.lineBytes = 0
    // Of one that was very long, the room is given back.
    if (this.line.length > KEPT_END) this.line = NOTHING
    return line
  }
}

const DATA_LINE = Buffer.from('data:')
const COMMENT_LINE = Buffer.from(':')

/** A field without a colon has an empty value. */
function isData(line: Buffer, from: number): boolean {
  if (line[from] !== 0x64 || line.length < from + 4) return false
  const colon = line[from + 4]
  return (colon === undefined || colon === COLON) && DATA.equals(line.subarray(from, from + 4))
}

function lineEnd(piece: Buffer, from: number): number {
  for (let i = from; i < piece.length; i++) if (piece[i] === LF || piece[i] === CR) return i
  return -1
}

function joinLines(lines: readonly Buffer[]): Buffer {
  if (lines.length === 1) return lines[0] as Buffer
  return Buffer.concat(lines.flatMap((line, i) => (i === 0 ? [line] : [Buffer.from('\n'), line])))
}
