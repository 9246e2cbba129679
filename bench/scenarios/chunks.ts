import type { Running } from '../contestants.js'
import type { Reading } from '../meter.js'
import type { Scenario, Stage } from '../scenario.js'
import { EVERY_ROUND, SOME_ROUNDS, sized } from '../scenario.js'
import type { Jobs } from '../wire/jobs.js'

const EVERY_MS = 20

/** Streams of 50 events a second, as a fast model writes them. */
export const CHUNKS: Scenario = {
  name: 'chunks',
  about: '100 streams at 50 chunks/s',
  baselines: null,
  fresh: false,
  rounds: EVERY_ROUND,
  async measure(stage, running) {
    const { record, mode } = stage
    const seconds = sized(mode, { whole: 3, quick: 1, smoke: 0.5 })
    const { delayUs, readings } = await runPaced(stage, running, {
      streams: sized(mode, { whole: 100, quick: 100, smoke: 20 }),
      seconds,
      stalled: false,
      badKeysPerSecond: 0,
    })
    record.addQuantiles('chunks', 'chunk_delay', 'us', running.name, delayUs)
    record.spread('chunks', 'chunk delay', running.name, delayUs)
    // The upstream's own process is no relay.
    if (running.name === 'direct') return
    const [before, after] = readings
    record.addUse('chunks', 'cpu_per_chunk', running.name, before, after, delayUs.length)
    if (after.loopDelayP99Us !== null) {
      record.add('chunks', 'loop_delay_p99', 'us', running.name, after.loopDelayP99Us)
    }
  },
}

/** One reader that has stopped, with a full buffer behind it, beside fifty that go on. */
export const STALLED: Scenario = {
  name: 'stalled_reader',
  about: '50 streams at 50 chunks/s, alone and beside a reader that has stopped',
  baselines: ['bare'],
  fresh: false,
  rounds: SOME_ROUNDS,
  async measure(stage, running) {
    const seconds = sized(stage.mode, { whole: 2, quick: 0.8, smoke: 0.5 })
    for (const stalled of [false, true]) {
      const { delayUs } = await runPaced(stage, running, {
        streams: 50,
        seconds,
        stalled,
        badKeysPerSecond: 0,
      })
      const figure = stalled ? 'delay_beside' : 'delay_alone'
      stage.record.addQuantiles('stalled_reader', figure, 'us', running.name, delayUs)
    }
  },
}

/** A client with a bad key that does not give up. The others relay each of its requests, which is the measure. */
export const BAD_KEYS: Scenario = {
  name: 'bad_keys',
  about: '50 streams at 50 chunks/s beside 2,000 requests/s with a bad key',
  baselines: ['bare'],
  fresh: false,
  rounds: SOME_ROUNDS,
  async measure(stage, running) {
    const seconds = sized(stage.mode, { whole: 2, quick: 0.8, smoke: 0.5 })
    const { delayUs } = await runPaced(stage, running, {
      streams: 50,
      seconds,
      stalled: false,
      badKeysPerSecond: 2_000,
    })
    stage.record.addQuantiles('bad_keys', 'delay', 'us', running.name, delayUs)
  },
}

/** Streams for some time, and what the relay had used at the beginning and at the end of the steady part. */
async function runPaced(
  { driver }: Stage,
  running: Running,
  options: { streams: number; seconds: number; stalled: boolean; badKeysPerSecond: number },
): Promise<{ delayUs: number[]; readings: [Reading, Reading] }> {
  const { seconds, ...rest } = options
  const ask: Jobs['paced']['ask'] = {
    target: running,
    plan: { json: 0, chunks: Math.round((seconds * 1_000) / EVERY_MS) + 6, every: EVERY_MS, bytes: 200 },
    promptBytes: 2_000,
    ...rest,
  }
  await running.child.watch()
  const readings: Promise<Reading>[] = []
  const { delayUs } = await driver.run('paced', ask, () => {
    const reading = running.child.read()
    // The first of the two has ended the watch over the event loop.
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
