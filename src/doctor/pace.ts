/**
 * How a stream arrived. `live`: piece by piece. `held`: all at once, at its end. `lumps`: many events at a time, with
 * silence between, as a buffer fills. `brief`: too few events, or in too short a time, for either to be told.
 */
export type Pace = 'live' | 'held' | 'lumps' | 'brief'

export interface Paced {
  readonly pace: Pace
  /** Events that came together count as one. */
  readonly lumps: number
  /** From the first event to the last, in milliseconds. */
  readonly spanMs: number
}

/** Fewer events than that fit into one segment, or come of a model that answers in large pieces. */
const FEWEST = 10

/** A stream that is over sooner may well have been answered from a cache. */
const SHORTEST_MS = 500

/** Events of one read of the socket are handed over within it; models take longer between two. */
const TOGETHER_MS = 3

/** A model's tokens come by ones and twos; of nginx's lumps, the smallest (`postpone_output`, 1,460 bytes) have some five. */
const CROWD = 3

/**
 * Judges by when each event was whole.
 * @param times in milliseconds from the request's start, in order
 * @param totalMs when the stream was over
 */
export function judgePace(times: readonly number[], totalMs: number): Paced {
  const first = times[0] ?? 0
  const spanMs = (times.at(-1) ?? 0) - first
  let lumps = times.length === 0 ? 0 : 1
  for (let i = 1; i < times.length; i++) {
    if ((times[i] ?? 0) - (times[i - 1] ?? 0) > TOGETHER_MS) lumps++
  }
  const paced = (pace: Pace): Paced => ({ pace, lumps, spanMs })
  if (times.length < FEWEST || totalMs < SHORTEST_MS) return paced('brief')
  // A busy machine may read what came at once in some turns, so more than one is still no stream.
  if (spanMs < Math.max(50, totalMs * 0.06) && lumps * 4 <= times.length) return paced('held')
  if (times.length / lumps >= CROWD) return paced('lumps')
  return paced('live')
}
