import type { Group } from '../ledger/read/report.js'
import type { Totals } from '../ledger/read/sum.js'

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

/** First characters that make a spreadsheet run a cell as a formula. A client chooses the model name freely. */
const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/

/**
 * Formats groups as CSV (RFC 4180) with exact numbers. An unknown value is an empty field. A name that a spreadsheet
 * would run as a formula gets a ' in front (OWASP, "CSV Injection").
 */
export function formatCsv(by: readonly string[], groups: readonly Group[]): string {
  const rows = groups.map(({ names, totals }) => [
    ...names.map(formatField),
    ...CSV_FIELDS.map((key) => formatNumber(totals[key])),
  ])
  return [[...by, ...CSV_FIELDS], ...rows].map((row) => `${row.join(',')}\r\n`).join('')
}

function formatField(name: string | null): string {
  if (name === null) return ''
  const text = FORMULA.test(name) ? `'${name}` : name
  // Semicolon and tab separate fields, too: where the comma is a decimal point, and in a pasted table.
  return /[",\r\n;\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Without an exponent, which would be a text to some programs: 1e-9 is 0.000000001. */
function formatNumber(value: number | null): string {
  if (value === null) return ''
  return value > 0 && value < 1e-6 ? value.toFixed(9).replace(/0+$/, '') : String(value)
}
