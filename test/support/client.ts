import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { resetSocket } from '../../src/relay/reset.js'
import { TLS_PORTS } from './tls-mode.js'
import { until } from './until.js'

/**
 * How a connection came to its end, as seen from one side of it: the other side's clean FIN, a reset, another error
 * (`error` has it), or this side closed it itself before it had seen any of these.
 */
export type Ending = 'fin' | 'reset' | 'error' | 'left'

export class EndingWatch {
  ending: Ending | null = null
  error: NodeJS.ErrnoException | null = null
  closed = false

  constructor(socket: Socket) {
    socket.on('end', () => {
      this.ending ??= 'fin'
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error ??= error
      // A write that finds the connection reset fails with EPIPE if a FIN had come ahead of the RST.
      this.ending ??= error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'reset' : 'error'
    })
    socket.on('close', () => {
      this.ending ??= 'left'
      this.closed = true
    })
  }
}

const NEWS = ['data', 'end', 'close'] as const

/** An HTTP/1.1 client on a bare socket: what it sends is what is written, what it got is kept piece by piece. */
export class RawClient {
  readonly pieces: Buffer[] = []
  readonly socket: Socket
  private readonly watch: EndingWatch
  private joined: { count: number; bytes: Buffer } = { count: 0, bytes: Buffer.alloc(0) }

  private constructor(socket: Socket) {
    this.socket = socket
    this.watch = new EndingWatch(socket)
    socket.setNoDelay(true)
    socket.on('data', (piece: Buffer) => this.pieces.push(piece))
  }

