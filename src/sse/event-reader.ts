import { PartialBuffer } from '../lib/partial-buffer.js'

/** Takes what an `EventReader` reads, in its order. */
export interface EventHandler {
  /** @param name of its `event` line; '' without one @param data its `data` lines; '' without any */
  takeEvent(name: string, data: string): void
  /** A comment line, which may stand anywhere, also within an event. @param text all of it, with its colon */
  takeComment(text: string): void
}

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const SPACE = 0x20
const BOM = Buffer.from([0xef, 0xbb, 0xbf])
const DATA = Buffer.from('data')
const EVENT = Buffer.from('event')
const NOTHING = Buffer.alloc(0)

/**
 * Reads an event stream (WHATWG HTML, 9.2.6) from its bytes, cut anywhere: an event is given out with the last byte of its
 * blank line. O(n), and holds one event.
 */
export class EventReader {
  private readonly taker: EventHandler
  /** The line that is still coming. */
  private readonly held: PartialBuffer
  private name: string
  /** Null before the event has a `data` line. */
  private data: string | null
  /** Of the lines that the event has so far. */
  private bytes: number
  /** The last piece ended with CR, and an LF that comes first belongs to it. */
  private afterCr: boolean
  private atStart: boolean
  private over: boolean

  constructor(taker: EventHandler) {
    this.taker = taker
    this.held = new PartialBuffer()
    this.name = ''
    this.data = null
    this.bytes = 0
    this.afterCr = false
    this.atStart = true
    this.over = false
  }

  /** What there is of the event that is still coming. */
  get bytesHeld(): number {
    return this.bytes + this.held.bytes
  }

  push(piece: Buffer): void {
    const { length } = piece
    if (length === 0) return
    let start = this.afterCr && piece[0] === LF ? 1 : 0
    this.afterCr = false
    let lf = piece.indexOf(LF, start)
    let cr = piece.indexOf(CR, start)
    while (lf !== -1 || cr !== -1) {
      const end = cr === -1 || (lf !== -1 && lf < cr) ? lf : cr
      this.endLine(piece, start, end)
      start = end + 1
      if (end === cr) {
        if (start === length) this.afterCr = true
        else if (piece[start] === LF) start++
        cr = piece.indexOf(CR, start)
      }
      if (lf !== -1 && lf < start) lf = piece.indexOf(LF, start)
    }
    if (start < length) this.held.add(piece, start)
  }

  /** No more comes: gives out an event that lacks nothing but its blank line, or the end of its last line (Azure's). */
  end(): void {
    if (this.over) return
    if (this.held.bytes > 0) this.endLine(NOTHING, 0, 0)
    this.endEvent()
    this.over = true
  }

  private endLine(piece: Buffer, start: number, end: number): void {
    if (this.held.bytes === 0) {
      this.readLine(piece, start, end)
      return
    }
    this.held.add(piece.subarray(start, end))
    const line = this.held.take()
    this.readLine(line, 0, line.length)
  }

  private readLine(line: Buffer, from: number, end: number): void {
    let start = from
    if (this.atStart) {
      this.atStart = false
      if (startsWith(line, start, end, BOM)) start += BOM.length
    }
    if (start === end) {
      this.endEvent()
      return
    }
    if (line[start] === COLON) {
      this.taker.takeComment(line.toString('utf8', start, end))
      return
    }
    this.bytes += end - start
    if (startsField(line, start, end, DATA)) {
      const value = valueAfter(line, start + DATA.length, end)
      this.data = this.data === null ? value : `${this.data}\n${value}`
    } else if (startsField(line, start, end, EVENT)) this.name = valueAfter(line, start + EVENT.length, end)
  }

  private endEvent(): void {
    const { name, data } = this
    this.bytes = 0
    if (name === '' && data === null) return
    this.name = ''
    this.data = null
    this.taker.takeEvent(name, data ?? '')
  }
}

/** A line that has no colon is a field without a value. */
function startsField(line: Buffer, start: number, end: number, name: Buffer): boolean {
  const colon = start + name.length
  return startsWith(line, start, end, name) && (colon === end || line[colon] === COLON)
}

function startsWith(line: Buffer, start: number, end: number, bytes: Buffer): boolean {
  const { length } = bytes
  if (end - start < length) return false
  for (let i = 0; i < length; i++) if (line[start + i] !== bytes[i]) return false
  return true
}

function valueAfter(line: Buffer, colon: number, end: number): string {
  if (colon >= end) return ''
  return line.toString('utf8', line[colon + 1] === SPACE ? colon + 2 : colon + 1, end)
}
