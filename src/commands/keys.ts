import { existsSync, readFileSync } from 'node:fs'
import { loadAudit } from '../access/audit.js'
import { compareWithAudit } from '../access/audit-check.js'
import { findPartFlaw } from '../access/key.js'
import { changeKey, findKey, type IssuedKey, issueKey, revokeKey, rotateKey } from '../access/key-changes.js'
import { type KeyLimits, parseDuration } from '../access/key-limits.js'
import { Keyring, KeyringError } from '../access/keyring.js'
import type { KeyFileLocation } from '../config/config.js'
import { isHelp } from './help.js'
import { type Given, type Grammar, LIMIT_OPTIONS, readArguments } from './keys-arguments.js'
import {
  describeLimits,
  expiresSoon,
  formatAudit,
  formatAuditLines,
  formatInstant,
  formatKeyLines,
  formatKeyTable,
} from './keys-text.js'

/** What the command reads and writes. */
export interface KeysIo {
  readonly out: NodeJS.WritableStream
  readonly err: NodeJS.WritableStream
  /** Finds the key file by the config file that was named, or the default one. It may throw. */
  readonly keyFile: (configPath: string | undefined) => KeyFileLocation
  /** Says whether a front may take a key while no relay runs; null if the config does not tell. */
  readonly describeDirect?: (configPath: string | undefined, id: string) => string | null
}

const OK = 0
const CANNOT = 1
const WRONG_USAGE = 2

