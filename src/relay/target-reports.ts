import type { RawHeaders } from '../http/flat-headers.js'
import type { FailureKind } from '../routing/outcome.js'
import { readCooldownMs } from '../routing/retry-after.js'
import { RETRY_POLICY } from '../routing/retry-policy.js'
import type { Attempt } from './attempt.js'

/** An attempt, as far as its target's health needs to know it. */
type Reported = Pick<Attempt, 'target' | 'ticket'>

/** What an outcome says of how long its target is to rest. */
interface ReportedCooldown {
  readonly kind: FailureKind
  /** How long the target asks to get no requests, in milliseconds; null if it does not say. */
  readonly askedMs: number | null
  /** The model that the target was asked for; null if the request has none. */
  readonly model: string | null
}

interface ReportedOutcome extends ReportedCooldown {
  /** For the log: a status, an error code, or the name of a time limit. */
  readonly why: string
}

/**
 * Reports an error response to the health of its target.
 * @param kind by its status
 * @param model that was asked for; null if the request has none
 */
export function reportStatus(
  reported: Reported,
  { status, raw }: { readonly status: number; readonly raw: RawHeaders },
  kind: FailureKind,
  model: string | null,
): void {
  const askedMs = readCooldownMs(status, raw, Date.now())
  reportOutcome(reported, { kind, why: `status ${status}`, askedMs, model })
}

/** Reports an outcome to the health of its target, as the retry policy says. */
export function reportOutcome(reported: Reported, outcome: ReportedOutcome): void {
  const { target, ticket } = reported
  const now = performance.now()
  const { health } = RETRY_POLICY[outcome.kind]
  if (health === 'failure') target.breaker.fail(ticket, now, outcome.why)
  // The latency of an error says nothing about the model.
  else if (health === 'success') target.breaker.succeed(ticket, now, null)
  reportCooldown(reported, outcome, now)
}

/**
 * Lets a target rest, its key, or one model there.
 * @param now `performance.now()`
 */
export function reportCooldown(
  { target }: Pick<Attempt, 'target'>,
  cooldown: ReportedCooldown,
  now: number,
): void {
  const { kind, askedMs, model } = cooldown
  switch (RETRY_POLICY[kind].cooldown) {
    case 'target':
      if (askedMs !== null && askedMs > 0) target.breaker.coolDownUntil(now + askedMs)
      break
    case 'credential':
      target.credential.refuse(now, kind === 'quota_exhausted' ? 'quota' : 'credential', askedMs)
      break
    case 'model':
      if (model !== null) target.missing.add(model, now)
      break
    case 'none':
  }
}

/** Reports an answer. @param model that was asked for; null if the request has none */
export function reportServed({ target }: Reported, model: string | null): void {
  target.credential.recover()
  if (model !== null && !target.missing.isEmpty) target.missing.forget(model)
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
