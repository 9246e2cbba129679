import { findOnlyKey, type LimitRule, type PeriodKind } from '../../config/limit-rules.js'
import type { Dimensions, Entry } from '../../ledger/read/entry.js'
import type { RollupHead, RollupReader } from '../../ledger/read/rollup.js'
import { SequenceCheck } from '../../ledger/read/sequence-check.js'
import { readRowUse, type SumRow } from '../../ledger/read/sum.js'
import { addWhole, type Whole } from '../../ledger/read/whole.js'
import { QUARTER_MS } from '../../ledger/read/zone.js'
import { findPeriod } from '../counters/period.js'
import { LimitMatcher } from '../rules/matcher.js'
import type { LimitSubject } from '../rules/subject.js'

/** A rule whose budgets are summed up from the ledger. */
export interface SummedRule {
  readonly rule: LimitRule
  /**
   * Records of the writer that counts by itself count only up to this number. Null: all of them. The numbers of other
   * writers do not matter.
   */
  readonly upTo: number | null
  /** The same of other writers that count by themselves, by their names. Those that are not in it count all. */
  readonly liveUpTo?: ReadonlyMap<string, number>
  /** Ids of requests whose records count whatever number they have; not given: none. */
  readonly ids?: ReadonlySet<string>
}

/** Numbers of the records of each writer, as ranges: `[from, to, from, to]`. */
export type RecordRanges = readonly (readonly [writer: string, ranges: readonly number[]])[]

/** What was used of one counter, in the same periods of its budgets. */
export interface CounterUse {
  /** Which of the rules. */
  readonly rule: number
  readonly owner: string
  /** The kinds of periods that it is for: those that are going on, or have not begun. */
  readonly periods: readonly PeriodKind[]
  /** A moment in each of these periods. */
  readonly at: number
  readonly tokens: Whole
  /** Nano-dollars, known or assumed. */
  readonly nano: Whole
}

/** The sums of one counter by the index of their periods. */
type Sums = ({ tokens: Whole; nano: Whole } | undefined)[]

/** A rule, and what was counted for it. */
interface RuleSums {
  readonly index: number
  readonly upTo: number
  readonly liveUpTo: ReadonlyMap<string, number>
  readonly ids: ReadonlySet<string>
  readonly periods: PeriodSets
  readonly needsRecords: boolean
  /** By owner. */
  readonly counters: Map<string, Sums>
}

/** What a record of the live writer adds: everything of the ledger that a counter in memory lacks. */
const ALL = Number.POSITIVE_INFINITY

const NO_WRITERS: ReadonlyMap<string, number> = new Map()
const NO_IDS: ReadonlySet<string> = new Set()

/**
 * Sums up what records and rollups of the ledger say was used of each counter: the same rules, periods and amounts as
 * when they were counted live. Its memory grows with the counters, and not with the records.
 */
export class BudgetSums implements RollupReader {
  /** Lines that are not records. */
  torn: number
  /** Repeated records, which are not counted again. */
  duplicates: number
  /**
   * Records of direct traffic that belong to these periods. They count on no budget, as nobody knows what they used.
   * Those that a rollup has summed up are not among them.
   */
  direct: number
  /** Of the ids of the rules, those of which a record was read. */
  readonly found: Set<string>
  /** No record from before this moment counts: epoch milliseconds. */
  readonly since: number
  private readonly writer: string | null
  /** Of all rules. */
  private readonly ids: Set<string>
  private readonly rules: Map<LimitRule, RuleSums>
  private readonly matcher: LimitMatcher
  /** Rules that are for one key alone, by its id. */
  private readonly keyRules: Map<string, LimitRule[]>
  private readonly periodSets: readonly PeriodSets[]
  private readonly seen: SequenceCheck
  /** The smallest number up to which records of the live writer count. */
  private readonly leastUpTo: number

