import { cpuPerRequest } from '../cpu-costs.js'
import type { Settings } from '../live-config.js'
import { type Scenario, sized } from '../scenario.js'
import { byTurns } from '../turns.js'
import { MODEL } from '../wire/plan.js'

/** Number of further upstreams, of routes before the matching one, and of model names. */
const MANY = 60

const ALIAS = 'team-fast'

/** One way of a request through the config. */
interface Way {
  readonly model: string
  readonly settings: (first: Settings) => Settings
  readonly targets: number
}

const PLAIN: Way = { model: MODEL, settings: (first) => first, targets: 1 }
/** The model is a name of the config, which is replaced in the body. */
const ALIASED: Way = { model: ALIAS, settings: manyRoutes, targets: 2 * MANY + 2 }
/** The request matches the last route. */
const ROUTED: Way = { ...ALIASED, model: MODEL }

/**
 * The cost of many routes, and of replacing the model name in the body. One process gets the configs by turns, because
 * two processes differ by more than that.
 */
export const ROUTING: Scenario = {
  name: 'routing',
  about: `requests by one upstream, and by ${MANY} upstreams, routes and names of models; 2 KB in, 1 KB out`,
  // Only Thinwire has such a config.
  baselines: [],
  fresh: false,
  loaded: null,
  rounds: { whole: 5, quick: 3, smoke: 1 },
  async measure(stage, running) {
    const { record, mode } = stage
    const { reconfigure } = running
    if (reconfigure === null) throw new Error(`${running.name} has no config that can be changed`)
    const rows = sized(mode, { whole: 8, quick: 4, smoke: 1 })
    const ways = [PLAIN, ALIASED, ROUTED]
    const take = async (way: Way): Promise<number> => {
      await reconfigure(way.settings, way.targets)
      return cpuPerRequest(stage, running, way.model)
    }
    try {
      // Until the code is compiled.
      if (mode !== 'smoke') for (const way of ways) await take(way)
      const [plain, aliased, routed] = (await byTurns(ways, rows, take)) as [number, number, number]
      record.add('routing', 'plain_cpu_per_request', 'us', running.name, plain)
      record.add('routing', 'alias_cpu_per_request', 'us', running.name, aliased)
      record.add('routing', 'route_cpu_per_request', 'us', running.name, routed)
    } finally {
      await reconfigure(PLAIN.settings, PLAIN.targets)
    }
  },
}

/** A config of many teams. The first upstream does not change, so its connections stay open. */
export function manyRoutes(first: Settings): Settings {
  const numbers = Array.from({ length: MANY }, (_, i) => i + 1)
  // These upstreams get no requests.
  const unused = { baseUrl: 'http://127.0.0.1:9/v1', warm: false }
  const unusedWithApis = { ...unused, apis: ['chat', 'responses'] }
  return {
    ...first,
    upstreams: {
      ...(first.upstreams as Settings),
      ...Object.fromEntries(numbers.map((n) => [`upstream${n}`, n % 2 === 0 ? unused : unusedWithApis])),
    },
    routes: [
      ...numbers.map((n) => ({
        model: [`model${n}-*`, `*/model${n}`],
        upstream: `upstream${n}`,
        ...(n % 2 === 0 ? {} : { team: [`team${n + 1}`, `lab${n}-*`] }),
      })),
      { model: ['bench-*', 'test-*'], team: 'team*', upstream: 'openai' },
    ],
    models: {
      ...Object.fromEntries(
        numbers.map((n) => [`name${n}`, { upstream: `upstream${n}`, model: `model${n}-2025-08-07` }]),
      ),
      [ALIAS]: { upstream: 'openai', model: `${MODEL}-2025-08-07`, team: ['lab*', 'team*'] },
    },
  }
}
