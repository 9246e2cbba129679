/** Result of a check: fine, worth a look, Cursor will not work, or not tried. */
export type Outcome = 'ok' | 'warning' | 'failed' | 'skipped'

/** The result of a check. */
export interface Seen {
  readonly outcome: Outcome
  /** What was seen, or why it was skipped. A sentence without its full stop. */
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

/** The result of a check that found nothing wrong. */
export function pass(seen: string): Seen {
  return { outcome: 'ok', seen, change: [] }
}

/** The result of a check that found something to look at. @param change what to change, one line each */
export function warn(seen: string, ...change: readonly string[]): Seen {
  return { outcome: 'warning', seen, change }
}

/** The result of a check that found why Cursor will not work. @param change what to change, one line each */
export function fail(seen: string, ...change: readonly string[]): Seen {
  return { outcome: 'failed', seen, change }
}

/** The result of a check that was not tried. */
export function skip(why: string): Seen {
  return { outcome: 'skipped', seen: why, change: [] }
}

const WORSE: readonly Outcome[] = ['skipped', 'ok', 'warning', 'failed']

/** Combines several results of one check: the worst outcome, and everything that was seen. */
export function combine(parts: readonly Seen[]): Seen {
  const worst = Math.max(0, ...parts.map(({ outcome }) => WORSE.indexOf(outcome)))
  return {
    outcome: WORSE[worst] ?? 'ok',
    seen: parts.map(({ seen }) => seen).join('; '),
    change: parts.flatMap(({ change }) => change),
  }
}
