import { readAnswer, readEvent, readUsage } from './meaning.js'
import { Sighting } from './sighting.js'
import { LONGEST_TEMPLATE, Template } from './template.js'

/**
 * Of an event that is longer, its end alone is kept: the usage stands there, behind an image or the whole answer
 * that the Responses API repeats.
 */
const LONGEST = 1024 * 1024
const KEPT_END = 16 * 1024

/** With room for what stands before a value, so that where a stream is cut does not decide what is too long. */
const LONGEST_LINE = LONGEST + 16

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const SPACE = 0x20
const BOM = Buffer.from([0xef, 0xbb, 0xbf])
const DATA = Buffer.from('data')
const USAGE = Buffer.from('"usage"')
const EVENT_END = Buffer.from('\n\n')
const NOTHING = Buffer.alloc(0)

/** Looks at an answer beside its way to the client. */
export interface Tap {
  readonly seen: Sighting
  push(piece: Buffer): void
  /** No more will come, be it whole or cut. May be called again. */
  end(): void
}

/**
 * Looks at an event stream while it passes (WHATWG HTML, 9.2.6), on bytes, however it is cut. O(n), and holds no more than
 * one event, of which no more than a megabyte. It never throws, whatever comes: what it does not understand is counted.
 */
export class EventScanner implements Tap {
  readonly seen: Sighting
  /** The line that is still coming: its bytes so far, and room for more. */
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
  /** Shapes of text events, the one that was matched last first. */
  private first: Template | null
  private second: Template | null
  /** Bytes of text of the event that was read last, if it said nothing else; -1 if it did. */
  private plainText: number

  constructor() {
    this.seen = new Sighting()
    this.line = NOTHING
    this.lineBytes = 0
    this.data = []
    this.dataBytes = 0
    this.cut = false
    this.afterCr = false
    this.atStart = true
    this.first = null
    this.second = null
    this.plainText = -1
  }

  push(piece: Buffer): void {
    const { length } = piece
    let at = 0
    if (this.afterCr && length > 0) {
      this.afterCr = false
      if (piece[0] === LF) at = 1
    }
    // JSON has none in it, so in most streams there is none at all.
    const hasCr = piece.includes(CR)
    let eventStart = -1
    if (this.data.length === 0 && !hasCr) {
      if (this.lineBytes > 0) at = this.matchAcross(piece, at)
      if (this.lineBytes === 0) eventStart = at
    }
    while (at < length) {
      if (at === eventStart) {
        const next = this.matchAt(piece, at)
        if (next !== -1) {
          at = next
          eventStart = next
          continue
        }
      }
      const end = hasCr ? lineEnd(piece, at) : piece.indexOf(LF, at)
      if (end === -1) {
        this.keep(piece.subarray(at))
        return
      }
      const line = this.lineBytes === 0 ? piece.subarray(at, end) : this.join(piece.subarray(at, end))
      const from = at
      at = end + 1
      if (piece[end] === CR) {
        if (at === length) this.afterCr = true
        else if (piece[at] === LF) at++
      }
      if (this.onLine(line)) {
        if (eventStart !== -1) this.learn(piece.subarray(eventStart, at))
        eventStart = hasCr ? -1 : at
      } else if (eventStart === from && this.data.length === 0) {
        // Other fields and comments say nothing, so that an event may as well begin behind them.
        eventStart = at
      }
    }
  }

  /** The stream is over: a last event counts also if no blank line came after it. */
  end(): void {
    if (this.lineBytes > 0) this.onLine(this.join(NOTHING))
    if (this.data.length > 0) this.onEvent()
  }

  private matchAt(piece: Buffer, at: number): number {
    const { first, second } = this
    if (first === null || piece[at] !== 0x64) return -1
    let next = this.matchOne(first, piece, at)
    if (next !== -1 || second === null) return next
    next = this.matchOne(second, piece, at)
    if (next !== -1) {
      this.first = second
      this.second = first
    }
    return next
  }

  private matchOne(template: Template, piece: Buffer, at: number): number {
    const next = template.match(piece, at)
    // The last model that is named counts, and this one names that of the event that it was made from.
    if (next === -1 || template.model !== this.seen.model) return -1
    this.onText(template.textBytes)
    return next
  }

