import { cpuPerEvent } from '../cpu-costs.js'
import type { Settings } from '../live-config.js'
import { type Scenario, sized } from '../scenario.js'
import { byTurns } from '../turns.js'
import { type Api, GEMINI_MODEL } from '../wire/plan.js'

const APIS: readonly Api[] = ['chat', 'responses', 'messages', 'gemini']

/**
 * The cost of translating an event of another API to a chat chunk, compared with chat events that pass unchanged. All
 * run in one process, by turns.
 */
export const TRANSLATED: Scenario = {
  name: 'translated',
  about: '100 streams at 50 events/s: chats, and Responses, Messages and Gemini that are translated to chats',
  // No baseline translates.
  baselines: [],
  fresh: false,
  loaded: null,
  rounds: { whole: 5, quick: 2, smoke: 1 },
  async measure(stage, running) {
    const { record, mode } = stage
    const { reconfigure } = running
    if (reconfigure === null) throw new Error(`${running.name} has no config that can be changed`)
    await reconfigure(withGemini, 2)
    try {
      // Until the code is compiled.
      if (mode !== 'smoke') for (const api of APIS) await cpuPerEvent(stage, running, api, WARM_UP_S)
      const seconds = sized(mode, { whole: 1.5, quick: 1.5, smoke: 0.1 })
      const rows = sized(mode, { whole: 2, quick: 2, smoke: 1 })
      const costs = await byTurns(APIS, rows, (api) => cpuPerEvent(stage, running, api, seconds))
      for (const [n, api] of APIS.entries())
        record.add('translated', `cpu_per_${api}_event`, 'us', running.name, costs[n] as number)
    } finally {
      await reconfigure((first) => first, 1)
    }
  },
}

const WARM_UP_S = 1

/** A second upstream at the same address, that is asked by Gemini's own API. */
function withGemini(first: Settings): Settings {
  const upstreams = first.upstreams as Readonly<Record<string, Settings>>
  return {
    ...first,
    upstreams: { ...upstreams, gemini: { ...upstreams.openai, apis: ['gemini'] } },
    models: { [GEMINI_MODEL]: { upstream: 'gemini', model: GEMINI_MODEL } },
  }
}
