import { isIP, type Socket } from 'node:net'
import type { buildConnector } from 'undici'
import { ignore } from '../../lib/ignore.js'
import type { Connection, ConnectionEvents } from '../connection.js'
import { describeLoss } from '../connection-loss.js'
import type { DispatchRequest } from '../connection-pool.js'
import type { DispatchHandler } from '../dispatch-handler.js'
import { createError } from './errors.js'
import { expectsBody, type RequestHead, writeRequestHead } from './request-head.js'
import { type UploadWriting, writeRequest } from './request-writer.js'
import type { ParsedHead } from './response-head.js'
import { ResponseReader } from './response-reader.js'

/** Milliseconds between the end of a connection that a server has announced (`keep-alive: timeout=`) and ours. */
const HINT_MARGIN_MS = 1_000
const HINT_MAX_MS = 600_000

/** What the connections of one pool have in common. */
export interface Http1Options {
  /** Of the upstream's URL. */
  readonly endpoint: buildConnector.Options
  readonly connect: buildConnector.connector
  /** Milliseconds that an unused connection stays open, if the upstream names no other time. */
  readonly keepAliveMs: number
  /** Bytes of a response head. */
  readonly maxHeaderSize: number
}

/**
 * An HTTP/1.1 connection (RFC 9112): one request at a time, without pipelining.
 *
 * In place of undici's client: that one's parser copies all data into its own memory and calls a function for each part
 * of a head, and its socket hands data over by events (bench `requests`). Both are compared in `test/upstream/http1`.
 *
 * Node hands over what it has read by `socket.push`. The data is taken there, which saves the buffer of the stream, its
 * ticks and its events.
 */
export class Http1Connection implements Connection {
  idleSince: number | null
  idleUntil: number
  socket: Socket | null
  private readonly options: Http1Options
  private readonly events: ConnectionEvents
  private readonly responses: ResponseReader
  /** The request, until it is written. */
  private request: DispatchRequest | null
  private head: RequestHead | null
  /** A body that is still being written. */
  private upload: UploadWriting | null
  /** The `host` that the connection was opened for; null for that of the URL. */
  private host: string | null
  /** Serves its last request. */
  private isClosing: boolean
  private isDestroyed: boolean
  private onUnused: (() => void) | null
  /** Bytes received, behind TLS: now, and when the last request was written. */
  private received: number
  private receivedBefore: number

  constructor(options: Http1Options, events: ConnectionEvents) {
    this.idleSince = null
    this.idleUntil = Number.POSITIVE_INFINITY
    this.socket = null
    this.options = options
    this.events = events
    this.responses = new ResponseReader(this, options.maxHeaderSize)
    this.request = null
    this.head = null
    this.upload = null
    this.host = null
    this.isClosing = false
    this.isDestroyed = false
    this.onUnused = null
    this.received = 0
    this.receivedBefore = 0
  }

  get isOpen(): boolean {
    return this.socket !== null && !this.socket.destroyed
  }

  get isUsed(): boolean {
    return this.responses.handler !== null
  }

  dispatch(request: DispatchRequest, handler: DispatchHandler): void {
    const { method, path, headers, reset } = request
    const { endpoint } = this.options
    try {
      this.head = writeRequestHead(method, path, headers, endpoint.host as string, reset === false)
    } catch (error) {
      handler.onError(error as Error)
      return
    }
    this.request = request
    this.responses.begin(handler, method)
    // Another name may have another certificate.
    if (this.head.host !== this.host && endpoint.protocol === 'https:') this.leaveSocket()
    if (this.socket === null) this.open(this.head)
    else {
      this.socket.ref()
      waitForTurn(this)
    }
  }

  forget(): void {
    this.events.onForgotten(this)
  }

  close(): Promise<void> {
    this.isClosing = true
    if (this.isUsed)
      return new Promise((resolve) => {
        this.onUnused = resolve
      })
    this.leaveSocket()
    return Promise.resolve()
  }

  destroy(): Promise<void> {
    const { socket } = this
    this.isDestroyed = true
    this.fail(createError('the connection is destroyed', 'UND_ERR_DESTROYED'))
    if (socket === null || socket.closed) return Promise.resolve()
    return new Promise((resolve) => socket.once('close', () => resolve()))
  }

  // Opening

  private open({ host }: RequestHead): void {
    const { endpoint, connect } = this.options
    this.host = host
    const target = host === null ? endpoint : { ...endpoint, servername: readHostname(host) }
    try {
      connect(target as buildConnector.Options, (error, socket) => {
        // On an error, undici's connector leaves the socket out.
        if (error !== null || socket == null) this.onConnectError(error ?? new Error('no connection'))
        // The connection was given up before it was open.
        else if (this.isDestroyed || !this.isUsed) socket.on('error', ignore).destroy()
        else this.adopt(socket)
      })
    } catch (error) {
      this.onConnectError(error as Error)
    }
  }

  private onConnectError(error: Error): void {
    const handler = this.endRequest()
    if (handler === null) return
    try {
      handler.onError(error)
    } finally {
      this.onRequestEnded()
    }
  }

  private adopt(socket: Socket): void {
    this.socket = socket
    socket.push = (data: Buffer | null) => {
      // TLS may have more, or an end, behind the data with which the connection was left.
      if (this.socket !== socket) return false
      if (data !== null) return this.onRead(data)
      this.responses.onEnd()
      return false
    }
    socket.on('error', (error) => this.onSocketEnd(socket, error))
    socket.on('close', () => this.onSocketEnd(socket, createError('closed', 'UND_ERR_SOCKET')))
    if (socket.destroyed || socket.readableLength > 0) {
      this.fail(createError('bad response', 'UND_ERR_SOCKET'))
      return
    }
    // A tunnel was read before, and may have been stopped, or have ended: then it is closed in a moment.
    socket.read(0)
    socket._read(0)
    this.write()
  }

