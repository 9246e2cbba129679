import type { Running } from '../contestants.js'
import type { Reading } from '../meter.js'
import { ALONE, runPaced } from '../paced.js'
import { type Scenario, type Stage, sized } from '../scenario.js'
import { SHORT_ANSWER } from '../wire/plan.js'

const CLIENTS = 32

/** Requests a second for each process that relays: what a core carries with room to spare. */
const RATE = 700

/** Prompts that take turns, and how often each is asked: the first time misses, in each worker by itself. */
const PROMPTS = 100
const TIMES = 10

/**
 * One process on one core beside two workers on all cores, both with as much work for each process. CPU time for each
 * unit of work, of the primary and the workers, says what a second core adds: with 1.1 times the CPU time, two cores do
 * 1.8 times the work. The requests of a second cannot say it on a machine whose cores clients and upstream need, too.
 */
export const CORES: Scenario = {
  name: 'cores',
  about: 'requests, streams and cached completions: one process, and two workers',
  baselines: ['two-workers'],
  fresh: false,
  loaded: null,
  rounds: { whole: 5, quick: 4, smoke: 1 },
  async measure(stage, running) {
    await measureRate(stage, running)
    await measureMost(stage, running)
    await measureStreams(stage, running)
    await measureHits(stage, running)
  },
}

/** How many processes share the work. */
function countProcesses({ name }: Running): number {
  return name === 'two-workers' ? 2 : 1
}

async function measureRate({ driver, record, mode }: Stage, running: Running): Promise<void> {
  const before = running.child.readAll()
  const { responseUs } = await driver.run('openLoop', {
    target: running,
    plan: SHORT_ANSWER,
    promptBytes: 2_000,
    rate: RATE * countProcesses(running),
    seconds: sized(mode, { whole: 4, quick: 2, smoke: 0.1 }),
  })
  const cpuUs = cpuBetween(before, running.child.readAll())
  record.add('cores', 'cpu_per_request_at_a_rate', 'us', running.name, cpuUs / responseUs.length)
}

async function measureMost({ driver, record, mode }: Stage, running: Running): Promise<void> {
  const before = running.child.readAll()
  const { requests, seconds } = await driver.run('load', {
    target: running,
    plan: SHORT_ANSWER,
    promptBytes: 2_000,
    connections: CLIENTS,
    seconds: sized(mode, { whole: 3, quick: 1, smoke: 0.1 }),
    reconnect: false,
    refused: false,
  })
  const cpuUs = cpuBetween(before, running.child.readAll())
  record.add('cores', 'requests_per_second', '/s', running.name, requests / seconds)
  record.add('cores', 'cpu_per_request', 'us', running.name, cpuUs / requests)
}

async function measureStreams(stage: Stage, running: Running): Promise<void> {
  const { record, mode } = stage
  const streams = sized(mode, { whole: 100, quick: 100, smoke: 4 }) * countProcesses(running)
  const seconds = sized(mode, { whole: 3, quick: 1.5, smoke: 0.1 })
  const before = running.child.readAll()
  const { delayUs } = await runPaced(stage, running, streams, seconds, ALONE)
  // The starts and ends of the streams are in it, in the same share for both.
  const cpuUs = cpuBetween(before, running.child.readAll())
  record.add('cores', 'cpu_per_chunk', 'us', running.name, cpuUs / delayUs.length)
}

async function measureHits({ driver, record, mode }: Stage, running: Running): Promise<void> {
  const prompts = sized(mode, { whole: PROMPTS, quick: PROMPTS, smoke: 5 })
  const { requests, outcomes } = await driver.run('completions', {
    target: running,
    plan: SHORT_ANSWER,
    promptBytes: 2_000,
    connections: CLIENTS,
    seconds: 20,
    requests: prompts * TIMES,
    distinct: false,
    prompts,
  })
  const asked = (outcomes.miss ?? 0) / requests
  record.add('cores', 'misses', '%', running.name, 100 * asked)
}

function cpuBetween(before: Reading, after: Reading): number {
  return after.cpuUs - before.cpuUs
}
