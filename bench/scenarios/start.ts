import type { Scenario } from '../scenario.js'
import { sized } from '../scenario.js'
import { median } from '../statistics.js'
import { SHORT_STREAM } from '../wire/plan.js'

/** The first request to a fresh process, and its requests after a thousand others. */
export const START: Scenario = {
  name: 'start',
  about: 'the first request after start, and the thousandth',
  baselines: ['bare'],
  fresh: true,
  loaded: null,
  rounds: { whole: 100, quick: 3, smoke: 1 },
  async measure({ driver, record, mode }, running) {
    const ask = { target: running, plan: SHORT_STREAM, promptBytes: 2_000, pace: null }
    const first = await driver.run('sequential', { ...ask, streams: 1 })
    await driver.run('sequential', { ...ask, streams: sized(mode, { whole: 900, quick: 900, smoke: 30 }) })
    const later = await driver.run('sequential', {
      ...ask,
      streams: sized(mode, { whole: 200, quick: 200, smoke: 10 }),
    })
    record.add('start', 'first_request', 'us', running.name, first.firstByteUs[0] ?? Number.NaN)
    record.add('start', 'thousandth_request_p50', 'us', running.name, median(later.firstByteUs))
  },
}