  /**
   * @param writer that counts its own records live; null: none does
   * @param at epoch milliseconds: periods that include it, and later ones, are summed up
   * @param counted records that have been counted before: see `ranges`
   */
  constructor(rules: readonly SummedRule[], writer: string | null, at: number, counted: RecordRanges = []) {
    this.torn = 0
    this.duplicates = 0
    this.direct = 0
    this.found = new Set()
    this.writer = writer
    this.ids = new Set()
    this.rules = new Map()
    this.keyRules = new Map()
    this.seen = new SequenceCheck()
    for (const [name, ranges] of counted) this.seen.addRanges(name, ranges)
    const sets = new Map<string, PeriodSets>()
    const common: LimitRule[] = []
    for (const [index, { rule, upTo, liveUpTo = NO_WRITERS, ids = NO_IDS }] of rules.entries()) {
      if (rule.budgets.length === 0) continue
      const kinds = [...new Set(rule.budgets.map(({ period }) => period))].sort()
      const name = `${rule.timezone} ${kinds.join(' ')}`
      const periods = sets.get(name) ?? new PeriodSets(rule.timezone, kinds, at)
      sets.set(name, periods)
      const needsRecords = rule.match.path !== null
      const counters = new Map()
      for (const id of ids) this.ids.add(id)
      this.rules.set(rule, { index, upTo: upTo ?? ALL, liveUpTo, ids, periods, needsRecords, counters })
      const key = findOnlyKey(rule)
      const own = key === null ? undefined : this.keyRules.get(key)
      if (key === null) common.push(rule)
      else if (own === undefined) this.keyRules.set(key, [rule])
      else own.push(rule)
    }
    this.matcher = new LimitMatcher(common)
    this.periodSets = [...sets.values()]
    this.since = Math.min(...this.periodSets.map(({ since }) => since))
    this.leastUpTo = Math.min(...[...this.rules.values()].map(({ upTo }) => upTo))
  }

  /** Whether any rule has to see each record of requests at that time or later. @param since of the records */
  needsRecords(mayBeIn: (since: number) => boolean): boolean {
    for (const { needsRecords, periods } of this.rules.values())
      if (needsRecords && mayBeIn(periods.since)) return true
    return false
  }

  /** Adds a record. @param entry null for a line that is not a record */
  add(entry: Entry | null): void {
    if (entry === null) {
      this.torn++
      return
    }
    const { writer, seq, id, at } = entry
    if (!this.seen.add(writer, seq)) {
      this.duplicates++
      return
    }
    if (id !== null && this.ids.has(id)) this.found.add(id)
    if (at === null || at < this.since) return
    if (entry.isDirect) this.direct++
    const tokens = addWhole(entry.promptTokens ?? 0, entry.completionTokens) as Whole
    const nano = entry.cost ?? entry.assumed ?? 0
    if (tokens === 0 && nano === 0) return
    this.count(entry, at, tokens, nano, entry)
  }

  beginRollup({ writers, quarters, torn, duplicates }: RollupHead): 'rows' | 'none' | 'records' {
    if (writers.some(([writer, ranges]) => this.isInPart(writer, ranges.at(-1) ?? 0))) return 'records'
    const isUniform = (quarter: number | null): boolean =>
      quarter === null || this.periodSets.every((periods) => periods.isUniform(quarter))
    if (!quarters.every(isUniform)) return 'records'
    if (writers.some(([writer, ranges]) => this.seen.hasAny(writer, ranges))) return 'records'
    for (const [writer, ranges] of writers) this.seen.addRanges(writer, ranges)
    this.torn += torn
    this.duplicates += duplicates
    return quarters.some((quarter) => quarter !== null && quarter * QUARTER_MS >= this.since)
      ? 'rows'
      : 'none'
  }

  addRow(of: Dimensions, row: SumRow, from: number): void {
    if (of.at === null || of.at < this.since) return
    const { tokens, nano } = readRowUse(row, from)
    if (tokens !== 0 || nano !== 0) this.count(of, of.at, tokens, nano, null)
  }

  /** What was used of each counter. */
  *list(): Generator<CounterUse> {
    for (const { index, periods, counters } of this.rules.values())
      for (const [owner, sums] of counters)
        for (const [i, sum] of sums.entries()) {
          const set = periods.sets[i]
          if (sum === undefined || set === undefined) continue
          yield { rule: index, owner, periods: set.kinds, at: set.at, tokens: sum.tokens, nano: sum.nano }
        }
  }

  /** The numbers of the records of each writer. */
  get ranges(): RecordRanges {
    return this.seen.ranges
  }

