import type { KeyRecord } from '../../access/key-lines.js'
import { type LimitRule, rateOf } from '../../config/limit-rules.js'
import type { LimitClaim } from '../../exchange/limit-ticket.js'
import type { LimitState } from '../counters/store.js'
import { toUnit, unitOf } from './amount-text.js'

/** The response to `GET /v1/key`, for the holder of the key. */
export interface KeyReport {
  readonly object: 'key'
  readonly id: string
  readonly env: string
  readonly team: string
  readonly user: string
  readonly issued_at: string
  readonly expires_at: string | null
  /** Patterns of the models that it may use; null for all. */
  readonly models: readonly string[] | null
  readonly limits: readonly object[]
}

/**
 * Says what limits a key, and what is left. Patterns of other keys, users, teams and envs are left out: they are no
 * business of the holder's.
 * @param claims the rules that hold for some of its requests
 * @param read reads the state of a counter
 * @param at epoch milliseconds
 */
export function describeKey(
  { id, env, team, user, issuedAt, expiresAt, models }: KeyRecord,
  claims: readonly LimitClaim[],
  read: (claim: LimitClaim) => readonly LimitState[],
  at: number,
): KeyReport {
  const limits = claims.map((claim) => describeRule(claim.rule, read(claim), at))
  return { object: 'key', id, env, team, user, issued_at: issuedAt, expires_at: expiresAt, models, limits }
}

function describeRule(rule: LimitRule, states: readonly LimitState[], at: number): object {
  const { name, per, match, allow, deny, timezone, message, observe } = rule
  const { model, path, tag } = match
  return {
    rule: name,
    shared_by: per,
    for: { models: model, paths: path, tags: tag },
    allowed_models: allow,
    denied_models: deny,
    refuses: !observe,
    message,
    timezone,
    amounts: states.map((state) => describeState(state, at)),
  }
}

/** Amounts are in their own unit: US dollars, tokens, requests. */
function describeState({ rule, kind, budget, limit, used, held, resetMs }: LimitState, at: number): object {
  const rate = rateOf(rule, kind)
  const unit = unitOf({ kind, budget })
  const left = BigInt(limit) - BigInt(used)
  return {
    kind,
    unit,
    period: budget?.period ?? (rate === null ? null : 'minute'),
    per_minute: rate?.perMinute ?? null,
    limit: toUnit(unit, limit),
    used: toUnit(unit, used),
    held: toUnit(unit, held),
    left: left > 0n ? toUnit(unit, left) : 0,
    resets_at: kind === 'concurrent' ? null : new Date(at + resetMs).toISOString(),
    resets_in_s: kind === 'concurrent' ? null : Math.ceil(resetMs / 1_000),
  }
}
