import { readEntry } from '../ledger/read/entry.js'
import { Period, parseTime } from '../ledger/read/period.js'
import { GROUPING_NAMES, type Grouping, isGrouping, Report } from '../ledger/read/report.js'
import {
  CANNOT,
  type Command,
  DONE,
  findFiles,
  formatError,
  type Given,
  LEDGER_OPTIONS,
  readFiles,
  UsageProblem,
} from './usage-common.js'
import { formatCsv, formatTable } from './usage-table.js'

/** `thinwire usage report` tells what requests came to. */
export const REPORT: Command = {
  help: `thinwire usage report [--by WHAT] [--since TIME] [--until TIME] [--json | --csv]

Sums up the usage ledger: requests, errors, tokens, cost, time to the first
token, and what the relay added before it asked the upstream.

  --by WHAT       ${GROUPING_NAMES.join(', ')}; else team
  --since TIME    only requests that came then or later
  --until TIME    only requests that came before; a day is taken whole
  --json          exact numbers, for a program
  --csv           the same for a spreadsheet, without the total
  --config FILE   settings; thinwire.json in this folder if there is one
  --folder DIR    the ledger's folder, in place of the config's

TIME is a day (2026-01-31, UTC), a time (2026-01-31T09:00Z), or how long ago
(30m, 24h, 7d, 2w). An error is a status from 400 up or none at all, or an
answer that was cut. What is not known is "-"; "+" behind a cost: not all of
it is known; "~" ahead of tokens: some are the relay's estimate, where the
upstream told none. Quantiles are within 1 %.

Exit codes: 0 done, 2 it cannot be read or asked so.
`,
  options: {
    ...LEDGER_OPTIONS,
    by: { type: 'string' },
    since: { type: 'string' },
    until: { type: 'string' },
    json: { type: 'boolean' },
    csv: { type: 'boolean' },
  },
  async run({ folder, values, io }) {
    const by = groupingOf(values)
    const period = periodOf(values)
    if (values.json === true && values.csv === true) throw new UsageProblem('--json and --csv: one of them')
    const names = await findFiles(folder, io)
    if (names === null) return CANNOT
    const report = new Report(by, period)
    const take = (line: string): void => {
      // Put there ahead of a line, where it was not known how the one before had ended.
      if (line !== '') report.add(readEntry(line))
    }
    const read = names.filter(({ day }) => period.mayBeIn(day))
    await readFiles(folder, read, io, () => take)
    const { groups, total, torn, duplicates } = report
    if (values.json === true) {
      const { since, until } = period
      const shown = groups.map(({ name, totals }) => ({ [by]: name, ...totals }))
      io.out.write(`${JSON.stringify({ by, since, until, groups: shown, total, torn, duplicates })}\n`)
    } else if (values.csv === true) io.out.write(formatCsv(by, groups))
    else {
      io.out.write(formatTable(by, groups, total, io.out.columns))
      if (torn > 0) io.err.write(`${torn} torn ${torn === 1 ? 'line is' : 'lines are'} not in it\n`)
    }
    return DONE
  },
}

function groupingOf(values: Given['values']): Grouping {
  const by = formatError(values, 'by') ?? 'team'
  if (!isGrouping(by)) throw new UsageProblem(`--by takes one of: ${GROUPING_NAMES.join(', ')}`)
  return by
}

function periodOf(values: Given['values']): Period {
  const now = Date.now()
  const [since = null, until = null] = (['since', 'until'] as const).map((name) => {
    const text = formatError(values, name)
    if (text === undefined) return null
    const at = parseTime(text, name === 'since' ? 'start' : 'end', now)
    if (at !== null) return at
    throw new UsageProblem(`--${name} takes a day (2026-01-31), a time (2026-01-31T09:00Z) or 24h, 7d ago`)
  })
  if (since !== null && until !== null && since >= until) {
    throw new UsageProblem('--since is not before --until')
  }
  return new Period(since, until)
}
