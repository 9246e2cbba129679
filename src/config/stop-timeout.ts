import type { Problem } from './problems.js'
import type { Timeouts } from './schema.js'

/** Names the setting that a platform gives by the environment, as it belongs to the platform and not to the relay. */
const NAME = 'THINWIRE_STOP_TIMEOUT_MS'

/** Time for the ledger's disk (3 s) and for the reader of the log (1 s) after the last stream was cut. */
const RESERVE_MS = 4_000

/**
 * Limits how long open streams may continue after SIGTERM, so that the relay has ended by itself before its platform
 * kills it: `docker stop` after 10 s, Kubernetes after `terminationGracePeriodSeconds`, systemd after `TimeoutStopSec`.
 * A quarter of that time, and at most 4 s, are kept for the last records.
 * @param env may have `THINWIRE_STOP_TIMEOUT_MS`: milliseconds from SIGTERM to SIGKILL
 * @returns `timeouts`, with a shorter `drainMs` if it would take too long
 */
export function limitDrainTime(
  timeouts: Timeouts,
  env: Readonly<Record<string, string | undefined>>,
  problems: Problem[],
): Timeouts {
  const text = env[NAME]
  if (text === undefined || text.trim() === '') return timeouts
  if (!/^\s*\d{1,9}\s*$/.test(text)) {
    problems.push({ path: NAME, message: 'must be milliseconds, such as 10000 for `docker stop`' })
    return timeouts
  }
  const stopMs = Number(text)
  const drainMs = Math.min(timeouts.drainMs, stopMs - Math.min(RESERVE_MS, stopMs / 4))
  return { ...timeouts, drainMs }
}
