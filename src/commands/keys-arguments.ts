import { type ParseArgsConfig, parseArgs } from 'node:util'
import { areAddresses, areModels, type KeyLimits, parseExpiry } from '../access/key-limits.js'
import { readRuleFile } from './rule-file.js'
import { wrapLine } from './wrap-line.js'

/** The arguments of a subcommand of `keys`. */
export interface Given {
  readonly values: Readonly<Record<string, string | true>>
  readonly rest: readonly string[]
  /** The limits that the options name. Read once: the file of `--limits` may be a pipe. */
  readonly limits: Partial<KeyLimits>
  /** What is likely to surprise of the limits, one line each. */
  readonly warnings: readonly string[]
}

/** What a subcommand takes. */
export interface Grammar {
  readonly options: NonNullable<ParseArgsConfig['options']>
  /** How many arguments it takes beside its options, and the message for another number of them. */
  readonly argumentCount: number
  readonly usage: string
  /** Finds what is wrong with the values of the options, one line each. */
  readonly check: (values: Given['values']) => string[]
}

/** The options that limit a key. */
export const LIMIT_OPTIONS: Grammar['options'] = {
  expires: { type: 'string' },
  models: { type: 'string' },
  addresses: { type: 'string' },
  limits: { type: 'string' },
}

/** Takes a limit away; an expiry is taken away by `never`. */
const ANY = 'any'
const NEVER = 'never'
const NONE = 'none'

/**
 * Reads the limits that the options name. A limit that is not named is left out.
 * @param now epoch milliseconds
 * @param warnings gets one line for each limit that is likely to surprise
 * @returns one line for each option that is wrong, if any is
 */
function readLimits(values: Given['values'], now: number, warnings: string[]): Partial<KeyLimits> | string[] {
  const { expires, models, addresses, limits: ruleFile } = values
  const limits: { -readonly [name in keyof KeyLimits]?: KeyLimits[name] } = {}
  const flaws: string[] = []
  if (expires === NEVER) limits.expiresAt = null
  else if (typeof expires === 'string') {
    const at = parseExpiry(expires, now)
    if (at === null) flaws.push(`--expires must be like 12h, 30d, 4w, 2026-12-31 or ${NEVER}`)
    else if (at <= now) flaws.push('--expires is in the past; to end a key now: thinwire keys revoke')
    else limits.expiresAt = new Date(at).toISOString()
  }
  if (typeof models === 'string') {
    const list = split(models)
    if (list === null || areModels(list)) limits.models = list
    else flaws.push(`--models must be names, * for anything: --models 'gpt-*,o3', or ${ANY}`)
  }
  if (typeof addresses === 'string') {
    const list = split(addresses)
    if (list === null || areAddresses(list)) limits.addresses = list
    else flaws.push(`--addresses must be like 10.0.0.0/8,192.0.2.7, or ${ANY}`)
  }
  if (ruleFile === NONE) limits.ruleEntries = null
  else if (typeof ruleFile === 'string') {
    const { entries, problems, warnings: doubts } = readRuleFile(ruleFile)
    warnings.push(...doubts.map((doubt) => wrap(`warning: --limits ${doubt}`)))
    if (entries !== null) limits.ruleEntries = entries
    flaws.push(...problems.map((problem) => wrap(`--limits ${problem}`)))
  }
  return flaws.length > 0 ? flaws : limits
}

function wrap(text: string): string {
  return wrapLine('', text).trimEnd()
}

/** @returns null for no limit */
function split(text: string): string[] | null {
  return text === ANY ? null : text.split(',').map((part) => part.trim())
}

/** parseArgs throws at the first mistake. Its tokens allow a line for each mistake. */
export function readArguments(
  args: string[],
  name: string,
  grammar: Grammar,
): { given: Given; flaws: string[] } {
  const options: Grammar['options'] = {
    ...grammar.options,
    config: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  }
  // In `--env --team x` parseArgs would take `--team` as the value of `--env`. A value with a dash is given as
  // `--env=-x`.
  const withValues = args.map((arg, i) => {
    const takesValue = Object.hasOwn(options, arg.slice(2)) && options[arg.slice(2)]?.type === 'string'
    return takesValue && arg.startsWith('--') && (args[i + 1] ?? '-').startsWith('-') ? `${arg}=` : arg
  })
  const { tokens } = parseArgs({
    args: withValues,
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const values: Record<string, string | true> = {}
  const rest: string[] = []
  const flaws: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') rest.push(token.value)
    if (token.kind !== 'option') continue
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined
    if (option === undefined) {
      flaws.push(
        `keys ${name} has no option ${token.rawName}; it has ${Object.keys(options).map(addDashes).join(', ')}`,
      )
    } else if (Object.hasOwn(values, token.name)) {
      flaws.push(`--${token.name} is given twice; give it once`)
    } else if (option.type === 'boolean') {
      if (token.value !== undefined) flaws.push(`--${token.name} takes no value; write just --${token.name}`)
      values[token.name] = true
    } else {
      values[token.name] = token.value ?? ''
      if (token.name === 'config' && !token.value) flaws.push('--config needs a value: --config FILE')
    }
  }
  flaws.push(...grammar.check(values))
  const warnings: string[] = []
  const limits = readLimits(values, Date.now(), warnings)
  if (Array.isArray(limits)) flaws.push(...limits)
  // The value of an unknown option counts as an argument. That is one mistake, so it gets one line.
  if (flaws.length === 0 && rest.length !== grammar.argumentCount) flaws.push(grammar.usage)
  return { given: { values, rest, limits: Array.isArray(limits) ? {} : limits, warnings }, flaws }
}

function addDashes(option: string): string {
  return `--${option}`
}
