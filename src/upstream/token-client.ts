import type { ProxyConfig } from '../config/proxy.js'
import type { UpstreamConfig } from '../config/upstreams.js'
import { findHeader } from '../http/flat-headers.js'
import type { SendTokenRequest, TokenResponse } from './cloud/token-endpoint.js'
import { TokenError } from './cloud/token-source.js'
import { ConnectionPool } from './connection-pool.js'
import type { DispatchHandler, RawHeaderList } from './dispatch-handler.js'

/** The whole time for one response of a token endpoint, connection included. */
const TIMEOUT_MS = 10_000

/** No response of a token endpoint is nearly as long. */
const LONGEST = 256 * 1024

/**
 * Sends requests to the token endpoint of an upstream. It opens a connection for each, because minutes or hours lie
 * between two of them.
 * @param proxy on the way to the endpoint, which is another one than the upstream
 * @param timeoutMs for one response, in milliseconds
 */
export function createTokenClient(
  config: UpstreamConfig,
  proxy: ProxyConfig | null,
  timeoutMs = TIMEOUT_MS,
): SendTokenRequest {
  return async ({ method, url, headers, body }) => {
    const { origin, pathname, search } = new URL(url)
    // The authorities of the config are those of the upstream, and the name in a certificate likewise.
    const pool = new ConnectionPool({ ...config, origin, proxy, servername: null }, LONGEST)
    try {
      return await new Promise<TokenResponse>((resolve, reject) => {
        const handler = new TokenResponseReader(timeoutMs, resolve, reject)
        const sent = body === null ? null : Buffer.from(body)
        pool.dispatch({ method, path: pathname + search, headers: [...headers], body: sent }, handler)
      })
    } finally {
      void pool.destroy()
    }
  }
}

/** Collects one response. */
class TokenResponseReader implements DispatchHandler {
  private readonly resolve: (response: TokenResponse) => void
  private readonly reject: (error: Error) => void
  private readonly timer: NodeJS.Timeout
  private readonly chunks: Buffer[]
  private bytes: number
  private status: number
  private date: number | null

  constructor(timeoutMs: number, resolve: (response: TokenResponse) => void, reject: (error: Error) => void) {
    this.resolve = resolve
    this.reject = reject
    this.timer = setTimeout(() => this.fail('TOKEN_TIMEOUT'), timeoutMs).unref()
    this.chunks = []
    this.bytes = 0
    this.status = 0
    this.date = null
  }

  onConnect(): void {
    // The pool is destroyed when it is over, whatever came of it.
  }

  onHeaders(status: number, raw: RawHeaderList): boolean {
    if (status < 200) return true
    this.status = status
    const date = Date.parse(findHeader(raw, 'date') ?? '')
    this.date = Number.isNaN(date) ? null : date
    return true
  }

  onData(chunk: Buffer): boolean {
    this.bytes += chunk.length
    if (this.bytes > LONGEST) this.fail('TOKEN_RESPONSE_INVALID')
    else this.chunks.push(Buffer.from(chunk))
    return true
  }

  onComplete(): void {
    clearTimeout(this.timer)
    const { status, date } = this
    this.resolve({ status, date, text: Buffer.concat(this.chunks).toString() })
  }

  onError(error: Error): void {
    clearTimeout(this.timer)
    this.reject(error)
  }

  private fail(code: string): void {
    this.onError(new TokenError(code))
  }
}
