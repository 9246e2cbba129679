import { cpuPerEvent, cpuPerRequest } from '../cpu-costs.js'
import type { Settings } from '../live-config.js'
import { type Scenario, sized } from '../scenario.js'
import { byTurns } from '../turns.js'
import { MODEL } from '../wire/plan.js'

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
    const take = async (measure: () => Promise<number>, targets: (typeof WAYS)[number]): Promise<number> => {
      await reconfigure(targets === 1 ? (first) => first : withSecondTarget, targets)
      return measure()
    }
    const rows = sized(mode, { whole: 8, quick: 4, smoke: 1 })
    try {
      for (const [unit, measure] of [
        ['request', () => cpuPerRequest(stage, running, MODEL)],
        [
          'event',
          () => cpuPerEvent(stage, running, 'chat', sized(mode, { whole: 1.5, quick: 1.5, smoke: 0.1 })),
        ],
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
