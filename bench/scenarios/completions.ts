import type { Running } from '../contestants.js'
import type { Mode } from '../results.js'
import { type BySize, EVERY_ROUND, type Scenario, type Stage, sized } from '../scenario.js'
import type { Jobs, Outcomes } from '../wire/jobs.js'
import { type Plan, SHORT_ANSWER } from '../wire/plan.js'

/** Number of concurrent clients. */
const CLIENTS = 32

/**
 * Least share of the expected cache outcomes: a pause of the machine may cause a few others, and in a smoke run on a busy
 * machine a stream is over before all have asked for it.
 */
const LEAST: BySize<number> = { whole: 0.99, quick: 0.99, smoke: 0.1 }

/** Limit in seconds for a number of requests. */
const PATIENCE = 20

/** A completion of some lines, at the pace of a fast model. */
const COMPLETION: Plan = { json: 0, chunks: 20, every: 5, bytes: 200 }

/** Header of a request that bypasses the cache. */
const PAST = 'x-thinwire-cache: off'

/** The same question again and again: the cost of a cache hit. */
export const HITS: Scenario = {
  name: 'hits',
  about: 'completions from the cache, 2 KB in, 1 KB out',
  baselines: ['constant'],
  fresh: false,
  loaded: null,
  rounds: EVERY_ROUND,
  async measure(stage, running) {
    const wanted = running.name === 'constant' ? 'none' : 'hit'
    const again = (seconds: BySize<number>) =>
      load(stage, running, { seconds: sized(stage.mode, seconds), requests: null, distinct: false }, wanted)
    await again({ whole: 0.6, quick: 0.2, smoke: 0.05 })
    const before = await running.child.read()
    const { requests, seconds } = await again({ whole: 3, quick: 0.7, smoke: 0.1 })
    const after = await running.child.read()
    stage.record.add('hits', 'requests_per_second', '/s', running.name, requests / seconds)
    stage.record.addUse('hits', 'cpu_per_request', running.name, before, after, requests)
  },
}

/**
 * Only new questions, whose responses are cached in vain, compared with a Thinwire without a cache. These are two
 * processes: most of the cost is garbage collection, which in one process would fall on both alike.
 */
export const MISSES: Scenario = {
  name: 'misses',
  about: 'completions with a new prompt each, 2 KB in, 1 KB out',
  baselines: ['uncached'],
  // Both processes have done the same before.
  fresh: true,
  loaded: null,
  rounds: { whole: 5, quick: 2, smoke: 1 },
  async measure(stage, running) {
    const wanted = running.name === 'uncached' ? 'none' : 'miss'
    // A fixed number of requests: a process that has served fewer has compiled less code and cached less.
    const ask = (numbers: BySize<number>) =>
      load(
        stage,
        running,
        { seconds: PATIENCE, requests: sized(stage.mode, numbers), distinct: true },
        wanted,
      )
    // Until the code is compiled and, in a whole run, the cache is full.
    await ask({ whole: 35_000, quick: 12_000, smoke: 100 })
    const before = await running.child.read()
    const { requests } = await ask({ whole: 25_000, quick: 8_000, smoke: 100 })
    const after = await running.child.read()
    stage.record.addUse('misses', 'cpu_per_request', running.name, before, after, requests)
    stage.record.add('misses', 'rss', 'MiB', running.name, after.rssBytes / 2 ** 20)
  },
}

/**
 * Clients that send the same request at the same moment, and as many clients with a different request each, past the
 * cache. Both run in one process, so that the ratio varies less.
 */
export const JOINS: Scenario = {
  name: 'joins',
  about: `${CLIENTS} streamed completions at the same moment: one that all join, or each its own`,
  baselines: [],
  fresh: false,
  loaded: null,
  rounds: { whole: 5, quick: 2, smoke: 1 },
  async measure(stage, running) {
    const apart = { ...running, headers: [...running.headers, PAST] }
    await together(stage, running, 2)
    await together(stage, apart, 2)
    const groups = sized(stage.mode, { whole: 10, quick: 3, smoke: 1 })
    const spent = { joined: 0, apart: 0 }
    // Both orders, so that a machine that becomes slower favours neither.
    for (const target of [running, apart, apart, running]) {
      const before = await running.child.read()
      const streams = await together(stage, target, groups)
      const cpuUs = (await running.child.read()).cpuUs - before.cpuUs
      spent[target === apart ? 'apart' : 'joined'] += cpuUs / streams / 2
    }
    stage.record.add('joins', 'cpu_per_stream', 'us', running.name, spent.joined)
    stage.record.add('joins', 'apart_cpu_per_stream', 'us', running.name, spent.apart)
  },
}

/** @param wanted the `x-thinwire-cache` that the responses must have */
async function load(
  { driver, mode }: Stage,
  running: Running,
  much: Pick<Jobs['completions']['ask'], 'seconds' | 'requests' | 'distinct'>,
  wanted: string,
): Promise<Jobs['completions']['answer']> {
  const answer = await driver.run('completions', {
    target: running,
    plan: SHORT_ANSWER,
    promptBytes: 2_000,
    connections: CLIENTS,
    ...much,
  })
  expectOutcomes(mode, running, answer.outcomes, { [wanted]: answer.requests })
  return answer
}

/** @returns the number of streams */
async function together({ driver, mode }: Stage, target: Running, groups: number): Promise<number> {
  const distinct = target.headers.includes(PAST)
  const { streams, outcomes } = await driver.run('together', {
    target,
    plan: COMPLETION,
    promptBytes: 2_000,
    clients: CLIENTS,
    groups,
    distinct,
  })
  expectOutcomes(
    mode,
    target,
    outcomes,
    distinct ? { off: streams } : { miss: groups, joined: streams - groups },
  )
  return streams
}

/** @throws Error if the responses have other cache outcomes: the scenario has then measured something else */
function expectOutcomes(mode: Mode, running: Running, outcomes: Outcomes, wanted: Outcomes): void {
  for (const [outcome, count] of Object.entries(wanted)) {
    if ((outcomes[outcome] ?? 0) >= LEAST[mode] * count) continue
    throw new Error(
      `${running.name}: the cache outcomes should be ${JSON.stringify(wanted)}, not ${JSON.stringify(outcomes)}`,
    )
  }
}
