import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import { resetSocket } from '../../src/relay/reset.js'
import {
  declaredLength,
  type Ending,
  EndingWatch,
  findHeader,
  type Header,
  parseHeaders,
  readChunked,
} from './client.js'
import { until, wait } from './until.js'

/** What happens on one request: write, wait, cut. */
export type Script = (request: Received) => void | Promise<void>

/** Told of what has come of a request that is not whole yet, with each piece of it. */
export type OnArriving = (bytes: Buffer, socket: Socket) => void

/** The same, said in steps: a list of them is a script, too. */
export const step = {
  write: (bytes: string | Buffer): Script => {
    return (request) => request.write(bytes)
  },
  chunk: (bytes: string | Buffer): Script => {
    return (request) => request.chunk(bytes)
  },
  lastChunk: (): Script => (request) => request.lastChunk(),
  wait: (ms: number): Script => {
    return () => wait(ms)
  },
  /** Until a test lets it go on. */
  until: (opened: Promise<unknown>): Script => {
    return async () => {
      await opened
    }
  },
  end: (): Script => (request) => request.end(),
  reset: (): Script => (request) => request.reset(),
  destroy: (): Script => (request) => request.destroy(),
  hang: (): Script => (request) => request.hang(),
} as const

/** One request as the upstream got it, and the hand that answers it, byte by byte. */
export class Received {
  readonly method: string
  readonly target: string
  /** Names and values in their order and case. */
  readonly headers: readonly Header[]
  readonly body: Buffer
  /** The head as it came, line ends included. */
  readonly head: string
  /** All of it as it came: the head, the blank line and the body in its framing. */
  readonly raw: Buffer
  /** For a tunnel: the bytes after the head are its to read, by a script that listens before it first waits. */
  readonly socket: Socket
  /** The connection's number, from 1. */
  readonly connection: number
  private readonly watch: EndingWatch

  constructor(message: Message, socket: Socket, connection: number, watch: EndingWatch) {
    this.method = message.method
    this.target = message.target
    this.headers = message.headers
    this.body = message.body
    this.head = message.head
    this.raw = message.raw
    this.socket = socket
    this.connection = connection
    this.watch = watch
  }

  header(name: string): string | undefined {
    return findHeader(this.headers, name)
  }

  /** Whether its connection has been closed, by whichever side. */
  get closed(): boolean {
    return this.watch.closed
  }

  /** How its connection ended, when it is closed: by the relay's FIN or reset, or it was `left` by the script. */
  async ended(): Promise<Ending> {
    await until(() => this.closed, `the connection of ${this.method} ${this.target} to close`)
    return this.watch.ending ?? 'left'
  }

  /** Resolves when the bytes have left for the kernel. */
  write(bytes: string | Buffer): Promise<void> {
    return new Promise((resolve) => {
      // A turn later, or a script that writes until the close would never let it be told.
      if (this.socket.destroyed) setImmediate(resolve)
      else this.socket.write(bytes, () => resolve())
    })
  }

  /** A chunk of a chunked body. */
  chunk(bytes: string | Buffer): Promise<void> {
    return this.write(chunk(bytes))
  }

  /** The end of a chunked body. */
  lastChunk(): Promise<void> {
    return this.write(LAST_CHUNK)
  }

  /** FIN. */
  end(): void {
    this.socket.end()
  }

  /** RST. */
  reset(): void {
    resetSocket(this.socket)
  }

  /** Closes it as a process that ends does: with FIN, or with RST if there was something left to read. */
  destroy(): void {
    this.socket.destroy()
  }

  /** Does nothing any more, until the connection is closed. */
  hang(): Promise<void> {
    return new Promise((resolve) => {
      if (this.closed) resolve()
      else this.socket.once('close', () => resolve())
    })
  }
}

/** An upstream on a bare socket, that does what a script says. It reads requests strictly: any that is not whole waits. */
export class ScriptedUpstream {
  readonly requests: Received[] = []
  readonly sockets = new Set<Socket>()
  connections = 0
  private readonly server: Server
  private readonly incoming = new Set<Incoming>()
  private readonly script: Script
  private readonly onArriving: OnArriving | null
  private failure: unknown = null
  private paused = false

