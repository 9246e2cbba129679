import type { Contestant, Running } from './contestants.js'
import type { Driver } from './driver.js'
import type { Recorder } from './recorder.js'
import type { Mode } from './results.js'

/** What a scenario works with. */
export interface Stage {
  readonly driver: Driver
  readonly record: Recorder
  readonly mode: Mode
}

/** One situation. Each contestant that takes part runs it once in each round. */
export interface Scenario {
  readonly name: string
  /** Description in one line. */
  readonly about: string
  /** The baselines that take part; null for all that are `everywhere`. Thinwire always takes part. */
  readonly baselines: readonly string[] | null
  /** Each measurement needs a new process. */
  readonly fresh: boolean
  /** A module in `bench/` that is loaded into Thinwire before its own code, or null. Only for `fresh` scenarios. */
  readonly loaded: string | null
  /** The upstream is asked by HTTPS, by processes that do nothing else. */
  readonly secure?: true
  /** Most rounds, unless `--rounds` is given: fewer if no budget needs the figures or they vary little. */
  readonly rounds: BySize<number>
  /** Called once for each contestant when all are warm, before the first round. */
  prepare?(stage: Stage, running: Running): Promise<void>
  measure(stage: Stage, running: Running): Promise<void>
}

export type BySize<T> = { readonly [M in Mode]: T }

export const EVERY_ROUND: BySize<number> = { whole: 100, quick: 100, smoke: 1 }

/** For scenarios without a budget. */
export const SOME_ROUNDS: BySize<number> = { whole: 3, quick: 1, smoke: 1 }

export function takesPart(scenario: Scenario, contestant: Contestant): boolean {
  const { name, baseline, everywhere } = contestant
  return !baseline || (scenario.baselines === null ? everywhere : scenario.baselines.includes(name))
}

/** Whether each measurement starts a process. A smoke run does so only where code is loaded: it is for that alone. */
export function startsAnew(scenario: Scenario, mode: Mode): boolean {
  return scenario.fresh && (mode !== 'smoke' || scenario.loaded !== null)
}

/** Selects a value by the size of the run. */
export function sized<T>(mode: Mode, values: BySize<T>): T {
  return values[mode]
}
