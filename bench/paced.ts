import type { Running } from './contestants.js'
import type { Reading } from './meter.js'
import type { Stage } from './scenario.js'
import type { Jobs } from './wire/jobs.js'
import type { Api } from './wire/plan.js'

/** The pace of the streams. */
export interface Beat {
  /** From one event of a stream to the next. */
  readonly everyMs: number
  /** From the start of the first stream to that of the last. */
  readonly startMs: number
}

/** As a fast model writes. The streams start at different times within one interval, like those of different users. */
const FAST: Beat = { everyMs: 20, startMs: 20 }

/** Events of each stream before and after those that are counted. */
const UNCOUNTED = 6

/** Load that runs beside the streams. */
export interface Beside {
  /** One more client that does not read. */
  readonly stalled: boolean
  /** Requests per second for a short answer. */
  readonly requestsPerSecond: number
  /** These requests have an invalid key. */
  readonly badKey: boolean
}

export const ALONE: Beside = { stalled: false, requestsPerSecond: 0, badKey: false }

/** What came of streams: the delays of their events, and the relay's use at the start and end of the steady part. */
export interface Paced {
  readonly delayUs: number[]
  readonly readings: [Reading, Reading]
}

/** Runs streams of 50 events a second, and watches the relay's event loop. */
export async function runPaced(
  stage: Stage,
  running: Running,
  streams: number,
  seconds: number,
  beside: Beside,
  api: Api = 'chat',
): Promise<Paced> {
  return run(stage, running, { streams, seconds, beat: FAST, beside, api, watched: true })
}

/** Runs streams of any pace, with nothing else that takes the relay's time. */
export async function runStreams(
  stage: Stage,
  running: Running,
  streams: number,
  seconds: number,
  beat: Beat,
): Promise<Paced> {
  return run(stage, running, { streams, seconds, beat, beside: ALONE, api: 'chat', watched: false })
}

interface Much {
  readonly streams: number
  readonly seconds: number
  readonly beat: Beat
  readonly beside: Beside
  readonly api: Api
  readonly watched: boolean
}

const MOST_ATTEMPTS = 4

/** On a busy machine the first stream may end before the last one has begun. Longer streams then go on beside it. */
async function run(stage: Stage, running: Running, much: Much): Promise<Paced> {
  for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
    const paced = await runOnce(stage, running, { ...much, seconds: much.seconds * 2 ** (attempt - 1) })
    if (paced !== null) return paced
  }
  throw new Error(`${running.name}: the streams were never steady`)
}

/** @returns null if the streams did not all run at the same time */
async function runOnce(
  { driver }: Stage,
  running: Running,
  { streams, seconds, beat, beside, api, watched }: Much,
): Promise<Paced | null> {
  const { everyMs, startMs } = beat
  const chunks = Math.round((startMs - everyMs + seconds * 1_000) / everyMs) + UNCOUNTED
  const ask: Jobs['paced']['ask'] = {
    target: running,
    plan: { json: 0, chunks, every: everyMs, bytes: 200 },
    promptBytes: 2_000,
    api,
    streams,
    startMs,
    ...beside,
  }
  if (watched) await running.child.watch()
  const readings: Promise<Reading>[] = []
  const { delayUs } = await driver.run('paced', ask, () => {
    readings.push(running.child.read())
    // Each reading ends the watch of the event loop, so the first one starts it again.
    // If it cannot be watched any more, it cannot be read either, which is reported.
    if (watched && readings.length === 1) running.child.watch().catch(() => {})
  })
  const [before, after] = await Promise.all(readings)
  if (before === undefined || after === undefined || delayUs.length === 0) return null
  return { delayUs, readings: [before, after] }
}
