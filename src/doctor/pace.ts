/**
 * How a stream arrived. `live`: event by event. `held`: all at once, at its end. `lumps`: many events at a time with
 * silence between them, as a buffer fills. `brief`: too few events, or too short a time, to decide.
 */
export type Pace = 'live' | 'held' | 'lumps' | 'brief'

/** The judgement of a stream's arrival. */
export interface Paced {
  readonly pace: Pace
  /** Number of arrivals; events that arrived together are one. */
  readonly lumps: number
  /** From the first event to the last, in milliseconds. */
  readonly spanMs: number
}

/** Fewer events may fit into one TCP segment, or come from a model that writes in large parts. */
const EVENTS_MIN = 10

/** A shorter stream may have come from a cache. */
const TOTAL_MIN_MS = 500

/** Events of one socket read arrive within this time. Models take longer between two events. */
const TOGETHER_MS = 3

/**
 * Events per arrival. A model writes one or two; the smallest lumps of nginx (`postpone_output`, 1,460 bytes) have
 * about five.
 */
const LUMP_EVENTS = 3

/**
 * Judges how a stream arrived.
 * @param times when each event was complete, in milliseconds from the start of the request, ascending
 * @param totalMs when the stream ended
 */
export function judgePace(times: readonly number[], totalMs: number): Paced {
  const first = times[0] ?? 0
  const spanMs = (times.at(-1) ?? 0) - first
  let lumps = times.length === 0 ? 0 : 1
  for (let i = 1; i < times.length; i++) {
    if ((times[i] ?? 0) - (times[i - 1] ?? 0) > TOGETHER_MS) lumps++
  }
  const paced = (pace: Pace): Paced => ({ pace, lumps, spanMs })
  if (times.length < EVENTS_MIN || totalMs < TOTAL_MIN_MS) return paced('brief')
  // A busy machine may read in several steps what arrived at once.
  if (spanMs < Math.max(50, totalMs * 0.06) && lumps * 4 <= times.length) return paced('held')
  if (times.length / lumps >= LUMP_EVENTS) return paced('lumps')
  return paced('live')
}
