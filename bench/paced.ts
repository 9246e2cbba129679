import type { Running } from './contestants.js'
import type { Reading } from './meter.js'
import type { Stage } from './scenario.js'
import type { Jobs } from './wire/jobs.js'
import type { Api } from './wire/plan.js'

const EVERY_MS = 20

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

/** Runs streams of 50 events a second. @returns delays, and the relay's use at the start and end of the steady part */
export async function runPaced(
  { driver }: Stage,
  running: Running,
  streams: number,
  seconds: number,
  beside: Beside,
  api: Api = 'chat',
): Promise<{ delayUs: number[]; readings: [Reading, Reading] }> {
  const ask: Jobs['paced']['ask'] = {
    target: running,
    plan: { json: 0, chunks: Math.round((seconds * 1_000) / EVERY_MS) + 6, every: EVERY_MS, bytes: 200 },
    promptBytes: 2_000,
    api,
    streams,
    ...beside,
  }
  await running.child.watch()
  const readings: Promise<Reading>[] = []
  const { delayUs } = await driver.run('paced', ask, () => {
    const reading = running.child.read()
    // Each reading ends the watch of the event loop, so the first one starts it again.
    readings.push(
      readings.length > 0
        ? reading
        : reading.then(async (first) => {
            await running.child.watch()
            return first
          }),
    )
  })
  const [before, after] = await Promise.all(readings)
  if (before === undefined || after === undefined)
    throw new Error(`${running.name}: the streams were never steady`)
  return { delayUs, readings: [before, after] }
}
