import { existsSync } from 'node:fs'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { findPartFlaw } from '../access/key.js'
import { issueKey, type KeyRecord, Keyring, KeyringError, revokeKey } from '../access/keyring.js'
import type { KeyFileLocation } from '../config/config.js'

/** What the command reads and writes. */
export interface KeysIo {
  readonly out: NodeJS.WritableStream
  readonly err: NodeJS.WritableStream
  /** Finds the key file by the config file that was named, or the default one. It may throw. */
  readonly keyFile: (configPath: string | undefined) => KeyFileLocation
}

const OK = 0
const CANNOT = 1
const WRONG_USAGE = 2

const HELP = `Access keys: one for each person or program that may use this relay.

  thinwire keys add --env ENV --team TEAM --user USER   issue a key
  thinwire keys list [--json]                           show all keys
  thinwire keys revoke ID|KEY                           revoke a key

ENV, TEAM and USER are 1 to 32 characters of a-z, 0-9 and "-".
A key is shown only once, when it is issued: only its hash is stored.
The beginning of an id is enough if no other id begins with it.
Changes take effect within a second, without a restart.

The config file says where the keys are (keys.file, else data/keys.jsonl). Use
the same config as the relay: run the command in the folder of its
thinwire.json, or name the config with --config FILE.

  KEY=$(thinwire keys add --env prod --team team1 --user alice)
`

const ADD_EXAMPLE = 'thinwire keys add --env prod --team team1 --user alice'

interface Subcommand {
  readonly options: NonNullable<ParseArgsConfig['options']>
  /** How many arguments it takes beside its options, and the message for another number of them. */
  readonly argumentCount: number
  readonly usage: string
  /** Finds what is wrong with the values of the options, one line each. */
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
    argumentCount: 0,
    usage: `keys add takes options only, for example: ${ADD_EXAMPLE}`,
    check: findOwnerFlaws,
    run: add,
  },
  list: {
    options: { json: { type: 'boolean' } },
    argumentCount: 0,
    usage: 'keys list takes options only: --json and --config FILE',
    check: () => [],
    run: list,
  },
  revoke: {
    options: {},
    argumentCount: 1,
    usage: 'keys revoke takes one id or key, for example: thinwire keys revoke k_0123456789',
    check: () => [],
    run: revoke,
  },
}

/**
 * `thinwire keys`: issues, lists and revokes access keys. Results go to `out`, so that a script can use them; hints
 * and errors go to `err`.
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage
 */
export function runKeys(args: string[], io: KeysIo): number {
  const [name = '', ...rest] = args
  if (name === '--help' || name === '-h' || name === 'help') {
    io.out.write(HELP)
    return OK
  }
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined
  if (subcommand === undefined) {
    // The argument is not repeated: it may be a key.
    writeLine(
      io,
      `thinwire keys ${name === '' ? 'needs' : 'has only'} one of: add, list, revoke (more: thinwire keys --help)`,
    )
    return WRONG_USAGE
  }
  const { given, flaws } = readArguments(rest, name, subcommand)
  if (given.values.help === true) {
    io.out.write(HELP)
    return OK
  }
  if (flaws.length > 0) {
    for (const flaw of flaws) writeLine(io, flaw)
    return WRONG_USAGE
  }
  try {
    return subcommand.run(given, io)
  } catch (err) {
    writeLine(io, err instanceof Error ? err.message : String(err))
    return err instanceof KeyringError && err.code === 'bad_key' ? WRONG_USAGE : CANNOT
  }
}

function add(given: Given, io: KeysIo): number {
  const { env, team, user } = given.values
  const { file, configFile } = locateKeyFile(given, io)
  const isNew = !existsSync(file)
  const { key, record } = issueKey(file, { env: String(env), team: String(team), user: String(user) })
  io.out.write(`${key}\n`)
  writeLine(io, `${isNew ? 'NEW key file' : 'Key file'}: ${file}`)
  if (isNew && configFile === null) io.err.write(NO_CONFIG)
  writeLine(io, 'Shown only this once. A relay with this key file accepts it within a second.')
  writeLine(io, `To revoke it: thinwire keys revoke ${record.id}`)
  return OK
}

