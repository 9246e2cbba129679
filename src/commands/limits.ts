import { parseArgs } from 'node:util'
import { KeyringError } from '../access/keyring.js'
import { parseRequestTarget } from '../api/request-target.js'
import { redactText } from '../exchange/log-text.js'
import { type CounterNow, type Overview, readOverview, shareOf } from '../limits/snapshot/overview.js'
import { SNAPSHOT_FILE } from '../limits/snapshot/snapshot-file.js'
import { compileGlob } from '../routing/glob.js'
import type { CommandIo } from './command-io.js'
import { isHelp } from './help.js'
import { describeProblems, type LimitSources, readLimitSources } from './limit-sources.js'
import { explainLimits } from './limits-explain.js'
import { describeOwner, formatCounters, formatCountersJson, formatWait } from './limits-table.js'
import { wrapLine } from './wrap-line.js'

const OK = 0
const CANNOT = 1
const WRONG_USAGE = 2

/** Rows that are printed without `--all`. */
const MOST_SHOWN = 50

const HELP = `Limits: what is used of each rule, and by which rules a request would go.

  thinwire limits                       what is used, the fullest first
    --rule R                            only this rule; * for anything
    --owner O                           only this key, team, env or TEAM/USER
    --all                               more than the first ${MOST_SHOWN} rows
    --json                              print JSON, for a program
  thinwire limits --explain KEY MODEL   which rules hold for a request, and why
    --path P                            default: /v1/chat/completions
    --tag NAME=TEXT                     a tag of the request; can be repeated
    --json                              print JSON, for a program
  --config FILE                         default: thinwire.json in this folder

Rules are those of limits.rules in the config, and those of keys (thinwire keys
set KEY --limits FILE). KEY is the id of a key, or the key; it is not printed.

While a relay runs, the numbers are its own: a change is seen within some
seconds. If none runs, budgets are summed up from the usage ledger, and rates
are whole. thinwire usage verify --limits compares the two.

Exit codes: 0 done, 1 the request would be refused, or something cannot be read,
2 wrong usage.
`

/**
 * `thinwire limits`: shows what is used of the limits.
 * @returns the exit code: 0 done, 1 refused or failed, 2 wrong usage
 * @throws ConfigError
 */
export async function runLimits(args: readonly string[], io: CommandIo): Promise<number> {
  const given = isHelp(args[0] ?? '') ? null : readArguments(args)
  if (given === null) {
    io.out.write(HELP)
    return OK
  }
  if (typeof given === 'string') {
    io.err.write(`thinwire limits: ${given}\n`)
    return WRONG_USAGE
  }
  const complain = (message: string): void => void io.err.write(`thinwire limits: ${message}\n`)
  try {
    const sources = readLimitSources({ file: given.config, env: io.env, cwd: io.cwd }, complain)
    const now = Date.now()
    const overview = await readOverview(sources.folders, sources.rules, now)
    if (given.explain !== null)
      return explainLimits(given.explain, sources, overview, now, { ...io, json: given.json })
    show(given, sources, overview, now, io)
    for (const line of describeProblems(overview.problems)) complain(line)
    return OK
  } catch (error) {
    if (error instanceof KeyringError) {
      io.err.write(`${error.message}\n`)
      return error.code === 'bad_key' ? WRONG_USAGE : CANNOT
    }
    throw error
  }
}

interface Given {
  readonly rule: string | undefined
  readonly owner: string | undefined
  readonly all: boolean
  readonly json: boolean
  readonly config: string | undefined
  readonly explain: Explained | null
}

/** A request that is not sent. */
export interface Explained {
  readonly key: string
  readonly model: string
  readonly path: string
  readonly tags: readonly string[]
}

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const

