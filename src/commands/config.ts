import { parseArgs } from 'node:util'
import { Keyring, KeyringError } from '../access/keyring.js'
import {
  type Config,
  type ConfigSource,
  loadConfig,
  loadConfigWithoutSecrets,
  locateConfigFile,
} from '../config/config.js'
import type { TlsFiles } from '../config/listen.js'
import { ConfigError, type Problem } from '../config/problems.js'
import { Prices, PricesError } from '../ledger/prices.js'
import { CertificateError, readCertificate } from '../server/tls-certificate.js'
import type { CommandIo } from './command-io.js'
import { printHelp } from './help.js'

const OK = 0
const WRONG = 1
const WRONG_USAGE = 2

const HELP = `Checks a config file without starting a relay. Nothing is sent anywhere.

  thinwire config check [FILE]   Default: thinwire.json in this folder
    --without-secrets            do not look for the secrets that it refers to,
                                 for a machine that does not have them
    --json                       print JSON, for a program

Each problem comes with the path of the setting and what would be right. The
key file and the price file that it names are read, too. Warnings are settings
that work, and are likely to surprise.

Exit codes: 0 a relay would start with it, 1 it would not, 2 wrong usage.
`

/**
 * `thinwire config check`: tells whether a relay would start with a config file.
 * @returns the exit code: 0 it would, 1 it would not, 2 wrong usage
 */
export function runConfig(args: readonly string[], io: CommandIo): number {
  const [name = '', ...rest] = args
  const helped = printHelp(name, HELP, io)
  if (helped !== null) return helped
  const given = name === 'check' ? readArguments(rest) : 'there is only: thinwire config check [FILE]'
  if (typeof given === 'string') {
    io.err.write(`thinwire config: ${given} (more: thinwire config --help)\n`)
    return WRONG_USAGE
  }
  if (given.help) {
    io.out.write(HELP)
    return OK
  }
  const source = { file: given.file, env: io.env, cwd: io.cwd }
  const label = locateConfigFile(source) ?? 'no config file (the defaults)'
  const found = check(source, given.withoutSecrets)
  io.out.write(given.json ? formatJson(label, found) : formatText(label, found))
  return found.config === null ? WRONG : OK
}

interface Given {
  readonly file: string | undefined
  readonly withoutSecrets: boolean
  readonly json: boolean
  readonly help: boolean
}

/** @returns a sentence if they are wrong */
function readArguments(args: readonly string[]): Given | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        'without-secrets': { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    const files = values.config === undefined ? positionals : [values.config, ...positionals]
    if (files.length > 1) return 'check takes one file'
    const { json = false, help = false } = values
    return { file: files[0], withoutSecrets: values['without-secrets'] === true, json, help }
  } catch {
    return 'check takes a file, --without-secrets, --json and --help'
  }
}

/** What was found. A config with problems is null. */
interface Found {
  readonly config: Config | null
  readonly problems: readonly Problem[]
  readonly warnings: readonly string[]
  /** Valid and revoked keys; null if no key file is read. */
  readonly keys: KeyCount | null
}

interface KeyCount {
  readonly issued: number
  /** Of them, those with limit rules of their own. */
  readonly ruled: number
}

function check(source: ConfigSource, withoutSecrets: boolean): Found {
  let config: Config
  try {
    config = withoutSecrets ? loadConfigWithoutSecrets(source) : loadConfig(source)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { config: null, problems: error.problems, warnings: [], keys: null }
  }
  const problems: Problem[] = []
  const warnings = [...config.warnings]
  const keys = config.keys.mode === 'keys' ? countKeys(config.keys.file, problems, warnings) : null
  try {
    Prices.open(config.ledger.prices)
  } catch (error) {
    if (!(error instanceof PricesError)) throw error
    problems.push({ path: 'ledger.prices', message: error.message })
  }
  if (config.listen.tls !== null && !withoutSecrets) checkCertificate(config.listen.tls, problems)
  return { config: problems.length > 0 ? null : config, problems, warnings, keys }
}

function checkCertificate(files: TlsFiles, problems: Problem[]): void {
  try {
    readCertificate(files)
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    problems.push({ path: error.path, message: error.reason })
  }
}

function countKeys(file: string, problems: Problem[], warnings: string[]): KeyCount | null {
  try {
    const keyring = Keyring.open(file, { onProblem: (message) => warnings.push(message) })
    keyring.close()
    const ruled = keyring.list().filter(({ limits, revokedAt }) => limits !== null && revokedAt === null)
    return { issued: keyring.size, ruled: ruled.length }
  } catch (error) {
    if (!(error instanceof KeyringError)) throw error
    problems.push({ path: 'keys.file', message: error.message })
    return null
  }
}

function formatJson(file: string, { config, problems, warnings }: Found): string {
  return `${JSON.stringify({ file, ok: config !== null, problems, warnings })}\n`
}

function formatText(file: string, { config, problems, warnings, keys }: Found): string {
  const told = warnings.map((warning) => `warning: ${warning}\n`).join('')
  if (config === null) {
    const lines = problems.map(({ path, message }) => `${path === '' ? '' : `${path}: `}${message}\n`)
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
    return `${file}: ${count}\n${lines.join('')}${told}`
  }
  const names = config.upstreams.map(({ name }) => name).join(', ')
  const rows = [
    ['listen', `${config.listen.host}:${config.listen.port}${config.listen.tls === null ? '' : ' with TLS'}`],
    ['keys', keys === null ? config.keys.mode : `${config.keys.file} (${keys.issued} issued)`],
    ['upstreams', names === '' ? 'the built-in demo' : names],
    ['routes', String(config.routes.length)],
    ['models', String(config.aliases.length)],
  ]
  const { rules } = config.limitRules
  const ruled = keys?.ruled ?? 0
  if (rules.length > 0 || ruled > 0) {
    const ofKeys = ruled === 0 ? '' : `, and rules of ${ruled === 1 ? '1 key' : `${ruled} keys`}`
    rows.push(['limits', `${rules.length === 1 ? '1 rule' : `${rules.length} rules`}${ofKeys}`])
  }
  const lines = rows.map(([title = '', text = '']) => `  ${title.padEnd(11)}${text}\n`)
  return `${file}: ok\n${lines.join('')}${told}`
}
