import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ParseArgsConfig } from 'node:util'
import type { Config } from '../config/config.js'
import type { LimitRule } from '../config/limit-rules.js'
import { type LedgerName, listLedgerNames } from '../ledger/files.js'
import { readLines } from '../ledger/read/lines.js'
import { isMissing } from '../ledger/read/start-check.js'
import { Progress } from './progress.js'

/** Exit code of a command that is done. */
export const DONE = 0
/** Exit code of a command that cannot read the ledger, or has wrong options. */
export const CANNOT = 2

/** Standard output or error, which may be a terminal. */
export type Stream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number }

/** What the commands read and write. */
export interface UsageIo {
  readonly out: Stream
  readonly err: Stream
  /** Finds the ledger's folders, the fallback last. @throws ConfigError */
  readonly folders: (configFile: string | undefined) => readonly string[]
  /** Reads the settings of the ledger. @throws ConfigError */
  readonly ledger: (configFile: string | undefined) => Config['ledger']
  /** Reads the limit rules of the config and of the keys. @throws ConfigError, KeyringError */
  readonly limitRules: (configFile: string | undefined) => Promise<readonly LimitRule[]>
}

/** The input of a command. */
export interface Given {
  /** Of the ledger; there may be a fallback behind the first one. */
  readonly folders: readonly string[]
  readonly values: Readonly<Record<string, unknown>>
  /** Arguments that are no options; none for a command that takes none. */
  readonly names: readonly string[]
  readonly io: UsageIo
}

/** A command of `thinwire usage`. */
export interface Command {
  readonly help: string
  readonly options: NonNullable<ParseArgsConfig['options']>
  /** It takes arguments that are no options, such as files. */
  readonly takesNames?: boolean
  /**
   * Resolves to the exit code.
   * @throws UsageProblem, or an error of the file system
   */
  readonly run: (given: Given) => Promise<number>
}

/** The command cannot be run, for example because of a wrong value of an option. The message says why. */
export class UsageProblem extends Error {}

/** The options of every command. */
export const LEDGER_OPTIONS = { config: { type: 'string' }, folder: { type: 'string' } } as const

/** A file of the ledger, in one of its folders. */
export interface LedgerPath extends LedgerName {
  readonly folder: string
}

/**
 * Finds the ledger's files, the oldest of each folder first.
 * @returns null if there are none; then `err` has a message
 * @throws the error of the file system, if no folder is there or one cannot be read
 */
export async function findFiles(folders: readonly string[], io: UsageIo): Promise<LedgerPath[] | null> {
  const found: LedgerPath[] = []
  const failures: unknown[] = []
  for (const folder of folders) {
    try {
      for (const name of listLedgerNames(await readdir(folder))) found.push({ ...name, folder })
    } catch (error) {
      // A report without the records of a folder that is there would look complete.
      if (!isMissing(error)) throw error
      failures.push(error)
    }
  }
  if (found.length > 0) return found
  if (failures.length === folders.length) throw failures[0]
  io.err.write(
    `thinwire usage: there is no usage-YYYY-MM-DD.jsonl in ${folders.join(' or ')} (--folder, --config)\n`,
  )
  return null
}

/**
 * Reads files one after another and shows the progress on a terminal.
 * @param onFile called with each file; returns a function that gets its lines without line ends
 */
export async function readFiles(
  files: readonly LedgerPath[],
  io: UsageIo,
  onFile: (file: LedgerPath) => (line: string) => void,
): Promise<void> {
  const progress = new Progress(io.err, await sizeOf(files))
  try {
    for (const file of files) {
      await readLines(join(file.folder, file.name), onFile(file), (bytes) => progress.add(bytes))
    }
  } finally {
    progress.end()
  }
}

/** Bytes of all these files. */
export async function sizeOf(files: readonly LedgerPath[]): Promise<number> {
  const sizes = await Promise.all(
    files.map(async ({ folder, name }) => (await stat(join(folder, name))).size),
  )
  return sizes.reduce((all, size) => all + size, 0)
}

/** Reads the value of an option that takes a text. */
export function readOption(values: Given['values'], name: string): string | undefined {
  const value = values[name]
  return typeof value === 'string' ? value : undefined
}