  /**
   * An event of which the line so far is the beginning, and this piece has the rest. Most pieces end within an event, and
   * small pieces have few others.
   * @returns where to go on
   */
  private matchAcross(piece: Buffer, at: number): number {
    if (this.first === null || this.lineBytes > LONGEST_TEMPLATE) return at
    const blank = piece.indexOf(EVENT_END, at)
    const rest = blank + EVENT_END.length - at
    if (blank === -1 || rest > LONGEST_TEMPLATE) return at
    this.grow(this.lineBytes + rest)
    piece.copy(this.line, this.lineBytes, at, at + rest)
    const whole = this.lineBytes + rest
    if (this.matchAt(this.line, 0) !== whole) return at
    this.lineBytes = 0
    return at + rest
  }

  private onText(bytes: number): void {
    const { seen } = this
    seen.events++
    seen.ended = false
    seen.addDelta(bytes)
  }

  /** Takes the shape of an event that was parsed, if that was text and nothing but text. */
  private learn(block: Buffer): void {
    if (this.plainText === -1) return
    const template = Template.of(block, this.plainText, this.seen.model)
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
      this.data = [lastOf(joinLines(this.data))]
      this.dataBytes = KEPT_END
      this.cut = true
    }
  }

  private onEvent(): void {
    const { seen } = this
    const value = joinLines(this.data)
    this.data = []
    this.dataBytes = 0
    seen.events++
    if (this.cut) {
      this.cut = false
      seen.odd++
      seen.ended = false
      readLateUsage(lastOf(value), seen)
      return
    }
    const { told, odd, deltas, textBytes } = seen
    const text = value.toString('utf8').trim()
    if (text === '[DONE]') {
      seen.ended = true
      return
    }
    try {
      readEvent(JSON.parse(text), seen)
    } catch {
      seen.odd++
      seen.ended = false
    }
    const plain = seen.deltas === deltas + 1 && seen.told === told && seen.odd === odd && !seen.ended
    this.plainText = plain ? seen.textBytes - textBytes : -1
  }

  /** A line that goes on in the next piece. Pieces themselves are not held on to. */
  private keep(rest: Buffer): void {
    if (this.lineBytes === 0) {
      for (let i = 0; i < this.data.length; i++) this.data[i] = Buffer.from(this.data[i] as Buffer)
    }
    this.grow(this.lineBytes + rest.length)
    rest.copy(this.line, this.lineBytes)
    this.lineBytes += rest.length
    if (this.lineBytes <= LONGEST_LINE) return
    const line = this.line.subarray(0, this.lineBytes)
    const isDataLine = isData(line, 0)
    this.cut ||= isDataLine
    // Marked as what it was, so that it is still known for that when it ends.
    const end = Buffer.concat([isDataLine ? DATA_LINE : COMMENT_LINE, lastOf(line)])
    this.line = end
    this.lineBytes = end.length
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

function lastOf(bytes: Buffer): Buffer {
  return Buffer.from(bytes.subarray(Math.max(0, bytes.length - KEPT_END)))
}

/** Looks at a JSON answer while it passes. Keeps up to a megabyte of it, and of a longer one the end. */
export class AnswerScanner implements Tap {
  readonly seen: Sighting
  private parts: Buffer[]
  private bytes: number
  private cut: boolean

  constructor() {
    this.seen = new Sighting()
    this.parts = []
    this.bytes = 0
    this.cut = false
  }

  push(piece: Buffer): void {
    this.parts.push(piece)
    this.bytes += piece.length
    if (this.bytes <= LONGEST) return
    this.cut = true
    const end = lastOf(Buffer.concat(this.parts))
    this.parts = [end]
    this.bytes = end.length
  }

  end(): void {
    if (this.parts.length === 0) return
    const body = Buffer.concat(this.parts)
    this.parts = []
    const { seen } = this
    seen.events = 1
    if (this.cut) {
      seen.odd++
      readLateUsage(lastOf(body), seen)
      return
    }
    try {
      // DeepSeek sends blank lines ahead of it, to keep the connection busy.
      readAnswer(JSON.parse(body.toString('utf8')), seen)
    } catch {
      seen.odd++
    }
  }
}

/** Finds the last usage object in the end of an event whose beginning is gone. */
function readLateUsage(end: Buffer, seen: Sighting): void {
  const at = end.lastIndexOf(USAGE)
  const open = at === -1 ? -1 : end.indexOf('{', at)
  if (open === -1) return
  let depth = 0
  for (let i = open; i < end.length; i++) {
    if (end[i] === 0x7b) depth++
    else if (end[i] === 0x7d && --depth === 0) {
      try {
        readUsage(JSON.parse(end.toString('utf8', open, i + 1)), seen)
      } catch {
        // Not the object that it looked like.
      }
      return
    }
  }
}
