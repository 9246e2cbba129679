import { recordPhases } from '../phases.js'
import type { Scenario } from '../scenario.js'
import { EVERY_ROUND, sized } from '../scenario.js'
import { largest, median } from '../statistics.js'
import { SHORT_STREAM } from '../wire/plan.js'

/**
 * One stream at a time on a kept connection, with events a few milliseconds apart. A delayed acknowledgement or Nagle's
 * algorithm shows here as a stall of 25 or 40 ms, which load would hide.
 */
export const FIRST_BYTE: Scenario = {
  name: 'first_byte',
  about: 'one stream at a time on a kept connection, 2 KB prompts',
  baselines: null,
  fresh: false,
  loaded: null,
  rounds: EVERY_ROUND,
  async measure({ driver, record, mode }, running) {
    const ask = { target: running, promptBytes: 2_000, pace: null }
    const streams = sized(mode, { whole: 400, quick: 150, smoke: 5 })
    const send = () => driver.run('sequential', { ...ask, plan: SHORT_STREAM, streams })
    const { firstByteUs } = await recordPhases(record, 'first_byte', running, send)
    record.addQuantiles('first_byte', 'first_byte', 'us', running.name, firstByteUs)
    record.spread('first_byte', 'first byte', running.name, firstByteUs)

    const { delayUs } = await driver.run('sequential', {
      ...ask,
      plan: { json: 0, chunks: 10, every: 5, bytes: 200 },
      streams: sized(mode, { whole: 10, quick: 4, smoke: 1 }),
    })
    record.add('first_byte', 'lone_chunk_p50', 'us', running.name, median(delayUs))
    record.add('first_byte', 'lone_chunk_max', 'us', running.name, largest(delayUs))
  },
}

const SIZES = [
  { label: '100k', words: '100 KB', promptBytes: 100_000 },
  { label: '1m', words: '1 MiB', promptBytes: 1_048_576 },
]

/** 250 Mbit/s: a prompt takes longer to arrive than to be relayed. */
const NETWORK = { bytes: 65_536, every: 2 }

/** Large prompts: a relay that waits for the whole body before it sends any of it loses time here. */
export const PROMPTS: Scenario = {
  name: 'prompts',
  about: 'first byte with prompts of 100 KB and 1 MiB',
  baselines: null,
  fresh: false,
  loaded: null,
  rounds: EVERY_ROUND,
  async measure({ driver, record, mode }, running) {
    const streams = sized(mode, { whole: 80, quick: 30, smoke: 3 })
    for (const { label, words, promptBytes } of SIZES) {
      const ask = { target: running, plan: SHORT_STREAM, promptBytes, streams, pace: null }
      const before = await running.child.read()
      const { firstByteUs } = await driver.run('sequential', ask)
      if (running.name !== 'direct' && label === '1m') {
        const after = await running.child.read()
        record.addUse('prompts', `cpu_per_request_${label}`, running.name, before, after, streams)
      }
      record.add('prompts', `first_byte_${label}_p50`, 'us', running.name, median(firstByteUs))
      record.spread('prompts', `first byte, ${words} prompt`, running.name, firstByteUs)
    }
    const { firstByteUs } = await driver.run('sequential', {
      target: running,
      plan: SHORT_STREAM,
      promptBytes: 1_048_576,
      streams: sized(mode, { whole: 30, quick: 8, smoke: 2 }),
      pace: NETWORK,
    })
    record.add('prompts', 'first_byte_1m_paced_p50', 'us', running.name, median(firstByteUs))
    record.spread('prompts', 'first byte, 1 MiB prompt at 250 Mbit/s', running.name, firstByteUs)
  },
}
