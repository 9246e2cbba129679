import { readDay } from '../ledger/read/day-reader.js'
import { GROUPING_NAMES, type Grouping, parseGrouping } from '../ledger/read/grouping.js'
import { Report, type SortKey } from '../ledger/read/report.js'
import type { DayReader } from '../ledger/read/report-set.js'
import { listDays } from '../ledger/read/rollup-files.js'
import { isWritable, makeRollups } from '../ledger/read/rollup-maker.js'
import type { Zone } from '../ledger/read/zone.js'
import { Progress } from './progress.js'
import {
  CANNOT,
  type Command,
  DONE,
  findFiles,
  type Given,
  LEDGER_OPTIONS,
  type LedgerPath,
  readOption,
  sizeOf,
  UsageProblem,
} from './usage-common.js'
import { formatCsv } from './usage-csv.js'
import { HtmlReport, readHtmlFile } from './usage-html.js'
import { FILTER_HELP, FILTER_OPTIONS, readFilter, readPeriod, readZone } from './usage-options.js'
import { formatTable } from './usage-table.js'

const MOST_DIMENSIONS = 3

const SORT_KEYS = ['cost', 'tokens', 'requests'] as const satisfies readonly SortKey[]

/** `thinwire usage report`: sums up requests, tokens and cost. */
export const REPORT: Command = {
  help: `thinwire usage report [--by WHAT[,WHAT]] [--month MONTH | --from TIME --to TIME]
                      [--team TEAM ...] [--sort KEY] [--top N]
                      [--json | --csv | --html FILE]

Sums up the usage ledger: requests, errors, tokens, cost, time to the first
token (ttft), and the time that the relay itself added (relay).

  --by WHAT       ${wrap(GROUPING_NAMES)}.
                  Up to ${MOST_DIMENSIONS} of them: user,model. Default: team
  --month MONTH   only requests of this month: 2026-01
  --from TIME     only requests at or after this time; also --since
  --to TIME       only requests before this time; also --until. A day is
                  included as a whole
  --timezone ZONE the zone of days, months, hours and times: Europe/Berlin.
                  Default: UTC
${FILTER_HELP}  --sort KEY      ${SORT_KEYS.join(', ')}: the largest first
  --top N         the N largest groups; the others are summed up in one
  --json          exact numbers, for a program
  --csv           exact numbers for a spreadsheet, without the total
  --html FILE     a report to look at or to mail: one file without a script,
                  which needs no network. Each value of --by is a table.
                  Default: team,user,model,upstream,end
  --no-rollups    read each record: rollup-YYYY-MM-DD.jsonl is neither read nor
                  written
  --config FILE   the config file. Default: thinwire.json in this folder
  --folder DIR    the ledger's folder. Default: ledger.folder of the config

TIME is a day (2026-01-31), a time (2026-01-31T09:00), or how long ago (30m,
24h, 7d, 2w). Errors are requests with a status of 400 or above or without a
status, responses that were cut, and those that report an error within a stream.
"-" means unknown. "+" after a cost: some requests have no price, or no usage,
as they went directly to the provider (import-direct). "~" before tokens: some
are estimated, because the upstream reported none. Quantiles are exact within
1 %.

Exit codes: 0 done, 2 the ledger cannot be read, or wrong options.
`,
  options: {
    ...LEDGER_OPTIONS,
    ...FILTER_OPTIONS,
    by: { type: 'string' },
    month: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    since: { type: 'string' },
    until: { type: 'string' },
    timezone: { type: 'string' },
    sort: { type: 'string' },
    top: { type: 'string' },
    json: { type: 'boolean' },
    csv: { type: 'boolean' },
    html: { type: 'string' },
    'no-rollups': { type: 'boolean' },
  },
  async run({ folders, values, io }) {
    const zone = readZone(values)
    const by = readGroupings(values, zone)
    const period = readPeriod(values, zone)
    const filter = readFilter(values)
    const [sort, top] = [readSort(values), readTop(values)]
    if (values.json === true && values.csv === true)
      throw new UsageProblem('--json and --csv exclude each other')
    const htmlFile = readHtmlFile(values)
    const names = await findFiles(folders, io)
    if (names === null) return CANNOT
    const report = new Report({ by, period, filter, zone })
    const isByGiven = readOption(values, 'by') !== undefined
    const html =
      htmlFile === null
        ? null
        : new HtmlReport(isByGiven ? by.map(({ name }) => name) : null, { period, filter, zone })
    const read = names.filter(({ day }) => period.mayBeIn(day))
    const progress = new Progress(io.err, await sizeOf(read))
    try {
      for (const folder of folders) {
        const own = read.filter((file) => file.folder === folder)
        await readFolder(folder, own, html?.reader ?? report, values['no-rollups'] !== true, progress)
      }
    } finally {
      progress.end()
    }
    if (html !== null && htmlFile !== null) {
      await html.write(htmlFile, values, sort, top)
      io.out.write(`report: ${htmlFile}\n`)
      return DONE
    }
    const { total, torn, duplicates } = report
    const groups = report.list(sort, top)
    const byNames = by.map(({ name }) => name)
    if (values.json === true) {
      const [since, until] = [period.since, period.until].map((at) => (at === null ? null : formatIso(at)))
      const shown = groups.map(({ names, totals }) => ({
        ...Object.fromEntries(byNames.map((name, i) => [name, names[i]])),
        ...totals,
      }))
      const head = { by: byNames.join(','), since, until, timezone: zone.name }
      io.out.write(`${JSON.stringify({ ...head, groups: shown, total, torn, duplicates })}\n`)
    } else if (values.csv === true) io.out.write(formatCsv(byNames, groups))
    else {
      io.out.write(formatTable(by, groups, total, io.out.columns))
      if (torn > 0) io.err.write(`${torn} torn ${torn === 1 ? 'line is' : 'lines are'} not counted\n`)
    }
    return DONE
  },
}

