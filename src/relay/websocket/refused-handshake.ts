import type { IncomingMessage } from 'node:http'
import type { Exchange } from '../../exchange/exchange.js'
import type { Stage } from '../../exchange/stage.js'
import { formatServerTiming } from '../../exchange/timing.js'
import { findHeader } from '../../http/flat-headers.js'
import { buildResponseHeaders, createResponseFacts, readReasonPhrase } from '../../http/response-headers.js'
import { readErrorCode } from '../../lib/error-code.js'
import type { Upstream } from '../../upstream/upstream.js'

/** Relays the plain response to a handshake, so that the client can fall back to HTTP. */
export class RefusedHandshake implements Stage {
  private readonly exchange: Exchange
  private readonly upstream: Upstream
  private readonly res: IncomingMessage
  private chunksBefore: number
  private quietSince: number
  private isOver: boolean

  constructor(exchange: Exchange, upstream: Upstream, res: IncomingMessage) {
    this.exchange = exchange
    this.upstream = upstream
    this.res = res
    this.chunksBefore = 0
    this.quietSince = performance.now()
    this.isOver = false
  }

  start(): void {
    const { exchange, res } = this
    const { redactor } = this.upstream
    const raw = redactor === null ? res.rawHeaders : res.rawHeaders.map((part) => redactor.hide(part))
    const status = res.statusCode ?? 502
    const facts = createResponseFacts()
    exchange.startResponse(status, null, performance.now())
    const timing = formatServerTiming(exchange.timeline, performance.now())
    const headers = buildResponseHeaders(raw, exchange.request.requestId, timing, false, facts)
    headers.push('connection', 'close')
    const reason = redactor?.hide(res.statusMessage ?? '') ?? res.statusMessage
    exchange.res.writeHead(status, readReasonPhrase(reason, 'latin1'), headers)
    res.on('data', (data: Buffer) => {
      exchange.countChunk()
      exchange.countBytesOut(data.length)
    })
    res.on('end', () => exchange.conclude('done'))
    res.on('error', (error) => this.onBroken(readErrorCode(error)))
    const isCompressed = findHeader(res.rawHeaders, 'content-encoding') !== undefined
    if (redactor === null || isCompressed) res.pipe(exchange.res)
    else res.pipe(redactor.stream()).pipe(exchange.res)
  }

  onClose(): void {
    this.isOver = true
    this.res.destroy()
  }

  onTick(now: number): void {
    if (this.isOver) return
    const { exchange, upstream } = this
    if (exchange.outcome.chunks !== this.chunksBefore) {
      this.chunksBefore = exchange.outcome.chunks
      this.quietSince = now
    } else if (now - this.quietSince > upstream.timeouts.idleMs) {
      this.onBroken('idleMs')
    }
  }

  /** The response broke off: the client's side is broken off too, and not ended. */
  private onBroken(cause: string): void {
    if (this.isOver) return
    this.isOver = true
    this.exchange.conclude('upstream_cut', cause, 'upstream_cut')
    this.exchange.res.socket?.destroySoon()
  }
}
