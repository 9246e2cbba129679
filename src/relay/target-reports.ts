import type { RawHeaders } from '../http/flat-headers.js'
import { classifyOutcome, type Failure } from '../routing/outcome.js'
import { readCooldownMs } from '../routing/retry-after.js'
import type { Attempt } from './attempt.js'

/** An attempt, as far as its target's breaker needs to know it. */
type Reported = Pick<Attempt, 'target' | 'ticket'>

/** Reports an error response to the breaker of its target. */
export function reportStatus(
  { target, ticket }: Reported,
  { status, raw }: { readonly status: number; readonly raw: RawHeaders },
): void {
  const { breaker } = target
  const now = performance.now()
  const verdict = classifyOutcome(status)
  if (verdict === 'failure') breaker.fail(ticket, now, `status ${status}`)
  // The latency of an error says nothing about the model.
  else if (verdict === 'success') breaker.succeed(ticket, now, null)
  const cooldown = readCooldownMs(status, raw, Date.now())
  if (cooldown > 0) breaker.coolDownUntil(now + cooldown)
}

/** Reports an attempt without a response. @param why for the log: an error code, or the name of a time limit */
export function reportFailure({ target, ticket }: Reported, failure: Failure, why: string): void {
  const verdict = classifyOutcome(failure)
  if (verdict === 'failure') target.breaker.fail(ticket, performance.now(), why)
  else if (verdict === 'success') target.breaker.succeed(ticket, performance.now(), null)
}

/**
 * Reports an attempt that another one has overtaken: the wait is a lower bound of its latency. Without it the hedge
 * delay would come from winners alone, and shrink with each hedge. A wait below the median carries no information.
 * @param waited milliseconds
 * @param now `performance.now()`
 */
export function reportOvertaken({ target }: Attempt, waited: number, now: number): void {
  const { latency } = target.breaker
  if (waited > (latency.quantile(0.5) ?? Number.POSITIVE_INFINITY)) latency.observe(now, waited)
}
