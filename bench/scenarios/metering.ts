import { ALONE, runPaced } from '../paced.js'
import { type Scenario, sized } from '../scenario.js'
import type { Alternated } from '../switch.js'

/** Streams with and without all that is done for the ledger and the log: what that costs. */
export const METERING: Scenario = {
  name: 'metering',
  about: '100 streams at 50 chunks/s, with metering and without it by turns',
  // Thinwire alone has such a switch.
  baselines: [],
  fresh: true,
  loaded: 'switch.js',
  rounds: { whole: 7, quick: 1, smoke: 1 },
  async measure(stage, running) {
    const { record, mode } = stage
    const streams = sized(mode, { whole: 100, quick: 100, smoke: 20 })
    const alternate = async (seconds: number): Promise<Alternated> => {
      await running.child.ask({ alternate: true })
      await runPaced(stage, running, streams, seconds, ALONE)
      return running.child.ask<Alternated>({ alternate: false })
    }
    // Until both ways are compiled.
    await alternate(sized(mode, { whole: 2, quick: 1, smoke: 0.4 }))
    const { metered, unmetered, ratio } = await alternate(sized(mode, { whole: 4, quick: 2, smoke: 0.8 }))
    record.add('metering', 'cpu_per_chunk', 'us', 'thinwire', metered)
    record.add('metering', 'cpu_per_chunk', 'us', 'unmetered', unmetered)
    // A figure of its own, as the ratio of a round is steadier than that of medians of rounds.
    record.add('metering', 'ratio', 'x', 'thinwire', ratio)
  },
}
