import type { Running } from '../contestants.js'
import type { Reading } from '../meter.js'
import { EVERY_ROUND, type Scenario, type Stage, sized } from '../scenario.js'
import type { Jobs } from '../wire/jobs.js'

const EVERY_MS = 20

/** A team whose agents are started by one clock: streams that do everything at the same moments. */
export const BURST: Scenario = {
  name: 'burst',
  about: '100 streams that start together, get their events at the same moments, and end together',
  baselines: null,
  fresh: false,
  loaded: null,
  rounds: EVERY_ROUND,
  async measure(stage, running) {
    const { record, mode } = stage
    const streams = sized(mode, { whole: 100, quick: 100, smoke: 5 })
    const chunks = sized(mode, { whole: 25, quick: 20, smoke: 5 })
    const plan = { json: 0, chunks, every: EVERY_MS, bytes: 200, together: streams }
    const ask = { target: running, plan, promptBytes: 2_000 }
    const { answer, uses } = await run(stage, running, {
      ...ask,
      bursts: sized(mode, { whole: 4, quick: 2, smoke: 1 }),
    })
    record.addQuantile('burst', 'first_byte', 0.5, running.name, answer.firstByteUs)
    record.addQuantile('burst', 'first_byte', 0.9, running.name, answer.firstByteUs)
    record.spread('burst', 'first byte', running.name, answer.firstByteUs)
    record.addQuantiles('burst', 'chunk_delay', 'us', running.name, answer.delayUs)
    record.spread('burst', 'chunk delay', running.name, answer.delayUs)
    if (running.name === 'direct') return
    const cpuUs = uses.reduce((sum, [before, after]) => sum + after.cpuUs - before.cpuUs, 0)
    record.add('burst', 'cpu_per_chunk', 'us', running.name, cpuUs / answer.delayUs.length)
    // One more, because the timer that watches the event loop is work that would be counted above.
    await running.child.watch()
    await stage.driver.run('burst', { ...ask, bursts: 1 })
    const { loopDelayMaxUs } = await running.child.read()
    if (loopDelayMaxUs !== null) record.add('burst', 'loop_busy_max', 'us', running.name, loopDelayMaxUs)
  },
}

/** @returns also the relay's use before the second chunk and after the last but one, for each burst */
async function run(
  { driver }: Stage,
  { child }: Running,
  ask: Jobs['burst']['ask'],
): Promise<{ answer: Jobs['burst']['answer']; uses: (readonly [Reading, Reading])[] }> {
  const readings: Promise<Reading>[] = []
  const answer = await driver.run('burst', ask, () => void readings.push(child.read()))
  const all = await Promise.all(readings)
  const uses = all.flatMap((after, i) => (i % 2 === 1 ? [[all[i - 1] as Reading, after] as const] : []))
  return { answer, uses }
}
