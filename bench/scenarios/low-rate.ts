import { recordPhases } from '../phases.js'
import { EVERY_ROUND, type Scenario, sized } from '../scenario.js'
import { SHORT_STREAM } from '../wire/plan.js'

/** Milliseconds from one request to the next: a person's tools, with caches that have gone cold between two requests. */
export const LOW_RATE_MS = 50

/** Requests at the pace of a person. All that is warm is the process, its pool of upstream connections and one client's. */
export const LOW_RATE: Scenario = {
  name: 'low-rate',
  about: 'a request every 50 ms on a kept connection, 2 KB prompts',
  baselines: null,
  fresh: false,
  loaded: null,
  rounds: EVERY_ROUND,
  async measure({ driver, record, mode }, running) {
    const streams = sized(mode, { whole: 80, quick: 30, smoke: 4 })
    const ask = { target: running, plan: SHORT_STREAM, promptBytes: 2_000, pace: null, every: LOW_RATE_MS }
    const { firstByteUs } = await recordPhases(record, 'low-rate', running, async () => {
      const before = await running.child.read()
      const wakesBefore = running.child.readWakes()
      const result = await driver.run('sequential', { ...ask, streams })
      const wakesAfter = running.child.readWakes()
      const after = await running.child.read()
      if (running.name === 'direct') return result
      record.addUse('low-rate', 'cpu_per_request', running.name, before, after, streams)
      // Each wake costs what the machine takes to come back from its sleep, and finds caches cold.
      const { name } = running
      record.addWakes('low-rate', 'wakes_per_request', '', name, wakesBefore, wakesAfter, streams)
      return result
    })
    // The first request finds a new connection and perhaps no open one to the upstream.
    const kept = firstByteUs.slice(1)
    record.addQuantile('low-rate', 'first_byte', 0.5, running.name, kept)
    record.addQuantile('low-rate', 'first_byte', 0.9, running.name, kept)
    record.spread('low-rate', 'first byte', running.name, kept)
  },
}
