import type { ParseArgsConfig } from 'node:util'
import type { DestinationsConfig } from '../config/config.js'

/** What the command reads and writes. */
export interface PricesIo {
  readonly out: NodeJS.WritableStream
  readonly err: NodeJS.WritableStream
  /** `ledger.prices` of the config file that was named, or the default one. A file is an absolute path. */
  readonly setting: (configPath: string | undefined) => string | boolean
  /** The upstreams of that config. */
  readonly load: (configPath: string | undefined) => DestinationsConfig
}

export const OK = 0
export const CANNOT = 1
export const WRONG_USAGE = 2

/** The arguments of a subcommand. */
export interface Given {
  readonly values: Readonly<Record<string, string | boolean | undefined>>
  readonly rest: readonly string[]
}

/** A command of `thinwire prices`. */
export interface Subcommand {
  readonly options: NonNullable<ParseArgsConfig['options']>
  /** Tells what is wrong with the arguments; null if nothing is. */
  readonly check: (given: Given) => string | null
  /** @returns the exit code. @throws PricesProblem, PricesError */
  readonly run: (given: Given, io: PricesIo) => number
}

/** The command cannot be run because of what was given to it. The message says why. */
export class PricesProblem extends Error {}
