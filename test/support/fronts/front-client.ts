import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2'
import { request } from 'node:https'
import { wait } from '../until.js'

/**
 * What a client saw:
 * - `whole`: the answer with its end mark
 * - `cut`: the head and perhaps a part, then a reset, RST_STREAM or an end in the middle of a chunked body
 * - `error`: another status than 200, whole
 * - `nothing`: no head, as the connection failed before
 * - `false-whole`: it ended as whole answers do, but its end mark is missing. It must never come to this
 * - `late`: nothing had ended within the client's patience
 */
export type Ended = 'whole' | 'cut' | 'error' | 'nothing' | 'false-whole' | 'late'

export interface Outcome {
  readonly id: string
  readonly ended: Ended
  readonly protocol: 'h1' | 'h2'
  readonly status: number
  /** `error.code` of an error's body, or the code of the failed connection. */
  readonly code: string
  /** `x-thinwire-direct`. */
  readonly isDirect: boolean
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
  /** `performance.now()` at its start and its end. */
  readonly from: number
  readonly to: number
}

export interface FrontRequest {
  /** Of the front, on 127.0.0.1. */
  readonly port: number
  /** The name in the front's certificate, which is its own authority. */
  readonly host: string
  readonly ca: string
  readonly path?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: string | Buffer
  /** Whether the answer has to end in `[DONE]`. */
  readonly stream?: boolean
  readonly id?: string
  /** How long the client waits, all in all. Default: 60 s. */
  readonly patienceMs?: number
}

interface Raw {
  status: number
  headers: Readonly<Record<string, string | string[] | undefined>>
  body: string
  isClean: boolean
  isLate: boolean
  code: string
}

/** One request over TLS and HTTP/1.1, on a connection of its own. */
export async function requestByHttp1(wanted: FrontRequest): Promise<Outcome> {
  const from = performance.now()
  return judge(wanted, 'h1', from, await sendByHttp1(wanted))
}

function sendByHttp1(wanted: FrontRequest): Promise<Raw> {
  return new Promise((resolve) => {
    const raw: Raw = { status: 0, headers: {}, body: '', isClean: false, isLate: false, code: '' }
    const { port, host, ca, method = 'POST', path = '/v1/chat/completions', headers = {}, body } = wanted
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const req = request({
      host: '127.0.0.1',
      port,
      servername: host,
      ca,
      method,
      path,
      agent: false,
      maxHeaderSize: 128 * 1024,
      headers: { host, ...length, ...headers },
    })
    const timer = setTimeout(() => {
      raw.isLate = true
      req.destroy()
    }, wanted.patienceMs ?? 60_000)
    req.on('response', (res) => {
      raw.status = res.statusCode ?? 0
      raw.headers = res.headers
      res.setEncoding('utf8')
      res.on('data', (piece: string) => {
        raw.body += piece
      })
      res.on('error', (error: NodeJS.ErrnoException) => {
        raw.code = error.code ?? error.message
      })
      res.on('close', () => {
        raw.isClean = res.complete
      })
    })
    req.on('error', (error: NodeJS.ErrnoException) => {
      raw.code = error.code ?? error.message
    })
    req.on('close', () => {
      clearTimeout(timer)
      // `complete` is known when the response has closed, which may be a turn later.
      setImmediate(() => resolve(raw))
    })
    req.end(body)
  })
}

/**
 * A client of HTTP/2 over TLS, with one connection for all of its requests. When the front says that it takes no more
 * on it (GOAWAY), the next request gets a new one, and those that the front did not take are sent again: RFC 9113,
 * 6.8 and 8.7 say that these were not processed.
 */
export class Http2Client {
  private session: ClientHttp2Session | null = null
  /** Requests that were sent again, since the front had not taken them. */
  resent = 0