  /** @param allowHalfOpen whether this side stays open after the other's FIN, until `end` or `destroy` */
  static connect(port: number, allowHalfOpen = false): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const tcp = connect({ port, host: '127.0.0.1', allowHalfOpen })
      tcp.once('error', reject)
      tcp.once('connect', () => {
        tcp.removeListener('error', reject)
        if (!TLS_PORTS.has(port)) {
          resolve(new RawClient(tcp))
          return
        }
        const socket = connectTls({ socket: tcp, rejectUnauthorized: false })
        const client = new RawClient(socket)
        socket.once('secureConnect', () => resolve(client))
        // Before the end of the handshake: the connection was accepted, and closed at once.
        socket.once('close', () => resolve(client))
      })
    })
  }

  get ending(): Ending | null {
    return this.watch.ending
  }

  get error(): NodeJS.ErrnoException | null {
    return this.watch.error
  }

  send(bytes: string | Buffer): void {
    this.socket.write(bytes)
  }

  /** FIN, reading on. */
  end(): void {
    this.socket.end()
  }

  destroy(): void {
    this.socket.destroy()
  }

  reset(): void {
    resetSocket(this.socket)
  }

  /** Stops reading; what is sent to it then stays with the kernel and, when that is full, with the sender. */
  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  get bytes(): Buffer {
    if (this.joined.count !== this.pieces.length) {
      this.joined = { count: this.pieces.length, bytes: Buffer.concat(this.pieces) }
    }
    return this.joined.bytes
  }

  get text(): string {
    return this.bytes.toString('latin1')
  }

  /** Waits until what came so far has this in it, matches it as latin1, or fulfils it. Fails at once if the end comes first. */
  async until(wanted: string | RegExp | ((client: RawClient) => boolean), what?: string): Promise<void> {
    const holds = (): boolean => {
      if (typeof wanted === 'string') return this.bytes.includes(wanted, 0, 'latin1')
      return wanted instanceof RegExp ? this.text.search(wanted) !== -1 : wanted(this)
    }
    const name = what ?? (typeof wanted === 'string' ? JSON.stringify(wanted) : String(wanted))
    await until(() => holds() || this.ending !== null, `${name} at the client`)
    if (!holds())
      throw new Error(`the connection ended (${this.ending}) before ${name}, after ${quote(this.text)}`)
  }

  /** Waits until what came so far has this in it. */
  sees(part: string): Promise<void> {
    return this.until(part)
  }

  /**
   * The n-th response on this connection, from 0, when it is whole; or as much of it as came before the end.
   * @param method of the requests on this connection, since the answer to a HEAD has no body
   */
  async response(n = 0, method = 'GET'): Promise<Response> {
    let response: Response | undefined
    await until(() => {
      response = parseResponses(this.bytes, this.ending === 'fin', method)[n]
      return response?.complete === true || this.ending !== null
    }, 'a whole response')
    if (response === undefined) throw new Error(`there is no response ${n} in ${quote(this.text)}`)
    return response
  }

  /** Waits for the next bytes or for the end, without asking for them again and again. */
  anything(): Promise<void> {
    const { socket } = this
    if (this.ending !== null) return Promise.resolve()
    return new Promise((resolve) => {
      const settle = (): void => {
        for (const event of NEWS) socket.removeListener(event, settle)
        resolve()
      }
      for (const event of NEWS) socket.once(event, settle)
    })
  }

  /** Forgets what came so far: the next response is the first one again. */
  forget(): void {
    this.pieces.length = 0
    this.joined = { count: 0, bytes: Buffer.alloc(0) }
  }

  async closed(): Promise<Ending> {
    await until(() => this.ending !== null, 'the end of the connection')
    return this.ending ?? 'left'
  }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}...` : text)
}

export type Header = readonly [name: string, value: string]

export interface Response {
  readonly status: number
  readonly reason: string
  /** Names and values in their order and case. */
  readonly headers: readonly Header[]
  readonly body: Buffer
  /** Of a chunked body. */
  readonly trailers: readonly Header[]
  /** The framing says that this is the whole message. */
  readonly complete: boolean
  /** Statuses of interim responses before it. */
  readonly interim: readonly number[]
  /** What came after it. */
  readonly rest: Buffer
  /** The first of that name, in any case. */
  header(name: string): string | undefined
}

export function headerOf(response: Response, name: string): string | undefined {
  return response.header(name)
}

export function findHeader(headers: readonly Header[], name: string): string | undefined {
  const wanted = name.toLowerCase()
  return headers.find(([key]) => key.toLowerCase() === wanted)?.[1]
}

/** Reads responses from the bytes of a connection, the last of which may not be whole. */
export function parseResponses(bytes: Buffer, ended: boolean, method = 'GET'): Response[] {
  const responses: Response[] = []
  for (let rest = bytes; ; ) {
    const response = parseResponse(rest, ended, method)
    if (response === null) return responses
    responses.push(response)
    rest = response.rest
    // What follows a 101 is not HTTP.
    if (!response.complete || rest.length === 0 || response.status === 101) return responses
  }
}

/**
 * Reads the first response, past the interim ones before it. Strict, since a relay that frames a message in two ways
 * or in none is broken whatever a lenient client makes of it.
 * @param ended whether the connection came to a clean end, which is what completes a body without a framing
 * @returns null while its head is not whole
 * @throws if it is no response, or its framing contradicts itself
 */
export function parseResponse(bytes: Buffer, ended = false, method = 'GET'): Response | null {
  const interim: number[] = []
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end === -1) return null
    const [line = '', ...lines] = bytes.toString('latin1', at, end).split('\r\n')
    const [, digits = '', reason = ''] = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(line) ?? []
    if (digits === '') throw new Error(`not a response: ${quote(line)}`)
    const status = Number(digits)
    at = end + 4
    if (status < 200 && status !== 101) {
      interim.push(status)
      continue
    }
    const headers = parseHeaders(lines)
    const bodiless = method === 'HEAD' || status === 101 || status === 204 || status === 304
    const { body, trailers, complete, end: next } = readBody(bytes, at, headers, bodiless, ended)
    return {
      status,
      reason,
      headers,
      body,
      trailers,
      complete,
      interim,
      rest: bytes.subarray(next),
      header: (name) => findHeader(headers, name),
    }
  }
}

/** Header lines as they are, less the white space that may stand around a value (RFC 9110, section 5.5). */
export function parseHeaders(lines: readonly string[]): Header[] {
  return lines.map((line) => {
    const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*)$/.exec(line)
    if (match === null) throw new Error(`not a header: ${quote(line)}`)
    const [, name = '', value = ''] = match
    return [name, value.replace(/[ \t]+$/, '')]
  })
}

/** The length that is declared, or null. A framing that can be read in two ways throws. */
export function declaredLength(headers: readonly Header[]): number | null {
  const lengths = headers.filter(([name]) => name.toLowerCase() === 'content-length')
  const length = lengths[0]?.[1]
  if (length === undefined) return null
  if (lengths.length > 1) throw new Error('more than one content-length')
  if (!/^\d+$/.test(length)) throw new Error(`not a content-length: ${quote(length)}`)
  if (findHeader(headers, 'transfer-encoding') !== undefined)
    throw new Error('both content-length and transfer-encoding')
  return Number(length)
}

interface Body {
  readonly body: Buffer
  readonly trailers: readonly Header[]
  readonly complete: boolean
  /** Where it ends among the bytes that there are. */
  readonly end: number
}

function readBody(
  bytes: Buffer,
  from: number,
  headers: readonly Header[],
  bodiless: boolean,
  ended: boolean,
): Body {
  const length = declaredLength(headers)
  if (bodiless) return { body: Buffer.alloc(0), trailers: [], complete: true, end: from }
  if (findHeader(headers, 'transfer-encoding')?.toLowerCase() === 'chunked') return readChunked(bytes, from)
  if (length === null) return { body: bytes.subarray(from), trailers: [], complete: ended, end: bytes.length }
  const body = bytes.subarray(from, from + length)
  return { body, trailers: [], complete: body.length === length, end: from + body.length }
}

/** @throws if what stands where a chunk has to begin or end is something else */
export function readChunked(bytes: Buffer, from: number): Body {
  const parts: Buffer[] = []
  const cut = (): Body => ({
    body: Buffer.concat(parts),
    trailers: [],
    complete: false,
    end: bytes.length,
  })
  for (let at = from; ; ) {
    const line = bytes.indexOf('\r\n', at)
    if (line === -1) return cut()
    const text = bytes.toString('latin1', at, line)
    const digits = /^([0-9a-f]+)(?:;[^\r\n]*)?$/i.exec(text)?.[1]
    if (digits === undefined) throw new Error(`not the size of a chunk: ${quote(text)}`)
    const size = Number.parseInt(digits, 16)
    const start = line + 2
    if (size === 0) return readTrailers(bytes, start, parts) ?? cut()
    parts.push(bytes.subarray(start, start + size))
    at = start + size
    // No byte, or the first one of two, may be there yet.
    const after = bytes.toString('latin1', at, at + 2)
    if (!'\r\n'.startsWith(after)) throw new Error(`not the end of a chunk: ${quote(after)}`)
    if (after.length < 2) return cut()
    at += 2
  }
}

function readTrailers(bytes: Buffer, from: number, parts: readonly Buffer[]): Body | null {
  const lines: string[] = []
  for (let at = from; ; ) {
    const line = bytes.indexOf('\r\n', at)
    if (line === -1) return null
    if (line === at) {
      return { body: Buffer.concat(parts), trailers: parseHeaders(lines), complete: true, end: at + 2 }
    }
    lines.push(bytes.toString('latin1', at, line))
    at = line + 2
  }
}
