import type { Scenario } from '../scenario.js'
import { SOME_ROUNDS, sized } from '../scenario.js'

/** One stream as fast as its reader takes it: the throughput of a relay. */
export const BURST: Scenario = {
  name: 'burst',
  about: 'one stream as fast as it goes',
  baselines: null,
  fresh: false,
  loaded: null,
  rounds: SOME_ROUNDS,
  async measure({ driver, record, mode }, running) {
    const chunks = sized(mode, { whole: 150_000, quick: 60_000, smoke: 5_000 })
    const before = await running.child.read()
    const { bytes, seconds } = await driver.run('burst', {
      target: running,
      plan: { json: 0, chunks, every: 0, bytes: 400 },
      promptBytes: 2_000,
    })
    record.add('burst', 'throughput', 'MB/s', running.name, bytes / 1e6 / seconds)
    if (running.name === 'direct') return
    record.addUse('burst', 'cpu_per_mb', running.name, before, await running.child.read(), bytes / 1e6)
  },
}
