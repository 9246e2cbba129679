import type { Grouping } from '../ledger/read/grouping.js'
import type { Group } from '../ledger/read/report.js'
import type { Totals } from '../ledger/read/sum.js'
import { showText } from '../lib/visible-text.js'
import { formatCost, formatDuration, shortenNumber } from './short.js'

const COLUMNS = 80

/** Columns that a narrow terminal may lack, the first to go first. */
const LEAST: readonly string[] = ['relay p99', 'ttft p50']

/** A table with fewer characters than this for names is hard to read. */
const NAME_WIDTH = 11

interface Column {
  /** Its two lines. */
  readonly head: readonly [string, string]
  readonly width: number
  readonly cell: (totals: Totals) => string
  /** Whether it says anything. */
  readonly isShown?: (total: Totals) => boolean
}

const TABLE: readonly Column[] = [
  { head: ['', 'reqs'], width: 6, cell: ({ requests }) => shortenNumber(requests) },
  { head: ['', 'errors'], width: 6, cell: ({ errors }) => shortenNumber(errors) },
  { head: ['prompt', 'tokens'], width: 6, cell: (totals) => formatTokens(totals.prompt_tokens, totals) },
  { head: ['', 'cached'], width: 6, cell: (totals) => shortenNumber(totals.cached_tokens) },
  { head: ['compl.', 'tokens'], width: 6, cell: (totals) => formatTokens(totals.completion_tokens, totals) },
  {
    head: ['reason', 'tokens'],
    width: 6,
    cell: (totals) => formatTokens(totals.reasoning_tokens, totals),
    isShown: (total) => (total.reasoning_tokens ?? 0) > 0,
  },
  {
    head: ['', 'search'],
    width: 6,
    cell: ({ searches }) => shortenNumber(searches),
    isShown: (total) => (total.searches ?? 0) > 0,
  },
  {
    head: ['cost', 'USD'],
    width: 7,
    cell: (totals) => formatCost(totals.cost_usd, totals.unpriced + totals.direct > 0),
  },
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

/**
 * Formats groups and their total for a terminal. Lines are no longer than it is wide, or 80. A name that does not fit
 * into its column has a line of its own.
 * @param columns width of the terminal
 */
export function formatTable(
  by: readonly Grouping[],
  groups: readonly Group[],
  total: Totals,
  columns: number = COLUMNS,
): string {
  const lineWidth = Math.max(COLUMNS, columns)
  const rows = [
    ...groups.map(({ names, totals }) => ({ names: names.map((name) => showText(name ?? '-')), totals })),
    { names: ['total'], totals: total },
  ]
  const table = chooseColumns(
    total,
    lineWidth,
    rows.map(({ names }) => names.join(' ').length),
  )
  const nameMax = lineWidth - widthOf(table)
  const heads = by.map(({ name }) => name)
  const widths = fitNames(
    heads,
    rows.map(({ names }) => names),
    nameMax,
  )
  const width = widths.reduce((all, each) => all + 1 + each, -1)
  const pad = (names: readonly string[]): string =>
    names
      .map((name, i) => name.padEnd(widths[i] as number))
      .join(' ')
      .trimEnd()
  const title = pad(heads)
  const lines = [
    ...(title.length > width ? [title] : []),
    ...[0, 1].map((line) => {
      const cells = table.map(({ head, width }) => ` ${(head[line] ?? '').padStart(width)}`).join('')
      return `${(line === 1 && title.length <= width ? title : '').padEnd(width)}${cells}`
    }),
  ]
  for (const { names, totals } of rows) {
    const cells = table.map(({ cell, width }) => ` ${cell(totals).padStart(width)}`).join('')
    const isFitting = names.every((name, i) => name.length <= (widths[i] as number))
    if (isFitting) lines.push(`${pad(names).padEnd(width)}${cells}`)
    else {
      const text = names.join(' ')
      lines.push(text.length > lineWidth ? `${text.slice(0, lineWidth - 3)}...` : text)
      lines.push(`${''.padEnd(width)}${cells}`)
    }
  }
  const { requests, estimated, direct, assumed_usd: assumed } = total
  const notes: string[] = []
  if (estimated > 0) notes.push(`~ ${estimated} of ${requests} requests have estimated tokens`)
  if (assumed !== null)
    notes.push(`+ budgets assume ${formatCost(assumed, false)} USD more for models without a price`)
  if (direct > 0)
    notes.push(`+ ${direct} of ${requests} requests have no usage (direct): unknown tokens and cost`)
  if (notes.length > 0) lines.push('', ...notes)
  return lines.map((line) => `${line}\n`).join('')
}

/**
 * Chooses the columns that say something. The least of them go if the names need their place.
 * @param lengths of the names; those that do not fit even then have lines of their own
 */
function chooseColumns(total: Totals, lineWidth: number, lengths: readonly number[]): Column[] {
  let table = TABLE.filter(({ isShown }) => isShown === undefined || isShown(total))
  const without = table.filter(({ head }) => !LEAST.includes(head.join(' ')))
  const most = lineWidth - widthOf(without)
  const wanted = Math.max(NAME_WIDTH, ...lengths.filter((length) => length <= most))
  for (const name of LEAST) {
    if (widthOf(table) > lineWidth - wanted) table = table.filter(({ head }) => head.join(' ') !== name)
  }
  return table
}

function widthOf(table: readonly Column[]): number {
  return table.reduce((all, { width }) => all + 1 + width, 0)
}

/**
 * Finds the widths of the columns of names: of the longest names that fit together. A name that is too long does not
 * widen its column for all.
 */
function fitNames(heads: readonly string[], rows: readonly (readonly string[])[], max: number): number[] {
  const total = rows.at(-1)?.[0]?.length ?? 0
  const widths = heads.map((_, i) => (i === 0 ? total : 1))
  for (const names of [heads, ...rows]) {
    const wider = widths.map((width, i) => Math.max(width, names[i]?.length ?? 0))
    if (wider.reduce((all, width) => all + 1 + width, -1) > max) continue
    for (const [i, width] of wider.entries()) widths[i] = width
  }
  return widths
}