  /** Whether some rule does not count all records of a writer. @param last number of them */
  private isInPart(writer: string, last: number): boolean {
    if (writer === this.writer) return last > this.leastUpTo
    for (const { liveUpTo } of this.rules.values()) if (last > (liveUpTo.get(writer) ?? ALL)) return true
    return false
  }

  private isCounted({ writer, seq, id }: Entry, { upTo, liveUpTo, ids }: RuleSums): boolean {
    const most = writer === this.writer ? upTo : (liveUpTo.get(writer) ?? ALL)
    return seq <= most || (id !== null && ids.has(id))
  }

  /** @param entry null for many records */
  private count(of: Dimensions, at: number, tokens: Whole, nano: Whole, entry: Entry | null): void {
    const { key, env, team, user, model, tags } = of
    const route = entry?.route ?? ''
    const subject: LimitSubject = { key, env, team, user, model, route, tags }
    const own = key === null ? null : (this.keyRules.get(key) ?? null)
    for (const { rule, owner } of this.matcher.claimsOf(subject, own)) {
      const found = this.rules.get(rule)
      if (found === undefined) continue
      if (entry !== null && !this.isCounted(entry, found)) continue
      const set = found.periods.find(at)
      if (set === NONE) continue
      let sums = found.counters.get(owner)
      if (sums === undefined) {
        sums = []
        found.counters.set(owner, sums)
      }
      const sum = sums[set]
      if (sum === undefined) sums[set] = { tokens, nano }
      else {
        sum.tokens = addWhole(sum.tokens, tokens) as Whole
        sum.nano = addWhole(sum.nano, nano) as Whole
      }
    }
  }
}

/** No period that counts. */
const NONE = -1

/** The moment is in no period that counts as a whole quarter of an hour. */
const MIXED = -2

/** One period of each kind. */
interface PeriodSet {
  /** Kinds of which the period counts: it goes on, or has not begun. */
  readonly kinds: readonly PeriodKind[]
  /** A moment in all of them. */
  readonly at: number
}

/** The periods of some kinds in a time zone. Moments that are in the same ones have the same index. */
class PeriodSets {
  readonly sets: PeriodSet[]
  /** Start of the first period that counts, in epoch milliseconds. */
  readonly since: number
  private readonly zone: string
  private readonly kinds: readonly PeriodKind[]
  /** Start of the period of each kind that goes on. */
  private readonly starts: readonly number[]
  /** Indexes of sets by the starts of their periods. */
  private readonly byStarts: Map<string, number>
  private readonly byQuarter: Map<number, number>

  constructor(zone: string, kinds: readonly PeriodKind[], at: number) {
    this.zone = zone
    this.kinds = kinds
    this.starts = kinds.map((kind) => findPeriod(kind, zone, at).start)
    this.since = Math.min(...this.starts)
    this.sets = []
    this.byStarts = new Map()
    this.byQuarter = new Map()
  }

  /** @returns index of the set of a moment; `NONE` if no period of it counts */
  find(at: number): number {
    const known = this.findQuarter(Math.floor(at / QUARTER_MS))
    return known === MIXED ? this.findMoment(at) : known
  }

  /** Whether all moments of a quarter of an hour are in the same periods. @param quarter number since the epoch */
  isUniform(quarter: number): boolean {
    return this.findQuarter(quarter) !== MIXED
  }

  private findQuarter(quarter: number): number {
    const known = this.byQuarter.get(quarter)
    if (known !== undefined) return known
    const first = this.findMoment(quarter * QUARTER_MS)
    const found = first === this.findMoment((quarter + 1) * QUARTER_MS - 1) ? first : MIXED
    this.byQuarter.set(quarter, found)
    return found
  }

  private findMoment(at: number): number {
    if (at < this.since) return NONE
    const kinds: PeriodKind[] = []
    let name = ''
    for (const [i, kind] of this.kinds.entries()) {
      const { start } = findPeriod(kind, this.zone, at)
      if (start < (this.starts[i] as number)) continue
      kinds.push(kind)
      name += `${kind} ${start} `
    }
    if (kinds.length === 0) return NONE
    const known = this.byStarts.get(name)
    if (known !== undefined) return known
    this.byStarts.set(name, this.sets.length)
    return this.sets.push({ kinds, at }) - 1
  }
}