/** Reads the records of a folder, or their rollups: each folder has its own. */
async function readFolder(
  folder: string,
  files: readonly LedgerPath[],
  report: DayReader,
  usesRollups: boolean,
  progress: Progress,
): Promise<void> {
  const now = Date.now()
  const onProgress = (bytes: number): void => progress.add(bytes)
  const days = listDays(files)
  // Those of many days are made at the same time; where they cannot be kept, it would be for nothing.
  const makes = usesRollups && report.takesRollups && days.length > 2 && (await isWritable(folder))
  const made = new Set(makes ? (await makeRollups(folder, days, now, onProgress)).made : [])
  for (const day of days) {
    const size = await sizeOf(files.filter(({ name }) => day.names.includes(name)))
    const onRead = made.has(day.day) ? () => {} : onProgress
    await readDay(folder, day, size, report, { now, usesRollups, onProgress: onRead })
  }
}

function readGroupings(values: Given['values'], zone: Zone): Grouping[] {
  const names = (readOption(values, 'by') ?? 'team').split(',').map((name) => name.trim())
  if (names.length > MOST_DIMENSIONS)
    throw new UsageProblem(`--by takes at most ${MOST_DIMENSIONS} of its values`)
  if (new Set(names).size < names.length) throw new UsageProblem('--by has the same value twice')
  return names.map((name) => {
    const grouping = parseGrouping(name, zone)
    if (grouping !== null) return grouping
    throw new UsageProblem(`--by takes one of: ${GROUPING_NAMES.join(', ')}; or two: user,model`)
  })
}

function readSort(values: Given['values']): SortKey | null {
  const sort = readOption(values, 'sort')
  if (sort === undefined) return null
  const found = SORT_KEYS.find((key) => key === sort)
  if (found !== undefined) return found
  throw new UsageProblem(`--sort takes one of: ${SORT_KEYS.join(', ')}`)
}

function readTop(values: Given['values']): number | null {
  const text = readOption(values, 'top')
  if (text === undefined) return null
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new UsageProblem('--top takes a number of groups, from 1')
}

function formatIso(at: number): string {
  return new Date(at).toISOString()
}

/** Breaks a list into lines of a help text. */
function wrap(names: readonly string[]): string {
  const lines = ['']
  for (const name of names) {
    const line = lines.at(-1) as string
    const longer = line === '' ? name : `${line}, ${name}`
    if (longer.length <= 60) lines[lines.length - 1] = longer
    else {
      lines[lines.length - 1] = `${line},`
      lines.push(name)
    }
  }
  return lines.join(`\n${' '.repeat(18)}`)
}
