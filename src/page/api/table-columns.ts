import type { CsvValue } from '../../lib/csv.js'
import { COUNTS, type Counts, type Latencies } from '../shapes.js'

const NANO = 'Nano'

/** Names of the columns of counts: money is in US dollars there. */
export const COUNT_COLUMNS: readonly string[] = COUNTS.map((name) =>
  toSnakeCase(name.endsWith(NANO) ? `${name.slice(0, -NANO.length)}Usd` : name),
)

export function listCounts(counts: Counts | null): CsvValue[] {
  if (counts === null) return COUNTS.map(() => null)
  return COUNTS.map((name) => (name.endsWith(NANO) ? toUsd(counts[name]) : counts[name]))
}

const DURATIONS = ['firstByteMs', 'firstTokenMs', 'totalMs', 'addedUs'] as const

export const LATENCY_COLUMNS: readonly string[] = DURATIONS.flatMap((name) => [
  `${toSnakeCase(name)}_p50`,
  `${toSnakeCase(name)}_p99`,
])

export function listLatencies(latencies: Latencies | null): CsvValue[] {
  return DURATIONS.flatMap((name) => [latencies?.[name].p50 ?? null, latencies?.[name].p99 ?? null])
}

/** The rows of a table of some things. */
export function* listRows<T>(
  things: Iterable<T>,
  toCells: (thing: T) => readonly CsvValue[],
): Generator<readonly CsvValue[]> {
  for (const thing of things) yield toCells(thing)
}

export function toUsd(nano: number): number {
  return nano / 1e9
}

/** ISO 8601, which spreadsheets and people read. */
export function toIso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}

function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
