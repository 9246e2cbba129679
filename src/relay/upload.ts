import type { BodyUpload, BodyWriter } from '../lib/body-upload.js'
import { JoinedPieces } from '../lib/joined-pieces.js'

/**
 * A body that is written to the upstream while it arrives. Data of one turn of the event loop is written at the end
 * of that turn: a fast client costs fewer writes, and a local upstream is not woken for each buffer.
 */
export class Upload implements BodyUpload {
  readonly resume: () => void
  private readonly queue: JoinedPieces
  private isEnded: boolean
  private isGathering: boolean
  /** Our own client's; undici's iterates. */
  private writer: BodyWriter | null
  /** The writer has no room. */
  private isBlocked: boolean
  private wake: ((result: IteratorResult<Buffer>) => void) | null

  constructor(pieces: readonly Buffer[]) {
    this.queue = new JoinedPieces(pieces)
    this.isEnded = false
    this.isGathering = false
    this.writer = null
    this.isBlocked = false
    this.wake = null
    this.resume = () => {
      this.isBlocked = false
      this.flush()
    }
  }

  /** The upstream's client has taken all of the body. Whether the socket has sent it cannot be known. */
  get written(): boolean {
    return this.isEnded && this.queue.list.length === 0
  }

  /** Adds data to the upload. */
  push(data: Buffer): void {
    this.queue.add(data)
    if (this.isGathering || (this.wake === null && this.writer === null)) return
    this.isGathering = true
    setImmediate(flush, this)
  }

  /** Ends the upload, complete or not: a client fails if its bytes are not as many as `content-length` says. */
  end(): void {
    this.isEnded = true
    this.flush()
  }

  /** Hands over what is there. */
  flush(): void {
    this.isGathering = false
    if (this.writer !== null) this.write(this.writer)
    const { wake } = this
    if (wake === null || (this.queue.list.length === 0 && !this.isEnded)) return
    this.wake = null
    wake(this.take())
  }

  sendTo(writer: BodyWriter): void {
    this.writer = writer
    this.flush()
  }

  private write(writer: BodyWriter): void {
    const { list } = this.queue
    while (!this.isBlocked && list.length > 0) this.isBlocked = !writer.write(list.shift() as Buffer)
    if (!this.isEnded || list.length > 0) return
    this.writer = null
    writer.end()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Buffer>> {
    if (this.queue.list.length > 0 || this.isEnded) return Promise.resolve(this.take())
    return new Promise((resolve) => {
      this.wake = resolve
    })
  }

  private take(): IteratorResult<Buffer> {
    const value = this.queue.list.shift()
    return value === undefined ? { value, done: true } : { value, done: false }
  }
}

function flush(upload: Upload): void {
  upload.flush()
}