/** A key that is issued in another folder than the relay's is refused by the relay. */
const NO_CONFIG = `This folder has no thinwire.json and had no keys. A relay that runs in another
folder, or with another config, will refuse this key. For such a relay, run the
command in its folder or add: --config PATH/thinwire.json
`

/** One line for each part of the owner that is missing or cannot stand in a key. */
function findOwnerFlaws(values: Given['values']): string[] {
  const flaws: string[] = []
  for (const part of ['env', 'team', 'user']) {
    const value = values[part]
    const flaw = typeof value === 'string' ? findPartFlaw(value) : `is missing; it ${findPartFlaw('')}`
    if (flaw !== null) flaws.push(`--${part} ${flaw}`)
  }
  return flaws
}

function list(given: Given, io: KeysIo): number {
  const json = given.values.json === true
  const { file } = locateKeyFile(given, io)
  const ring = Keyring.open(file, { onProblem: (message) => writeLine(io, message) })
  ring.close()
  const records = ring.list()
  if (records.length === 0) {
    // A sentence among JSON lines would be no JSON.
    const stream = json ? io.err : io.out
    stream.write(`No keys yet in ${file}\nTo add one: ${ADD_EXAMPLE}\n`)
  } else {
    io.out.write(json ? formatJsonLines(records) : formatTable(records))
  }
  return OK
}

function revoke(given: Given, io: KeysIo): number {
  const record = revokeKey(locateKeyFile(given, io).file, given.rest[0] ?? '')
  io.out.write(
    `Revoked ${record.id} (${record.env}, ${record.team}, ${record.user}); it is refused within a second.\n`,
  )
  return OK
}

function formatJsonLines(records: readonly KeyRecord[]): string {
  let text = ''
  for (const { id, env, team, user, issuedAt, revokedAt } of records) {
    text += `${JSON.stringify({ id, env, team, user, issued_at: issuedAt, revoked_at: revokedAt })}\n`
  }
  return text
}

const GAP = '  '
/** Env, team and user share 80 columns less id (12), issued (10), status (7) and five gaps. */
const OWNER_COLUMNS = 80 - 12 - 10 - 7 - 5 * GAP.length

function formatTable(records: readonly KeyRecord[]): string {
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
    const cells = row.map((cell, column) => fitCell(cell, widths[column] ?? 0))
    text += `${cells.join(GAP).trimEnd()}\n`
  }
  return text
}

/** Takes columns from the widest one by one until all fit, so that short names stay whole as long as possible. */
function shrink(widths: readonly number[], room: number): number[] {
  const shrunk = [...widths]
  for (let excess = shrunk.reduce((sum, width) => sum + width, 0) - room; excess > 0; excess--) {
    const widest = Math.max(...shrunk)
    shrunk[shrunk.lastIndexOf(widest)] = widest - 1
  }
  return shrunk
}

function fitCell(cell: string, width: number): string {
  return cell.length > width ? `${cell.slice(0, width - 1)}…` : cell.padEnd(width)
}

/** parseArgs throws at the first mistake. Its tokens allow a line for each mistake. */
function readArguments(
  args: string[],
  name: string,
  subcommand: Subcommand,
): { given: Given; flaws: string[] } {
  const options: NonNullable<ParseArgsConfig['options']> = {
    ...subcommand.options,
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
  flaws.push(...subcommand.check(values))
  // The value of an unknown option counts as an argument. That is one mistake, so it gets one line.
  if (flaws.length === 0 && rest.length !== subcommand.argumentCount) flaws.push(subcommand.usage)
  return { given: { values, rest }, flaws }
}

function locateKeyFile(given: Given, io: KeysIo): KeyFileLocation {
  const config = given.values.config
  return io.keyFile(typeof config === 'string' ? config : undefined)
}

function writeLine(io: KeysIo, line: string): void {
  io.err.write(`${line}\n`)
}

function addDashes(option: string): string {
  return `--${option}`
}
