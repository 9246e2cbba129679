import type { Running } from '../contestants.js'
import { cpuPerRequest } from '../cpu-costs.js'
import { ALONE, runPaced } from '../paced.js'
import { type Scenario, type Stage, sized } from '../scenario.js'

/** It has a price, as the page sums up money. */
const MODEL = 'gpt-4o-mini'

/** The cost of the operators' page: Thinwire with it, while ten browsers show it, beside Thinwire without it. */
export const PAGE: Scenario = {
  name: 'page',
  about: 'requests, and 100 streams of 50 chunks/s: without the page, and with ten viewers of it',
  baselines: ['watched'],
  fresh: false,
  loaded: null,
  rounds: { whole: 7, quick: 3, smoke: 1 },
  async measure(stage, running) {
    // For seconds: the page is made each second.
    const requests = sized(stage.mode, { whole: 20_000, quick: 10_000, smoke: 100 })
    const cpuUs = await cpuPerRequest(stage, running, MODEL, requests)
    stage.record.add('page', 'cpu_per_request', 'us', running.name, cpuUs)
    await measureStreams(stage, running)
  },
}

async function measureStreams(stage: Stage, running: Running): Promise<void> {
  const { record, mode } = stage
  const streams = sized(mode, { whole: 100, quick: 100, smoke: 4 })
  const seconds = sized(mode, { whole: 5, quick: 2.5, smoke: 0.2 })
  const { delayUs, readings } = await runPaced(stage, running, streams, seconds, ALONE)
  const [before, after] = readings
  record.addQuantiles('page', 'delay', 'us', running.name, delayUs)
  record.add('page', 'cpu_per_chunk', 'us', running.name, (after.cpuUs - before.cpuUs) / delayUs.length)
}
