import type { Running } from '../contestants.js'
import { ALONE, runPaced } from '../paced.js'
import { type Scenario, type Stage, sized } from '../scenario.js'
import { byTurns } from '../turns.js'
import type { Api } from '../wire/plan.js'

const APIS: readonly Api[] = ['chat', 'responses', 'messages']

/**
 * The cost of translating an event of another API to a chat chunk, compared with chat events that pass unchanged. All
 * run in one process, by turns.
 */
export const TRANSLATED: Scenario = {
  name: 'translated',
  about: '100 streams at 50 events/s: chats, and Responses and Messages that are translated to chats',
  // No baseline translates.
  baselines: [],
  fresh: false,
  loaded: null,
  rounds: { whole: 5, quick: 2, smoke: 1 },
  async measure(stage, running) {
    const { record, mode } = stage
    // Until the code is compiled.
    if (mode !== 'smoke') for (const api of APIS) await cpuPerEvent(stage, running, api, WARM_UP_S)
    const seconds = sized(mode, { whole: 1.5, quick: 0.6, smoke: 0.5 })
    const rows = sized(mode, { whole: 2, quick: 2, smoke: 1 })
    const costs = await byTurns(APIS, rows, (api) => cpuPerEvent(stage, running, api, seconds))
    const [chat, responses, messages] = costs as [number, number, number]
    record.add('translated', 'cpu_per_chat_event', 'us', running.name, chat)
    record.add('translated', 'responses_added', 'us', running.name, responses - chat)
    record.add('translated', 'messages_added', 'us', running.name, messages - chat)
  },
}

const WARM_UP_S = 0.5

async function cpuPerEvent(stage: Stage, running: Running, api: Api, seconds: number): Promise<number> {
  const streams = sized(stage.mode, { whole: 100, quick: 100, smoke: 20 })
  const { delayUs, readings } = await runPaced(stage, running, streams, seconds, ALONE, api)
  const [before, after] = readings
  return (after.cpuUs - before.cpuUs) / delayUs.length
}
