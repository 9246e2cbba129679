import { FORMATS, holdsKeys, type ListFormat } from '../direct/list-formats.js'
import { type Given, readArguments } from './keys-arguments.js'

export interface ExportOptions {
  /** The config file; null for the default one. */
  readonly config: string | null
  readonly format: ListFormat
  /** A file, or the folder of the maps; null for standard output. */
  readonly out: string | null
  readonly follow: boolean
  /** A command for the shell; null for none. */
  readonly afterwards: string | null
  /** The file of the keys as they are; `-` for standard input, null for none. */
  readonly keys: string | null
  /** Permissions of what is written. */
  readonly mode: number
  readonly explain: boolean
  /** Also where the front cannot check models, and the routes do not let all of them go to the upstream. */
  readonly anyModel: boolean
}

const DEFAULT_MODE = 0o600

/** @returns one line for each mistake, or null to show the help */
export function readExportOptions(args: readonly string[]): ExportOptions | string[] | null {
  // `-` stands for standard input, and would be taken for an option.
  const whole = args.flatMap((arg, i) =>
    arg === '--keys' && args[i + 1] === '-'
      ? ['--keys=-']
      : arg === '-' && args[i - 1] === '--keys'
        ? []
        : [arg],
  )
  const { given, flaws } = readArguments(whole, 'export', {
    options: {
      hashes: { type: 'boolean' },
      format: { type: 'string' },
      out: { type: 'string' },
      follow: { type: 'boolean' },
      // biome-ignore lint/suspicious/noThenProperty: it is the name of an option
      then: { type: 'string' },
      keys: { type: 'string' },
      mode: { type: 'string' },
      explain: { type: 'boolean' },
      'any-model': { type: 'boolean' },
    },
    argumentCount: 0,
    usage: 'keys export takes options only, for example: thinwire keys export --hashes',
    check: findFlaws,
  })
  if (given.values.help === true) return null
  if (flaws.length > 0) return flaws
  const { values } = given
  return {
    config: textOf(values.config),
    format: formatOf(values) ?? 'json',
    out: textOf(values.out),
    follow: values.follow === true,
    afterwards: textOf(values.then),
    keys: textOf(values.keys),
    mode: parseMode(values.mode) ?? DEFAULT_MODE,
    explain: values.explain === true,
    anyModel: values['any-model'] === true,
  }
}

function findFlaws(values: Given['values']): string[] {
  if (values.help === true) return []
  const flaws: string[] = []
  const format = formatOf(values)
  if (format === null) flaws.push(`--format must be one of ${FORMATS.join(', ')}`)
  else if (holdsKeys(format) && values.keys === undefined)
    flaws.push(`--format ${format} needs --keys FILE with one key a line, as ${format} cannot hash`)
  else if (!holdsKeys(format) && values.keys !== undefined)
    flaws.push(`--keys is for --format nginx and caddy; ${format} has hashes`)
  else if (!holdsKeys(format) && values.hashes !== true)
    flaws.push('keys export needs --hashes: the list has the hashes of keys, for a front proxy')
  for (const name of ['out', 'then', 'keys']) if (values[name] === '') flaws.push(`--${name} needs a value`)
  if (parseMode(values.mode) === null) flaws.push('--mode must be permissions such as 600 or 640')
  if (values.follow === true && values.out === undefined)
    flaws.push('--follow needs --out FILE, which it keeps up to date')
  if (values.then !== undefined && values.out === undefined)
    flaws.push('--then needs --out FILE: it is run after the file was written')
  if (values.follow === true && values.keys === '-')
    flaws.push('--follow needs a file of keys in place of standard input: --keys FILE')
  return flaws
}

function formatOf({ format }: Given['values']): ListFormat | null {
  if (format === undefined) return 'json'
  return FORMATS.find((each) => each === format) ?? null
}

/** Octal. @returns null if it is none, or lets others write */
function parseMode(mode: string | true | undefined): number | null {
  if (mode === undefined) return DEFAULT_MODE
  return typeof mode === 'string' && /^0?[46][046][04]$/.test(mode) ? Number.parseInt(mode, 8) : null
}

function textOf(value: string | true | undefined): string | null {
  return typeof value === 'string' ? value : null
}
