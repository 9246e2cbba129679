import { findOnlyKey, type LimitRule } from '../../config/limit-rules.js'
import { readStates } from '../counters/limit-state.js'
import type { LimitState } from '../counters/store.js'
import { listBudgetSums, type ReplayProblem, replayLedger } from '../replay/replay.js'
import type { SavedState, Snapshot } from './snapshot-file.js'
import { advanceState, findLiveness, type Liveness, readSnapshot } from './snapshot-reader.js'

/** Where a counter stands now. */
export interface CounterNow extends Omit<LimitState, 'resetMs' | 'owner'> {
  /** Null: nobody has used anything of it yet. */
  readonly owner: string | null
  /** Epoch milliseconds. */
  readonly resetsAt: number
}

/** Where all counters stand, as far as it can be known from outside of the relay. */
export interface Overview {
  /** From a relay's own counters, or summed up from the ledger: then rates are not known, and taken for unused. */
  readonly source: 'relay' | 'ledger'
  readonly counters: readonly CounterNow[]
  /** What the last relay has left; null for nothing that can be used. */
  readonly snapshot: Snapshot | null
  readonly liveness: Liveness | null
  /** What is wrong with the file of the snapshot; null for nothing. */
  readonly fault: string | null
  readonly problems: readonly ReplayProblem[]
}

/**
 * Finds where the counters of rules stand.
 * @param folders of the ledger, the fallback last
 * @param rules of the config and of keys: those that nobody has used are shown, too
 * @param now epoch milliseconds
 */
export async function readOverview(
  folders: readonly string[],
  rules: readonly LimitRule[],
  now: number,
): Promise<Overview> {
  const { snapshot, problem: fault } = await readSnapshot(folders[0] ?? '')
  const liveness = snapshot === null ? null : findLiveness(snapshot)
  const found = { snapshot, liveness, fault }
  if (snapshot !== null && (liveness === 'running' || liveness === 'unknown')) {
    const counters = snapshot.states.map((state: SavedState): CounterNow => advanceState(state, now))
    return { ...found, source: 'relay', counters: addUnused(counters, rules, now), problems: [] }
  }
  const { counters, problems } = await sumUp(folders, rules, now)
  return { ...found, source: 'ledger', counters: addUnused(counters, rules, now), problems }
}

async function sumUp(
  folders: readonly string[],
  rules: readonly LimitRule[],
  at: number,
): Promise<{ counters: CounterNow[]; problems: readonly ReplayProblem[] }> {
  const summed = rules.map((rule) => ({ rule, upTo: null }))
  const { sums, problems } = await replayLedger({
    folders,
    rules: summed,
    writer: null,
    at,
    usesRollups: true,
  })
  const counters = new Map<string, CounterNow[]>()
  for (const { rule, owner, budget, used } of listBudgetSums(summed, sums.list(), at)) {
    const id = `${rule.id} ${owner}`
    const states = counters.get(id) ?? unused(rule, owner, at)
    counters.set(
      id,
      states.map((state) => (state.budget === budget ? { ...state, used } : state)),
    )
  }
  return { counters: [...counters.values()].flat(), problems }
}

function addUnused(counters: CounterNow[], rules: readonly LimitRule[], at: number): CounterNow[] {
  const used = new Set(counters.map(({ rule }) => rule.id))
  for (const rule of rules) if (!used.has(rule.id)) counters.push(...unused(rule, findOnlyOwner(rule), at))
  return counters
}

/** The counters of a rule of which nothing was used. */
export function unused(rule: LimitRule, owner: string | null, at: number): CounterNow[] {
  return readStates(rule, owner ?? '', null, 0, at).map(({ resetMs, ...state }) => ({
    ...state,
    owner,
    resetsAt: at + resetMs,
  }))
}

/** @returns null if it may have several owners */
function findOnlyOwner(rule: LimitRule): string | null {
  if (rule.per === 'pool') return ''
  return rule.per === 'key' ? findOnlyKey(rule) : null
}

/** How much of a limit is used, in whole percent, rounded down: what is below the limit is never 100. */
export function shareOf({ used, limit }: Pick<CounterNow, 'used' | 'limit'>): number {
  if (limit === 0) return 100
  return Number((BigInt(used) * 100n) / BigInt(limit))
}
