import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { ErrorCode } from '../../api/errors.js'
import type { Exchange } from '../../exchange/exchange.js'
import { readErrorCode } from '../../lib/error-code.js'
import { type Failure, FIRST_BYTE_LATE } from '../../routing/outcome.js'
import { type Decision, decide } from '../../routing/retry-policy.js'
import type { Target } from '../../routing/route.js'
import type { Upstream } from '../../upstream/upstream.js'
import { classifyError } from '../failure.js'
import { reportFailure, reportStatus } from '../target-reports.js'
import { Handshake, type HandshakeRequest } from './handshake.js'

/** Where a WebSocket may go. */
export interface SocketRoute {
  /** In the order of the attempts; one at least. */
  readonly targets: readonly Target<Upstream>[]
  /** Whether a handshake goes to the next target after one that may have acted on it. */
  readonly failover: boolean
  /** Builds the handshake for one of the targets. */
  readonly build: (target: Target<Upstream>) => HandshakeRequest
}

export interface ConnectorHandler {
  onOpen(target: Target<Upstream>, res: IncomingMessage, socket: Socket, head: Buffer): void
  /** No target has accepted; this is what one of them said. */
  onRefused(target: Target<Upstream>, res: IncomingMessage): void
  onFailed(code: ErrorCode, cause: string): void
}

/** Statuses of servers that have no WebSocket at this path: another target may have one. */
const NO_WEBSOCKET: ReadonlySet<number> = new Set([200, 404, 405, 426, 501])

/** Whether a refused handshake says that the upstream has no WebSocket there. */
export function hasNoWebSocket(status: number): boolean {
  return NO_WEBSOCKET.has(status)
}

/** Opens a WebSocket to the first target that accepts one, as `Failover` does for requests. */
export class Connector {
  private readonly exchange: Exchange
  private readonly route: SocketRoute
  private readonly handler: ConnectorHandler
  private nextIndex: number
  private current: Handshake | null
  /** A response that is kept in case that no other target accepts. */
  private fallback: { target: Target<Upstream>; res: IncomingMessage } | null

  constructor(exchange: Exchange, route: SocketRoute, handler: ConnectorHandler) {
    this.exchange = exchange
    this.route = route
    this.handler = handler
    this.nextIndex = 0
    this.current = null
    this.fallback = null
  }

  start(): void {
    this.exchange.startAttempts(performance.now())
    this.hasNext()
    this.attempt()
  }

  giveUp(): void {
    const { current } = this
    this.current = null
    if (current !== null) {
      current.target.breaker.end(current.ticket)
      current.giveUp()
    }
    this.fallback?.res.destroy()
    this.fallback = null
  }

  /** @param now `performance.now()` */
  onTick(now: number): void {
    const { current } = this
    if (current === null) return
    const { timeouts } = current.target.upstream
    const waited = now - current.startedAt
    if (!current.isConnected && waited > timeouts.connectMs) {
      current.giveUp()
      this.lose(current, 'UND_ERR_CONNECT_TIMEOUT', 'connectMs', 'upstream_connect_timeout')
    } else if (waited > timeouts.firstByteMs) {
      current.giveUp()
      this.lose(current, FIRST_BYTE_LATE, 'firstByteMs', 'upstream_timeout')
    }
  }

  // A handshake's side

  onOpen(handshake: Handshake, res: IncomingMessage, socket: Socket, head: Buffer): void {
    const { target, ticket } = handshake
    // A handshake says nothing about the latency of a model.
    target.breaker.succeed(ticket, performance.now(), null)
    this.settle(handshake)
    this.exchange.setWinner(target.upstream.name, target.model, handshake.startedAt)
    this.fallback?.res.destroy()
    this.fallback = null
    this.handler.onOpen(target, res, socket, head)
  }

  onRefused(handshake: Handshake, res: IncomingMessage): void {
    const status = res.statusCode ?? 502
    const { target } = handshake
    res.on('error', ignoreError)
    if (status >= 400) reportStatus(handshake, { status, raw: res.rawHeaders })
    this.settle(handshake)
    const hasOther = this.hasNext()
    const isNext = this.decide(status, hasOther) === 'next' || (hasOther && hasNoWebSocket(status))
    if (!isNext) {
      this.finish({ target, res })
      return
    }
    this.exchange.addFailure(`${target.name} ${status}`)
    this.fallback?.res.destroy()
    this.fallback = { target, res }
    this.attempt()
  }

  onFailed(handshake: Handshake, error: Error): void {
    const phase = handshake.isConnected ? 'waiting' : 'connecting'
    const cause = readErrorCode(error)
    this.lose(handshake, cause, cause, classifyError(error, phase))
  }

  private lose(handshake: Handshake, failureCode: string, cause: string, code: ErrorCode): void {
    const phase = handshake.isConnected ? 'waiting' : 'connecting'
    const failure: Failure = { code: failureCode, phase, reused: false, sentWhole: true }
    reportFailure(handshake, failure, cause)
    this.settle(handshake)
    const isNext = this.decide(failure, this.hasNext()) === 'next'
    this.exchange.addFailure(`${handshake.target.name} ${cause}`)
    if (isNext) this.attempt()
    else if (this.fallback !== null) this.finish(this.fallback)
    else this.handler.onFailed(code, cause)
  }

  private finish({ target, res }: { target: Target<Upstream>; res: IncomingMessage }): void {
    if (this.fallback !== null && this.fallback.res !== res) this.fallback.res.destroy()
    this.fallback = null
    this.exchange.setUpstream(target.upstream.name)
    this.handler.onRefused(target, res)
  }

  private decide(outcome: number | Failure, hasOther: boolean): Decision {
    // A connection of its own is never stale.
    return decide(outcome, { retried: true, hasOther, failover: this.route.failover, idempotent: true })
  }

  private settle({ target, ticket }: Handshake): void {
    target.breaker.end(ticket)
    this.current = null
  }

  /** Whether a target is left to try. Skips targets at their limit of concurrent requests. */
  private hasNext(): boolean {
    const { targets } = this.route
    while (this.nextIndex < targets.length && targets[this.nextIndex]?.upstream.full) this.nextIndex++
    return this.nextIndex < targets.length
  }

  private attempt(): void {
    const target = this.route.targets[this.nextIndex] as Target<Upstream>
    this.nextIndex++
    this.exchange.countAttempt(target.upstream.name, target.model)
    try {
      this.current = new Handshake(target, this.route.build(target), this)
    } catch (error) {
      this.handler.onFailed('internal_error', readErrorCode(error))
    }
  }
}

function ignoreError(): void {
  // Whoever reads the response is told by its close.
}
