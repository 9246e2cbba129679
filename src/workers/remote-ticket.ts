import { type LimitClaim, LimitTicket } from '../exchange/limit-ticket.js'
import type { LimitEstimate, LimitVerdict } from '../limits/counters/store.js'

/** A ticket that the primary has. */
export class RemoteTicket extends LimitTicket {
  readonly number: number
  /** `performance.now()` */
  renewedAt: number
  onVerdict: ((verdict: LimitVerdict) => void) | null

  constructor(
    number: number,
    claims: readonly LimitClaim[],
    { tokens, nano }: LimitEstimate,
    now: number,
    at: number,
  ) {
    super(claims, tokens, nano, at, Number.POSITIVE_INFINITY)
    this.number = number
    this.isPending = true
    this.renewedAt = now
    this.onVerdict = null
  }
}
