/** How a check came out: as it should be, worth a look, Cursor will not work so, or not tried. */
export type Outcome = 'ok' | 'warning' | 'failed' | 'skipped'

export interface Seen {
  readonly outcome: Outcome
  /** What was seen; of what was skipped, why. A sentence without its full stop. */
  readonly seen: string
  /** What to change, a line each. */
  readonly change: readonly string[]
}

/** One line of the report. */
export interface Finding extends Seen {
  readonly check: string
  /** What was tried. */
  readonly tried: string
}

export function pass(seen: string): Seen {
  return { outcome: 'ok', seen, change: [] }
}

export function warn(seen: string, ...change: readonly string[]): Seen {
  return { outcome: 'warning', seen, change }
}

export function fail(seen: string, ...change: readonly string[]): Seen {
  return { outcome: 'failed', seen, change }
}

export function skip(why: string): Seen {
  return { outcome: 'skipped', seen: why, change: [] }
}

const WORSE: readonly Outcome[] = ['skipped', 'ok', 'warning', 'failed']

/** Several findings of one check as one: the worst outcome, and all that was seen. */
export function combine(parts: readonly Seen[]): Seen {
  const worst = Math.max(0, ...parts.map(({ outcome }) => WORSE.indexOf(outcome)))
  return {
    outcome: WORSE[worst] ?? 'ok',
    seen: parts.map(({ seen }) => seen).join('; '),
    change: parts.flatMap(({ change }) => change),
  }
}
