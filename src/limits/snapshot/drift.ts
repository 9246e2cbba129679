import type { Budget, LimitRule } from '../../config/limit-rules.js'
import { readStarts } from '../../ledger/read/start-check.js'
import type { Whole } from '../../ledger/read/whole.js'
import { isImport } from '../../ledger/starts.js'
import type { CounterUse, SummedRule } from '../replay/budget-sums.js'
import { listBudgetSums, type ReplayProblem, replayLedger } from '../replay/replay.js'
import type { LiveMark, SavedState, Snapshot } from './snapshot-file.js'

/** A budget whose counter says something else than the ledger. */
export interface Drift {
  readonly rule: LimitRule
  readonly owner: string
  readonly budget: Budget
  readonly period: string
  readonly live: Whole
  readonly ledger: Whole
}

/** What came out of comparing the counters of a relay with its ledger. */
export interface Comparison {
  /** Budgets that were compared, each for its current period. */
  readonly compared: number
  readonly drifts: readonly Drift[]
  /** Rates and places, which the ledger does not have. */
  readonly skipped: number
  /** Records of the relay that its counters have and the ledger's files have not (yet). */
  readonly unwritten: number
  /** Requests in these periods that went to the provider past the relay: no budget has counted them. */
  readonly direct: number
  /** Other starts that have written to the ledger since this one began: its counters lack what they have recorded. */
  readonly others: readonly string[]
  readonly problems: readonly ReplayProblem[]
}

/** The states of one moment. */
interface Slice {
  readonly seq: number
  readonly live: LiveMark | null
  readonly at: number
  readonly states: SavedState[]
}

/**
 * Compares the budgets of a snapshot with the sums of the ledger's records, up to the record that each one reaches.
 * @param folders of the ledger, the fallback last
 * @param rules of the config and of keys: a rule that the snapshot does not have must have nothing in the ledger
 */
export async function compareWithLedger(
  folders: readonly string[],
  snapshot: Snapshot,
  rules: readonly LimitRule[],
): Promise<Comparison> {
  const slices = splitSlices(snapshot, rules)
  const last = slices.at(-1)
  const lastSeq = Math.max(0, ...slices.map(({ seq }) => seq))
  const summed = new SummedRules()
  const known = new Set(snapshot.states.map(({ rule }) => rule.id))
  const lacking = rules.filter(({ id }) => !known.has(id))
  for (const slice of slices) for (const { rule } of slice.states) summed.add(rule, slice)
  if (last !== undefined) for (const rule of lacking) summed.add(rule, last)
  const { sums, problems } = await replayLedger({
    folders,
    rules: summed.rules,
    writer: snapshot.live === null ? snapshot.writer : null,
    at: Math.min(...slices.map(({ at }) => at)),
    usesRollups: false,
  })
  const uses = groupBy(sums.list(), ({ rule }) => rule)
  const drifts: Drift[] = []
  const found = new Map<string, Drift>()
  const counted = new Set<string>()
  let skipped = 0
  for (const slice of slices) {
    const own: CounterUse[] = []
    for (const [index, list] of uses) if (summed.isOf(index, slice)) own.push(...list)
    const inLedger = new Map<string, Drift>()
    for (const { rule, owner, budget, period, used } of listBudgetSums(summed.rules, own, slice.at))
      inLedger.set(nameOf(rule, owner, budget), { rule, owner, budget, period, live: 0, ledger: used })
    for (const { rule, owner, budget, period, used } of slice.states) {
      if (budget === null || period === null) {
        skipped++
        continue
      }
      const name = nameOf(rule, owner, budget)
      const ledger = inLedger.get(name)?.ledger ?? 0
      counted.add(name)
      if (BigInt(used) !== BigInt(ledger)) drifts.push({ rule, owner, budget, period, live: used, ledger })
    }
    for (const [name, drift] of inLedger) found.set(name, drift)
  }
  for (const [name, drift] of found) if (!counted.has(name)) drifts.push(drift)
  const ownRanges = sums.ranges.find(([writer]) => writer === snapshot.writer)?.[1] ?? []
  const unread = [...(snapshot.live?.ids ?? [])].filter((id) => !sums.found.has(id))
  return {
    compared: counted.size,
    drifts,
    skipped,
    // Of a relay that has recorded nothing in these periods, no record is read; and none without a budget.
    unwritten:
      snapshot.live === null
        ? Math.max(0, lastSeq - (ownRanges.at(-1) ?? lastSeq))
        : sums.since === Number.POSITIVE_INFINITY
          ? 0
          : unread.length,
    direct: sums.direct,
    others: await findOthers(folders, snapshot),
    problems,
  }
}

/** A relay without any counter has one slice: the rules may have something in the ledger all the same. */
function splitSlices({ states, written, live: lastLive }: Snapshot, rules: readonly LimitRule[]): Slice[] {
  const slices = new Map<string | LiveMark, Slice>()
  for (const state of states) {
    const { seq, live, at } = state
    const name = live ?? `${seq} ${at}`
    const slice = slices.get(name) ?? { seq, live, at, states: [] }
    slice.states.push(state)
    slices.set(name, slice)
  }
  if (slices.size === 0 && rules.length > 0)
    return [{ seq: 0, live: lastLive, at: Date.parse(written), states: [] }]
  return [...slices.values()]
}

/** Rules to be summed up, once for all slices that have the same records. */
class SummedRules {
  readonly rules: SummedRule[]
  private readonly known: Map<number | LiveMark, Set<string>>
  private readonly records: (number | LiveMark)[]

  constructor() {
    this.rules = []
    this.known = new Map()
    this.records = []
  }

  add(rule: LimitRule, slice: Slice): void {
    // Between two slices without a record, a rule may have got other budgets.
    const budgets = rule.budgets.map(({ unit, period }) => `${unit} ${period}`)
    const name = [rule.id, ...budgets].join(' ')
    const records = recordsOf(slice)
    const known = this.known.get(records) ?? new Set()
    this.known.set(records, known)
    if (known.has(name)) return
    known.add(name)
    this.records.push(records)
    const { seq, live } = slice
    const counted = live === null ? { upTo: seq } : { upTo: null, liveUpTo: live.writers, ids: live.ids }
    // A copy: sums are kept by rule.
    this.rules.push({ rule: { ...rule }, ...counted })
  }

  /** Whether a rule is summed up for a slice. @param index of the rule */
  isOf(index: number, slice: Slice): boolean {
    return this.records[index] === recordsOf(slice)
  }
}

function recordsOf({ seq, live }: Slice): number | LiveMark {
  return live ?? seq
}

function nameOf({ id }: LimitRule, owner: string, { unit, period }: Budget): string {
  return `${unit} ${period} ${id} ${owner}`
}

function groupBy<T>(values: Iterable<T>, keyOf: (value: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>()
  for (const value of values) {
    const group = groups.get(keyOf(value))
    if (group === undefined) groups.set(keyOf(value), [value])
    else group.push(value)
  }
  return groups
}

async function findOthers(
  folders: readonly string[],
  { writer, started, workers }: Snapshot,
): Promise<string[]> {
  const { ended, open } = await readStarts(folders)
  const later = [...ended.values()].filter((start) => start.ended !== null && start.ended > started)
  const running = open.filter(({ isRunning }) => isRunning !== false)
  const names = [...later.map((start) => start.writer), ...running.map((start) => start.writer)]
  const own = new Set([writer, ...workers])
  // An import adds nothing to any counter.
  return [...new Set(names)].filter((name) => !own.has(name) && !isImport(name))
}
