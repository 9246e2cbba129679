import type { Socket } from 'node:net'
import { describeLoss } from '../connection-loss.js'
import { keepOddReason } from '../odd-reasons.js'
import { offerRawSocket, type RawBodyReader, type RawSocket, type WireFilter } from '../raw-socket.js'

const HEAD_END = Buffer.from('\r\n\r\n')

/** An interim head is shorter than this, or left to undici. */
const INTERIM_MAX_BYTES = 16 * 1024

/**
 * Matches a head whose last `transfer-encoding` line is `chunked` alone. Chunks behind another coding are left to
 * undici (RFC 9112, 6.3).
 */
const CHUNKED = /\r\ntransfer-encoding:[ \t]*chunked[ \t]*(?=\r\n)(?!.*\r\ntransfer-encoding:)/is

/**
 * A tap between the socket of an upstream connection and undici.
 *
 * A reader can take the chunks of a body before undici sees them, and give the connection back at any size line:
 * undici's parser (7.30.2, lib/dispatcher/client-h1.js) then sees a body of fewer chunks. The parser copies all data
 * into its own memory, and Node frames the chunks again for the client; without both, forwarding a chunk takes 0.8x
 * of the CPU (bench `chunks`).
 *
 * The tap also keeps two events from the parser that it cannot handle. Both concern responses that end with their
 * connection (`Connection: close`, HTTP/1.0).
 * - An end that comes while the parser is paused because the client is slow: the parser asserts in an event handler
 *   that it is not paused, which would end the process. The end is held back until undici reads again.
 * - A reset: the parser takes it for the end of such a response, so a cut would look complete. It gets another code.
 */
export class TappedSocket implements RawSocket {
  private readonly socket: Socket
  private readonly pushToUndici: Socket['push']
  /** Gets the data in place of undici; null if undici does. */
  private reader: RawBodyReader | null
  private filter: WireFilter | null
  /** undici has called `read` since this was last set to false. */
  private hasRead: boolean
  /** The upstream has ended the connection, and undici does not know it yet. */
  private heldEnd: boolean
  /** A request was written, and nothing but interim responses has come since. */
  private awaitsHead: boolean
  /** The beginning of what may be an interim response. */
  private heldHead: Buffer | null
  /** Bytes received after TLS (`socket.bytesRead` counts the handshake, too): now, and at the last write. */
  private received: number
  private receivedBefore: number

  constructor(socket: Socket) {
    const { push, read, write, destroy } = socket
    this.socket = socket
    this.pushToUndici = push
    this.reader = null
    this.filter = null
    this.hasRead = false
    this.heldEnd = false
    this.awaitsHead = false
    this.heldHead = null
    this.received = 0
    this.receivedBefore = 0
    socket.push = (data, encoding) => {
      if (data === null) return this.onEnd()
      this.received += (data as Buffer).length
      return this.awaitsHead ? this.onHeadData(data as Buffer) : this.onData(data, encoding)
    }
    socket.read = (size) => {
      this.hasRead = true
      if (this.heldEnd && size !== 0) {
        this.heldEnd = false
        process.nextTick(() => {
          push.call(socket, null)
          read.call(socket, 0)
        })
      }
      return read.call(socket, size)
    }
    socket.write = ((data: Buffer, encoding: BufferEncoding, done: () => void) => {
      this.receivedBefore = this.received
      // undici writes heads as strings, and bodies as buffers.
      if (typeof data === 'string') this.awaitsHead = true
      return write.call(socket, data, encoding, done)
    }) as typeof write
    socket.destroy = (error) => destroy.call(socket, this.describeError(error))
  }

  /** Gives the data behind the head to a reader, until the reader gives the connection back. */
  take(reader: RawBodyReader): void {
    this.reader = reader
  }

  /** Has the data behind the head filtered before a reader gets it. */
  filterWith(filter: WireFilter): void {
    this.filter = filter
  }

  private passToReader(reader: RawBodyReader, data: Buffer): boolean {
    const passed = this.filter === null ? data : this.filter.push(data)
    return passed.length === 0 || reader.onWire(passed)
  }

  /**
   * Gives the connection back to undici.
   * @param rest the end of the data that the reader got last, beginning with a size line
   * @returns what `onWire` has to return
   */
  giveBack(rest: Buffer): boolean {
    this.reader = null
    return this.handOver(rest)
  }

  /**
   * Passes on data that a reader has held back, to the reader that has taken its place or else to undici.
   * @param from the reader that held it
   * @returns what `onWire` has to return
   */
  passOn(held: Buffer, from: RawBodyReader): boolean {
    if (this.reader === from) this.reader = null
    if (this.socket.destroyed) return true
    return this.reader === null ? this.handOver(held) : this.reader.onWire(held)
  }

