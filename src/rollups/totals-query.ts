import { addSums, createSums, Grouping, readCounts, readLatencies } from './group-sums.js'
import { Pace } from './pace.js'
import type { Filter, RollupQuery } from './query.js'
import { DIMENSIONS, type Dimension, type SecondSums, type TotalsRow, type TotalsTable } from './shapes.js'
import { chooseSlots } from './slots.js'
import type { Store } from './store.js'

/** What belongs to one name. */
interface Group {
  readonly sums: Float64Array
  /** Start of the last slot that has some. */
  lastAt: number
}

/** Sums up a range by one dimension. */
export async function queryTotals(store: Store, query: RollupQuery, by: Dimension): Promise<TotalsTable> {
  const pace = await Pace.begin()
  const { ring, from, first, perStep, count, stepMs } = chooseSlots(store, query.range, true)
  const grouping = new Grouping(store.book, query.filter, by)
  const groups = new Map<string, Group>()
  for (let number = first; number < first + count * perStep; number++) {
    const at = ring.startOf(number)
    ring.sumUp(number, (series) => {
      const name = grouping.groupOf(series)
      if (name === null) return null
      let group = groups.get(name)
      if (group === undefined) {
        group = { sums: createSums(), lastAt: at }
        groups.set(name, group)
      }
      group.lastAt = at
      return group.sums
    })
    if (pace.isTimeUp) await pace.rest()
  }
  const all: Group = { sums: createSums(), lastAt: Number.NEGATIVE_INFINITY }
  for (const { sums, lastAt } of groups.values()) {
    addSums(all.sums, sums)
    all.lastAt = Math.max(all.lastAt, lastAt)
    if (pace.isTimeUp) await pace.rest()
  }
  const rows: TotalsRow[] = []
  const now = store.now()
  // What a key did last may be no part of this range, or of what the filter lets through.
  const isLast = by === 'key' && first + count * perStep > ring.numberOf(now) && isOfKeys(query.filter)
  const readRow = (name: string, { sums, lastAt }: Group): TotalsRow => {
    const seen = isLast ? store.seenKeys.get(name) : undefined
    const last = Math.min(seen ?? lastAt + ring.slotMs - 1, now)
    const counts = readCounts(sums)
    return { name, counts, latencies: readLatencies(sums), lastAt: lastAt < 0 ? null : last }
  }
  for (const [name, group] of groups) {
    rows.push(readRow(name, group))
    if (pace.isTimeUp) await pace.rest()
  }
  rows.sort((a, b) => b.counts.requests - a.counts.requests || (a.name < b.name ? -1 : 1))
  return { from, to: Math.min(from + count * stepMs, Math.max(now, from)), by, rows, sum: readRow('', all) }
}

/** Whether a filter lets all requests of a key through, or none. */
function isOfKeys(filter: Filter): boolean {
  return DIMENSIONS.every((name) => filter[name] === undefined || OF_KEYS.has(name))
}

/** What all requests of a key have in common. */
const OF_KEYS: ReadonlySet<Dimension> = new Set(['team', 'user', 'key'])

/** Counts the codes of errors in a range, the most first. */
export async function queryCodes(
  store: Store,
  query: RollupQuery,
  codes: readonly string[],
  codesAt: number,
): Promise<{ readonly code: string; readonly count: number }[]> {
  const pace = await Pace.begin()
  const { ring, first, perStep, count } = chooseSlots(store, query.range, true)
  const grouping = new Grouping(store.book, query.filter, null)
  const sums = createSums()
  for (let number = first; number < first + count * perStep; number++) {
    ring.sumUp(number, (series) => (grouping.groupOf(series) === null ? null : sums))
    if (pace.isTimeUp) await pace.rest()
  }
  return codes
    .map((code, i) => ({ code, count: sums[codesAt + i] as number }))
    .filter((one) => one.count > 0)
    .sort((a, b) => b.count - a.count || (a.code < b.code ? -1 : 1))
}

/** Requests of a second may be told of so much after its end. */
const LATE_MS = 300

/** Sums up the last second of which all is known. */
export function sumLastSecond(store: Store, grouping: Grouping): SecondSums {
  const ring = store.rings.seconds
  const number = ring.numberOf(store.now() - LATE_MS) - 1
  const sums = createSums()
  ring.sumUp(number, (series) => (grouping.groupOf(series) === null ? null : sums))
  const { requests, errors, refusals, promptTokens, completionTokens, costNano } = readCounts(sums)
  const { addedUs, firstByteMs } = readLatencies(sums)
  const pair = ({ p50, p99 }: typeof addedUs): readonly [number, number] | null =>
    p50 === null || p99 === null ? null : [p50, p99]
  return {
    at: ring.startOf(number),
    requests,
    errors,
    refusals,
    tokens: promptTokens + completionTokens,
    costNano,
    addedUs: pair(addedUs),
    firstByteMs: pair(firstByteMs),
  }
}
