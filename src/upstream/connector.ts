import type { Socket } from 'node:net'
import { buildConnector } from 'undici'
import type { ProxyTunnels } from './egress-proxy.js'

/** An upstream's reset, under a name that undici does not take for an end. */
const RESET = 'UPSTREAM_RESET'

const HEAD_END = Buffer.from('\r\n\r\n')

/**
 * `transfer-encoding: chunked` among the lines of a head, and nothing else in that line. The last line of that name counts:
 * behind another coding the body has no chunks, and goes on until the connection ends (RFC 9112, 6.3).
 */
const CHUNKED = /\r\ntransfer-encoding:[ \t]*chunked[ \t]*(?=\r\n)(?!.*\r\ntransfer-encoding:)/is

/** Who takes the body of an answer as it comes off the wire, chunks and all, in place of undici's parser. */
export interface RawBodyReader {
  /** @returns false if there is to be no more until `TappedSocket.goOn` */
  onWire(piece: Buffer): boolean
}

/**
 * undici's connector, with sockets that are a `TappedSocket`.
 * @param tunnels through which they go, null if they go straight
 */
export function createConnector(
  options: buildConnector.BuildOptions,
  tunnels: ProxyTunnels | null = null,
): buildConnector.connector {
  const connect = createPlainConnector(options, tunnels)
  return (target, callback) => {
    connect(target, (...result) => {
      const [error, socket] = result
      if (error === null) new TappedSocket(socket)
      callback(...result)
    })
  }
}

/**
 * The error of a connection that had received something before. Each connection has one of its own: undici gives one
 * error to all connections of a pool that it destroys, and what is true of one of them need not be true of another.
 */
class UsedConnectionError extends Error {
  readonly code: string | undefined
  /** Nothing has come since something was last written. */
  readonly silent: boolean

  constructor(error: NodeJS.ErrnoException, silent: boolean) {
    super(error.message, { cause: error })
    this.name = error.name
    this.code = error.code
    this.silent = silent
  }
}

/**
 * Whether an error is that of a connection that was kept from an earlier request, and died before anything came of this
 * one. The upstream has most likely closed it as it was not used, while the request was on its way.
 * @param written the request was begun to be written. undici (7.30.2, lib/dispatcher/client.js, `onError`) also has those fail
 * that wait for a connection when that is reset, and does not look for another
 */
export function wasConnectionReused(error: unknown, written: boolean): boolean {
  return error instanceof UsedConnectionError && (error.silent || !written)
}

/** As `createConnector`, with sockets as they are. */
export function createPlainConnector(
  options: buildConnector.BuildOptions,
  tunnels: ProxyTunnels | null,
): buildConnector.connector {
  const connect = buildConnector(options)
  if (tunnels === null) return connect
  return (target, callback) => {
    const secure = target.protocol === 'https:'
    const host = target.hostname.includes(':') ? `[${target.hostname}]` : target.hostname
    tunnels.open(`${host}:${target.port || (secure ? 443 : 80)}`, (error, socket) => {
      if (socket === null) callback(error ?? new Error('no connection'), null)
      else if (!secure) callback(null, socket)
      else connect({ ...target, httpSocket: socket } as buildConnector.Options, callback)
    })
  }
}

/**
 * The connection whose response head undici is parsing now. undici hands a handler no socket, so this variable bridges the
 * one synchronous call from the connector through undici's parser to the handler's `onHeaders`; it is null at any other
 * time. Nobody else should read it: from `onHeaders` on, the socket is passed along with the head.
 */
let parsingHead: TappedSocket | null = null

/**
 * Takes the connection of the response whose head undici has just parsed. To be called first thing in `onHeaders`, and
 * once: a second call returns null. Until `onHeaders` returns, the body may be diverted (`TappedSocket.take`).
 * @returns null if the body is not chunked, or if the head came in several reads
 */
export function takeRawSocket(): TappedSocket | null {
  const socket = parsingHead
  parsingHead = null
  return socket
}

/**
 * A connection to an upstream, beneath undici.
 *
 * The chunks of a body can be taken off it before undici sees them, and given back from any size line on: undici's parser
 * (7.30.2, lib/dispatcher/client-h1.js) then sees a body of fewer chunks. It copies each piece into its own memory, and
 * the chunks are then framed anew for the client; without it a forwarded chunk takes 0.8x of the CPU (bench `chunks`).
 *
 * Two things are kept from that parser that it does not bear. Both concern answers that end with their connection:
 * `Connection: close`, HTTP/1.0.
 * - An end that comes while the client is slow and the parser therefore paused: `finish` asserts that it is not, in an
 *   event handler, and the process would end. It is held back until undici reads again.
 * - A reset: taken for the end of such an answer, so that a cut would look whole. It is given another code.
 */
