import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { resolve } from 'node:path'
import { ListFileError, replaceFile } from '../direct/list-file.js'
import { parseGrouping } from '../ledger/read/grouping.js'
import { type Group, Report, type ReportOptions, type SortKey } from '../ledger/read/report.js'
import { ReportSet } from '../ledger/read/report-set.js'
import type { Totals } from '../ledger/read/sum.js'
import type { UsageReport, UsageRow } from '../page/shapes.js'
import { VERSION } from '../version.js'
import { type Given, readOption, UsageProblem } from './usage-common.js'
import { FILTER_OPTIONS } from './usage-options.js'

/** The tables of a report without `--by`. */
const DEFAULT_TABLES = 'team,user,model,upstream,end'

/** More rows than these nobody reads; the others are summed up in one. */
const MOST_ROWS = 100

/** What the build has made of the page's components, to write a report without a browser. */
interface Writer {
  readonly renderReport: (report: UsageReport, css: string, cssHash: string) => string
}

/** The options that write something else. */
const EXCLUDED = ['json', 'csv'] as const

/** Reads where an HTML report goes to. @returns null without `--html` @throws UsageProblem */
export function readHtmlFile(values: Given['values']): string | null {
  const file = readOption(values, 'html')
  if (file === undefined) return null
  for (const name of EXCLUDED)
    if (values[name] === true) throw new UsageProblem(`--html and --${name} exclude each other`)
  if (file === '' || file === '-')
    throw new UsageProblem('--html takes the name of a file, such as usage.html')
  checkTarget(file)
  return resolve(file)
}

/** Before the ledger is read, which may take long: a slip of the hand must not replace another file. */
function checkTarget(file: string): void {
  let fd: number
  try {
    fd = openSync(file, 'r')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // What cannot be read is no report of ours; that a folder is missing is said when the file is written.
    if (code === 'ENOENT') return
    throw new UsageProblem(`--html: ${file} is there and cannot be read (${code}): choose another name`)
  }
  try {
    const start = Buffer.alloc(32)
    const length = readSync(fd, start, 0, start.length, 0)
    const text = start.toString('latin1', 0, length).trimStart().toLowerCase()
    if (length > 0 && !text.startsWith('<!doctype html') && !text.startsWith('<html'))
      throw new UsageProblem(`--html: ${file} is there and is no HTML file: choose another name`)
  } catch (error) {
    if (error instanceof UsageProblem) throw error
    throw new UsageProblem(`--html: ${file} is no regular file: choose another name`)
  } finally {
    closeSync(fd)
  }
}

/** The tables of an HTML report, which are summed up together. */
export class HtmlReport {
  /** What the days are read into. */
  readonly reader: ReportSet
  private readonly tables: readonly { readonly by: string; readonly report: Report }[]
  private readonly days: Report
  private readonly zone: string

  /** @param names the groupings, one for each table; null: the usual ones */
  constructor(names: readonly string[] | null, { period, filter, zone }: Omit<ReportOptions, 'by'>) {
    const open = (name: string): Report => {
      const grouping = parseGrouping(name, zone)
      if (grouping === null) throw new UsageProblem(`--by does not take ${name}`)
      return new Report({ by: [grouping], period, filter, zone })
    }
    this.tables = (names ?? DEFAULT_TABLES.split(',')).map((by) => ({ by, report: open(by) }))
    this.days = open('day')
    this.reader = new ReportSet([this.days, ...this.tables.map(({ report }) => report)])
    this.zone = zone.name
  }

  /** Writes the file. @throws UsageProblem */
  async write(
    file: string,
    values: Given['values'],
    sort: SortKey | null,
    top: number | null,
  ): Promise<void> {
    const { total, torn, duplicates } = this.days
    const report: UsageReport = {
      version: VERSION,
      madeAt: Date.now(),
      zone: this.zone,
      period: describePeriod(values),
      filters: describeFilters(values),
      total: toRow(null, total),
      days: this.days.list().map(readGroup),
      tables: this.tables.map(({ by, report }) => ({
        by,
        rows: report.list(sort ?? 'cost', top ?? MOST_ROWS).map(readGroup),
      })),
      torn,
      duplicates,
    }
    const folder = new URL('../page/report/', import.meta.url)
    const { renderReport } = (await import(new URL('report.js', folder).href)) as Writer
    const css = readFileSync(new URL('report.css', folder), 'utf8')
    const hash = createHash('sha256').update(css).digest('base64')
    try {
      // As the ledger: it tells what each of them did.
      replaceFile(file, renderReport(report, css, hash), 0o600)
    } catch (error) {
      if (error instanceof ListFileError) throw new UsageProblem(`--html: ${error.message}`)
      throw error
    }
  }
}

function describePeriod(values: Given['values']): string {
  const month = readOption(values, 'month')
  if (month !== undefined) return month
  const from = readOption(values, 'from') ?? readOption(values, 'since')
  const to = readOption(values, 'to') ?? readOption(values, 'until')
  if (from === undefined && to === undefined) return 'of all days'
  return `${from === undefined ? '' : `from ${from} `}to ${to ?? 'now'}`
}

function describeFilters(values: Given['values']): string[] {
  return Object.keys(FILTER_OPTIONS).flatMap((name) => {
    const given = values[name]
    return Array.isArray(given) ? given.map((text) => `${name}: ${text}`) : []
  })
}

function readGroup({ names, totals }: Group): UsageRow {
  return toRow(names[0] ?? null, totals)
}

function toRow(name: string | null, totals: Totals): UsageRow {
  return {
    name,
    requests: totals.requests,
    errors: totals.errors,
    promptTokens: totals.prompt_tokens,
    cachedTokens: totals.cached_tokens,
    completionTokens: totals.completion_tokens,
    costNano: totals.cost_usd === null ? null : Math.round(totals.cost_usd * 1e9),
    unpriced: totals.unpriced,
    ttftMs: [totals.ttft_ms_p50, totals.ttft_ms_p99],
    addedUsP99: totals.overhead_us_p99,
    estimated: totals.estimated,
    direct: totals.direct,
  }
}
