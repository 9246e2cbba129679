import type { Scenario } from '../scenario.js'
import { SOME_ROUNDS, sized } from '../scenario.js'

/** One stream as fast as its reader takes it. */
export const THROUGHPUT: Scenario = {
  name: 'throughput',
  about: 'one stream as fast as it goes',
  baselines: null,
  fresh: false,
  loaded: null,
  rounds: SOME_ROUNDS,
  async measure({ driver, record, mode }, running) {
    const chunks = sized(mode, { whole: 150_000, quick: 60_000, smoke: 1_000 })
    const before = await running.child.read()
    const { bytes, seconds } = await driver.run('throughput', {
      target: running,
      plan: { json: 0, chunks, every: 0, bytes: 400 },
      promptBytes: 2_000,
    })
    record.add('throughput', 'rate', 'MB/s', running.name, bytes / 1e6 / seconds)
    if (running.name === 'direct') return
    const after = await running.child.read()
    record.addUse('throughput', 'cpu_per_mb', running.name, before, after, bytes / 1e6)
  },
}