const HELP = `Access keys: one for each person or program that may use this relay.

  thinwire keys add --env ENV --team TEAM --user USER   issue a key
  thinwire keys list [--json]                           show all keys
  thinwire keys show ID|KEY                             show a key's limits
  thinwire keys set ID|KEY LIMITS                       change a key's limits
  thinwire keys rotate ID|KEY [--overlap 24h]           replace a key
  thinwire keys revoke ID|KEY                           revoke a key
  thinwire keys audit [--json]                          show who changed what
  thinwire keys export --hashes                         for a front proxy that
                                                        goes on without a relay

LIMITS of a key, with add and set (any, never and none take a limit away):
  --expires 30d                   12h, 30d, 4w, 2026-12-31 or never
  --models 'gpt-*,claude-haiku-*'  names, * for anything, or any
  --addresses 10.0.0.0/8          addresses and networks, or any
  --limits FILE                   rules of this key in a JSON file, or none:
                                  [{"name": "month", "usd": {"month": 50}}]
                                  as limits.rules of the config, without per

rotate issues a key with the same owner and limits. Both keys are valid for the
overlap; --overlap 0h ends the old one at once. The new one lives as long as the
old one was to live; --expires says otherwise.

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
const EXAMPLE_ID = 'k_0123456789'
const USUAL_OVERLAP = '24h'

interface Subcommand extends Grammar {
  readonly run: (given: Given, io: KeysIo) => number
}

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  add: {
    options: {
      env: { type: 'string' },
      team: { type: 'string' },
      user: { type: 'string' },
      ...LIMIT_OPTIONS,
    },
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
  show: {
    options: {},
    argumentCount: 1,
    usage: `keys show takes one id or key, for example: thinwire keys show ${EXAMPLE_ID}`,
    check: () => [],
    run: show,
  },
  set: {
    options: LIMIT_OPTIONS,
    argumentCount: 1,
    usage: `keys set takes one id or key, for example: thinwire keys set ${EXAMPLE_ID} --expires 30d`,
    check: (values) =>
      Object.keys(LIMIT_OPTIONS).some((name) => name in values)
        ? []
        : ['keys set needs --expires, --models, --addresses or --limits'],
    run: set,
  },
  rotate: {
    options: { overlap: { type: 'string' }, expires: { type: 'string' } },
    argumentCount: 1,
    usage: `keys rotate takes one id or key, for example: thinwire keys rotate ${EXAMPLE_ID}`,
    check: (values) => (overlapOf(values) === null ? ['--overlap must be like 24h, 7d or 0h'] : []),
    run: rotate,
  },
  revoke: {
    options: {},
    argumentCount: 1,
    usage: `keys revoke takes one id or key, for example: thinwire keys revoke ${EXAMPLE_ID}`,
    check: () => [],
    run: revoke,
  },
  audit: {
    options: { json: { type: 'boolean' } },
    argumentCount: 0,
    usage: 'keys audit takes options only: --json and --config FILE',
    check: () => [],
    run: audit,
  },
}

/**
 * `thinwire keys`: issues, lists, changes and revokes access keys. Results go to `out`, so that a script can use them;
 * hints and errors go to `err`.
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage
 */
export function runKeys(args: string[], io: KeysIo): number {
  const [name = '', ...rest] = args
  if (isHelp(name)) {
    io.out.write(HELP)
    return OK
  }
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined
  if (subcommand === undefined) {
    const names = [...Object.keys(SUBCOMMANDS), 'export'].join(', ')
    // The argument is not repeated: it may be a key.
    writeLine(io, `thinwire keys ${name === '' ? 'needs' : 'has only'} one of: ${names} (see --help)`)
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
  for (const warning of given.warnings) writeLine(io, warning)
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
  const { limits } = given
  const owner = { env: String(env), team: String(team), user: String(user) }
  const issued = issueKey(file, owner, { limits, onProblem: (message) => writeLine(io, message) })
  writeKey(issued, `${isNew ? 'NEW key file' : 'Key file'}: ${file}`, io)
  if (isNew && configFile === null) io.err.write(NO_CONFIG)
  writeLine(io, `To revoke it: thinwire keys revoke ${issued.record.id}`)
  return OK
}

/** The key goes to `out`, what there is to know of it to `err`. */
function writeKey({ key, record }: IssuedKey, place: string, io: KeysIo): void {
  io.out.write(`${key}\n`)
  writeLine(io, place)
  writeLine(io, 'Shown only this once. A relay with this key file accepts it within a second.')
  for (const line of describeLimits(givenLimits(record))) writeLine(io, `  ${line}`)
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

/** The limits that a key has. */
function givenLimits({ expiresAt, models, addresses, ruleEntries }: KeyLimits): Partial<KeyLimits> {
  return {
    ...(expiresAt === null ? {} : { expiresAt }),
    ...(models === null ? {} : { models }),
    ...(addresses === null ? {} : { addresses }),
    ...(ruleEntries === null ? {} : { ruleEntries }),
  }
}

function list(given: Given, io: KeysIo): number {
  const json = given.values.json === true
  const { file } = locateKeyFile(given, io)
  const ring = Keyring.open(file, { onProblem: (message) => writeLine(io, message) })
  ring.close()
  const records = ring.list()
  const now = Date.now()
  if (records.length === 0) {
    // A sentence among JSON lines would be no JSON.
    const stream = json ? io.err : io.out
    stream.write(`No keys yet in ${file}\nTo add one: ${ADD_EXAMPLE}\n`)
  } else {
    io.out.write(json ? formatKeyLines(records) : formatKeyTable(records, now))
  }
  const soon = records.filter((record) => record.rotatedTo === null && expiresSoon(record, now))
  if (soon.length > 0)
    writeLine(
      io,
      `${soon.length === 1 ? '1 key expires' : `${soon.length} keys expire`} within 7 days. To replace one: thinwire keys rotate ID`,
    )
  return OK
}

function show(given: Given, io: KeysIo): number {
  const { file } = locateKeyFile(given, io)
  const { id, env, team, user, issuedAt, ...record } = findKey(file, given.rest[0] ?? '')
  io.out.write(`${id} (${env}, ${team}, ${user}), issued ${formatInstant(issuedAt)}\n`)
  if (record.revokedAt !== null) io.out.write(`  revoked    ${formatInstant(record.revokedAt)}\n`)
  const { expiresAt, models, addresses, ruleEntries } = record
  for (const line of describeLimits({ expiresAt, models, addresses, ruleEntries }))
    io.out.write(`  ${line}\n`)
  const direct = record.revokedAt === null ? io.describeDirect?.(textOf(given.values.config), id) : null
  if (direct) io.out.write(`  direct     ${direct}\n`)
  return OK
}

function set(given: Given, io: KeysIo): number {
  const { limits } = given
  const { file } = locateKeyFile(given, io)
  const record = changeKey(file, given.rest[0] ?? '', limits, {
    onProblem: (message) => writeLine(io, message),
  })
  const { id, env, team, user } = record
  io.out.write(`Changed ${id} (${env}, ${team}, ${user}); in force within a second.\n`)
  for (const line of describeLimits(limits)) io.out.write(`  ${line}\n`)
  return OK
}

function rotate(given: Given, io: KeysIo): number {
  const { file } = locateKeyFile(given, io)
  const { expiresAt } = given.limits
  const issued = rotateKey(file, given.rest[0] ?? '', overlapOf(given.values) ?? 0, expiresAt, {
    onProblem: (message) => writeLine(io, message),
  })
  const { old, record } = issued
  writeKey(issued, `Key file: ${file}`, io)
  writeLine(io, `${record.id} replaces ${old.id} (${old.env}, ${old.team}, ${old.user}),`)
  writeLine(io, `which is refused from ${formatInstant(old.expiresAt ?? '')} on.`)
  return OK
}

/** @returns milliseconds; null if it is no length of time */
function overlapOf(values: Given['values']): number | null {
  return parseDuration(String(values.overlap ?? USUAL_OVERLAP))
}

function revoke(given: Given, io: KeysIo): number {
  const record = revokeKey(locateKeyFile(given, io).file, given.rest[0] ?? '', {
    onProblem: (message) => writeLine(io, message),
  })
  io.out.write(
    `Revoked ${record.id} (${record.env}, ${record.team}, ${record.user}); it is refused within a second.\n`,
  )
  return OK
}

/** The exit code is 1 if the audit or the key file was changed by other means than this command. */
function audit(given: Given, io: KeysIo): number {
  const { file } = locateKeyFile(given, io)
  const { entries, flaws } = loadAudit(file)
  io.out.write(given.values.json === true ? formatAuditLines(entries) : formatAudit(entries))
  const keyFile = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const { older, unaudited, missing } = compareWithAudit(keyFile, entries)
  if (entries.length === 0) writeLine(io, `No changes in the audit of ${file} yet.`)
  if (older > 0)
    writeLine(io, `The key file has ${older} ${older === 1 ? 'line' : 'lines'} from before the audit.`)
  for (const flaw of flaws) writeLine(io, `audit: ${flaw}`)
  for (const { number, what } of unaudited)
    writeLine(io, `key file: line ${number} (${what}) was not written by thinwire keys`)
  for (const { op, id, ts } of missing)
    writeLine(io, `key file: a line is gone (${op} ${id}, ${formatInstant(ts)})`)
  return flaws.length + unaudited.length + missing.length > 0 ? CANNOT : OK
}

function locateKeyFile(given: Given, io: KeysIo): KeyFileLocation {
  return io.keyFile(textOf(given.values.config))
}

function textOf(value: string | true | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function writeLine(io: KeysIo, line: string): void {
  io.err.write(`${line}\n`)
}
