import { readEntry } from '../ledger/read/entry.js'
import { Period, parseTime } from '../ledger/read/period.js'
import { GROUPING_NAMES, type Grouping, isGrouping, Report } from '../ledger/read/report.js'
import {
  CANNOT,
  type Command,
  DONE,
  findFiles,
  type Given,
  LEDGER_OPTIONS,
  readFiles,
  readOption,
  UsageProblem,
} from './usage-common.js'
import { formatCsv, formatTable } from './usage-table.js'

/** `thinwire usage report`: sums up requests, tokens and cost. */
export const REPORT: Command = {
  help: `thinwire usage report [--by WHAT] [--since TIME] [--until TIME] [--json | --csv]

Sums up the usage ledger: requests, errors, tokens, cost, time to the first
token (ttft), and the time that the relay itself added (relay).

  --by WHAT       ${GROUPING_NAMES.join(', ')}.
                  Default: team
  --since TIME    only requests at or after this time
  --until TIME    only requests before this time; a day is included as a whole
  --json          exact numbers, for a program
  --csv           exact numbers for a spreadsheet, without the total
  --config FILE   the config file. Default: thinwire.json in this folder
  --folder DIR    the ledger's folder. Default: ledger.folder of the config

TIME is a day (2026-01-31, UTC), a time (2026-01-31T09:00Z), or how long ago
(30m, 24h, 7d, 2w). Errors are requests with a status of 400 or above or
without a status, and responses that were cut.
"-" means unknown. "+" after a cost: some requests have no price. "~" before
tokens: some are estimated, because the upstream reported none. Quantiles are
exact within 1 %.

Exit codes: 0 done, 2 the ledger cannot be read, or wrong options.
`,
  options: {
    ...LEDGER_OPTIONS,
    by: { type: 'string' },
    since: { type: 'string' },
    until: { type: 'string' },
    json: { type: 'boolean' },
    csv: { type: 'boolean' },
  },
  async run({ folders, values, io }) {
    const by = readGrouping(values)
    const period = readPeriod(values)
    if (values.json === true && values.csv === true)
      throw new UsageProblem('--json and --csv exclude each other')
    const names = await findFiles(folders, io)
    if (names === null) return CANNOT
    const report = new Report(by, period)
    const addLine = (line: string): void => {
      // The writer puts a line end first when it does not know how the line before ended.
      if (line !== '') report.add(readEntry(line))
    }
    const read = names.filter(({ day }) => period.mayBeIn(day))
    await readFiles(read, io, () => addLine)
    const { groups, total, torn, duplicates } = report
    if (values.json === true) {
      const { since, until } = period
      const shown = groups.map(({ name, totals }) => ({ [by]: name, ...totals }))
      io.out.write(`${JSON.stringify({ by, since, until, groups: shown, total, torn, duplicates })}\n`)
    } else if (values.csv === true) io.out.write(formatCsv(by, groups))
    else {
      io.out.write(formatTable(by, groups, total, io.out.columns))
      if (torn > 0) io.err.write(`${torn} torn ${torn === 1 ? 'line is' : 'lines are'} not counted\n`)
    }
    return DONE
  },
}

function readGrouping(values: Given['values']): Grouping {
  const by = readOption(values, 'by') ?? 'team'
  if (!isGrouping(by)) throw new UsageProblem(`--by takes one of: ${GROUPING_NAMES.join(', ')}`)
  return by
}

function readPeriod(values: Given['values']): Period {
  const now = Date.now()
  const [since = null, until = null] = (['since', 'until'] as const).map((name) => {
    const text = readOption(values, name)
    if (text === undefined) return null
    const at = parseTime(text, name === 'since' ? 'start' : 'end', now)
    if (at !== null) return at
    throw new UsageProblem(
      `--${name} takes a day (2026-01-31), a time (2026-01-31T09:00Z) or an age (24h, 7d)`,
    )
  })
  if (since !== null && until !== null && since >= until) {
    throw new UsageProblem('--since has to be before --until')
  }
  return new Period(since, until)
}
