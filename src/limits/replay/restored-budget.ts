import type { Budget, LimitRule } from '../../config/limit-rules.js'
import type { LiveRecords } from './live-records.js'

/** Budgets of one rule that came at the same time. */
export interface RestoredBudget {
  readonly name: string
  /** As they are now: amounts may change while it is restored. */
  rule: LimitRule
  budget: Budget
  /** Records of this start count from the ledger up to this number, and live after it. */
  readonly upTo: number
  isRestored: boolean
  /** It can be restored: its counters have nothing that the ledger has too. */
  isReady: boolean
  /** What began before is not restored: epoch milliseconds. */
  from: number
}

/** Identifies a budget: the rule's id, its unit and its period. */
export function nameBudget({ id }: LimitRule, { unit, period }: Budget): string {
  return `${id} ${unit} ${period}`
}

/** Budgets of the same rule that came at the same time are summed up together. */
export function groupEntries(
  entries: readonly RestoredBudget[],
  live: LiveRecords | undefined,
): RestoredBudget[][] {
  const groups = new Map<string, RestoredBudget[]>()
  for (const entry of entries) {
    const id = `${entry.rule.id} ${entry.upTo} ${[...(live?.upTo(entry.name) ?? [])].join(' ')}`
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [entry])
    else group.push(entry)
  }
  return [...groups.values()]
}
