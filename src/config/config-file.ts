import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { findDuplicates } from './duplicates.js'
import type { InheritedSockets } from './inherited-sockets.js'
import { ConfigError, describeIssues } from './problems.js'
import { renameOldSettings } from './renamed.js'
import { type ConfigFile, configSchema } from './schema.js'

/** Where the settings of one start come from. */
export interface ConfigSource {
  /** `--config`; without it `thinwire.json` in `cwd` if there is one, else defaults. */
  readonly file?: string | undefined
  /** `--listen`, which overrides the file's `listen`. */
  readonly listen?: string | undefined
  /** Sockets that take the place of addresses to listen on. */
  readonly sockets?: InheritedSockets | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** A config file that the schema accepts. References in it are not resolved. */
export interface ParsedConfigFile {
  /** Absolute path; null if there is no config file. */
  readonly file: string | null
  readonly parsed: ConfigFile
  /** The name of the file in messages. */
  readonly label: string
  readonly warnings: readonly string[]
}

/** The config file in the current folder that is read when none is named. */
export const DEFAULT_FILE = 'thinwire.json'

/**
 * Reads the config file and checks it against the schema.
 * @throws ConfigError if it cannot be read, is not JSON, or has a wrong setting
 */
export function readConfigFile(source: ConfigSource): ParsedConfigFile {
  const file = resolve(source.cwd, source.file ?? DEFAULT_FILE)
  const label = source.file ?? DEFAULT_FILE
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' && source.file === undefined)
      return { file: null, parsed: configSchema.parse({}), label: 'config', warnings: [] }
    throw new ConfigError(label, [{ path: '', message: `cannot be read (${code ?? 'unknown error'})` }])
  }
  let json: unknown
  try {
    // Some editors on Windows put a byte order mark first, which JSON.parse does not accept.
    json = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new ConfigError(label, [{ path: '', message: describeSyntaxError(text, error as Error) }])
  }
  const duplicates = findDuplicates(text)
  if (duplicates.length > 0) throw new ConfigError(label, duplicates)
  const renamed = renameOldSettings(json)
  const result = configSchema.safeParse(json, { reportInput: true })
  const issues = result.success ? [] : describeIssues(result.error.issues, renamed.paths)
  const problems = [...renamed.problems, ...issues]
  if (!result.success || problems.length > 0) throw new ConfigError(label, problems)
  return { file, parsed: result.data, label, warnings: renamed.warnings }
}

/** V8 gives an offset for most syntax errors. An editor needs line and column. */
export function describeSyntaxError(text: string, error: Error): string {
  // Windows PowerShell writes UTF-16 to a file, unless it is told otherwise.
  if (text.includes('\0')) return 'is not UTF-8; save it with that encoding'
  if (/^\s*(?:\/\/|\/\*|#)/m.test(text)) return 'is not JSON, which has no comments; remove them'
  const position = /at position (\d+)/.exec(error.message)?.[1]
  // V8's message quotes the text around the mistake, which may be a pasted secret: it is not repeated.
  if (position === undefined) return 'is not JSON; look for a missing quote, comma or brace'
  const before = text.slice(0, Number(position)).split('\n')
  return `is not JSON, at line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
}
