import { recordPhases } from '../phases.js'
import type { BySize, Scenario } from '../scenario.js'
import { EVERY_ROUND, SOME_ROUNDS, sized } from '../scenario.js'
import { SHORT_ANSWER } from '../wire/plan.js'

interface Load {
  readonly connections: number
  readonly seconds: BySize<number>
  readonly reconnect: boolean
  readonly refused: boolean
}

/** JSON responses on kept connections: the cost of a request. */
export const REQUESTS = loadScenario(
  'requests',
  'requests on kept connections, 2 KB in, 1 KB out',
  null,
  EVERY_ROUND,
  {
    connections: 32,
    seconds: { whole: 3, quick: 1, smoke: 0.1 },
    reconnect: false,
    refused: false,
  },
)

/** A new connection for each request, like clients without keep-alive. */
export const CONNECTS = loadScenario(
  'connects',
  'a new connection for each request, 2 KB in, 1 KB out',
  ['nginx', 'bare', 'express'],
  SOME_ROUNDS,
  { connections: 16, seconds: { whole: 2, quick: 1, smoke: 0.1 }, reconnect: true, refused: false },
)

/** Only requests with a bad key: a refusal must cost less than a relayed request. */
export const REFUSALS = loadScenario('refusals', 'nothing but requests with a bad key', [], SOME_ROUNDS, {
  connections: 32,
  seconds: { whole: 2, quick: 1, smoke: 0.1 },
  reconnect: false,
  refused: true,
})

/** As many requests as possible: their rate, and the relay's CPU time for each. */
function loadScenario(
  name: string,
  about: string,
  baselines: readonly string[] | null,
  rounds: BySize<number>,
  load: Load,
): Scenario {
  return {
    name,
    about,
    baselines,
    fresh: false,
    loaded: null,
    rounds,
    async measure({ driver, record, mode }, running) {
      const before = await running.child.read()
      const measure = async () => {
        const { requests, seconds } = await driver.run('load', {
          ...load,
          seconds: sized(mode, load.seconds),
          target: running,
          plan: SHORT_ANSWER,
          promptBytes: 2_000,
        })
        record.add(name, 'requests_per_second', '/s', running.name, requests / seconds)
        if (running.name === 'direct') return
        record.addUse(name, 'cpu_per_request', running.name, before, await running.child.read(), requests)
      }
      // A refused request has no phases.
      await (load.refused ? measure() : recordPhases(record, name, running, measure))
    },
  }
}
