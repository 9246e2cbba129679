import { setImmediate } from 'node:timers/promises'
import type { LimitRule } from '../../config/limit-rules.js'
import { LimitClaim } from '../../exchange/limit-ticket.js'
import type { LimitAmount } from '../../observe/limit-metrics.js'
import { readStates } from '../counters/limit-state.js'
import type { LimitState, LimitStore } from '../counters/store.js'
import { RuleNames } from './rule-names.js'

/** Counters that are read at once, in about a millisecond. Then requests have their turn. */
const READ_AT_ONCE = 500

const NANOS = 1e9

/** The amounts of all rules, and the number of counters. */
export interface AmountFigures {
  readonly amounts: Iterable<LimitAmount>
  readonly counters: number
}

/**
 * Reads all counters, some at a time, for metrics.
 * @param rules of the config: they have figures before they have counters
 */
export async function readAmounts(
  store: Pick<LimitStore, 'list' | 'read'>,
  rules: readonly LimitRule[],
): Promise<AmountFigures> {
  const sums = new AmountSums()
  const current = new Map<string, LimitRule>()
  for (const rule of rules) {
    current.set(rule.id, rule)
    // What nobody has used is at 0.
    sums.addAll(readStates(rule, '', null, performance.now(), Date.now()))
  }
  let counters = 0
  for (const claim of store.list()) {
    counters++
    // A counter that nobody has used since the config changed still has the former amounts.
    const rule = current.get(claim.rule.id)
    const read = rule === undefined || rule === claim.rule ? claim : new LimitClaim(rule, claim.owner)
    sums.addAll(store.read(read, performance.now(), Date.now()))
    if (counters % READ_AT_ONCE === 0) await setImmediate()
  }
  return { amounts: sums.list(), counters }
}

type Sum = { -readonly [Name in keyof LimitAmount]: LimitAmount[Name] }

class AmountSums {
  /** By name of the rule, then by unit and period. */
  private readonly byRule = new Map<string, Map<string, Sum>>()
  private readonly names = new RuleNames()

  addAll(states: readonly LimitState[]): void {
    for (const state of states) this.add(state)
  }

  *list(): Iterable<LimitAmount> {
    for (const sums of this.byRule.values()) yield* sums.values()
  }

  private add({ rule: { name }, kind, budget, limit, used, held }: LimitState): void {
    const rule = this.names.show(name)
    let sums = this.byRule.get(rule)
    if (sums === undefined) {
      sums = new Map()
      this.byRule.set(rule, sums)
    }
    const unit = budget?.unit ?? kind
    const period = budget?.period ?? (kind === 'concurrent' ? '' : 'minute')
    const key = `${unit} ${period}`
    const usedRatio = limit > 0 ? Number(used) / limit : 0
    const heldAmount = unit === 'usd' ? held / NANOS : held
    const known = sums.get(key)
    if (known === undefined) sums.set(key, { rule, unit, period, usedRatio, held: heldAmount })
    else {
      known.usedRatio = Math.max(known.usedRatio, usedRatio)
      known.held += heldAmount
    }
  }
}
