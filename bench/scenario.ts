import type { Contestant, Running } from './contestants.js'
import type { Driver } from './driver.js'
import type { Recorder } from './recorder.js'
import type { Mode } from './results.js'

/** What a scenario has at hand. */
export interface Stage {
  readonly driver: Driver
  readonly record: Recorder
  readonly mode: Mode
}

/** One situation. Every contestant that it takes goes through it once in each round. */
export interface Scenario {
  readonly name: string
  /** What it shows, in one line. */
  readonly about: string
  /** Which baselines go along; null for all that go everywhere. Thinwire always does. */
  readonly baselines: readonly string[] | null
  /** Shows only in a process that has done nothing yet: each measurement has one of its own. */
  readonly fresh: boolean
  /** Loaded into Thinwire before its own code, by its path in `bench/`; null for nothing. Only for what is `fresh`. */
  readonly loaded: string | null
  /** Of so many rounds at the most, where no budget needs its figures or they are steady; unless rounds are asked for. */
  readonly rounds: BySize<number>
  measure(stage: Stage, running: Running): Promise<void>
}

export type BySize<T> = { readonly [M in Mode]: T }

export const EVERY_ROUND: BySize<number> = { whole: 100, quick: 100, smoke: 1 }

/** Of what no budget is kept on. */
export const SOME_ROUNDS: BySize<number> = { whole: 3, quick: 1, smoke: 1 }

export function takesPart(scenario: Scenario, contestant: Contestant): boolean {
  const { name, baseline, everywhere } = contestant
  return !baseline || (scenario.baselines === null ? everywhere : scenario.baselines.includes(name))
}

/** A value by the size of the run. */
export function sized<T>(mode: Mode, values: BySize<T>): T {
  return values[mode]
}
