import { EMPTY } from '../../lib/bytes.js'
import { PartialBuffer } from '../../lib/partial-buffer.js'
import type { DispatchHandler } from '../dispatch-handler.js'
import { keepOddReason } from '../odd-reasons.js'
import { offerRawSocket, type RawBodyReader, type RawSocket, type WireFilter } from '../raw-socket.js'
import { ChunkedDecoder } from './chunked-decoder.js'
import { createError } from './errors.js'
import { BROKEN, HeadScan, MORE } from './head-scan.js'
import type { Http1Connection } from './http1-connection.js'
import { type ParsedHead, parseResponseHead } from './response-head.js'

const HEAD_END = Buffer.from('\r\n\r\n')

/**
 * Reads the responses of a connection, one after the other, and hands each to its handler. The head is parsed in one
 * step, and body bytes are handed on as they lie in the socket's buffer. What is not exactly HTTP breaks the
 * connection.
 *
 * `head` > `length`, `chunked` or `close` > `done`. While the handler is paused, what comes is held, and so is the end.
 */
export class ResponseReader implements RawSocket {
  /** Null if no response is waited for. */
  handler: DispatchHandler | null
  /** Of the response whose head has come; null before. */
  response: ParsedHead | null
  private readonly connection: Http1Connection
  private readonly maxHeaderSize: number
  private method: string
  private reading: 'head' | 'length' | 'chunked' | 'close' | 'done'
  /** The beginning of a head, and how far it goes; null between heads. */
  private scan: HeadScan | null
  private readonly heldHead: PartialBuffer
  /** Bytes of a body with a length that are missing. */
  private left: number
  private chunks: ChunkedDecoder | null
  private reader: RawBodyReader | null
  private filter: WireFilter | null
  private isPaused: boolean
  /** Data that came while it was paused, or that is left of the last. */
  private heldBody: Buffer | null
  /** The upstream has ended the connection while it was paused. */
  private heldEnd: boolean
  private readonly resume: () => void

  constructor(connection: Http1Connection, maxHeaderSize: number) {
    this.handler = null
    this.response = null
    this.connection = connection
    this.maxHeaderSize = maxHeaderSize
    this.method = ''
    this.reading = 'head'
    this.scan = null
    this.heldHead = new PartialBuffer()
    this.left = 0
    this.chunks = null
    this.reader = null
    this.filter = null
    this.isPaused = false
    this.heldBody = null
    this.heldEnd = false
    this.resume = () => this.onResume()
  }

  /** Waits for the response to a request. */
  begin(handler: DispatchHandler, method: string): void {
    this.handler = handler
    this.method = method
    this.reading = 'head'
  }

  /** Forgets the response, complete or not. @returns its handler */
  end(): DispatchHandler | null {
    const { handler } = this
    this.handler = null
    this.response = null
    if (this.scan !== null) this.dropHead()
    this.chunks = null
    this.reader = null
    this.filter = null
    this.isPaused = false
    this.heldBody = null
    this.heldEnd = false
    return handler
  }

  /** @returns false to stop reading */
  read(data: Buffer): boolean {
    if (!this.isPaused) return this.reading === 'head' ? this.readHead(data) : this.readBody(data)
    this.heldBody = this.heldBody === null ? data : Buffer.concat([this.heldBody, data])
    return false
  }

