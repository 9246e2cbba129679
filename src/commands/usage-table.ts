import type { Group, Totals } from '../ledger/read/report.js'
import { formatCost, formatDuration, shortenNumber } from './short.js'

const COLUMNS = 80

interface Column {
  /** Its two lines. */
  readonly head: readonly [string, string]
  readonly width: number
  readonly cell: (totals: Totals) => string
}

const TABLE: readonly Column[] = [
  { head: ['', 'reqs'], width: 6, cell: ({ requests }) => shortenNumber(requests) },
  { head: ['', 'errors'], width: 6, cell: ({ errors }) => shortenNumber(errors) },
  { head: ['prompt', 'tokens'], width: 6, cell: (totals) => formatTokens(totals.prompt_tokens, totals) },
  { head: ['', 'cached'], width: 6, cell: (totals) => shortenNumber(totals.cached_tokens) },
  { head: ['compl.', 'tokens'], width: 6, cell: (totals) => formatTokens(totals.completion_tokens, totals) },
  { head: ['cost', 'USD'], width: 7, cell: (totals) => formatCost(totals.cost_usd, totals.unpriced > 0) },
  { head: ['ttft', 'p50'], width: 5, cell: (totals) => formatDuration(totals.ttft_ms_p50) },
  { head: ['ttft', 'p99'], width: 5, cell: (totals) => formatDuration(totals.ttft_ms_p99) },
  {
    head: ['relay', 'p99'],
    width: 5,
    cell: ({ overhead_us_p99: us }) => formatDuration(us === null ? null : us / 1_000),
  },
]

/** Marks a sum that contains estimates: it may differ from the provider's count. */
function formatTokens(count: number | null, { estimated }: Totals): string {
  return `${count !== null && estimated > 0 ? '~' : ''}${shortenNumber(count)}`
}

const NUMBERS_WIDTH = TABLE.reduce((all, { width }) => all + 1 + width, 0)

/**
 * Formats groups and their total for a terminal. Lines are no longer than it is wide, or 80. A name that does not fit
 * into its column has a line of its own.
 * @param by the grouping, for the head
 * @param columns width of the terminal
 */
export function formatTable(
  by: string,
  groups: readonly Group[],
  total: Totals,
  columns: number = COLUMNS,
): string {
  const lineWidth = Math.max(COLUMNS, columns)
  const nameMax = lineWidth - NUMBERS_WIDTH
  const rows = [
    ...groups.map(({ name, totals }) => ({ name: name ?? '-', totals })),
    { name: 'total', totals: total },
  ]
  // A name that is too long does not widen the column for all.
  const fitting = rows.map(({ name }) => name.length).filter((length) => length <= nameMax)
  const width = Math.max(by.length, ...fitting)
  const heads = [0, 1].map((line) => {
    const cells = TABLE.map(({ head, width }) => ` ${(head[line] ?? '').padStart(width)}`).join('')
    return `${(line === 1 ? by : '').padEnd(width)}${cells}`
  })
  const lines = rows.flatMap(({ name, totals }) => {
    const cells = TABLE.map(({ cell, width }) => ` ${cell(totals).padStart(width)}`).join('')
    if (name.length <= width) return [`${name.padEnd(width)}${cells}`]
    return [
      name.length > lineWidth ? `${name.slice(0, lineWidth - 3)}...` : name,
      `${''.padEnd(width)}${cells}`,
    ]
  })
  const { requests, estimated } = total
  const note = estimated === 0 ? [] : ['', `~ ${estimated} of ${requests} requests have estimated tokens`]
  return [...heads, ...lines, ...note].map((line) => `${line}\n`).join('')
}

const CSV_FIELDS = [
  'requests',
  'errors',
  'prompt_tokens',
  'cached_tokens',
  'completion_tokens',
  'cost_usd',
  'unpriced',
  'ttft_ms_p50',
  'ttft_ms_p99',
  'overhead_us_p99',
  'estimated',
] as const satisfies readonly (keyof Totals)[]

/** First characters that make a spreadsheet run a cell as a formula. A client chooses the model name freely. */
const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/

/**
 * Formats groups as CSV (RFC 4180) with exact numbers. An unknown value is an empty field. A name that a spreadsheet
 * would run as a formula gets a ' in front (OWASP, "CSV Injection").
 */
export function formatCsv(by: string, groups: readonly Group[]): string {
  const rows = groups.map(({ name, totals }) => [
    formatField(name),
    ...CSV_FIELDS.map((key) => (totals[key] === null ? '' : String(totals[key]))),
  ])
  return [[by, ...CSV_FIELDS], ...rows].map((row) => `${row.join(',')}\r\n`).join('')
}

function formatField(name: string | null): string {
  if (name === null) return ''
  const text = FORMULA.test(name) ? `'${name}` : name
  // Semicolon and tab separate fields, too: where the comma is a decimal point, and in a pasted table.
  return /[",\r\n;\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
