import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Budget, LimitRule } from '../../config/limit-rules.js'
import { listLedgerNames } from '../../ledger/files.js'
import { type Entry, readEntry } from '../../ledger/read/entry.js'
import { readLines } from '../../ledger/read/lines.js'
import { Period } from '../../ledger/read/period.js'
import { type DayFiles, isClosed, listDays, readRollup } from '../../ledger/read/rollup-files.js'
import { isMissing, readStarts, type Starts } from '../../ledger/read/start-check.js'
import { addWhole, type Whole } from '../../ledger/read/whole.js'
import { findPeriod } from '../counters/period.js'
import { BudgetSums, type CounterUse, type RecordRanges, type SummedRule } from './budget-sums.js'
import { RecordDays } from './record-days.js'

/** What is read, and what is summed up. */
export interface ReplayTask {
  /** Of the ledger; its fallback behind the first one. */
  readonly folders: readonly string[]
  /** Rules of the config and of keys. Those without a budget are passed over. */
  readonly rules: readonly SummedRule[]
  /** Writer whose records count only up to the number that each rule has; null for none. */
  readonly writer: string | null
  /** The periods that include this moment are summed up, and later ones: epoch milliseconds. */
  readonly at: number
  /** False: each record is read. */
  readonly usesRollups: boolean
  /** Records that were counted before, and count no more; not given: none. */
  readonly counted?: RecordRanges
  /** First day whose files are read (`YYYY-MM-DD`, UTC); not given: all days that the periods touch. */
  readonly fromDay?: string
}

/** Something of the ledger that could not be read. What is there counts all the same. */
export interface ReplayProblem {
  /** Path of the file or folder. */
  readonly path: string
  readonly kind: 'torn' | 'unreadable' | 'missing'
  /** Number of torn lines or missing records; the error code of what cannot be read. */
  readonly detail: number | string
}

/** Says what is wrong with a file, for a person. */
export function describeProblem({ path, kind, detail }: ReplayProblem): string {
  switch (kind) {
    case 'torn':
      return `${path} has ${detail} ${detail === 1 ? 'line that is no record' : 'lines that are no records'}`
    case 'unreadable':
      return `${path} cannot be read (${detail})`
    case 'missing':
      return `${path} is missing, or lacks records: ${detail} ${detail === 1 ? 'is' : 'are'} not there`
  }
}

/** What became of a replay. */
export interface Replay {
  readonly sums: BudgetSums
  readonly problems: readonly ReplayProblem[]
  /** Writers that have not ended, and may add records: other relays that run. */
  readonly running: readonly string[]
}

/**
 * Sums up what the ledger says was used of each counter in the periods that go on. It reads only the days that these
 * periods touch, and rollups in place of records where these tell the same.
 */
export async function replayLedger(task: ReplayTask): Promise<Replay> {
  const { folders, rules, writer, at, counted, fromDay = '' } = task
  const sums = new BudgetSums(rules, writer, at, counted)
  const problems: ReplayProblem[] = []
  const days = new RecordDays()
  if (sums.since === Number.POSITIVE_INFINITY) return { sums, problems, running: [] }
  // Who runs now may add records to what is read next.
  const starts = await readStarts(folders).catch((): Starts => ({ ended: new Map(), open: [] }))
  const running = listRunning(starts, writer)
  const mayBeIn = (day: string): boolean => day >= fromDay && new Period(sums.since, null).mayBeIn(day)
  for (const folder of folders) {
    for (const day of await listFolder(folder, problems)) {
      if (!mayBeIn(day.day)) continue
      for (const name of day.names) days.addFile(day.day, folder, name)
      await readDay(folder, day, sums, days, task, problems)
    }
  }
  for (const { folder, name, records } of days.findMissing(folders, sums.ranges, starts, writer, mayBeIn))
    problems.push({ path: join(folder, name), kind: 'missing', detail: records })
  return { sums, problems, running }
}

/** Starts of relays that have not ended, as far as that is known. @param writer that is left out */
export function listRunning({ open }: Starts, writer: string | null): string[] {
  return open
    .filter((start) => start.isRunning !== false && start.writer !== writer)
    .map((start) => start.writer)
}

