import { connect, type Socket } from 'node:net'
import { until } from './until.js'

/** How a connection came to its end: a clean FIN, or a reset. */
export type Ending = 'fin' | 'reset'

/** An HTTP/1.1 client on a bare socket: what it sends is what is written, what it got is kept piece by piece. */
export class RawClient {
  readonly pieces: Buffer[] = []
  ending: Ending | null = null
  private joined: { count: number; bytes: Buffer } = { count: 0, bytes: Buffer.alloc(0) }
  readonly socket: Socket

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (piece: Buffer) => this.pieces.push(piece))
    socket.on('end', () => {
      this.ending ??= 'fin'
    })
    socket.on('error', () => {
      this.ending ??= 'reset'
    })
    socket.on('close', () => {
      this.ending ??= 'reset'
    })
  }

  static connect(port: number, allowHalfOpen = false): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.removeListener('error', reject)
        resolve(new RawClient(socket))
      })
    })
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
    this.socket.resetAndDestroy()
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

  /** Waits until what came so far has this in it. */
  async sees(part: string): Promise<void> {
    await until(() => this.bytes.includes(part, 0, 'latin1'), `${JSON.stringify(part)} at the client`)
  }

  /** The n-th response on this connection, from 0, when it is whole. */
  async response(n = 0): Promise<Response> {
    await until(
      () => parseResponses(this.bytes, this.ending === 'fin')[n]?.complete === true || this.ending !== null,
      'a whole response',
    )
    const response = parseResponses(this.bytes, this.ending === 'fin')[n]
    if (response === undefined)
      throw new Error(`there is no response ${n} in ${JSON.stringify(this.text.slice(0, 300))}`)
    return response
  }

  async closed(): Promise<Ending> {
    await until(() => this.ending !== null, 'the end of the connection')
    return this.ending ?? 'reset'
  }
}

export interface Response {
  readonly status: number
  readonly reason: string
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly body: Buffer
  /** The framing says that this is the whole message. */
  readonly complete: boolean
  /** Statuses of interim responses before it. */
  readonly interim: readonly number[]
}

export function headerOf(response: Response, name: string): string | undefined {
  return response.headers.find(([key]) => key.toLowerCase() === name)?.[1]
}

/** Reads responses from the bytes of a connection, the last of which may not be whole. */
export function parseResponses(bytes: Buffer, ended: boolean, method = 'GET'): Response[] {
  const responses: Response[] = []
  let interim: number[] = []
  let at = 0
  for (;;) {
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end === -1) return responses
    const lines = bytes.toString('latin1', at, end).split('\r\n')
    const [, status = '', reason = ''] = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(lines[0] ?? '') ?? []
    if (status === '') throw new Error(`not a response: ${JSON.stringify(lines[0])}`)
    at = end + 4
    if (status.startsWith('1') && status !== '101') {
      interim.push(Number(status))
      continue
    }
    const headers = lines.slice(1).map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
    })
    const get = (name: string): string | undefined => headers.find(([key]) => key.toLowerCase() === name)?.[1]
    let body: Buffer
    let complete: boolean
    const length = get('content-length')
    if (method === 'HEAD' || status === '204' || status === '304' || status === '101') {
      body = Buffer.alloc(0)
      complete = true
    } else if (get('transfer-encoding') === 'chunked') {
      const read = readChunked(bytes, at)
      body = read.body
      complete = read.complete
      at = read.end
    } else if (length !== undefined) {
      body = bytes.subarray(at, at + Number(length))
      complete = body.length === Number(length)
      at += body.length
    } else {
      body = bytes.subarray(at)
      complete = ended
      at = bytes.length
    }
    responses.push({ status: Number(status), reason, headers, body, complete, interim })
    interim = []
    if (!complete || at >= bytes.length) return responses
  }
}

function readChunked(bytes: Buffer, from: number): { body: Buffer; complete: boolean; end: number } {
  const parts: Buffer[] = []
  let at = from
  for (;;) {
    const line = bytes.indexOf('\r\n', at)
    if (line === -1) return { body: Buffer.concat(parts), complete: false, end: bytes.length }
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16)
    const start = line + 2
    if (size === 0) return { body: Buffer.concat(parts), complete: bytes.length >= start + 2, end: start + 2 }
    parts.push(bytes.subarray(start, Math.min(start + size, bytes.length)))
    at = start + size + 2
    if (at > bytes.length) return { body: Buffer.concat(parts), complete: false, end: bytes.length }
  }
}
