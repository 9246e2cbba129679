import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/** What the other side does when its bytes are through. */
export type Close = 'stays' | 'fin' | 'reset'

/**
 * A socket whose other side is in the same process. It keeps to what a connection's client relies on: Node pushes what
 * it has read until `push` returns false, and reads again after `_read`; an end is `push(null)` and then `read(0)`; a
 * reset destroys the socket, once it is read.
 */
export class MemorySocket extends Duplex {
  readonly written: Buffer[]
  /** What Node does next, one thing for each turn. */
  private readonly pieces: Buffer[]
  private closes: Close
  private isReading: boolean
  private hasClosed: boolean
  /** Null if what is written leaves at once. */
  private blocked: (() => void)[] | null

  constructor(pieces: readonly Buffer[] = [], closes: Close = 'stays') {
    super({ allowHalfOpen: false })
    this.written = []
    this.pieces = [...pieces]
    this.closes = closes
    this.isReading = true
    this.hasClosed = false
    this.blocked = null
    // As Node does for a connected socket.
    this.read(0)
  }

  /** As the clients see it. */
  get asSocket(): Socket {
    return this as unknown as Socket
  }

  override _read(): void {
    this.isReading = true
  }

  override _write(data: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written.push(data)
    if (this.blocked === null) done()
    else this.blocked.push(done)
  }

  /** The other side stops reading. */
  block(): void {
    this.blocked ??= []
  }

  /** The other side reads on. */
  unblock(): void {
    const { blocked } = this
    this.blocked = null
    for (const done of blocked ?? []) done()
  }

  /** What was written, in Latin-1. */
  get text(): string {
    return Buffer.concat(this.written).toString('latin1')
  }

  /** The other side sends more. */
  send(text: string): void {
    this.pieces.push(Buffer.from(text, 'latin1'))
  }

  /** The other side closes, behind what it has sent. */
  close(how: Close): void {
    this.closes = how
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  /** Does what one turn of the event loop does. @returns false if there is nothing to do, now or ever */
  step(): boolean {
    if (this.destroyed || !this.isReading) return false
    if (this.closes === 'reset' && this.pieces.length === 0) {
      this.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
      return true
    }
    const piece = this.pieces.shift()
    if (piece !== undefined) {
      this.isReading = this.push(piece)
      return true
    }
    if (this.closes !== 'fin' || this.hasClosed) return false
    this.hasClosed = true
    this.push(null)
    this.read(0)
    return true
  }
}
