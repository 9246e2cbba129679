import { readdir } from 'node:fs/promises'
import type { ParseArgsConfig } from 'node:util'
import { type LedgerName, ledgerNames } from '../ledger/files.js'

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
  const names = ledgerNames(await readdir(folder))
  if (names.length > 0) return names
  io.err.write(`thinwire usage: there is no usage-YYYY-MM-DD.jsonl in ${folder}\n`)
  return null
}

/** The value of an option that takes a text. */
export function textOf(values: Given['values'], name: string): string | undefined {
  const value = values[name]
  return typeof value === 'string' ? value : undefined
}
