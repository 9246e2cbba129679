import type { KeyRecord } from '../access/key-lines.js'
import type { RefusalDetails } from '../api/error-response.js'
import type { ErrorCode } from '../api/errors.js'
import type { Exchange } from '../exchange/exchange.js'
import type { LimitTicket } from '../exchange/limit-ticket.js'
import type { SocketResponse } from '../exchange/socket-response.js'
import type { EstimatedBody } from '../limits/estimate.js'
import type { Limiter } from '../limits/limiter.js'
import type { PricedTarget } from '../limits/request-costs.js'
import { describeKey, type KeyReport } from '../limits/responses/key-report.js'
import type { LimitRefusal } from '../limits/responses/refusal.js'
import { isExempt } from '../limits/rules/exempt.js'
import type { LimitedRequest } from '../limits/rules/subject.js'
import type { RequestBody } from '../relay/request-body.js'
import { findAccess, type ModelAccess } from './model-access.js'
import type { ProxyPlan } from './plan.js'

/** Why a request is refused that was planned. */
export interface Refused {
  readonly code: ErrorCode
  readonly details: RefusalDetails
}

/** The limits answer in a moment: see `LimitGate.whenChecked`. */
export const LATER = Symbol('later')

/** Asks the limits: a request, or a response on a WebSocket. */
type Asking = Pick<Exchange, 'request' | 'outcome' | 'setTicket' | 'setLimitRule'>

/** Asks the limits about each request once, and returns what a request holds of them when it is over. */
export class LimitGate {
  private readonly limiter: Limiter | null
  private readonly settle: () => void

  /**
   * @param limiter null if nothing is limited
   * @param settle has all summaries that were gathered counted now
   */
  constructor(limiter: Limiter | null, settle: () => void) {
    this.limiter = limiter
    this.settle = settle
    limiter?.flushBy(settle)
  }

  /**
   * Checks a request that is about to be sent, or answered from the cache.
   * @param body null if it has none
   * @returns null if it may pass
   */
  check(exchange: Exchange, plan: ProxyPlan, body: RequestBody | null): Refused | typeof LATER | null {
    const { key, method, path, ticket } = exchange.request
    // A request whose upload was broken off is planned again, and one whose body is complete by now.
    if (exchange.isChecked) return ticket?.isPending === true ? LATER : null
    if (!this.limiter?.mayLimit(key) || isExempt(method, path)) return null
    return toRefused(this.ask(exchange, body, firstTarget(plan)))
  }

  /**
   * Checks the handshake of a WebSocket whose responses are checked one by one: it takes no place among the requests in
   * flight.
   */
  checkHandshake(exchange: Exchange, target: PricedTarget): Refused | typeof LATER | null {
    const refusal = this.ask(exchange, null, target)
    if (refusal === null || refusal === LATER) this.limiter?.releasePlaces(exchange.request.ticket)
    return toRefused(refusal)
  }

  /** Checks a response on a WebSocket. @param body the message that asks for it */
  checkResponse(
    response: SocketResponse,
    body: EstimatedBody,
    target: PricedTarget,
  ): LimitRefusal | typeof LATER | null {
    return this.ask(response, body, target)
  }

  private ask(
    asking: Asking,
    body: EstimatedBody | null,
    target: PricedTarget,
  ): LimitRefusal | typeof LATER | null {
    const { limiter } = this
    if (limiter === null) return null
    const { request } = asking
    const { ticket, observed, refusal } = limiter.check(request, body, target, performance.now(), this.settle)
    asking.setTicket(ticket, observed)
    if (refusal !== null) asking.setLimitRule(refusal.rule.name)
    return ticket?.isPending === true ? LATER : refusal
  }

  /**
   * Waits for what the limits answer.
   * @param onChecked another one may take its place until the answer is there
   * @param isForAll also for what is over in the meantime: its connection may end because of it
   */
  whenChecked(asking: Asking, onChecked: (refusal: LimitRefusal | null) => void, isForAll = false): void {
    const { limiter } = this
    const { request, outcome } = asking
    const { ticket } = request
    if (limiter === null || ticket === null) return
    limiter.whenChecked(request, ticket, outcome.observedRules, (check) => {
      const isOver = outcome.end !== null
      if (!isOver) asking.setTicket(check.ticket, check.observed)
      if (isOver && !isForAll) return
      if (check.refusal !== null) asking.setLimitRule(check.refusal.rule.name)
      onChecked(check.refusal)
    })
  }

  /** A rule has refused the request because of its model. @param rule its name */
  bar(asking: Pick<Exchange, 'setLimitRule'>, rule: string): void {
    asking.setLimitRule(rule)
    this.limiter?.countBarred(rule)
  }

  /**
   * What limits a key, and what is left: for its holder.
   * @param clientAddress whom the relay takes the holder for: the address of a proxy that is not trusted
   */
  describeKey(key: KeyRecord, clientAddress: string | null): KeyAnswer | Promise<KeyAnswer> {
    const report = this.limiter?.describeKey(key) ?? describeKey(key, [], () => [], 0)
    const addAddress = (found: KeyReport): KeyAnswer => ({ ...found, client_address: clientAddress })
    return report instanceof Promise ? report.then(addAddress) : addAddress(report)
  }

  /** Which models a request may use. */
  findAccess(request: LimitedRequest): ModelAccess {
    return findAccess(request, this.limiter)
  }

  /** The relay refuses the request after all: it costs nothing. */
  cancel({ request }: Pick<Exchange, 'request'>): void {
    if (request.ticket !== null) this.limiter?.cancel(request.ticket, performance.now())
  }

  /** The same where it is not known whether it was sent: what no upstream has got costs nothing. */
  cancelUnsent(exchange: Exchange): void {
    if (exchange.outcome.attempts === 0) this.cancel(exchange)
  }

  release(ticket: LimitTicket | null): void {
    if (ticket !== null) this.limiter?.release(ticket)
  }

  /** What open requests hold does not lapse. @param now `performance.now()` */
  renew({ request, responses }: Exchange, now: number): void {
    if (this.limiter === null) return
    this.limiter.renew(request.ticket, now)
    if (responses !== null) for (const response of responses) this.limiter.renew(response.request.ticket, now)
  }
}

interface KeyAnswer extends KeyReport {
  readonly client_address: string | null
}

function toRefused(refusal: LimitRefusal | typeof LATER | null): Refused | typeof LATER | null {
  return refusal === null || refusal === LATER ? refusal : { code: refusal.code, details: refusal }
}

/** The target that is asked first, if none is unhealthy: its price decides. */
function firstTarget({ route, usable, conversation }: ProxyPlan): PricedTarget {
  const target = route.targets[usable?.[0] ?? 0]
  return {
    upstream: target?.upstream.name ?? null,
    model: target?.model ?? conversation?.modelName ?? null,
  }
}
