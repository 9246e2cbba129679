import { EVERY_ROUND, type Scenario, sized } from '../scenario.js'
import { SHORT_STREAM } from '../wire/plan.js'
import { LOW_RATE_MS } from './low-rate.js'

/** The turns make a step of an agent, with its calls and their results, about 2.5 KB long. */
export const AGENT_SIZES = [
  { label: '100k', words: '100 KB', bytes: 100_000, turns: 40 },
  { label: '400k', words: '400 KB', bytes: 400_000, turns: 160 },
  { label: '1m', words: '1 MB', bytes: 1_000_000, turns: 400 },
] as const

/** The requests of a coding agent: all messages of its work, with tool calls and results, each time. */
export const AGENT_PROMPT: Scenario = {
  name: 'agent-prompt',
  about:
    'messages, tool calls and results of 100 KB, 400 KB and 1 MB, a request every 50 ms on a kept connection',
  baselines: null,
  fresh: false,
  loaded: null,
  rounds: EVERY_ROUND,
  async measure({ driver, record, mode }, running) {
    const streams = sized(mode, { whole: 40, quick: 16, smoke: 3 })
    for (const { label, words, bytes, turns } of AGENT_SIZES) {
      const before = await running.child.read()
      const { firstByteUs } = await driver.run('sequential', {
        target: running,
        plan: SHORT_STREAM,
        promptBytes: bytes,
        turns,
        streams,
        pace: null,
        every: LOW_RATE_MS,
      })
      const after = await running.child.read()
      const kept = firstByteUs.slice(1)
      record.addQuantile('agent-prompt', `first_byte_${label}`, 0.5, running.name, kept)
      record.addQuantile('agent-prompt', `first_byte_${label}`, 0.9, running.name, kept)
      record.spread('agent-prompt', `first byte, ${words}`, running.name, kept)
      if (running.name === 'direct') continue
      const cpuUs = (after.cpuUs - before.cpuUs) / streams
      record.add('agent-prompt', `cpu_per_request_${label}`, 'us', running.name, cpuUs)
    }
  },
}
