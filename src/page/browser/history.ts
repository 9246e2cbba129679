import type { Now } from '../shapes.js'

/** Seconds that a chart shows. */
const HISTORY = 300

/**
 * What comes a second time, as the stream was taken up again, is in the history once. An earlier second says that the
 * relay's clock was set back: the seconds that are to come again go, as a chart needs them in order.
 */
export function appendNow(history: readonly Now[], now: Now): readonly Now[] {
  const last = history.at(-1)
  if (now.at === last?.at) return history
  const before = last !== undefined && now.at < last.at ? history.filter(({ at }) => at < now.at) : history
  return [...before.slice(1 - HISTORY), now]
}