  /** The upstream has ended the connection. */
  onEnd(): void {
    const { handler, response, reading, connection } = this
    if (this.isPaused) this.heldEnd = true
    else if (handler === null || response === null) connection.fail(createClosed())
    else if (reading === 'close') connection.onComplete(false)
    // The codes are undici's, which tells an end that was announced from one that was not.
    else if (response.keepsAlive) connection.fail(createClosed())
    else if (reading === 'length')
      this.break('UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'the response is shorter than its content-length')
    else this.break('HPE_INVALID_EOF_STATE', 'the response ended in the middle of its chunks')
  }

  // The head

  private readHead(data: Buffer): boolean {
    if (this.scan !== null) return this.readHeldHead(this.scan, data)
    for (let bytes = data; ; ) {
      const end = bytes.indexOf(HEAD_END)
      if (end === -1) return this.readHeldHead(new HeadScan(false), bytes)
      if (end > this.maxHeaderSize) return this.refuse('UND_ERR_HEADERS_OVERFLOW')
      const parsed = this.parseHead(bytes.toString('latin1', 0, end + 2))
      if (parsed === null) return false
      const rest = bytes.subarray(end + HEAD_END.length)
      if (parsed.status >= 200) return this.start(parsed, rest)
      if (rest.length === 0) return true
      bytes = rest
    }
  }

  /** Reads a head that comes in several reads. */
  private readHeldHead(scan: HeadScan, data: Buffer): boolean {
    const { heldHead, maxHeaderSize } = this
    const end = scan.read(data, 0)
    if (end === BROKEN) return this.refuse(scan.fault)
    if (scan.bytes > maxHeaderSize + HEAD_END.length) return this.refuse('UND_ERR_HEADERS_OVERFLOW')
    if (end === MORE) {
      heldHead.add(data)
      this.scan = scan
      return true
    }
    heldHead.add(data.subarray(0, end))
    const head = heldHead.beginning(heldHead.bytes - 2)
    this.dropHead()
    const rest = data.subarray(end)
    const parsed = this.parseHead(head)
    if (parsed === null) return false
    if (parsed.status >= 200) return this.start(parsed, rest)
    return rest.length === 0 || this.readHead(rest)
  }

  private dropHead(): void {
    this.scan = null
    this.heldHead.clear()
  }

  /** @returns null if it cannot be the head of a response */
  private parseHead(text: string): ParsedHead | null {
    const parsed = parseResponseHead(text)
    if (typeof parsed === 'string') this.refuse(parsed)
    // 101 was not asked for. The other interim responses are no use to a client of the relay, and old ones do not know
    // them.
    else if (parsed.status === 101 || parsed.status < 100) this.break('UND_ERR_SOCKET', 'bad upgrade')
    // Nothing may follow it. Old servers send a 100 of HTTP/1.0 all the same.
    else if (parsed.status < 200 && parsed.status !== 100 && !parsed.keepsAlive)
      this.refuse('HPE_CLOSED_CONNECTION')
    else return parsed
    return null
  }

  private start(response: ParsedHead, rest: Buffer): boolean {
    const { handler } = this
    if (handler === null) return false
    const { status, framing } = response
    // Such a response ends with its head, whatever that says of a length (RFC 9112, 6.3).
    const isBodiless = this.method === 'HEAD' || status === 204 || status === 304
    this.response = response
    this.reading = isBodiless ? 'length' : framing
    this.left = isBodiless ? 0 : response.length
    if (this.reading === 'chunked') this.chunks = new ChunkedDecoder()
    offerRawSocket(response.isPlainlyChunked && !isBodiless ? this : null)
    let more = true
    try {
      more = handler.onHeaders(status, response.headers, this.resume, decodeReason(response))
    } catch (error) {
      this.connection.abort(handler, error as Error)
    } finally {
      offerRawSocket(null)
    }
    if (this.handler !== handler) return false
    this.isPaused = !more
    if (this.reading === 'length' && this.left === 0) return this.complete(rest)
    if (rest.length === 0) return more
    if (more) return this.readBody(rest)
    this.heldBody = rest
    return false
  }

  // The body

  private readBody(data: Buffer): boolean {
    switch (this.reading) {
      case 'length':
        return this.readLength(data)
      case 'chunked':
        if (this.reader !== null) return this.passToReader(this.reader, data)
        return this.filter === null ? this.readChunks(data) : this.readFiltered(this.filter, data)
      case 'close':
        return this.handOver(data)
      default:
        return this.complete(data)
    }
  }

  private readLength(data: Buffer): boolean {
    const { left, handler } = this
    if (data.length < left) {
      this.left = left - data.length
      return this.handOver(data)
    }
    this.left = 0
    const isExact = data.length === left
    this.handOver(isExact ? data : data.subarray(0, left))
    return this.handler === handler && this.complete(isExact ? null : data.subarray(left))
  }

  private readChunks(data: Buffer): boolean {
    const { chunks, handler } = this
    if (chunks === null) return false
    for (let at = 0; ; ) {
      switch (chunks.next(data, at)) {
        case 'data':
          at = chunks.end
          if (this.handOver(data.subarray(chunks.start, at))) break
          if (this.handler === handler && at < data.length) this.heldBody = data.subarray(at)
          return false
        case 'more':
          return true
        case 'end':
          return this.complete(chunks.end === data.length ? null : data.subarray(chunks.end))
        default:
          return this.refuse(chunks.fault)
      }
    }
  }

  /** @returns false if the handler is paused, or has ended the request */
  private handOver(data: Buffer): boolean {
    const { handler } = this
    if (handler === null) return false
    let more = false
    try {
      more = handler.onData(data)
    } catch (error) {
      this.connection.abort(handler, error as Error)
    }
    if (this.handler !== handler) return false
    this.isPaused = !more
    return more
  }

  /**
   * The response is complete.
   * @param rest what has come behind it, although nobody has asked for it: the connection is not used again
   */
  private complete(rest: Buffer | null): boolean {
    this.reading = 'done'
    if (!this.isPaused)
      return this.connection.onComplete((rest === null || rest.length === 0) && !this.heldEnd)
    this.heldBody = rest ?? EMPTY
    return false
  }

  private onResume(): void {
    const { handler, heldBody } = this
    if (!this.isPaused || handler === null) return
    this.isPaused = false
    this.heldBody = null
    if (heldBody !== null && !this.readBody(heldBody) && (this.isPaused || this.handler !== handler)) return
    if (this.heldEnd) this.onEnd()
    else this.connection.readOn()
  }

  // Chunks that are read with their framing

  take(reader: RawBodyReader): void {
    this.reader = reader
  }

  filterWith(filter: WireFilter): void {
    this.filter = filter
  }

  giveBack(rest: Buffer): boolean {
    this.reader = null
    return this.readChunks(rest)
  }

  passOn(held: Buffer, from: RawBodyReader): boolean {
    if (this.reader === from) this.reader = null
    if (this.handler === null) return true
    return this.reader === null ? this.readChunks(held) : this.reader.onWire(held)
  }

  goOn(): void {
    this.connection.readOn()
  }

  fail(error: Error): void {
    this.connection.fail(error)
  }

  private passToReader(reader: RawBodyReader, data: Buffer): boolean {
    const passed = this.filter === null ? data : this.filter.push(data)
    return passed.length === 0 || reader.onWire(passed)
  }

  /** The reader has given the connection back: what the filter has held of the data before comes first. */
  private readFiltered(filter: WireFilter, data: Buffer): boolean {
    this.filter = null
    const held = filter.end()
    return this.readChunks(held.length === 0 ? data : Buffer.concat([held, data]))
  }

  // Faults

  private refuse(code: string): boolean {
    return this.break(code, 'the response does not match the HTTP/1.1 protocol')
  }

  private break(code: string, message: string): boolean {
    this.connection.fail(createError(message, code))
    return false
  }
}

function createClosed(): Error {
  return createError('other side closed', 'UND_ERR_SOCKET')
}

/** As undici decodes it: `keepOddReason` has the bytes of one that is no UTF-8. */
function decodeReason({ reason, status }: ParsedHead): string {
  if (!/[^\0-\x7f]/.test(reason)) return reason
  keepOddReason(Buffer.from(`HTTP/1.1 ${status} ${reason}\r`, 'latin1'))
  return Buffer.from(reason, 'latin1').toString()
}
