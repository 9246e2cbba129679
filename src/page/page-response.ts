import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ApiError } from './shapes.js'

/** What is sent back for a request. */
export interface PageResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Empty for none. */
  readonly body: string | Buffer
}

/**
 * Nothing is loaded from elsewhere, no script and no style stands in a page, and no page of others has this one in a
 * frame. What clients of the relay call their models is text whatever they write.
 */
const CSP = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

/** Headers of each response. */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': CSP,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

const PRIVATE = 'no-store'

/** An error that the caller of the API is to see. */
export class ApiRefusal extends Error {
  readonly status: number
  readonly code: string
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.name = 'ApiRefusal'
    this.status = status
    this.code = code
    this.headers = headers
  }
}

/** @param body JSON */
export function createJson(
  body: PageResponse['body'],
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): PageResponse {
  const type = 'application/json; charset=utf-8'
  return { status, headers: { ...headers, 'content-type': type, 'cache-control': PRIVATE }, body }
}

export function createError({ status, code, message, headers }: ApiRefusal): PageResponse {
  const body: ApiError = { error: { code, message } }
  return createJson(JSON.stringify(body), status, headers)
}

/** @param body CSV @param name of the file that a browser stores */
export function createCsv(body: PageResponse['body'], name: string): PageResponse {
  return {
    status: 200,
    headers: {
      'content-type': 'text/csv; charset=utf-8; header=present',
      'content-disposition': `attachment; filename="${name}"`,
      'cache-control': PRIVATE,
    },
    body,
  }
}

export function createText(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): PageResponse {
  return {
    status,
    headers: { ...headers, 'content-type': 'text/plain; charset=utf-8', 'cache-control': PRIVATE },
    body: text,
  }
}

/** @param to a path of this page */
export function createRedirect(to: string, headers: Readonly<Record<string, string>> = {}): PageResponse {
  return { status: 303, headers: { ...headers, location: to, 'cache-control': PRIVATE }, body: '' }
}

/** Milliseconds in which a response has to be taken. */
const TAKE_MS = 60_000

/** Bytes of responses that may wait for their clients at one time. */
const MOST_WAITING_BYTES = 32 * 1024 * 1024

/** Sends responses, and bounds what waits in memory for clients that do not read. */
export class ResponseWriter {
  private waitingBytes: number
  private readonly maxBytes: number
  private readonly takeMs: number

  constructor(maxBytes: number = MOST_WAITING_BYTES, takeMs: number = TAKE_MS) {
    this.waitingBytes = 0
    this.maxBytes = maxBytes
    this.takeMs = takeMs
  }

  /** Ends the response. The body of a HEAD is left out. */
  send(req: IncomingMessage, res: ServerResponse, response: PageResponse): void {
    if (res.headersSent || res.destroyed) return
    const { status, headers } = response
    const body = typeof response.body === 'string' ? Buffer.from(response.body) : response.body
    const hasBody = status !== 204 && status !== 304
    if (this.waitingBytes + body.length > this.maxBytes) {
      // Whether the connection stays is not a matter of the response.
      const { connection } = headers
      const kept = connection === undefined ? {} : { connection }
      const rest = { 'retry-after': '5', 'content-length': '0', 'cache-control': PRIVATE }
      res.writeHead(503, { ...SAFE_HEADERS, ...kept, ...rest }).end()
      return
    }
    res.writeHead(status, {
      ...SAFE_HEADERS,
      ...headers,
      ...(hasBody ? { 'content-length': String(body.length) } : {}),
    })
    if (req.method === 'HEAD' || !hasBody) {
      res.end()
      return
    }
    this.waitingBytes += body.length
    const timer = setTimeout(() => res.destroy(), this.takeMs).unref()
    res.once('close', () => {
      clearTimeout(timer)
      this.waitingBytes -= body.length
    })
    res.end(body)
  }
}