  private constructor(script: Script | readonly Script[], onArriving: OnArriving | null) {
    this.onArriving = onArriving
    this.script = typeof script === 'function' ? script : inOrder(script)
    this.server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.onConnection(socket))
  }

  /** @param script or steps, for each request again; a connection's next request waits until they are through */
  static async start(
    script: Script | readonly Script[],
    onArriving: OnArriving | null = null,
  ): Promise<ScriptedUpstream> {
    const upstream = new ScriptedUpstream(script, onArriving)
    await new Promise<void>((resolve) => upstream.server.listen(0, '127.0.0.1', resolve))
    return upstream
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/v1`
  }

  get openSockets(): number {
    return this.sockets.size
  }

  /** What has come of requests that are not whole yet. */
  get arriving(): Buffer {
    return Buffer.concat([...this.incoming].map((incoming) => incoming.rest()))
  }

  /** The n-th request, from 0, when it has come. */
  async request(n: number): Promise<Received> {
    await until(() => this.requests.length > n, `request ${n} at the upstream`)
    const request = this.requests[n]
    if (request === undefined) throw new Error('no such request')
    return request
  }

  /** Stops reading, on connections to come also, so that an upload has to wait. Then not even a close is noticed. */
  pause(): void {
    this.paused = true
    for (const socket of this.sockets) socket.pause()
  }

  resume(): void {
    this.paused = false
    for (const socket of this.sockets) socket.resume()
  }

  /**
   * Stops listening, so that connecting fails, and drops every connection. A script that threw, and a request that
   * could not be read, are reported here.
   */
  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
    if (this.failure !== null) throw this.failure
  }

  private onConnection(socket: Socket): void {
    this.connections++
    const connection = this.connections
    this.sockets.add(socket)
    // Each request on it may listen for its close.
    socket.setMaxListeners(0)
    // The relay aborts by closing; what a script still writes then fails, as it should.
    const watch = new EndingWatch(socket)
    const incoming = new Incoming()
    this.incoming.add(incoming)
    socket.on('close', () => {
      this.sockets.delete(socket)
      this.incoming.delete(incoming)
    })
    socket.on('end', () => socket.end())
    let busy = false
    const fail = (error: unknown): void => {
      this.failure ??= error
      socket.destroy()
    }
    const next = (): void => {
      const message = busy ? null : incoming.take()
      if (message === null) return
      const received = new Received(message, socket, connection, watch)
      this.requests.push(received)
      if (received.header('upgrade') !== undefined) {
        socket.removeListener('data', onData)
        const tunnelled = incoming.rest()
        this.incoming.delete(incoming)
        if (tunnelled.length > 0) socket.unshift(tunnelled)
      }
      busy = true
      run(this.script, received)
        .then(() => {
          busy = false
          next()
        })
        .catch(fail)
    }
    const onData = (piece: Buffer): void => {
      incoming.push(piece)
      try {
        next()
        if (!busy && this.onArriving !== null) this.onArriving(incoming.rest(), socket)
      } catch (error) {
        fail(error)
      }
    }
    socket.on('data', onData)
    if (this.paused) socket.pause()
  }
}

/** Makes a script's throw a rejection, and still starts it at once. */
async function run(script: Script, request: Received): Promise<void> {
  await script(request)
}

function inOrder(steps: readonly Script[]): Script {
  return async (request) => {
    for (const act of steps) await act(request)
  }
}

interface Message {
  readonly method: string
  readonly target: string
  readonly headers: readonly Header[]
  readonly head: string
  readonly body: Buffer
  readonly raw: Buffer
}

/** What a connection has sent and nobody has taken yet. */
class Incoming {
  private pieces: Buffer[] = []
  private size = 0
  /** No request is whole with fewer bytes, so the pieces of a large one are joined once and not each time. */
  private needed = 1

  push(piece: Buffer): void {
    this.pieces.push(piece)
    this.size += piece.length
  }

  take(): Message | null {
    if (this.size < this.needed) return null
    const bytes = Buffer.concat(this.pieces)
    const read = readRequest(bytes)
    const whole = typeof read !== 'number'
    const rest = whole ? bytes.subarray(read.raw.length) : bytes
    this.pieces = [rest]
    this.size = rest.length
    this.needed = whole ? 1 : read
    return whole ? read : null
  }

  rest(): Buffer {
    return Buffer.concat(this.pieces)
  }
}

/** @returns a request, or how many bytes have to be there before it is worth another look */
function readRequest(bytes: Buffer): Message | number {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return bytes.length + 1
  const start = end + 4
  const head = bytes.toString('latin1', 0, end + 2)
  const [line = '', ...lines] = head.slice(0, -2).split('\r\n')
  const [, method = '', target = ''] = /^(\S+) (\S+) HTTP\/1\.[01]$/.exec(line) ?? []
  if (method === '') throw new Error(`not a request: ${JSON.stringify(line)}`)
  const headers = parseHeaders(lines)
  const length = declaredLength(headers)
  const coding = findHeader(headers, 'transfer-encoding')?.toLowerCase()
  if (coding === undefined) {
    const whole = start + (length ?? 0)
    if (bytes.length < whole) return whole
    return {
      method,
      target,
      headers,
      head,
      body: bytes.subarray(start, whole),
      raw: bytes.subarray(0, whole),
    }
  }
  if (coding !== 'chunked') throw new Error(`not a coding of a request: ${coding}`)
  const chunked = readChunked(bytes, start)
  if (!chunked.complete) return bytes.length + 1
  return { method, target, headers, head, body: chunked.body, raw: bytes.subarray(0, chunked.end) }
}

export function chunk(bytes: string | Buffer): Buffer {
  const body = Buffer.from(bytes as string)
  return Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')])
}

/** The end of a chunked body without trailers. */
export const LAST_CHUNK = '0\r\n\r\n'

/** A response head; lines of headers as they are. */
export function head(status: string, ...headers: string[]): string {
  return `HTTP/1.1 ${status}\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`
}

/** A whole response with its length. */
export function whole(status: string, body: string | Buffer, ...headers: string[]): Buffer {
  const bytes = Buffer.from(body as string)
  return Buffer.concat([
    Buffer.from(head(status, `content-length: ${bytes.length}`, ...headers), 'latin1'),
    bytes,
  ])
}

export const SSE = 'content-type: text/event-stream'
export const CHUNKED = 'transfer-encoding: chunked'
