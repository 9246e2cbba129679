/** The results of a run: the contents of `results.json`, and the data of the table and the report. */
export interface Results {
  /** Version of this format. Fields are only added. */
  readonly v: 1
  readonly takenAt: string
  /** `whole`, `quick`, or `smoke`, which proves that the suite works and nothing else. */
  readonly mode: Mode
  readonly machine: MachineFacts
  readonly rounds: number
  /** The reason for each contestant that is missing in this run, by its name. */
  readonly missing: Readonly<Record<string, string>>
  readonly series: readonly Series[]
  readonly distributions: readonly Distribution[]
  /** Why there is no verdict on the budgets, although they were compared: the machine was busy. Null if it was quiet. */
  readonly noVerdict: string | null
  readonly verdicts: readonly Verdict[]
}

export type Mode = 'whole' | 'quick' | 'smoke'

export interface MachineFacts {
  readonly cpu: string
  readonly cores: number
  /** On which cores the processes ran, in words. */
  readonly pinning: string
  readonly node: string
  readonly kernel: string
  /** The commit of the working tree, with `+` if it has changes; null outside of a repository. */
  readonly commit: string | null
}

export type Unit = 'ms' | 'us' | '/s' | 'MB/s' | 'MiB' | '%' | 'KiB' | 'x' | ''

/** One figure of one contestant: a value for each round, in the order of the rounds. */
export interface Series {
  readonly scenario: string
  /** As `budgets.json` names it: `first_byte_p50`. */
  readonly figure: string
  readonly unit: Unit
  readonly contestant: string
  readonly values: readonly number[]
}

/** Distribution of the single samples of a figure, over all rounds. */
export interface Distribution {
  readonly scenario: string
  /** What was sampled: `first byte`, `chunk delay`. */
  readonly what: string
  readonly unit: 'us'
  readonly contestant: string
  readonly count: number
  /** `[quantile, value]` by rising quantile from 0 to 1, denser towards 1. */
  readonly points: readonly (readonly [number, number])[]
}

/** One line of `budgets.json` compared with the figures. */
export interface Verdict {
  readonly name: string
  readonly what: string
  readonly scenario: string
  readonly figure: string
  readonly unit: Unit
  /** Thinwire's median. */
  readonly value: number
  /** The baseline's name, its figure and median; null for an absolute limit. */
  readonly baseline: { readonly name: string; readonly figure: string; readonly value: number } | null
  /** `value` over the baseline's; `value` itself for an absolute limit. */
  readonly ratio: number
  /** The smallest and the largest ratio of one round. */
  readonly spread: readonly [number, number]
  readonly bound: 'atMost' | 'atLeast'
  /** The limit: the run fails beyond it. */
  readonly limit: number
  /** The value that the design wants. */
  readonly goal: number
  /** `skipped`: the baseline is not there. */
  readonly outcome: 'held' | 'broken' | 'skipped'
  /** Why the limit is not the goal, if it is not. */
  readonly note: string | null
}