  private open({ port, host, ca }: FrontRequest): ClientHttp2Session {
    const { session } = this
    if (session !== null && !session.closed && !session.destroyed) return session
    const next = connectHttp2(`https://127.0.0.1:${port}`, { ca, servername: host })
    next.on('error', () => {})
    next.on('goaway', () => {
      if (this.session === next) this.session = null
    })
    this.session = next
    return next
  }

  close(): void {
    this.session?.destroy()
    this.session = null
  }

  async request(wanted: FrontRequest): Promise<Outcome> {
    const from = performance.now()
    for (let tries = 1; ; tries++) {
      const raw = await this.send(wanted)
      if (raw.code !== 'NOT_TAKEN' || tries === 4) return judge(wanted, 'h2', from, raw)
      this.resent++
      await wait(5)
    }
  }

  private send(wanted: FrontRequest): Promise<Raw> {
    return new Promise((resolve) => {
      const raw: Raw = { status: 0, headers: {}, body: '', isClean: false, isLate: false, code: '' }
      const session = this.open(wanted)
      const { host, method = 'POST', path = '/v1/chat/completions', headers = {}, body } = wanted
      let goneAt: number | null = null
      const onGoaway = (_code: number, lastStream: number): void => {
        goneAt = lastStream
      }
      session.on('goaway', onGoaway)
      const req = session.request(
        { ':method': method, ':path': path, ':authority': host, ...headers },
        { endStream: body === undefined },
      )
      const timer = setTimeout(() => {
        raw.isLate = true
        req.close(constants.NGHTTP2_CANCEL)
      }, wanted.patienceMs ?? 60_000)
      req.setEncoding('utf8')
      req.on('response', (head) => {
        raw.status = head[':status'] ?? 0
        raw.headers = head as Raw['headers']
      })
      req.on('data', (piece: string) => {
        raw.body += piece
      })
      let ended = false
      req.on('end', () => {
        ended = true
      })
      let wasReset = false
      req.on('aborted', () => {
        wasReset = true
      })
      req.on('error', (error: NodeJS.ErrnoException) => {
        raw.code = error.code ?? error.message
      })
      req.on('close', () => {
        clearTimeout(timer)
        session.removeListener('goaway', onGoaway)
        raw.isClean = ended && !wasReset && req.rstCode === constants.NGHTTP2_NO_ERROR && raw.code === ''
        const notTaken =
          req.rstCode === constants.NGHTTP2_REFUSED_STREAM ||
          raw.code === 'ERR_HTTP2_GOAWAY_SESSION' ||
          raw.code === 'ERR_HTTP2_INVALID_SESSION' ||
          (goneAt !== null && req.id !== undefined && req.id > goneAt)
        if (raw.status === 0 && notTaken) raw.code = 'NOT_TAKEN'
        if (session.closed || session.destroyed) this.session = this.session === session ? null : this.session
        resolve(raw)
      })
      if (body !== undefined) req.end(body)
    })
  }
}

function judge(wanted: FrontRequest, protocol: 'h1' | 'h2', from: number, raw: Raw): Outcome {
  const { status, headers, body } = raw
  return {
    id: wanted.id ?? '',
    ended: howItEnded(wanted, raw),
    protocol,
    status,
    code: status === 200 || status === 0 ? raw.code : readErrorCode(body),
    isDirect: headers['x-thinwire-direct'] !== undefined,
    headers,
    body,
    from,
    to: performance.now(),
  }
}

function howItEnded(
  { stream = false, id = '' }: FrontRequest,
  { status, body, isClean, isLate }: Raw,
): Ended {
  if (isLate) return 'late'
  if (status === 0) return 'nothing'
  if (!isClean) return 'cut'
  if (status !== 200) return 'error'
  const isWhole = stream ? body.endsWith('data: [DONE]\n\n') : isJson(body) && body.includes(id)
  return isWhole ? 'whole' : 'false-whole'
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function readErrorCode(body: string): string {
  try {
    return String((JSON.parse(body) as { error?: { code?: unknown } }).error?.code ?? 'no code')
  } catch {
    return 'no JSON'
  }
}