/** @returns null if help is asked for; a sentence if they are wrong, which repeats none of them: one may be a key */
function readArguments(args: readonly string[]): Given | string | null {
  const options = { rule: text, owner: text, all: flag, json: flag, config: text, explain: flag, path: text }
  const more = { tag: { type: 'string', multiple: true }, help: { type: 'boolean', short: 'h' } } as const
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...options, ...more },
    })
    if (values.help === true) return null
    const { rule, owner, all = false, json = false, config, path, tag: tags } = values
    const given = { rule, owner, all, json, config }
    if (values.explain !== true) {
      if (positionals.length > 0) return 'it takes options only; --explain takes KEY and MODEL'
      if (path !== undefined || tags !== undefined) return '--path and --tag go with --explain'
      return { ...given, explain: null }
    }
    const [key, model, ...others] = positionals
    if (key === undefined || model === undefined || others.length > 0) return '--explain takes KEY and MODEL'
    if (rule !== undefined || owner !== undefined || all)
      return '--rule, --owner and --all go without --explain'
    if (tags?.some((tag) => !/^[^=,]+=[^,]+$/.test(tag))) return '--tag takes NAME=TEXT, such as project=a'
    if (path !== undefined && 'problem' in parseRequestTarget(path)) return '--path takes a path of the relay'
    if ([model, path ?? '', ...(tags ?? [])].some(holdsSecret))
      return 'only KEY may hold a key; --explain takes KEY, then MODEL'
    return { ...given, explain: { key, model, path: path ?? '/v1/chat/completions', tags: tags ?? [] } }
  } catch {
    return 'there is no such option; see: thinwire limits --help'
  }
}

/** They are printed. */
function holdsSecret(text: string): boolean {
  return redactText(text).includes('***') && !text.includes('***')
}

function show(given: Given, sources: LimitSources, overview: Overview, now: number, io: CommandIo): void {
  const fits = createFilter(given)
  const counters = overview.counters.filter(fits)
  const sorted = [...counters].sort((one, other) => shareOf(other) - shareOf(one))
  if (given.json) {
    io.out.write(formatCountersJson(overview, sorted, now))
    return
  }
  for (const line of describeSource(overview, sources, now)) io.out.write(wrapLine('', line))
  if (sorted.length === 0) {
    io.out.write(describeNothing(overview, sources))
    return
  }
  const shown = given.all ? sorted : sorted.slice(0, MOST_SHOWN)
  io.out.write(`\n${formatCounters(shown, now)}`)
  const more = sorted.length - shown.length
  if (more > 0) io.out.write(`\n${more} more ${more === 1 ? 'row' : 'rows'}: --all prints them\n`)
  if (shown.some(({ rule }) => rule.observe)) io.out.write('\n* only observed: it refuses nothing\n')
}

function createFilter({ rule, owner }: Given): (counter: CounterNow) => boolean {
  const ofRule = rule === undefined ? null : compileGlob(rule)
  const ofOwner = owner === undefined ? null : compileGlob(owner)
  return (counter) =>
    (ofRule === null || ofRule.test(counter.rule.name)) &&
    (ofOwner === null || ofOwner.test(describeOwner(counter)))
}

/** Where the numbers come from, one line each. */
function describeSource(
  { source, snapshot, liveness, fault }: Overview,
  { folders, rules }: LimitSources,
  now: number,
): string[] {
  const file = `${folders[0]}/${SNAPSHOT_FILE}`
  const lines: string[] = []
  if (fault !== null) lines.push(`${file} ${fault}.`)
  if (snapshot === null) {
    if (rules.length > 0 && fault === null)
      lines.push('No relay has run with this ledger and this version yet.')
  } else {
    const { pid, written } = snapshot
    const age = formatWait(now - Date.parse(written))
    const states: { readonly [state in NonNullable<typeof liveness>]: string } = {
      running: `The relay runs (process ${pid}). Its counters have last changed ${age} ago.`,
      unknown: `The relay is on another machine or in another container. It has left these counters ${age} ago.`,
      ended: `No relay runs; the last one has ended ${age} ago.`,
      killed: `No relay runs; the last one (process ${pid}) was killed, at least ${age} ago.`,
    }
    if (liveness !== null) lines.push(states[liveness])
    if (source === 'relay' && !snapshot.restored)
      lines.push('It still reads the ledger: budgets lack some of what was used before its start.')
  }
  if (source === 'ledger' && rules.length > 0) lines.push('Budgets are summed up from the ledger.')
  return lines
}

function describeNothing({ counters }: Overview, { rules, config }: LimitSources): string {
  if (counters.length > 0) return 'No counter is of such a rule and owner.\n'
  if (rules.length === 0) {
    const keys = config.keys.mode === 'keys' ? ', and no key has rules of its own' : ''
    return wrapLine('', `There are no rules: the config has no limits.rules${keys}.`)
  }
  return 'The rules only say which models may be used: there is nothing to count.\n'
}
