import { createFilter, type Filter, type FilterPatterns } from '../ledger/read/filter.js'
import { Period, parseMonth, parseTime } from '../ledger/read/period.js'
import { findZone, type Zone } from '../ledger/read/zone.js'
import { type Given, readOption, UsageProblem } from './usage-common.js'

/** The options that choose requests. */
export const FILTER_OPTIONS = {
  team: { type: 'string', multiple: true },
  user: { type: 'string', multiple: true },
  key: { type: 'string', multiple: true },
  model: { type: 'string', multiple: true },
  tag: { type: 'string', multiple: true },
} as const

/** Help of these options. */
export const FILTER_HELP = `  --team TEAM     only requests of this team
  --user USER     only requests of this user: alice, or team1/alice
  --key KEY       only requests with the key of this id
  --model MODEL   only requests for this model
  --tag NAME=TEXT only requests with this tag: project=a
                  In these, * stands for any characters: 'gpt-*'. An option that
                  is given again takes more requests, --tag fewer
`

/** Reads the options that choose requests. @throws UsageProblem */
export function readFilter(values: Given['values']): Filter {
  const patterns: Record<string, readonly string[]> = {}
  for (const name of Object.keys(FILTER_OPTIONS)) {
    const given = values[name]
    if (Array.isArray(given)) patterns[name] = given
  }
  if ((patterns.tag ?? []).some((tag) => !/^[^=]+=/.test(tag))) {
    throw new UsageProblem("--tag takes a name and a value, such as project=a or project='*'")
  }
  return createFilter(patterns as FilterPatterns)
}

/** Reads the time zone; UTC by default. @throws UsageProblem */
export function readZone(values: Given['values']): Zone {
  const zone = findZone(readOption(values, 'timezone') ?? 'UTC')
  if (zone !== null) return zone
  throw new UsageProblem('--timezone takes a name of the IANA database, such as Europe/Berlin or UTC')
}

const START = ['since', 'from'] as const
const END = ['until', 'to'] as const

/** Reads the period. @throws UsageProblem */
export function readPeriod(values: Given['values'], zone: Zone): Period {
  const month = readOption(values, 'month')
  const given = [...START, ...END].filter((name) => readOption(values, name) !== undefined)
  if (month !== undefined) {
    if (given.length > 0) throw new UsageProblem(`--month and --${given[0]} exclude each other`)
    const period = parseMonth(month, zone)
    if (period === null) throw new UsageProblem('--month takes a month, such as 2026-01')
    return period
  }
  const now = Date.now()
  const since = readBound(values, START, 'start', now, zone)
  const until = readBound(values, END, 'end', now, zone)
  if (since.at !== null && until.at !== null && since.at >= until.at) {
    throw new UsageProblem(`--${since.name} has to be before --${until.name}`)
  }
  return new Period(since.at, until.at)
}

function readBound(
  values: Given['values'],
  names: readonly string[],
  edge: 'start' | 'end',
  now: number,
  zone: Zone,
): { readonly name: string; readonly at: number | null } {
  const given = names.filter((name) => readOption(values, name) !== undefined)
  if (given.length > 1) throw new UsageProblem(`--${given.join(' and --')} are the same: give one of them`)
  const [name = ''] = given
  const text = readOption(values, name)
  if (text === undefined) return { name, at: null }
  const at = parseTime(text, edge, now, zone)
  if (at !== null) return { name, at }
  throw new UsageProblem(`--${name} takes a day (2026-01-31), a time (2026-01-31T09:00Z) or an age (24h, 7d)`)
}
