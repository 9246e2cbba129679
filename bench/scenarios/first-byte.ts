import type { Scenario } from '../scenario.js'
import { EVERY_ROUND, sized } from '../scenario.js'
import { ascending, quantile } from '../statistics.js'

/**
 * One stream at a time on a kept connection, its events a few milliseconds apart: where a delayed acknowledgement or
 * Nagle's algorithm shows as a stall of 25 or 40 ms, which a loaded relay hides.
 */
export const FIRST_BYTE: Scenario = {
  name: 'first_byte',
  about: 'one stream at a time on a kept connection, 2 KB prompts',
  only: null,
  fresh: false,
  rounds: EVERY_ROUND,
  async measure({ driver, record, mode }, _contestant, running) {
    if (running === null) return
    const burst = { json: 0, chunks: 1, every: 1, bytes: 200 }
    const streams = sized(mode, { whole: 400, quick: 150, smoke: 20 })
    const { firstByteUs } = await driver.run('sequential', {
      target: running,
      plan: burst,
      promptBytes: 2_000,
      streams,
    })
    const first = ascending(firstByteUs)
    record.add('first_byte', 'first_byte_p50', 'us', running.name, quantile(first, 0.5))
    record.add('first_byte', 'first_byte_p99', 'us', running.name, quantile(first, 0.99))
    record.spread('first_byte', 'first byte', running.name, firstByteUs)

    const { delayUs } = await driver.run('sequential', {
      target: running,
      plan: { json: 0, chunks: 10, every: 5, bytes: 200 },
      promptBytes: 2_000,
      streams: sized(mode, { whole: 10, quick: 4, smoke: 2 }),
    })
    const delay = ascending(delayUs)
    record.add('first_byte', 'lone_chunk_p50', 'us', running.name, quantile(delay, 0.5))
    record.add('first_byte', 'lone_chunk_max', 'us', running.name, quantile(delay, 1))
  },
}

/** The same with prompts of each size: what a relay loses that waits for the whole of a body before it sends any. */
export const PROMPTS: Scenario = {
  name: 'prompts',
  about: 'first byte with prompts of 100 KB and 1 MiB',
  only: ['direct', 'tunnel', 'nginx', 'bare', 'express', 'thinwire', 'portkey', 'before'],
  fresh: false,
  rounds: EVERY_ROUND,
  async measure({ driver, record, mode }, _contestant, running) {
    if (running === null) return
    for (const [label, promptBytes] of [
      ['100k', 100_000],
      ['1m', 1_048_576],
    ] as const) {
      const { firstByteUs } = await driver.run('sequential', {
        target: running,
        plan: { json: 0, chunks: 1, every: 1, bytes: 200 },
        promptBytes,
        streams: sized(mode, { whole: 80, quick: 30, smoke: 5 }),
      })
      record.add(
        'prompts',
        `first_byte_${label}_p50`,
        'us',
        running.name,
        quantile(ascending(firstByteUs), 0.5),
      )
      record.spread(
        'prompts',
        `first byte, ${label === '1m' ? '1 MiB' : '100 KB'} prompt`,
        running.name,
        firstByteUs,
      )
    }
  },
}
