import type { Group } from '../ledger/read/report.js'
import type { Totals } from '../ledger/read/sum.js'
import { formatCsvTable } from '../lib/csv.js'

const CSV_FIELDS = [
  'requests',
  'errors',
  'prompt_tokens',
  'cached_tokens',
  'completion_tokens',
  'reasoning_tokens',
  'searches',
  'cost_usd',
  'unpriced',
  'ttft_ms_p50',
  'ttft_ms_p99',
  'overhead_us_p99',
  'estimated',
  'assumed_usd',
  'direct',
] as const satisfies readonly (keyof Totals)[]

/** Formats groups as CSV with exact numbers: see `formatCsvTable`. An unknown value is an empty field. */
export function formatCsv(by: readonly string[], groups: readonly Group[]): string {
  const rows = groups.map(({ names, totals }) => [...names, ...CSV_FIELDS.map((key) => totals[key])])
  return formatCsvTable([...by, ...CSV_FIELDS], rows)
}
