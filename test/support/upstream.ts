import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import { until } from './until.js'

/** What happens on one request: write, wait, cut. */
export type Script = (request: Received) => void | Promise<void>

/** One request as the upstream got it, and the hand that answers it, byte by byte. */
export class Received {
  readonly method: string
  readonly target: string
  /** Names and values in their order and case. */
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly body: Buffer
  /** The head as it came, line ends included. */
  readonly head: string
  readonly socket: Socket
  /** The connection's number, from 1. */
  readonly connection: number
  closed = false

  constructor(head: string, body: Buffer, socket: Socket, connection: number) {
    const lines = head.split('\r\n')
    const [method = '', target = ''] = (lines[0] ?? '').split(' ')
    this.method = method
    this.target = target
    this.headers = lines
      .slice(1)
      .filter((line) => line !== '')
      .map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
      })
    this.head = head
    this.body = body
    this.socket = socket
    this.connection = connection
    socket.once('close', () => {
      this.closed = true
    })
  }

  header(name: string): string | undefined {
    return this.headers.find(([key]) => key.toLowerCase() === name)?.[1]
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
    return this.write('0\r\n\r\n')
  }

  /** FIN. */
  end(): void {
    this.socket.end()
  }

  /** RST. */
  reset(): void {
    this.socket.resetAndDestroy()
  }
}

/** An upstream on a bare socket, that does what a script says. It reads requests strictly: any that is not whole waits. */
export class ScriptedUpstream {
  readonly requests: Received[] = []
  readonly sockets = new Set<Socket>()
  connections = 0
  private readonly server: Server
  private readonly script: Script
  private failure: unknown = null

  private constructor(script: Script) {
    this.script = script
    this.server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.onConnection(socket))
  }

  static async start(script: Script): Promise<ScriptedUpstream> {
    const upstream = new ScriptedUpstream(script)
    await new Promise<void>((resolve) => upstream.server.listen(0, '127.0.0.1', resolve))
    return upstream
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/v1`
  }

  /** The n-th request, from 0, when it has come. */
  async request(n: number): Promise<Received> {
    await until(() => this.requests.length > n, `request ${n} at the upstream`)
    const request = this.requests[n]
    if (request === undefined) throw new Error('no such request')
    return request
  }

  /** Stops listening, so that connecting fails, and drops every connection. A script that threw is told here. */
  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
    if (this.failure !== null) throw this.failure
  }

  private onConnection(socket: Socket): void {
    this.connections++
    const connection = this.connections
    this.sockets.add(socket)
    // Each request on it listens for its close.
    socket.setMaxListeners(0)
    socket.on('close', () => this.sockets.delete(socket))
    // The relay aborts by closing; what a script still writes then fails, as it should.
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    let pending: Buffer = Buffer.alloc(0)
    let busy = false
    const next = (): void => {
      const whole = busy ? null : parse(pending)
      if (whole === null) return
      pending = pending.subarray(whole.length)
      const received = new Received(whole.head, whole.body, socket, connection)
      this.requests.push(received)
      // A tunnel's bytes are the script's to read.
      if (received.header('upgrade') !== undefined) {
        socket.removeListener('data', onData)
        if (pending.length > 0) socket.unshift(pending)
      }
      busy = true
      Promise.resolve(this.script(received)).then(
        () => {
          busy = false
          next()
        },
        (error: unknown) => {
          this.failure ??= error
          socket.destroy()
        },
      )
    }
    const onData = (piece: Buffer): void => {
      pending = Buffer.concat([pending, piece])
      next()
    }
    socket.on('data', onData)
  }
}

function parse(bytes: Buffer): { head: string; body: Buffer; length: number } | null {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return null
  const head = bytes.toString('latin1', 0, end + 2)
  const start = end + 4
  const length = Number(/^content-length: *(\d+)\r$/im.exec(head)?.[1] ?? 0)
  if (/^transfer-encoding:/im.test(head)) throw new Error('the relay is to send bodies with their length')
  if (bytes.length < start + length) return null
  return { head, body: bytes.subarray(start, start + length), length: start + length }
}

export function chunk(bytes: string | Buffer): Buffer {
  const body = Buffer.from(bytes as string)
  return Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')])
}

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
