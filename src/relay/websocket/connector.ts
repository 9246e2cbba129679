import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { ErrorCode } from '../../api/errors.js'
import type { Exchange } from '../../exchange/exchange.js'
import { readErrorCode } from '../../lib/error-code.js'
import {
  CREDENTIAL_MISSING,
  classifyFailure,
  type Failure,
  type FailureKind,
  FIRST_BYTE_LATE,
} from '../../routing/outcome.js'
import { type Decision, decide, RETRY_POLICY } from '../../routing/retry-policy.js'
import type { Target } from '../../routing/route.js'
import { TargetWalk } from '../../routing/target-walk.js'
import type { Upstream } from '../../upstream/upstream.js'
import { classifyError } from '../failure.js'
import { reportOutcome, reportServed, reportStatus } from '../target-reports.js'
import { Handshake, type HandshakeRequest } from './handshake.js'

/** Where a WebSocket may go. */
export interface SocketRoute {
  /** In the order of the attempts; one at least. */
  readonly targets: readonly Target<Upstream>[]
  /** Whether a handshake goes to the next target after one that may have acted on it. */
  readonly failover: boolean
  /** Upstreams get the credentials of the relay, and not the client's own. */
  readonly ownsCredential: boolean
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
  private readonly walk: TargetWalk<Upstream>
  private current: Handshake | null
  /** A response that is kept in case that no other target accepts. */
  private fallback: { target: Target<Upstream>; res: IncomingMessage } | null

  constructor(exchange: Exchange, route: SocketRoute, handler: ConnectorHandler) {
    this.exchange = exchange
    this.route = route
    this.handler = handler
    this.walk = new TargetWalk(route.targets, [...route.targets.keys()])
    this.current = null
    this.fallback = null
  }

  start(): void {
    this.exchange.startAttempts(performance.now())
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
    reportServed(handshake, target.model)
    this.settle(handshake)
    this.exchange.setWinner(target, handshake.startedAt)
    this.fallback?.res.destroy()
    this.fallback = null
    this.handler.onOpen(target, res, socket, head)
  }

  onRefused(handshake: Handshake, res: IncomingMessage): void {
    const status = res.statusCode ?? 502
    const { target } = handshake
    res.on('error', ignoreError)
    const kind = classifyFailure(status, this.route.ownsCredential)
    if (status >= 400) reportStatus(handshake, { status, raw: res.rawHeaders }, kind, target.model)
    this.settle(handshake)
    if (!this.goesOn(target, kind) && !(hasNoWebSocket(status) && this.walk.hasNext())) {
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
    const kind = classifyFailure(failure, this.route.ownsCredential)
    reportOutcome(handshake, { kind, why: cause, askedMs: null, model: null })
    this.settle(handshake)
    this.exchange.addFailure(`${handshake.target.name} ${cause}`)
    if (this.goesOn(handshake.target, kind)) this.attempt()
    else if (this.fallback !== null) this.finish(this.fallback)
    else this.handler.onFailed(code, cause)
  }

  private finish({ target, res }: { target: Target<Upstream>; res: IncomingMessage }): void {
    if (this.fallback !== null && this.fallback.res !== res) this.fallback.res.destroy()
    this.fallback = null
    this.exchange.setUpstream(target.upstream.name)
    this.handler.onRefused(target, res)
  }

  /** Whether another target is tried after a failure; it is the next one then. */
  private goesOn({ upstream }: Target<Upstream>, kind: FailureKind): boolean {
    const { walk, route } = this
    const decision: Decision = decide(kind, {
      // A connection of its own is never stale.
      retried: true,
      hasKey: walk.hasKey(upstream),
      hasOther: walk.hasOther(upstream),
      failover: route.failover,
      idempotent: true,
    })
    if (decision !== 'next' && decision !== 'key') return false
    walk.place(upstream, RETRY_POLICY[kind].keys)
    return true
  }

  /** Nothing was begun: the relay has no valid credential for the target. */
  private onCredentialMissing(target: Target<Upstream>): void {
    const now = performance.now()
    const ticket = target.breaker.begin(now)
    target.breaker.fail(ticket, now, CREDENTIAL_MISSING)
    target.breaker.end(ticket)
    this.exchange.addFailure(`${target.name} ${CREDENTIAL_MISSING}`)
    if (this.goesOn(target, 'credential_missing')) this.attempt()
    else if (this.fallback !== null) this.finish(this.fallback)
    else this.handler.onFailed('upstream_credential_missing', CREDENTIAL_MISSING)
  }

  private settle({ target, ticket }: Handshake): void {
    target.breaker.end(ticket)
    this.current = null
  }

  private attempt(): void {
    this.walk.hasNext()
    const target = this.walk.take()
    this.exchange.countAttempt(target)
    try {
      this.current = new Handshake(target, this.route.build(target), this)
    } catch (error) {
      const code = readErrorCode(error)
      if (code === CREDENTIAL_MISSING) this.onCredentialMissing(target)
      else this.handler.onFailed('internal_error', code)
    }
  }
}

function ignoreError(): void {
  // Whoever reads the response learns of it by its close.
}
