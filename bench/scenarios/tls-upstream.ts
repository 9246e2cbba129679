import { setTimeout } from 'node:timers/promises'
import type { Running } from '../contestants.js'
import { type BySize, EVERY_ROUND, type Scenario, type Stage, sized } from '../scenario.js'
import { SHORT_STREAM } from '../wire/plan.js'

/** From a contestant's last request to the next. The upstream closes its connection after a third of that. */
export const SILENCE_MS: BySize<number> = { whole: 60_000, quick: 600, smoke: 150 }

const lastAskedAt = new WeakMap<Running, number>()

/**
 * The first request after a break. The connections to the upstream are closed by then, so the relay has to connect and
 * to prove itself to TLS again, with the session of before if it has kept it.
 */
export const TLS_UPSTREAM: Scenario = {
  name: 'tls-upstream',
  about: 'an HTTPS upstream: the first request after a silence in which the connection was closed',
  baselines: ['nginx', 'bare', 'last'],
  fresh: false,
  loaded: null,
  secure: true,
  rounds: EVERY_ROUND,
  // The silences of all contestants pass at the same time.
  prepare: async (stage, running) => {
    await request(stage, running, 3)
  },
  async measure(stage, running) {
    const { record, mode } = stage
    const firstUs: number[] = []
    let resumed = 0
    const times = sized(mode, { whole: 1, quick: 5, smoke: 1 })
    for (let n = 0; n < times; n++) {
      const silentSince = lastAskedAt.get(running) ?? performance.now()
      await setTimeout(Math.max(0, silentSince + SILENCE_MS[mode] - performance.now()))
      const answer = await request(stage, running, 1)
      firstUs.push(...answer.firstByteUs)
      resumed += answer.resumed
    }
    record.addQuantile('tls-upstream', 'first_after_silence', 0.5, running.name, firstUs)
    record.add('tls-upstream', 'resumed', '%', running.name, (100 * resumed) / times)
    const before = await running.child.read()
    const again = await request(stage, running, sized(mode, { whole: 100, quick: 40, smoke: 3 }))
    const after = await running.child.read()
    record.addQuantile('tls-upstream', 'first_byte', 0.5, running.name, again.firstByteUs)
    const count = again.firstByteUs.length
    record.addUse('tls-upstream', 'cpu_per_request', running.name, before, after, count)
  },
}

async function request({ driver }: Stage, target: Running, streams: number) {
  const ask = { target, plan: SHORT_STREAM, promptBytes: 2_000, pace: null, streams }
  const answer = await driver.run('sequential', ask)
  lastAskedAt.set(target, performance.now())
  return answer
}
