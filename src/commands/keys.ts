import { type ParseArgsConfig, parseArgs } from 'node:util'
import { findKeyFlaw } from '../access/key.js'
import { issueKey, type KeyRecord, Keyring, KeyringError, revokeKey } from '../access/keyring.js'

export interface KeysIo {
  readonly out: NodeJS.WritableStream
  readonly err: NodeJS.WritableStream
  /** Where the keys are kept, for the config file that was named, or the usual one. It may throw. */
  readonly keyFile: (configPath: string | undefined) => string
}

const OK = 0
const CANNOT = 1
const WRONG_USAGE = 2

const HELP = `Access keys: one for each person or program that may use this relay.

  thinwire keys add --env ENV --team TEAM --user USER   issue a key
  thinwire keys list [--json]                           show all keys
  thinwire keys revoke ID|KEY                           end a key

ENV, TEAM and USER are 1 to 32 characters out of a-z, 0-9 and "-".
A key is shown only once, when it is issued; only its hash is kept.
The start of an id will do if no other id starts alike.
--config FILE goes with each of them: the config says where keys are kept.
Changes have effect within a second; nothing has to be restarted.

  KEY=$(thinwire keys add --env prod --team team1 --user alice)
`

const ADD_EXAMPLE = 'thinwire keys add --env prod --team team1 --user alice'

interface Subcommand {
  readonly options: NonNullable<ParseArgsConfig['options']>
  /** How many arguments it takes beside its options, and what to say if it gets another number of them. */
  readonly takes: number
  readonly otherwise: string
  /** What is wrong with the options' values, a line each. */
  readonly check: (values: Given['values']) => string[]
  readonly run: (given: Given, io: KeysIo) => number
}

interface Given {
  readonly values: Readonly<Record<string, string | true>>
  readonly rest: readonly string[]
}

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  add: {
    options: { env: { type: 'string' }, team: { type: 'string' }, user: { type: 'string' } },
    takes: 0,
    otherwise: `keys add takes options only, for example: ${ADD_EXAMPLE}`,
    check: ownerFlaws,
    run: add,
  },
  list: {
    options: { json: { type: 'boolean' } },
    takes: 0,
    otherwise: 'keys list takes options only: --json and --config FILE',
    check: () => [],
    run: list,
  },
  revoke: {
    options: {},
    takes: 1,
    otherwise: 'keys revoke takes one id or key, for example: thinwire keys revoke k_0123456789',
    check: () => [],
    run: revoke,
  },
}

/**
 * `thinwire keys`: issues, lists and revokes access keys. Only a new key and what was asked for go to `out`; hints and
 * errors go to `err`, one line each.
 * @returns the exit code: 0 done, 1 it cannot be done, 2 wrong usage.
 */
export function runKeys(args: string[], io: KeysIo): number {
  const [name = '', ...rest] = args
  if (name === '--help' || name === '-h' || name === 'help') {
    io.out.write(HELP)
    return OK
  }
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined
  if (subcommand === undefined) {
    // What stands there instead is not repeated: it may be a key.
    say(
      io,
      `thinwire keys ${name === '' ? 'needs' : 'has only'} one of: add, list, revoke (more: thinwire keys --help)`,
    )
    return WRONG_USAGE
  }
  const { given, flaws } = read(rest, name, subcommand)
  if (given.values.help === true) {
    io.out.write(HELP)
    return OK
  }
  if (flaws.length > 0) {
    for (const flaw of flaws) say(io, flaw)
    return WRONG_USAGE
  }
  try {
    return subcommand.run(given, io)
  } catch (err) {
    say(io, err instanceof Error ? err.message : String(err))
    return err instanceof KeyringError && err.code === 'bad_key' ? WRONG_USAGE : CANNOT
  }
}

function add(given: Given, io: KeysIo): number {
  const { env, team, user } = given.values
  const { key, record } = issueKey(keyFile(given, io), {
    env: String(env),
    team: String(team),
    user: String(user),
  })
  io.out.write(`${key}\n`)
  say(io, 'Shown only this once: only its hash is kept. It is good within a second, with no restart.')
  say(io, `To revoke it: thinwire keys revoke ${record.id}`)
  return OK
}

/** One line for each part of the owner that is missing or cannot stand in a key. */
function ownerFlaws(values: Given['values']): string[] {
  const flaws: string[] = []
  for (const part of ['env', 'team', 'user']) {
    const value = values[part]
    const flaw = typeof value === 'string' ? findKeyFlaw(value) : `is missing; it ${findKeyFlaw('')}`
    if (flaw !== null) flaws.push(`--${part} ${flaw}`)
  }
  return flaws
}

