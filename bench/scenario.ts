import type { Contestant, Running } from './contestants.js'
import type { Driver } from './driver.js'
import type { Reading } from './meter.js'
import type { Recorder } from './recorder.js'
import type { Mode } from './results.js'

/** What a scenario has at hand. */
export interface Stage {
  readonly driver: Driver
  readonly record: Recorder
  readonly mode: Mode
  /** Starts a contestant anew, for what only a fresh process can show. The scenario stops it. */
  fresh(contestant: Contestant): Promise<Running>
}

/** One situation. Every contestant that it takes goes through it once in each round. */
export interface Scenario {
  readonly name: string
  /** What it shows, in one line. */
  readonly about: string
  /** Whom it takes; null for all. */
  readonly only: readonly string[] | null
  /** It starts its own processes, so that none has to be running. */
  readonly fresh: boolean
  /** Of so many rounds at the most, where a round of it is long and its figures steady. */
  readonly rounds: { readonly whole: number; readonly quick: number; readonly smoke: number }
  measure(stage: Stage, contestant: Contestant, running: Running | null): Promise<void>
}

export const EVERY_ROUND = { whole: 100, quick: 100, smoke: 1 }

/** A value by the size of the run. */
export function sized<T>(mode: Mode, values: { readonly whole: T; readonly quick: T; readonly smoke: T }): T {
  return values[mode]
}

/** What a process has used between two readings. */
export function used(before: Reading, after: Reading): { cpuUs: number; gcUs: number | null } {
  return {
    cpuUs: after.cpuUs - before.cpuUs,
    gcUs: after.gcUs === null || before.gcUs === null ? null : after.gcUs - before.gcUs,
  }
}