  /** Resumes after `onWire` has returned false. */
  goOn(): void {
    this.socket._read(0)
  }

  /** Destroys the connection, for a body with invalid framing. */
  fail(error: Error): void {
    this.socket.destroy(error)
  }

  /** The error that undici gets in place of the socket's own. */
  private describeError(error: Error | undefined): Error | undefined {
    if (error === undefined || error === null) return error
    return describeLoss(error, this.received, this.receivedBefore)
  }

  /**
   * Drops 100 Continue, which an upstream may send unasked (RFC 9110, 15.2): undici takes it for an error. It takes all
   * other interim responses.
   */
  private onHeadData(data: Buffer): boolean {
    let head = this.heldHead === null ? data : Buffer.concat([this.heldHead, data])
    this.heldHead = null
    for (;;) {
      const state = readInterim(head)
      if (state === 'open' && head.length < INTERIM_MAX_BYTES) {
        this.heldHead = head
        return true
      }
      if (state !== 'continue' && state !== 'interim') break
      const end = head.indexOf(HEAD_END) + HEAD_END.length
      const more = state === 'continue' || this.onData(head.subarray(0, end), undefined)
      head = head.subarray(end)
      if (head.length === 0) return more
    }
    this.awaitsHead = false
    keepOddReason(head)
    return this.onData(head, undefined)
  }

  private onData(data: Buffer, encoding: BufferEncoding | undefined): boolean {
    if (this.reader !== null) return this.passToReader(this.reader, data)
    if (this.filter !== null) return this.onFiltered(this.filter, data)
    const bodyAt = findChunkedBody(data)
    if (bodyAt === -1) return this.pushToUndici.call(this.socket, data, encoding)
    // If these bytes are a body that looks like a head, it does no harm that undici gets them in two parts.
    this.filter = null
    offerRawSocket(this)
    const more = this.handOver(data.subarray(0, bodyAt))
    offerRawSocket(null)
    if (bodyAt === data.length) return more
    return this.onData(data.subarray(bodyAt), undefined)
  }

  /** The reader has given the connection back: undici gets what was held back of the data before. */
  private onFiltered(filter: WireFilter, data: Buffer): boolean {
    this.filter = null
    const held = filter.end()
    return this.onData(held.length === 0 ? data : Buffer.concat([held, data]), undefined)
  }

  /**
   * Makes undici read data now and not at the end of this tick, so that the end of a response leaves together with its
   * last data.
   * @returns false if no data may be pushed until the socket's `_read`
   */
  private handOver(data: Buffer): boolean {
    const { socket } = this
    const more = this.pushToUndici.call(socket, data)
    this.hasRead = false
    socket.emit('readable')
    // A read asks for more data, and Node does not ask again before data comes. So `more` alone is not enough: after
    // data as large as the socket's buffer it is false, and no data would ever come.
    return this.hasRead || more
  }

  private onEnd(): boolean {
    const { socket, heldHead } = this
    if (heldHead !== null) {
      this.heldHead = null
      this.pushToUndici.call(socket, heldHead)
    }
    // A parser that is not paused reads on this event.
    this.hasRead = false
    socket.emit('readable')
    if (this.hasRead || socket.destroyed) return this.pushToUndici.call(socket, null)
    this.heldEnd = true
    return false
  }
}

const INTERIM = /^HTTP\/1\.[01] 1(?!01)\d\d[ \r]/
const CONTINUE = /^HTTP\/1\.[01] 100[ \r]/

/**
 * Whether a head is that of 100 Continue, or of another interim response but a switch of protocols; `open`: it may yet
 * become one.
 */
function readInterim(head: Buffer): 'continue' | 'interim' | 'open' | 'final' {
  // Any status but 1xx.
  if (head.length > 12 && head[9] !== 0x31) return 'final'
  const line = head.toString('latin1', 0, 13)
  if (line.length < 13)
    return /^HTTP\/1\.[01] 1$/.test(line.slice(0, 10)) ||
      'HTTP/1.1 1'.startsWith(line) ||
      'HTTP/1.0 1'.startsWith(line)
      ? 'open'
      : 'final'
  if (!INTERIM.test(line)) return 'final'
  if (!head.includes(HEAD_END)) return 'open'
  return CONTINUE.test(line) ? 'continue' : 'interim'
}

/** Finds where the body of a chunked response begins, in data that has the whole head; -1 if there is none. */
function findChunkedBody(data: Buffer): number {
  if (data[0] !== 0x48) return -1
  const end = data.indexOf(HEAD_END)
  const head = end === -1 ? '' : data.toString('latin1', 0, end + 2)
  return head.startsWith('HTTP/1.1 ') && CHUNKED.test(head) ? end + HEAD_END.length : -1
}
