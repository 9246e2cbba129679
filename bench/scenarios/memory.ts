import type { Running } from '../contestants.js'
import { streamsThatFit } from '../machine.js'
import type { Scenario, Stage } from '../scenario.js'
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
  async measure(stage, running) {
    const { record, mode } = stage
    const wanted = sized(mode, { whole: 5_000, quick: 5_000, smoke: 50 })
    const streams = Math.min(wanted, streamsThatFit())
    const { restBytes, heldBytes } = await holdStreams(stage, running, streams)
    record.add('memory', 'rss', 'MiB', running.name, heldBytes / 2 ** 20)
    record.add('memory', 'rss_per_stream', 'KiB', running.name, (heldBytes - restBytes) / streams / 1024)
  },
}

/** Opens streams with few events and closes them. @returns the relay's memory before, and while they were open */
export async function holdStreams(
  { driver }: Stage,
  running: Running,
  streams: number,
): Promise<{ restBytes: number; heldBytes: number }> {
  const { rssBytes: restBytes } = await running.child.read()
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
  return { restBytes, heldBytes: (await held) ?? Number.NaN }
}
