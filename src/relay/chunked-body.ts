import type { RawBodyReader, RawSocket } from '../upstream/raw-socket.js'
import { ChunkWalker } from './chunk-walker.js'
import type { ResponsePipeline } from './response-pipeline.js'

/**
 * Reads a chunked body at the upstream's socket for a pipeline that changes it, in place of the parser, which
 * hands over each chunk by itself. The data of one read goes to the pipeline at once, so that its translation leaves in
 * one write. Bytes that are not a plain chunk are left to the parser, with all bytes after them: the last chunk and
 * its trailers in any case.
 */
export class ChunkedBody implements RawBodyReader {
  private readonly pipeline: ResponsePipeline
  private readonly rawSocket: RawSocket
  private readonly walker: ChunkWalker
  /** The beginning of a size line, until the rest of it arrives. */
  private carried: Buffer | null
  /** The parser reads the socket again. */
  private isOver: boolean

  /** Starts to read. Called within `onHeaders`. */
  constructor(pipeline: ResponsePipeline, rawSocket: RawSocket) {
    this.pipeline = pipeline
    this.rawSocket = rawSocket
    this.walker = new ChunkWalker()
    this.carried = null
    this.isOver = false
    rawSocket.take(this)
  }

  onWire(read: Buffer): boolean {
    const { walker } = this
    const bytes = this.carried === null ? read : Buffer.concat([this.carried, read])
    this.carried = null
    const passed = walker.walk(bytes)
    if (passed === bytes.length) return this.handOver(bytes)
    const rest = bytes.subarray(passed)
    switch (walker.end) {
      case 'partial':
        this.carried = Buffer.from(rest)
        return this.handOver(bytes)
      case 'broken':
        this.handOver(bytes)
        this.rawSocket.fail(Object.assign(new Error('a chunk has no line end'), { code: 'HPE_STRICT' }))
        return false
      default:
        return this.giveBack(bytes, rest)
    }
  }

  /** Reads on: the client's buffer has room again. */
  resume(): void {
    if (!this.isOver) this.rawSocket.goOn()
  }

  /** Gives the socket back to the parser. The last data leaves together with the end of the body. */
  private giveBack(bytes: Buffer, rest: Buffer): boolean {
    this.isOver = true
    const { socket } = this.pipeline.exchange.res
    socket?.cork()
    this.handOver(bytes)
    const more = this.rawSocket.giveBack(rest)
    socket?.uncork()
    return more
  }

  /** Hands the data of the bytes that were walked last to the pipeline. @returns false if the upstream has to wait */
  private handOver(bytes: Buffer): boolean {
    const { data } = this.walker
    const [start, end] = data
    // A size line alone.
    if (start === undefined) return !this.pipeline.isBlocked
    if (data.length === 2) return this.pipeline.onData(bytes.subarray(start, end))
    const parts: Buffer[] = []
    for (let i = 0; i < data.length; i += 2) parts.push(bytes.subarray(data[i], data[i + 1]))
    return this.pipeline.onData(Buffer.concat(parts))
  }
}
