import { streamsThatFit } from '../machine.js'
import { type Beat, runStreams } from '../paced.js'
import { type BySize, type Scenario, sized } from '../scenario.js'
import { SHORT_STREAM } from '../wire/plan.js'

interface Step {
  /** In the names of the figures. */
  readonly label: string
  readonly streams: BySize<number>
  readonly beat: Beat
}

/** From a thousand streams on there are 10,000 events a second in all, which leaves the cores half idle. */
const STEPS: readonly Step[] = [
  { label: '10', streams: { whole: 10, quick: 10, smoke: 3 }, beat: { everyMs: 20, startMs: 20 } },
  { label: '100', streams: { whole: 100, quick: 100, smoke: 6 }, beat: { everyMs: 20, startMs: 100 } },
  {
    label: '1000',
    streams: { whole: 1_000, quick: 1_000, smoke: 12 },
    beat: { everyMs: 100, startMs: 1_000 },
  },
  {
    label: '5000',
    streams: { whole: 5_000, quick: 5_000, smoke: 24 },
    beat: { everyMs: 500, startMs: 4_000 },
  },
]

/** What a chunk and a stream cost with more and more streams: both should stay as they are. */
export const GROWTH: Scenario = {
  name: 'growth',
  about: '10, 100, 1,000 and 5,000 streams: CPU per chunk, memory per stream',
  baselines: ['tunnel', 'nginx', 'bare', 'last'],
  fresh: true,
  loaded: null,
  rounds: { whole: 3, quick: 1, smoke: 1 },
  async measure(stage, running) {
    const { driver, record, mode } = stage
    const ask = { target: running, plan: SHORT_STREAM, promptBytes: 2_000, pace: null }
    // What the process needs once is no part of what its streams need.
    await driver.run('sequential', { ...ask, streams: sized(mode, { whole: 500, quick: 300, smoke: 5 }) })
    const atRest = await running.child.read()
    for (const { label, streams, beat } of STEPS) {
      const count = Math.min(streams[mode], streamsThatFit())
      const seconds = sized(mode, { whole: 2, quick: 1.2, smoke: 0.1 })
      const few = mode === 'smoke' ? { everyMs: 20, startMs: 20 } : beat
      const { delayUs, readings } = await runStreams(stage, running, count, seconds, few)
      const [before, after] = readings
      const cpuUs = (after.cpuUs - before.cpuUs) / delayUs.length
      record.add('growth', `cpu_per_chunk_${label}`, 'us', running.name, cpuUs)
      record.addQuantile('growth', `chunk_delay_${label}`, 0.99, running.name, delayUs)
      const bytes = (after.rssBytes - atRest.rssBytes) / count
      record.add('growth', `rss_per_stream_${label}`, 'KiB', running.name, bytes / 1024)
    }
  },
}
