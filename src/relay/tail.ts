/**
 * The last bytes of a stream, kept by reference, to be looked at only if the client leaves before the upstream
 * has closed: had it already been told that the stream is over?
 */

/** What ends a stream before its connection does, in each dialect. */
const END_MARKS = [
  'data: [DONE]',
  'data:[DONE]',
  '"type":"message_stop"',
  '"type": "message_stop"',
  '"type":"response.completed"',
  '"type":"response.incomplete"',
  '"type":"response.failed"',
]

/**
 * Bytes that are looked back at. Every stream holds so many, so it is kept small: the last event of the Responses
 * API repeats the whole answer, and is not known for what it is once that is longer.
 */
const WINDOW = 2048

export class Tail {
  private pieces: Buffer[]
  private bytes: number

  constructor() {
    this.pieces = []
    this.bytes = 0
  }

  /** O(1) for each piece, and no copy. */
  push(piece: Buffer): void {
    this.pieces.push(piece)
    this.bytes += piece.length
    let first = this.pieces[0]
    while (first !== undefined && this.bytes - first.length >= WINDOW) {
      this.bytes -= first.length
      this.pieces.shift()
      first = this.pieces[0]
    }
  }

  /** Whether the last whole event is one that ends a stream. */
  get ended(): boolean {
    const text = Buffer.concat(this.pieces).toString('latin1').trimEnd()
    const lastEvent = text.slice(Math.max(text.lastIndexOf('\n\n'), text.lastIndexOf('\r\n\r\n')) + 1)
    return END_MARKS.some((mark) => lastEvent.includes(mark))
  }
}
