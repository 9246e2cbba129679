import type { LimitRule } from '../config/limit-rules.js'
import type { LimitTicket } from '../exchange/limit-ticket.js'
import type { LimitRefusal } from './responses/refusal.js'

/** What a check came to. */
export interface LimitCheck {
  /** Null if nothing counts the request, or it is refused. */
  readonly ticket: LimitTicket | null
  /** Names of the rules that only observe, and would have refused it; null for none. */
  readonly observed: string | null
  /** Null if it may pass. */
  readonly refusal: LimitRefusal | null
}

/** Nothing counts the request. */
export const PASSED: LimitCheck = { ticket: null, observed: null, refusal: null }
export function refuse(refusal: LimitRefusal): LimitCheck {
  return { ticket: null, observed: null, refusal }
}

/**
 * Names of rules, each once: `interns, everyone`.
 * @param before names that come first; null for none
 * @returns null for none at all
 */
export function joinNames(
  before: string | null,
  entries: readonly { readonly rule: LimitRule }[],
): string | null {
  if (entries.length === 0) return before
  const names = [...new Set(entries.map(({ rule }) => rule.name))].join(', ')
  return before === null ? names : `${before}, ${names}`
}
