import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ParseArgsConfig } from 'node:util'
import { type LedgerName, listLedgerNames } from '../ledger/files.js'
import { readLines } from '../ledger/read/lines.js'
import { Progress } from './progress.js'

/** Exit codes. */
export const DONE = 0
export const CANNOT = 2

/** Where a command writes to: standard output and error, which may be a terminal. */
export type Stream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number }

export interface UsageIo {
  readonly out: Stream
  readonly err: Stream
  /** @throws ConfigError */
  readonly folder: (configFile: string | undefined) => string
}

/** What a command is given. */
export interface Given {
  readonly folder: string
  readonly values: Readonly<Record<string, unknown>>
  readonly io: UsageIo
}

/** One of the commands behind `thinwire usage`. */
export interface Command {
  readonly help: string
  readonly options: NonNullable<ParseArgsConfig['options']>
  /**
   * Resolves to the exit code.
   * @throws UsageProblem, or what the disk says
   */
  readonly run: (given: Given) => Promise<number>
}

/** What was asked cannot be done, such as an option's value that it cannot have; the message tells people why. */
export class UsageProblem extends Error {}

export const LEDGER_OPTIONS = { config: { type: 'string' }, folder: { type: 'string' } } as const

/** The ledger's files in a folder, from the oldest; null if there are none, which is told. */
export async function findFiles(folder: string, io: UsageIo): Promise<LedgerName[] | null> {
  const names = listLedgerNames(await readdir(folder))
  if (names.length > 0) return names
  io.err.write(`thinwire usage: there is no usage-YYYY-MM-DD.jsonl in ${folder}\n`)
  return null
}

/**
 * Reads these files one after another, and shows on a terminal how far it is.
 * @param onFile is told which file comes next, and returns what gets its lines, each without its end
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

/** The value of an option that takes a text. */
export function formatError(values: Given['values'], name: string): string | undefined {
  const value = values[name]
  return typeof value === 'string' ? value : undefined
}
