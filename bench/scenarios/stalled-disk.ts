import type { Running } from '../contestants.js'
import { ALONE, runPaced } from '../paced.js'
import { type Scenario, type Stage, sized } from '../scenario.js'
import { allWritten, StalledDisk } from '../stall.js'
import { SHORT_ANSWER, SHORT_STREAM } from '../wire/plan.js'

/**
 * Streams, and requests whose records are queued, while the ledger can write and while its disk hangs. Both run in one
 * process: two processes differ by some percent.
 */
export const STALLED_DISK: Scenario = {
  name: 'stalled_disk',
  about: '50 streams beside 500 requests/s, then requests alone; the ledger writes, or its disk has stopped',
  // Only Thinwire has a ledger.
  baselines: [],
  fresh: false,
  loaded: null,
  rounds: { whole: 5, quick: 1, smoke: 1 },
  async measure(stage, running) {
    const ask = { target: running, plan: SHORT_STREAM, promptBytes: 2_000, streams: 5, pace: null }
    await stream(stage, running, '')
    const disk = await StalledDisk.begin(running, () => stage.driver.run('sequential', ask))
    try {
      await stream(stage, running, 'stalled_')
      await load(stage, running, 'stalled_')
      await disk.check()
    } finally {
      await disk.end()
    }
    // In the opposite order, so that a machine that becomes slower favours neither.
    await load(stage, running, '')
    await allWritten(running)
  },
}

async function stream(stage: Stage, running: Running, prefix: string): Promise<void> {
  const { record, mode } = stage
  const seconds = sized(mode, { whole: 2, quick: 0.8, smoke: 0.2 })
  const streams = sized(mode, { whole: 50, quick: 50, smoke: 5 })
  const beside = { ...ALONE, requestsPerSecond: 500 }
  const { delayUs, readings } = await runPaced(stage, running, streams, seconds, beside)
  const [before, after] = readings
  record.addQuantiles('stalled_disk', `${prefix}delay`, 'us', running.name, delayUs)
  const cpuUs = (after.cpuUs - before.cpuUs) / delayUs.length
  record.add('stalled_disk', `${prefix}cpu_per_chunk`, 'us', running.name, cpuUs)
  if (after.loopDelayP99Us !== null)
    record.add('stalled_disk', `${prefix}loop_delay_p99`, 'us', running.name, after.loopDelayP99Us)
}

async function load({ driver, record, mode }: Stage, running: Running, prefix: string): Promise<void> {
  const before = await running.child.read()
  const { requests, seconds } = await driver.run('load', {
    target: running,
    plan: SHORT_ANSWER,
    promptBytes: 2_000,
    connections: 32,
    seconds: sized(mode, { whole: 2, quick: 0.8, smoke: 0.1 }),
    reconnect: false,
    refused: false,
  })
  record.add('stalled_disk', `${prefix}requests_per_second`, '/s', running.name, requests / seconds)
  const cpuUs = ((await running.child.read()).cpuUs - before.cpuUs) / requests
  record.add('stalled_disk', `${prefix}cpu_per_request`, 'us', running.name, cpuUs)
}
