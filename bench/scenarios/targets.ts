import type { Running } from '../contestants.js'
import type { Settings } from '../live-config.js'
import { ALONE, runPaced } from '../paced.js'
import { type Scenario, type Stage, sized } from '../scenario.js'
import { byTurns } from '../turns.js'
import { MODEL, SHORT_ANSWER } from '../wire/plan.js'

/** One target, and two of which the first always answers. */
const WAYS = [1, 2] as const

/**
 * The cost of a second target: the beginning of each response is read before it goes to the client, and the order of the
 * targets is found for each request. One process gets both configs by turns.
 */
export const TARGETS: Scenario = {
  name: 'targets',
  about: 'requests of 2 KB in, 1 KB out, and 100 streams at 50 events/s, with one target and with two',
  // Only Thinwire has such a config.
  baselines: [],
  fresh: false,
  loaded: null,
  rounds: { whole: 5, quick: 3, smoke: 1 },
  async measure(stage, running) {
    const { record, mode } = stage
    const { reconfigure } = running
    if (reconfigure === null) throw new Error(`${running.name} has no config that can be changed`)
    const take = async (measure: typeof cpuPerRequest, targets: (typeof WAYS)[number]): Promise<number> => {
      await reconfigure(targets === 1 ? (first) => first : withSecondTarget, targets)
      return measure(stage, running)
    }
    const rows = sized(mode, { whole: 8, quick: 4, smoke: 1 })
    try {
      for (const [unit, measure] of [
        ['request', cpuPerRequest],
        ['event', cpuPerEvent],
      ] as const) {
        // Until the code is compiled.
        if (mode !== 'smoke') for (const targets of WAYS) await take(measure, targets)
        const costs = await byTurns(WAYS, rows, (targets) => take(measure, targets))
        for (const [n, targets] of WAYS.entries())
          record.add('targets', `${targets}_cpu_per_${unit}`, 'us', running.name, costs[n] as number)
      }
    } finally {
      await reconfigure((first) => first, 1)
    }
  },
}

/** A second upstream at the same address. */
function withSecondTarget(first: Settings): Settings {
  const upstreams = first.upstreams as Readonly<Record<string, Settings>>
  return {
    ...first,
    upstreams: { ...upstreams, second: { ...upstreams.openai } },
    routes: [{ targets: [{ upstream: 'openai' }, { upstream: 'second' }] }],
  }
}

async function cpuPerRequest({ driver, mode }: Stage, running: Running): Promise<number> {
  const requests = sized(mode, { whole: 3_000, quick: 2_000, smoke: 150 })
  const ask = async (count: number): Promise<void> => {
    await driver.run('answers', {
      target: running,
      plan: SHORT_ANSWER,
      promptBytes: 2_000,
      model: MODEL,
      connections: 32,
      requests: count,
    })
  }
  // The work of the reload itself must not be measured.
  await ask(requests / 4)
  const before = await running.child.read()
  await ask(requests)
  return ((await running.child.read()).cpuUs - before.cpuUs) / requests
}

async function cpuPerEvent(stage: Stage, running: Running): Promise<number> {
  const streams = sized(stage.mode, { whole: 100, quick: 40, smoke: 10 })
  for (let attempt = 1; ; attempt++) {
    const { delayUs, readings } = await runPaced(stage, running, streams, 1.5, ALONE, 'chat')
    const [before, after] = readings
    // On a busy machine the first stream may end before the last one has begun.
    if (delayUs.length > 0 || attempt === MOST_ATTEMPTS) return (after.cpuUs - before.cpuUs) / delayUs.length
  }
}

const MOST_ATTEMPTS = 4
