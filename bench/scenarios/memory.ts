import { streamsThatFit } from '../machine.js'
import type { Scenario } from '../scenario.js'
import { sized } from '../scenario.js'

/** Time from the first event of the last stream to the reading. */
const SETTLE_MS = 300

/** Open streams with few events, as most streams are most of the time. */
export const MEMORY: Scenario = {
  name: 'memory',
  about: '5,000 open streams',
  baselines: ['tunnel', 'nginx', 'bare'],
  fresh: true,
  loaded: null,
  rounds: { whole: 3, quick: 1, smoke: 1 },
  async measure({ driver, record, mode }, running) {
    const wanted = sized(mode, { whole: 5_000, quick: 5_000, smoke: 50 })
    const streams = Math.min(wanted, streamsThatFit())
    const atRest = await running.child.read()
    let held: Promise<number> | null = null
    await driver.run(
      'hold',
      {
        target: running,
        plan: { json: 0, chunks: 1_000_000, every: 4_000, bytes: 200 },
        promptBytes: 2_000,
        streams,
      },
      () => {
        // The last heads and events are still on their way.
        held = new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
          .then(() => running.child.read())
          .then((reading) => reading.rssBytes)
        void held.then(() => driver.release())
      },
    )
    const rss = (await held) ?? Number.NaN
    record.add('memory', 'rss', 'MiB', running.name, rss / 2 ** 20)
    record.add('memory', 'rss_per_stream', 'KiB', running.name, (rss - atRest.rssBytes) / streams / 1024)
  },
}