async function listFolder(folder: string, problems: ReplayProblem[]): Promise<DayFiles[]> {
  try {
    return listDays(listLedgerNames(await readdir(folder)))
  } catch (error) {
    // Nothing was written there yet.
    if (!isMissing(error)) problems.push(unreadable(folder, error))
    return []
  }
}

async function readDay(
  folder: string,
  day: DayFiles,
  sums: BudgetSums,
  days: RecordDays,
  { at, usesRollups }: ReplayTask,
  problems: ReplayProblem[],
): Promise<void> {
  const isOver = isClosed(day.day, at)
  const needsRecords = sums.needsRecords((since) => new Period(since, null).mayBeIn(day.day))
  if (usesRollups && isOver && !needsRecords) {
    const rollup = await readRollup(folder, day).catch(() => null)
    if (rollup?.addTo(sums) === true) {
      for (const [writer, ranges] of rollup.head.writers)
        days.add(day.day, writer, ranges[0] ?? 0, ranges.at(-1) ?? 0)
      if (rollup.head.torn > 0)
        problems.push({ path: join(folder, day.names[0] ?? ''), kind: 'torn', detail: rollup.head.torn })
      return
    }
  }
  const addEntry = (entry: Entry | null): void => {
    sums.add(entry)
    if (entry !== null) days.add(day.day, entry.writer, entry.seq, entry.seq)
  }
  for (const name of day.names) await readFile(join(folder, name), isOver, sums, addEntry, problems)
}

/** @param isOver nobody writes to the file any more */
async function readFile(
  path: string,
  isOver: boolean,
  sums: BudgetSums,
  addEntry: (entry: Entry | null) => void,
  problems: ReplayProblem[],
): Promise<void> {
  const before = sums.torn
  let isLastTorn = false
  const addLine = (line: string): void => {
    // The writer puts a line end first when it does not know how the line before ended.
    if (line === '') return
    const { torn } = sums
    addEntry(readEntry(line))
    isLastTorn = sums.torn > torn
  }
  try {
    await readLines(path, addLine)
  } catch (error) {
    problems.push(unreadable(path, error))
  }
  // The last line may be one that is being written.
  const torn = sums.torn - before - (isLastTorn && !isOver ? 1 : 0)
  if (torn > 0) problems.push({ path, kind: 'torn', detail: torn })
}

function unreadable(path: string, error: unknown): ReplayProblem {
  const { code, message } = error as NodeJS.ErrnoException
  return { path, kind: 'unreadable', detail: code ?? message }
}

/** What the ledger says was used of one budget in the period that goes on. */
export interface BudgetSum {
  readonly rule: LimitRule
  readonly owner: string
  readonly budget: Budget
  /** Name of the period: `2026-11@Europe/Berlin`. */
  readonly period: string
  /** Tokens or nano-dollars, as the budget has it. */
  readonly used: Whole
}

/**
 * Sums up each budget for the period that includes a moment: the exact amounts that its counter must have. Budgets of
 * which nothing was used are not in it.
 * @param at epoch milliseconds, of the replay
 */
export function listBudgetSums(
  rules: readonly SummedRule[],
  uses: Iterable<CounterUse>,
  at: number,
): BudgetSum[] {
  const found = new Map<string, BudgetSum>()
  for (const use of uses) {
    const rule = rules[use.rule]?.rule
    for (const budget of rule?.budgets ?? []) {
      if (rule === undefined || !use.periods.includes(budget.period)) continue
      const { name: period, start, end } = findPeriod(budget.period, rule.timezone, at)
      const added = budget.unit === 'usd' ? use.nano : use.tokens
      if (use.at < start || use.at >= end || !(added > 0)) continue
      const id = `${use.rule} ${budget.unit} ${budget.period} ${use.owner}`
      const used = addWhole(found.get(id)?.used ?? 0, added) ?? 0
      found.set(id, { rule, owner: use.owner, budget, period, used })
    }
  }
  return [...found.values()]
}
