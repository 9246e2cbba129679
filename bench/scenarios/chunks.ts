import { ALONE, runPaced } from '../paced.js'
import type { BySize, Scenario } from '../scenario.js'
import { EVERY_ROUND, SOME_ROUNDS, sized } from '../scenario.js'

/** Streams of 50 events a second, as a fast model writes them. */
export const CHUNKS: Scenario = {
  name: 'chunks',
  about: '100 streams at 50 chunks/s',
  baselines: null,
  fresh: false,
  loaded: null,
  rounds: EVERY_ROUND,
  async measure(stage, running) {
    const { record, mode } = stage
    const seconds = sized(mode, { whole: 3, quick: 1, smoke: 0.1 })
    const streams = sized(mode, { whole: 100, quick: 100, smoke: 5 })
    const { delayUs, readings } = await runPaced(stage, running, streams, seconds, ALONE)
    record.addQuantiles('chunks', 'chunk_delay', 'us', running.name, delayUs)
    record.spread('chunks', 'chunk delay', running.name, delayUs)
    // `direct` is the upstream's own process and not a relay.
    if (running.name === 'direct') return
    const [before, after] = readings
    record.addUse('chunks', 'cpu_per_chunk', running.name, before, after, delayUs.length)
    if (after.loopDelayP99Us !== null) {
      record.add('chunks', 'loop_delay_p99', 'us', running.name, after.loopDelayP99Us)
    }
  },
}

/** Streams beside something else. */
const BESIDE: BySize<number> = { whole: 50, quick: 50, smoke: 5 }

/** Fifty streams beside one whose client has stopped reading and whose buffer is full. */
export const STALLED: Scenario = {
  name: 'stalled_reader',
  about: '50 streams at 50 chunks/s, alone and beside a reader that has stopped',
  baselines: ['bare'],
  fresh: false,
  loaded: null,
  rounds: SOME_ROUNDS,
  async measure(stage, running) {
    const seconds = sized(stage.mode, { whole: 2, quick: 0.8, smoke: 0.1 })
    const streams = sized(stage.mode, BESIDE)
    for (const stalled of [false, true]) {
      const { delayUs } = await runPaced(stage, running, streams, seconds, { ...ALONE, stalled })
      const figure = stalled ? 'delay_beside' : 'delay_alone'
      stage.record.addQuantiles('stalled_reader', figure, 'us', running.name, delayUs)
    }
  },
}

/** A client with a bad key that never stops. The baselines relay its requests, so they show the cost of that. */
export const BAD_KEYS: Scenario = {
  name: 'bad_keys',
  about: '50 streams at 50 chunks/s beside 2,000 requests/s with a bad key',
  baselines: ['bare'],
  fresh: false,
  loaded: null,
  rounds: SOME_ROUNDS,
  async measure(stage, running) {
    const seconds = sized(stage.mode, { whole: 2, quick: 0.8, smoke: 0.1 })
    const streams = sized(stage.mode, BESIDE)
    const flood = { ...ALONE, requestsPerSecond: 2_000, badKey: true }
    const { delayUs } = await runPaced(stage, running, streams, seconds, flood)
    stage.record.addQuantiles('bad_keys', 'delay', 'us', running.name, delayUs)
  },
}
