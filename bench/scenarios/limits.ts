import type { Alternated } from '../alternation.js'
import type { Settings } from '../live-config.js'
import { type Scenario, sized } from '../scenario.js'
import { SHORT_ANSWER } from '../wire/plan.js'

/** It has a price. */
const MODEL = 'gpt-4o-mini'

/** Amounts that the bench does not come to. */
const MUCH = 1_000_000

/** Five rules as operators have them, of which each matches each request. */
const RULES = [
  {
    name: 'team1-month',
    match: { team: 'team1' },
    usd: { month: MUCH, day: MUCH },
    timezone: 'Europe/Berlin',
  },
  {
    name: 'everyone',
    per: 'user',
    requestsPerMinute: 10 * MUCH,
    tokensPerMinute: 1_000 * MUCH * MUCH,
    concurrent: MUCH,
  },
  {
    name: 'models',
    match: { user: 'user*', model: ['claude-haiku-*', 'gpt-*-mini'] },
    per: 'key',
    usd: { week: MUCH },
    observe: true,
  },
  { name: 'chat', match: { path: '/v1/chat/*' }, per: 'team', tokens: { day: MUCH * MUCH } },
  { name: 'relay', concurrent: MUCH, models: { deny: 'other-*' } },
]

/** The cost of limits: requests with five rules that match, and without rules by turns. */
export const LIMITS: Scenario = {
  name: 'limits',
  about: 'requests of 2 KB in, 1 KB out, with five limit rules that match, and with none by turns',
  // Only Thinwire has such a switch.
  baselines: [],
  fresh: true,
  loaded: 'limit-switch.js',
  rounds: { whole: 5, quick: 2, smoke: 1 },
  async measure(stage, running) {
    const { driver, record, mode } = stage
    const { reconfigure, child } = running
    if (reconfigure === null) throw new Error(`${running.name} has no config that can be changed`)
    await reconfigure(withRules, 2)
    const alternate = async (requests: number): Promise<Alternated> => {
      await child.ask({ alternate: true })
      await driver.run('answers', {
        target: running,
        plan: SHORT_ANSWER,
        promptBytes: 2_000,
        model: MODEL,
        connections: 32,
        requests,
      })
      return child.ask<Alternated>({ alternate: false })
    }
    // Until the code of both is compiled.
    await alternate(sized(mode, { whole: 20_000, quick: 10_000, smoke: 100 }))
    const { on, off, ratio } = await alternate(sized(mode, { whole: 60_000, quick: 30_000, smoke: 600 }))
    record.add('limits', 'cpu_per_request', 'us', 'thinwire', on)
    record.add('limits', 'cpu_per_request', 'us', 'unlimited', off)
    // A figure of its own: the ratio within a round varies less than the ratio of two medians.
    record.add('limits', 'ratio', 'x', 'thinwire', ratio)
  },
}

/** A name that no request has shows by the number of targets that the config is in use. */
function withRules(first: Settings): Settings {
  return {
    ...first,
    limits: { ...(first.limits as Settings), rules: RULES },
    models: { unused: { upstream: 'openai', model: MODEL } },
  }
}
