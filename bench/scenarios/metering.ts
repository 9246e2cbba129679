import type { Alternated } from '../alternation.js'
import { ALONE, runPaced } from '../paced.js'
import { type Scenario, sized } from '../scenario.js'

/** The cost of metering and recording: streams with and without it. */
export const METERING: Scenario = {
  name: 'metering',
  about: '100 streams at 50 chunks/s, with metering and without it by turns',
  // Only Thinwire has such a switch.
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
    // Until the code of both is compiled.
    await alternate(sized(mode, { whole: 2, quick: 1, smoke: 0.1 }))
    const { on, off, ratio } = await alternate(sized(mode, { whole: 4, quick: 2, smoke: 0.4 }))
    record.add('metering', 'cpu_per_chunk', 'us', 'thinwire', on)
    record.add('metering', 'cpu_per_chunk', 'us', 'unmetered', off)
    // A figure of its own: the ratio within a round varies less than the ratio of two medians.
    record.add('metering', 'ratio', 'x', 'thinwire', ratio)
  },
}
