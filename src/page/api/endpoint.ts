import type { CsvValue } from '../../lib/csv.js'
import type { Log } from '../../observe/log.js'
import type { Parameters } from '../parameters.js'
import type { PageSession } from '../sessions.js'
import type { PageSource } from '../source.js'

/** One request for the API that may be answered. */
export interface ApiCall {
  readonly session: PageSession
  /** What the caller may see, and nothing else: see `narrowSource`. */
  readonly source: PageSource
  readonly parameters: Parameters
  /** What stands for `*` in the path; empty if nothing does. */
  readonly id: string
  /** Parsed JSON of a POST; else null. */
  readonly body: unknown
  /** Epoch milliseconds. */
  readonly now: number
  /** Address of the caller, for the audit. */
  readonly address: string | null
  readonly log: Pick<Log, 'info' | 'warn'>
}

export interface CsvTable {
  readonly columns: readonly string[]
  /** Made one by one as they are written: there may be thousands. */
  readonly rows: Iterable<readonly CsvValue[]>
}

/** What the API has at one path. Whoever signed in may GET it. */
export interface View<T> {
  /** Reads its parameters before it waits for anything. @throws {ApiRefusal} */
  read(call: ApiCall): T | Promise<T>
  /** As a table; null if it is none. Its parameters may say which of several. */
  readonly toTable: ((value: T, call: ApiCall) => CsvTable) | null
}

/** What an operator does. */
export interface Action {
  /** @returns null: there is nothing to say. @throws {ApiRefusal} */
  act(call: ApiCall): Promise<unknown>
}