function list(given: Given, io: KeysIo): number {
  const json = given.values.json === true
  const ring = Keyring.open(keyFile(given, io), { onProblem: (message) => say(io, message) })
  ring.close()
  const records = ring.list()
  if (records.length === 0) {
    // Beside JSON lines it would be no JSON.
    const stream = json ? io.err : io.out
    stream.write(`No keys yet. To add one: ${ADD_EXAMPLE}\n`)
  } else {
    io.out.write(json ? jsonLines(records) : table(records))
  }
  return OK
}

function revoke(given: Given, io: KeysIo): number {
  const record = revokeKey(keyFile(given, io), given.rest[0] ?? '')
  io.out.write(
    `Revoked ${record.id} (${record.env}, ${record.team}, ${record.user}); refused within a second.\n`,
  )
  return OK
}

function jsonLines(records: readonly KeyRecord[]): string {
  let text = ''
  for (const { id, env, team, user, issuedAt, revokedAt } of records) {
    text += `${JSON.stringify({ id, env, team, user, issued_at: issuedAt, revoked_at: revokedAt })}\n`
  }
  return text
}

const GAP = '  '
/** 80 columns less id (12), issued (10), status (7) and five gaps: what env, team and user share. */
const OWNER_COLUMNS = 80 - 12 - 10 - 7 - 5 * GAP.length

function table(records: readonly KeyRecord[]): string {
  const rows = [['ID', 'ENV', 'TEAM', 'USER', 'ISSUED', 'STATUS']]
  for (const { id, env, team, user, issuedAt, revokedAt } of records) {
    rows.push([id, env, team, user, issuedAt.slice(0, 10), revokedAt === null ? 'active' : 'revoked'])
  }
  const widths = [0, 0, 0, 0, 0, 0]
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  widths.splice(1, 3, ...shrink(widths.slice(1, 4), OWNER_COLUMNS))
  let text = ''
  for (const row of rows) {
    const cells = row.map((cell, column) => fit(cell, widths[column] ?? 0))
    text += `${cells.join(GAP).trimEnd()}\n`
  }
  return text
}

/** Takes columns from the widest, one at a time, until all fit: short names stay whole as long as that is possible. */
function shrink(widths: readonly number[], room: number): number[] {
  const shrunk = [...widths]
  for (let excess = shrunk.reduce((sum, width) => sum + width, 0) - room; excess > 0; excess--) {
    const widest = Math.max(...shrunk)
    shrunk[shrunk.lastIndexOf(widest)] = widest - 1
  }
  return shrunk
}

function fit(cell: string, width: number): string {
  return cell.length > width ? `${cell.slice(0, width - 1)}…` : cell.padEnd(width)
}

/** parseArgs throws at the first mistake, in its own words; its tokens let every mistake be named, each in one line. */
function read(args: string[], name: string, subcommand: Subcommand): { given: Given; flaws: string[] } {
  const options: NonNullable<ParseArgsConfig['options']> = {
    ...subcommand.options,
    config: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  }
  // parseArgs would take `--team` for the value in `--env --team x`. A value with a dash in front is `--env=-x`.
  const whole = args.map((arg, i) => {
    const cut = Object.hasOwn(options, arg.slice(2)) && options[arg.slice(2)]?.type === 'string'
    return cut && arg.startsWith('--') && (args[i + 1] ?? '-').startsWith('-') ? `${arg}=` : arg
  })
  const { tokens } = parseArgs({ args: whole, options, strict: false, allowPositionals: true, tokens: true })
  const values: Record<string, string | true> = {}
  const rest: string[] = []
  const flaws: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') rest.push(token.value)
    if (token.kind !== 'option') continue
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined
    if (option === undefined) {
      flaws.push(
        `keys ${name} has no option ${token.rawName}; it has ${Object.keys(options).map(dashed).join(', ')}`,
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
  flaws.push(...subcommand.check(values))
  // An unknown option's value stands there as an argument: one mistake, so one line.
  if (flaws.length === 0 && rest.length !== subcommand.takes) flaws.push(subcommand.otherwise)
  return { given: { values, rest }, flaws }
}

function keyFile(given: Given, io: KeysIo): string {
  const config = given.values.config
  return io.keyFile(typeof config === 'string' ? config : undefined)
}

function say(io: KeysIo, line: string): void {
  io.err.write(`${line}\n`)
}

function dashed(option: string): string {
  return `--${option}`
}
