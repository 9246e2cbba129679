import type { Running } from '../contestants.js'
import { type BySize, EVERY_ROUND, type Scenario, type Stage, sized } from '../scenario.js'
import type { Jobs, Outcomes } from '../wire/jobs.js'
import { type Plan, SHORT_ANSWER } from '../wire/plan.js'

/** Clients that ask at one time. */
const CLIENTS = 32

/** Of the answers that are wanted, so many have to come: the rest is what a pause of the machine may do. */
const LEAST = 0.99

/** Seconds after which so many requests as are asked for will do. */
const PATIENCE = 20

/** A completion of some lines, at the pace of a fast model. */
const COMPLETION: Plan = { json: 0, chunks: 20, every: 5, bytes: 200 }

/** A header of a request that is not for the cache. */
const PAST = 'x-thinwire-cache: off'

/** The same question again and again: what an answer from memory costs. */
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
    await again({ whole: 0.6, quick: 0.2, smoke: 0.1 })
    const before = await running.child.read()
    const { requests, seconds } = await again({ whole: 3, quick: 0.7, smoke: 0.4 })
    const after = await running.child.read()
    stage.record.add('hits', 'requests_per_second', '/s', running.name, requests / seconds)
    stage.record.addUse('hits', 'cpu_per_request', running.name, before, after, requests)
  },
}

/**
 * Nothing but new questions, which the cache keeps for nobody, beside a Thinwire without it. In processes of their own:
 * most of what keeping costs is the collector's work, which in one process, by turns, falls on both alike.
 */
export const MISSES: Scenario = {
  name: 'misses',
  about: 'completions that nobody has asked before, 2 KB in, 1 KB out',
  baselines: ['uncached'],
  // So that both have done the same before.
  fresh: true,
  loaded: null,
  rounds: { whole: 5, quick: 2, smoke: 1 },
  async measure(stage, running) {
    const wanted = running.name === 'uncached' ? 'none' : 'miss'
    // By number, as a process that has done less is compiled less, and has less in its cache.
    const ask = (numbers: BySize<number>) =>
      load(
        stage,
        running,
        { seconds: PATIENCE, requests: sized(stage.mode, numbers), distinct: true },
        wanted,
      )
    // Until it is compiled; in a whole run, until the cache is full, too.
    await ask({ whole: 35_000, quick: 12_000, smoke: 1_000 })
    const before = await running.child.read()
    const { requests } = await ask({ whole: 25_000, quick: 8_000, smoke: 1_000 })
    const after = await running.child.read()
    stage.record.addUse('misses', 'cpu_per_request', running.name, before, after, requests)
    stage.record.add('misses', 'rss', 'MiB', running.name, after.rssBytes / 2 ** 20)
  },
}

/**
 * Clients that ask the same at the same moment, and as many that ask each its own, past the cache. Both of one process,
 * which is the steadier measure.
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
    // There and back, so that a machine that becomes slower favours neither.
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

/** @param wanted what the answers have to say of the cache */
async function load(
  { driver }: Stage,
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
  expectOutcomes(running, answer.outcomes, { [wanted]: answer.requests })
  return answer
}

/** @returns how many streams there were */
async function together({ driver }: Stage, target: Running, groups: number): Promise<number> {
  const distinct = target.headers.includes(PAST)
  const { streams, outcomes } = await driver.run('together', {
    target,
    plan: COMPLETION,
    promptBytes: 2_000,
    clients: CLIENTS,
    groups,
    distinct,
  })
  expectOutcomes(target, outcomes, distinct ? { off: streams } : { miss: groups, joined: streams - groups })
  return streams
}

/** @throws Error if the answers came otherwise, for then it was something else that was measured */
function expectOutcomes(running: Running, outcomes: Outcomes, wanted: Outcomes): void {
  for (const [outcome, count] of Object.entries(wanted)) {
    if ((outcomes[outcome] ?? 0) >= LEAST * count) continue
    throw new Error(
      `${running.name}: of its answers ${JSON.stringify(wanted)} should be of the cache, not ${JSON.stringify(outcomes)}`,
    )
  }
}