  // A request

  /** Writes the request, on a connection that is open, and on which nothing has come that nobody had asked for. */
  write(): void {
    const { request, head, socket, responses } = this
    const { handler } = responses
    if (handler === null || request === null || head === null || socket === null) return
    this.request = null
    this.head = null
    this.receivedBefore = this.received
    try {
      handler.onConnect((reason) => this.abort(handler, reason))
    } catch (error) {
      this.abort(handler, error as Error)
    }
    if (responses.handler !== handler) return
    if (head.closes || (request.body !== null && !expectsBody(request.method))) this.isClosing = true
    const upload = writeRequest(socket, head, request, () => this.failUpload(handler))
    if (responses.handler === handler) this.upload = upload
    else upload?.stop()
  }

  /** The body is not as long as its head says: the upstream must not take the next request for a part of it. */
  private failUpload(handler: DispatchHandler): void {
    const message = 'the body of the request is not as long as its content-length'
    this.abort(handler, createError(message, 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'))
  }

  /** Ends a request, if it is the one that is under way. */
  abort(handler: DispatchHandler, reason: Error | undefined): void {
    if (this.responses.handler !== handler) return
    this.endRequest()
    this.isClosing = true
    try {
      handler.onError(reason ?? createError('Request aborted', 'UND_ERR_ABORTED'))
    } finally {
      this.onRequestEnded()
    }
  }

  /**
   * A response is complete.
   * @param isExact nothing came behind it
   * @returns false to stop reading
   */
  onComplete(isExact: boolean): boolean {
    const { responses } = this
    // An upstream that has not read all of the request would take the next one for a part of it.
    const isKept = isExact && this.upload?.isOver !== false
    if (!isKept || !this.keepFor(responses.response)) this.isClosing = true
    const handler = this.endRequest()
    try {
      handler?.onComplete(null)
    } catch (error) {
      handler?.onError(error as Error)
    } finally {
      this.onRequestEnded()
    }
    return this.isOpen
  }

  /** @returns false if the connection cannot take another request */
  private keepFor(response: ParsedHead | null): boolean {
    if (response?.keepsAlive !== true) return false
    const { keepAliveMs } = response
    const ms =
      keepAliveMs === null ? this.options.keepAliveMs : Math.min(keepAliveMs - HINT_MARGIN_MS, HINT_MAX_MS)
    this.idleUntil = performance.now() + ms
    return ms > 0
  }

  /** Nothing of the request is known any more. @returns its handler */
  private endRequest(): DispatchHandler | null {
    this.request = null
    this.head = null
    this.upload?.stop()
    this.upload = null
    return this.responses.end()
  }

  /** The request is over, and its handler knows. */
  private onRequestEnded(): void {
    const { onUnused, events } = this
    if (this.isUsed) return
    if (this.isClosing) this.leaveSocket()
    this.onUnused = null
    onUnused?.()
    if (this.isOpen) {
      this.socket?.unref()
      events.onFree(this)
    } else events.onClosed(this)
  }

  // The socket

  /** @returns false to stop reading */
  private onRead(data: Buffer): boolean {
    this.received += data.length
    if (this.isUsed && this.request === null) return this.responses.read(data)
    // Nobody has asked for it. Servers do so that tell why they close a connection (408), and those that go wrong.
    this.fail(createError('bad response', 'UND_ERR_SOCKET'))
    return false
  }

  /** Reads on after a pause. */
  readOn(): void {
    this.socket?._read(0)
  }

  /** A TLS error on an established connection is told by 'error' alone: Node leaves the connection open. */
  private onSocketEnd(socket: Socket, error: Error): void {
    if (this.socket === socket) this.fail(error)
    else socket.destroy()
  }

  /** Destroys the connection. The request on it fails. */
  fail(error: Error): void {
    const { received, receivedBefore, socket } = this
    const described = socket === null ? error : describeLoss(error, received, receivedBefore)
    const handler = this.endRequest()
    this.isClosing = true
    this.leaveSocket()
    if (handler === null) {
      if (socket !== null) this.events.onClosed(this)
      return
    }
    try {
      handler.onError(described)
    } finally {
      this.events.onLost(this, described)
      this.onRequestEnded()
    }
  }

  /** Closes the socket. What it does from now on is no concern of this connection. */
  private leaveSocket(): void {
    const { socket } = this
    this.socket = null
    this.received = 0
    this.receivedBefore = 0
    socket?.destroy()
  }
}

/** Connections whose requests are written at the end of this turn. */
let waiting: Http1Connection[] = []

/**
 * Has a request on a kept connection written at the end of this turn of the event loop: data or an end that has come
 * on it without a request is known by then, and is not taken for the response. undici waits for the same reason
 * (GHSA-35p6-xmwp-9g52).
 */
function waitForTurn(connection: Http1Connection): void {
  if (waiting.length === 0) setImmediate(writeWaiting)
  waiting.push(connection)
}

function writeWaiting(): void {
  const connections = waiting
  waiting = []
  for (const connection of connections) connection.write()
}

/** The name of a `host` header, without its port; empty for an address, which TLS has no name for (RFC 6066, 3). */
function readHostname(host: string): string {
  const name = host.replace(/:\d*$/, '').replace(/^\[|\]$/g, '')
  return isIP(name) === 0 ? name : ''
}
