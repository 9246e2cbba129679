import type { MachineFacts, Series } from '../results.js'
import { median } from '../statistics.js'
import { show } from '../table.js'
import type { Bytes } from './bytes.js'
import type { Failures } from './scenarios.js'

/** A contestant in the tables. */
export interface Row {
  readonly name: string
  /** With its language or what it is. */
  readonly title: string
  /** Null for what has no version of its own. */
  readonly version: string | null
  /** Null where nothing was probed. */
  readonly bytes: Bytes | null
}

export interface Comparison {
  /** `2026-11-29`. */
  readonly date: string
  readonly machine: MachineFacts
  readonly rounds: number
  /** Last: Thinwire. */
  readonly rows: readonly Row[]
  readonly series: readonly Series[]
  readonly failures: Failures
  /** Why a gateway takes no part, by its title. */
  readonly skipped: ReadonlyMap<string, string>
  /** Why the figures are no basis for a verdict; null on a quiet machine. */
  readonly busy: string | null
}

interface Column {
  readonly title: string
  readonly scenario: string
  readonly figure: string
}

const FIGURES: readonly Column[] = [
  {
    title: 'added first byte, 20 requests/s, p50',
    scenario: 'low-rate',
    figure: 'first_byte_added_p50',
  },
  { title: 'burst: first byte p90', scenario: 'burst', figure: 'first_byte_p90' },
  { title: 'burst: chunk p99', scenario: 'burst', figure: 'chunk_delay_p99' },
  { title: 'burst: CPU a chunk', scenario: 'burst', figure: 'cpu_per_chunk' },
  { title: '100 streams: chunk p99', scenario: 'chunks', figure: 'chunk_delay_p99' },
  { title: 'CPU a request', scenario: 'requests', figure: 'cpu_per_request' },
  { title: 'requests/s', scenario: 'requests', figure: 'requests_per_second' },
  { title: 'memory a stream', scenario: 'peer-memory', figure: 'rss_per_stream' },
]

const PROMPTS: readonly Column[] = ['100k', '400k', '1m'].flatMap((label, i) =>
  ['p50', 'p90'].map((q) => ({
    title: `${['100 KB', '400 KB', '1 MB'][i]}, ${q}`,
    scenario: 'agent-prompt',
    figure: `first_byte_${label}_${q}`,
  })),
)

/** Where no gateway may be better than Thinwire without being named. */
const COMPARED: readonly { readonly words: string; readonly column: Column }[] = [
  {
    words: 'CPU a request',
    column: { title: '', scenario: 'requests', figure: 'cpu_per_request' },
  },
  {
    words: 'chunk p99 of 100 streams',
    column: { title: '', scenario: 'chunks', figure: 'chunk_delay_p99' },
  },
  { words: 'chunk p99 in bursts', column: { title: '', scenario: 'burst', figure: 'chunk_delay_p99' } },
  {
    words: 'memory a stream',
    column: { title: '', scenario: 'peer-memory', figure: 'rss_per_stream' },
  },
]

/** Markdown, in the form in which `bench/README.md` has it. */
export function comparisonTables(comparison: Comparison): string[] {
  const { date, machine, rounds, rows, skipped } = comparison
  const probed = rows.filter((row): row is Row & { bytes: Bytes } => row.bytes !== null)
  const left = [...skipped].map(([title, why]) => `${title} (${why})`)
  return [
    `${date}, ${machine.cpu}, ${machine.cores} cores (${machine.pinning}), Node ${machine.node}; ${rounds === 1 ? 'one round' : `medians of ${rounds} rounds`}.`,
    '',
    ...figures(comparison, FIGURES, rows, true),
    '',
    ...titled('First byte with an agent’s prompt:', figures(comparison, PROMPTS, rows, false)),
    'What each does to the bytes:',
    '',
    ...markdown(
      ['', 'prompt', 'stream', 'JSON response'],
      probed.map(({ title, bytes }) => [title, bytes.prompt, bytes.stream, bytes.json]),
    ),
    '',
    ...(left.length > 0 ? [`Left out: ${left.join(', ')}.`] : []),
    ...(comparison.busy === null ? better(comparison) : [`No verdict: ${comparison.busy}.`]),
  ]
}

/** One line for each figure in which a gateway is better than Thinwire, or one that says that there is none. */
export function better({ rows, series }: Pick<Comparison, 'rows' | 'series'>): string[] {
  const gateways = rows.filter(({ version, name }) => version !== null && name !== 'thinwire')
  const lines = COMPARED.flatMap(({ words, column }) => {
    const own = figureOf(series, column, 'thinwire')
    return gateways.flatMap(({ name, title }) => {
      const other = figureOf(series, column, name)
      if (own === null || other === null || other.value >= own.value) return []
      return [
        `Better than Thinwire: ${title} in ${words}, ${show(other.value, other.unit)} against ${show(own.value, own.unit)}.`,
      ]
    })
  })
  return lines.length > 0
    ? lines
    : ['No gateway here is better than Thinwire in CPU a request, chunk p99 or memory a stream.']
}

function titled(title: string, table: readonly string[]): string[] {
  return table.length === 0 ? [] : [title, '', ...table, '']
}

/** Without the columns that nobody was measured for, and without a table if that is all. */
function figures(
  { series, failures }: Comparison,
  columns: readonly Column[],
  rows: readonly Row[],
  versioned: boolean,
): string[] {
  const measured = columns.filter((column) =>
    rows.some(({ name }) => figureOf(series, column, name) !== null),
  )
  if (measured.length === 0) return []
  return markdown(
    ['', ...(versioned ? ['version'] : []), ...measured.map(({ title }) => title)],
    rows.map(({ name, title, version }) => [
      title,
      ...(versioned ? [version ?? ''] : []),
      ...measured.map((column) => {
        const found = figureOf(series, column, name)
        return found === null
          ? (failures.get(name)?.get(column.scenario) ?? '–')
          : show(found.value, found.unit)
      }),
    ]),
  )
}

function figureOf(
  series: readonly Series[],
  { scenario, figure }: Column,
  contestant: string,
): { readonly value: number; readonly unit: Series['unit'] } | null {
  const found = series.find(
    (one) => one.scenario === scenario && one.figure === figure && one.contestant === contestant,
  )
  // Nothing that was counted, divided by nothing, is no figure.
  const value = median(found?.values.filter(Number.isFinite) ?? [])
  return found === undefined || !Number.isFinite(value) ? null : { value, unit: found.unit }
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}