export class TappedSocket {
  private readonly socket: Socket
  private readonly pushToUndici: Socket['push']
  private taker: RawBodyReader | null
  /** undici has asked for more since this was last cleared. */
  private asked: boolean
  /** The upstream has ended the connection, and undici has not been told. */
  private ended: boolean
  /** Bytes that have come, TLS undone (whose handshake counts in `socket.bytesRead`), and had when something was last written. */
  private received: number
  private receivedBefore: number

  constructor(socket: Socket) {
    const { push, read, write, destroy } = socket
    this.socket = socket
    this.pushToUndici = push
    this.taker = null
    this.asked = false
    this.ended = false
    this.received = 0
    this.receivedBefore = 0
    socket.push = (piece, encoding) => {
      if (piece === null) return this.onEnd()
      this.received += (piece as Buffer).length
      return this.onPiece(piece, encoding)
    }
    socket.read = (size) => {
      this.asked = true
      if (this.ended && size !== 0) {
        this.ended = false
        process.nextTick(() => {
          push.call(socket, null)
          read.call(socket, 0)
        })
      }
      return read.call(socket, size)
    }
    socket.write = ((data: Buffer, encoding: BufferEncoding, done: () => void) => {
      this.receivedBefore = this.received
      return write.call(socket, data, encoding, done)
    }) as typeof write
    socket.destroy = (error) => destroy.call(socket, this.named(error))
  }

  /** What comes behind the head goes to `taker`, until it gives it back. */
  take(taker: RawBodyReader): void {
    this.taker = taker
  }

  /**
   * All else is undici's again.
   * @param rest of the piece that the taker has just been given, from a size line on
   */
  giveBack(rest: Buffer): boolean {
    this.taker = null
    return this.handOver(rest)
  }

  /** The taker takes pieces again. */
  goOn(): void {
    this.socket._read(0)
  }

  /** Breaks the connection off, for a body whose framing is broken. */
  fail(error: Error): void {
    this.socket.destroy(error)
  }

  /** An error as it is told on. */
  private named(error: Error | undefined): Error | undefined {
    if (error === undefined || error === null) return error
    const reset = (error as NodeJS.ErrnoException).code === 'ECONNRESET'
    const told = reset
      ? Object.assign(new Error('reset by the upstream', { cause: error }), { code: RESET })
      : error
    const { received, receivedBefore } = this
    return received === 0 ? told : new UsedConnectionError(told, receivedBefore === received)
  }

  private onPiece(piece: Buffer, encoding: BufferEncoding | undefined): boolean {
    if (this.taker !== null) return this.taker.onWire(piece)
    const bodyAt = chunkedBodyAt(piece)
    if (bodyAt === -1) return this.pushToUndici.call(this.socket, piece, encoding)
    // A body that only looks like a head is none the worse for coming in two pieces.
    parsingHead = this
    const more = this.handOver(piece.subarray(0, bodyAt))
    parsingHead = null
    if (bodyAt === piece.length) return more
    return this.onPiece(piece.subarray(bodyAt), undefined)
  }

  /**
   * Has undici read a piece at once, and not at the end of this turn: the end of an answer then leaves with its last piece.
   * @returns false if there is to be no more until the socket's `_read`
   */
  private handOver(piece: Buffer): boolean {
    const { socket } = this
    const more = this.pushToUndici.call(socket, piece)
    this.asked = false
    socket.emit('readable')
    // Who has read has asked for more, and does not ask again before it comes: a piece as large as the socket's buffer
    // would else be the last.
    return this.asked || more
  }

  private onEnd(): boolean {
    const { socket } = this
    // Whoever is not paused reads when there is something new.
    this.asked = false
    socket.emit('readable')
    if (this.asked || socket.destroyed) return this.pushToUndici.call(socket, null)
    this.ended = true
    return false
  }
}

/** Where the body of a chunked answer begins, in a piece that has the whole of its head; or -1. */
function chunkedBodyAt(piece: Buffer): number {
  if (piece[0] !== 0x48) return -1
  const end = piece.indexOf(HEAD_END)
  const head = end === -1 ? '' : piece.toString('latin1', 0, end + 2)
  return head.startsWith('HTTP/1.1 ') && CHUNKED.test(head) ? end + HEAD_END.length : -1
}
