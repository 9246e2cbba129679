import type { ServerResponse } from 'node:http'
import type { Exchange } from '../exchange/exchange.js'
import type { RawBodyReader, RawSocket } from '../upstream/raw-socket.js'
import { ChunkWalker } from './chunk-walker.js'
import type { ClientWriter } from './client-writer.js'
import type { ChunkObserver } from './response-sink.js'
import { writeHeadAlone, writeHeadAndFirstChunk } from './write-chunk.js'

/** The end of a chunked body, where it has no trailers (RFC 9112, 7.1). */
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

/**
 * Passes a chunked body from the upstream's socket to the client's socket unchanged: no parser copies it, and the
 * client gets the chunks that the upstream made. Bytes that are not a plain chunk are left to the parser, with all
 * bytes after them: the last chunk and its trailers in any case.
 */
export class ChunkPassthrough implements RawBodyReader {
  private readonly exchange: Exchange
  private readonly res: ServerResponse
  private readonly rawSocket: RawSocket
  private readonly writer: ClientWriter
  private readonly observer: ChunkObserver
  private readonly walker: ChunkWalker
  /** The beginning of a size line, until the rest of it arrives. */
  private carried: Buffer | null
  /** The head was handed to the client's socket. */
  private isHeadSent: boolean
  /** The parser reads the socket again. */
  private isOver: boolean

  /**
   * Starts the passthrough. Called within `onHeaders`, after the `writeHead` of the client's response.
   * @returns null if the body cannot pass: it is not chunked, or the client is HTTP/1.0, or it is not the response's
   * turn yet (pipelining)
   */
  static open(writer: ClientWriter, observer: ChunkObserver, rawSocket: RawSocket): ChunkPassthrough | null {
    const { res } = writer.exchange
    return res.chunkedEncoding && res.socket !== null
      ? new ChunkPassthrough(writer, rawSocket, observer)
      : null
  }

  private constructor(writer: ClientWriter, rawSocket: RawSocket, observer: ChunkObserver) {
    this.exchange = writer.exchange
    this.res = writer.exchange.res
    this.rawSocket = rawSocket
    this.writer = writer
    this.observer = observer
    this.walker = new ChunkWalker()
    this.carried = null
    this.isHeadSent = false
    this.isOver = false
    rawSocket.take(this)
    this.res.chunkedEncoding = false
  }

  onWire(read: Buffer): boolean {
    const { exchange, walker } = this
    const bytes = this.carried === null ? read : Buffer.concat([this.carried, read])
    const passed = walker.walk(bytes)
    this.carried = null
    exchange.countChunk()
    this.observer.countRead()
    exchange.countBytesOut(walker.dataBytes)
    const rest = passed === bytes.length ? null : bytes.subarray(passed)
    if (rest !== null && walker.end === 'other' && LAST_CHUNK.equals(rest))
      return this.passLast(bytes, passed, rest)
    const more = this.pass(bytes, passed)
    this.markHead()
    this.showData(bytes)
    if (rest === null) return more
    switch (walker.end) {
      case 'partial':
        this.carried = Buffer.from(rest)
        return more
      case 'broken':
        this.rawSocket.fail(Object.assign(new Error('a chunk has no line end'), { code: 'HPE_STRICT' }))
        return false
      default:
        return this.giveBack(rest)
    }
  }

  /** Sends the head without a body, if it has not been sent. */
  sendHead(): void {
    if (this.isHeadSent) return
    this.isHeadSent = true
    writeHeadAlone(this.res)
  }

  /** Reads on: the client's buffer has room again. */
  resume(): void {
    if (!this.isOver) this.rawSocket.goOn()
  }

  /** Sends the last data together with the end of the body. The observer sees it afterwards. */
  private passLast(bytes: Buffer, passed: number, rest: Buffer): boolean {
    const { socket } = this.res
    socket?.cork()
    this.pass(bytes, passed)
    const more = this.giveBack(rest)
    socket?.uncork()
    this.markHead()
    this.showData(bytes)
    return more
  }

  /** Writes bytes to the client, if it is there. @returns false if the client's buffer is full */
  private pass(bytes: Buffer, length: number): boolean {
    const { socket } = this.res
    if (!this.writer.isOpen || length === 0 || socket === null) return !this.writer.isBlocked
    const passed = length === bytes.length ? bytes : bytes.subarray(0, length)
    const more = this.isHeadSent ? socket.write(passed) : writeHeadAndFirstChunk(this.res, passed)
    this.isHeadSent = true
    if (more) return true
    this.writer.waitForDrain()
    return false
  }

  /** Notes when the head was handed to the client's socket. */
  private markHead(): void {
    const { exchange } = this
    if (this.isHeadSent && exchange.timeline.headMs === null) exchange.markHeadSent(performance.now())
  }

  /** Shows the observer the data of the bytes that were walked last. */
  private showData(bytes: Buffer): void {
    if (!this.writer.hasClients) return
    const { data } = this.walker
    for (let i = 0; i < data.length; i += 2) this.observer.observe(bytes.subarray(data[i], data[i + 1]))
  }

  /** Gives the socket back to the parser. @param rest bytes that were read and not passed */
  private giveBack(rest: Buffer): boolean {
    this.isOver = true
    // The parser removes the chunk framing, so Node has to add its own.
    this.res.chunkedEncoding = true
    return this.rawSocket.giveBack(rest)
  }
}
