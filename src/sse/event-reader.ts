import { PartialBuffer } from '../lib/partial-buffer.js'
import { DATA, EVENT, findValue, isComment, isField, skipByteOrderMark } from './fields.js'
import { LineFinder } from './line-finder.js'

/** Receives the events and comments that an `EventReader` reads, in the order of the stream. */
export interface EventHandler {
  /**
   * @param name value of the `event` field; '' without one
   * @param data values of the `data` fields, joined with LF; '' without any
   */
  takeEvent(name: string, data: string): void
  /** A comment may stand anywhere, also within an event. @param text the whole line, with its colon */
  takeComment(text: string): void
}

/**
 * Reads an event stream (WHATWG HTML, 9.2.6) from bytes that may be cut anywhere. An event is given out with the last
 * byte of its blank line. It takes O(n) and holds one event. `id` and `retry` are ignored.
 */
export class EventReader {
  private readonly handler: EventHandler
  private readonly lines: LineFinder
  /** The line that is not complete yet. */
  private readonly partialLine: PartialBuffer
  private name: string
  /** Null until the event has a `data` line. */
  private data: string | null
  /** Bytes of the complete lines of the event, without comments. */
  private completeBytes: number
  private isFirstLine: boolean
  private isEnded: boolean

  constructor(handler: EventHandler) {
    this.handler = handler
    this.lines = new LineFinder()
    this.partialLine = new PartialBuffer()
    this.name = ''
    this.data = null
    this.completeBytes = 0
    this.isFirstLine = true
    this.isEnded = false
  }

  /** Bytes of the event that is not complete yet, for a limit on them. */
  get bytesHeld(): number {
    return this.completeBytes + this.partialLine.bytes
  }

  /** Whether an event begins with the next chunk. If that chunk ends with a blank line, it may be left out here. */
  get isBetweenEvents(): boolean {
    return this.bytesHeld === 0 && !this.lines.isAfterCarriageReturn
  }

  push(chunk: Buffer): void {
    const { lines } = this
    let start = lines.startChunk(chunk)
    for (let end = lines.findLineEnd(chunk, start); end !== -1; end = lines.findLineEnd(chunk, start)) {
      this.endLine(chunk, start, end)
      start = lines.nextLine
    }
    if (start < chunk.length) this.partialLine.add(chunk, start)
  }

  /** The stream is over. Gives out a last event without its blank line or its last line end, as Azure sends it. */
  end(): void {
    if (this.isEnded) return
    this.isEnded = true
    if (this.partialLine.bytes > 0) this.readPartialLine()
    this.endEvent()
  }

  private endLine(chunk: Buffer, start: number, end: number): void {
    if (this.partialLine.bytes === 0) {
      this.readLine(chunk, start, end)
      return
    }
    this.partialLine.add(chunk.subarray(start, end))
    this.readPartialLine()
  }

  private readPartialLine(): void {
    const line = this.partialLine.take()
    this.readLine(line, 0, line.length)
  }

  private readLine(line: Buffer, from: number, end: number): void {
    let start = from
    if (this.isFirstLine) {
      this.isFirstLine = false
      start = skipByteOrderMark(line, start, end)
    }
    if (start === end) {
      this.endEvent()
      return
    }
    if (isComment(line, start, end)) {
      this.handler.takeComment(line.toString('utf8', start, end))
      return
    }
    this.completeBytes += end - start
    if (isField(line, start, end, DATA)) {
      const value = line.toString('utf8', findValue(line, start, end, DATA), end)
      this.data = this.data === null ? value : `${this.data}\n${value}`
    } else if (isField(line, start, end, EVENT)) {
      this.name = line.toString('utf8', findValue(line, start, end, EVENT), end)
    }
  }

  private endEvent(): void {
    const { name, data } = this
    this.completeBytes = 0
    if (name === '' && data === null) return
    this.name = ''
    this.data = null
    this.handler.takeEvent(name, data ?? '')
  }
}
