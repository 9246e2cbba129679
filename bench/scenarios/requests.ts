import type { Running } from '../contestants.js'
import type { Scenario, Stage } from '../scenario.js'
import { EVERY_ROUND, sized, used } from '../scenario.js'

const ANSWER = { json: 1_024, chunks: 0, every: 0, bytes: 0 }

interface Load {
  readonly scenario: string
  readonly connections: number
  readonly seconds: number
  readonly reconnect: boolean
  readonly refused: boolean
}

/** Whole answers on kept connections: what a request costs. */
export const REQUESTS: Scenario = {
  name: 'requests',
  about: 'requests on kept connections, 2 KB in, 1 KB out',
  only: null,
  fresh: false,
  rounds: EVERY_ROUND,
  async measure(stage, _contestant, running) {
    const seconds = sized(stage.mode, { whole: 3, quick: 1.5, smoke: 0.5 })
    await load(stage, running, {
      scenario: 'requests',
      connections: 32,
      seconds,
      reconnect: false,
      refused: false,
    })
  },
}

/** A connection for each request, as clients without keep-alive come. */
export const CONNECTS: Scenario = {
  name: 'connects',
  about: 'a new connection for each request, 2 KB in, 1 KB out',
  only: ['nginx', 'bare', 'express', 'thinwire', 'before'],
  fresh: false,
  rounds: EVERY_ROUND,
  async measure(stage, _contestant, running) {
    const seconds = sized(stage.mode, { whole: 2, quick: 1, smoke: 0.5 })
    await load(stage, running, {
      scenario: 'connects',
      connections: 16,
      seconds,
      reconnect: true,
      refused: false,
    })
  },
}

/** Requests with a bad key and nothing else: a refusal has to cost less than an answer. */
export const REFUSALS: Scenario = {
  name: 'refusals',
  about: 'nothing but requests with a bad key',
  only: ['thinwire', 'before'],
  fresh: false,
  rounds: EVERY_ROUND,
  async measure(stage, _contestant, running) {
    const seconds = sized(stage.mode, { whole: 2, quick: 1, smoke: 0.5 })
    await load(stage, running, {
      scenario: 'refusals',
      connections: 32,
      seconds,
      reconnect: false,
      refused: true,
    })
  },
}

async function load(stage: Stage, running: Running | null, options: Load): Promise<void> {
  if (running === null) return
  const { scenario, ...rest } = options
  const before = await running.child.read()
  const { requests, seconds } = await stage.driver.run('load', {
    target: running,
    plan: ANSWER,
    promptBytes: 2_000,
    ...rest,
  })
  const { cpuUs, gcUs } = used(before, await running.child.read())
  stage.record.add(scenario, 'requests_per_second', '/s', running.name, requests / seconds)
  if (running.name === 'direct') return
  stage.record.add(scenario, 'cpu_per_request', 'us', running.name, cpuUs / requests)
  if (gcUs !== null) stage.record.add(scenario, 'gc_share', '%', running.name, (100 * gcUs) / cpuUs)
}
