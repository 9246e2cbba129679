import type { ServerResponse } from 'node:http'
import type { Exchange } from '../exchange/exchange.js'
import type { RawBodyReader, TappedSocket } from '../upstream/connector.js'
import { ChunkWalker } from './chunk-walker.js'
import type { ClientWriter } from './client-writer.js'
import type { ChunkObserver } from './response-sink.js'
import { writeHeadAndFirstChunk } from './write-head.js'

/** The end of a chunked body, where it has no trailers (RFC 9112, 7.1). */
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

/**
 * A chunked body on its way from the upstream's wire to the client's connection, as it is: no parser copies it, and the
 * client gets the chunks that the upstream made. What is not a plain chunk is left to undici, with all that comes behind
 * it: the end and its trailers in any case.
 */
export class ChunkPassthrough implements RawBodyReader {
  private readonly exchange: Exchange
  private readonly res: ServerResponse
  private readonly rawSocket: TappedSocket
  private readonly writer: ClientWriter
  private readonly observer: ChunkObserver
  private readonly walker: ChunkWalker
  /** The beginning of a size line, until the rest of it comes. */
  private carried: Buffer | null
  /** The head was handed to the client's connection. */
  private begun: boolean
  /** undici has the wire again. */
  private over: boolean

  /**
   * To be called when undici tells of an answer's head, and Node has made the client's.
   * @returns null if the body cannot pass as it is: it has no chunks, or the client takes none (HTTP/1.0), or it is not
   * the client's turn yet (pipelining)
   */
  static open(
    writer: ClientWriter,
    observer: ChunkObserver,
    rawSocket: TappedSocket,
  ): ChunkPassthrough | null {
    const { res } = writer.exchange
    return res.chunkedEncoding && res.socket !== null
      ? new ChunkPassthrough(writer, rawSocket, observer)
      : null
  }

  private constructor(writer: ClientWriter, rawSocket: TappedSocket, observer: ChunkObserver) {
    this.exchange = writer.exchange
    this.res = writer.exchange.res
    this.rawSocket = rawSocket
    this.writer = writer
    this.observer = observer
    this.walker = new ChunkWalker()
    this.carried = null
    this.begun = false
    this.over = false
    rawSocket.take(this)
    this.res.chunkedEncoding = false
  }

  onWire(piece: Buffer): boolean {
    const { exchange, walker } = this
    const bytes = this.carried === null ? piece : Buffer.concat([this.carried, piece])
    const passed = walker.walk(bytes)
    this.carried = null
    exchange.countChunk()
    this.observer.countRead()
    exchange.countBytesOut(walker.dataBytes)
    const rest = passed === bytes.length ? null : bytes.subarray(passed)
    if (rest !== null && LAST_CHUNK.equals(rest)) return this.passLast(bytes, passed, rest)
    const more = this.pass(bytes, passed)
    this.look(bytes)
    if (rest === null) return more
    switch (walker.end) {
      case 'partial':
        this.carried = Buffer.from(rest)
        return more
      case 'broken':
        this.rawSocket.fail(Object.assign(new Error('no line end behind a chunk'), { code: 'HPE_STRICT' }))
        return false
      default:
        return this.giveBack(rest)
    }
  }

  /** Sends the head with nothing behind it, if it has not been sent. */
  sendHead(): void {
    if (this.begun) return
    this.begun = true
    this.res.flushHeaders()
  }

  /** There is room for more. */
  resume(): void {
    if (!this.over) this.rawSocket.goOn()
  }

  /** The last of the data leaves together with the end, and is looked at when it has. */
  private passLast(bytes: Buffer, passed: number, rest: Buffer): boolean {
    const { socket } = this.res
    socket?.cork()
    this.pass(bytes, passed)
    const more = this.giveBack(rest)
    socket?.uncork()
    this.look(bytes)
    return more
  }

  /** Hands bytes to the client, if it is there. @returns whether there may be more */
  private pass(bytes: Buffer, length: number): boolean {
    const { socket } = this.res
    if (!this.writer.isOpen || length === 0 || socket === null) return !this.writer.isBlocked
    const piece = length === bytes.length ? bytes : bytes.subarray(0, length)
    const more = this.begun ? socket.write(piece) : writeHeadAndFirstChunk(this.res, piece)
    this.begun = true
    if (more) return true
    this.writer.waitForDrain()
    return false
  }

  /** Shows the observer the data of the bytes that were walked last. */
  private look(bytes: Buffer): void {
    if (!this.writer.hasClients) return
    const { data } = this.walker
    for (let i = 0; i < data.length; i += 2) this.observer.observe(bytes.subarray(data[i], data[i + 1]))
  }

  private giveBack(rest: Buffer): boolean {
    this.over = true
    // What undici reads is framed by Node.
    this.res.chunkedEncoding = true
    return this.rawSocket.giveBack(rest)
  }
}
