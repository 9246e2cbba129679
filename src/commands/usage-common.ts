import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ParseArgsConfig } from 'node:util'
import { type LedgerName, listLedgerNames } from '../ledger/files.js'
import { readLines } from '../ledger/read/lines.js'
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
  /** Finds the ledger's folder. @throws ConfigError */
  readonly folder: (configFile: string | undefined) => string
}

/** The input of a command. */
export interface Given {
  readonly folder: string
  readonly values: Readonly<Record<string, unknown>>
  readonly io: UsageIo
}

/** A command of `thinwire usage`. */
export interface Command {
  readonly help: string
  readonly options: NonNullable<ParseArgsConfig['options']>
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

/** Finds the ledger's files in a folder, the oldest first. @returns null if there are none; then `err` has a message */
export async function findFiles(folder: string, io: UsageIo): Promise<LedgerName[] | null> {
  const names = listLedgerNames(await readdir(folder))
  if (names.length > 0) return names
  io.err.write(`thinwire usage: there is no usage-YYYY-MM-DD.jsonl in ${folder} (--folder, --config)\n`)
  return null
}

/**
 * Reads files one after another and shows the progress on a terminal.
 * @param onFile called with the name of each file; returns a function that gets its lines without line ends
 */
export async function readFiles(
  folder: string,
  names: readonly LedgerName[],
  io: UsageIo,
  onFile: (name: string) => (line: string) => void,
): Promise<void> {
  const paths = names.map(({ name }) => join(folder, name))
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size))
  const progress = new Progress(
    io.err,
    sizes.reduce((all, size) => all + size, 0),
  )
  try {
    for (const { name } of names) {
      await readLines(join(folder, name), onFile(name), (bytes) => progress.add(bytes))
    }
  } finally {
    progress.end()
  }
}

/** Reads the value of an option that takes a text. */
export function readOption(values: Given['values'], name: string): string | undefined {
  const value = values[name]
  return typeof value === 'string' ? value : undefined
}
