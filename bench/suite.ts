import { programOf } from './child.js'
import type { Contestant, Running, Secure, Surroundings } from './contestants.js'
import { Driver } from './driver.js'
import type { Placement } from './machine.js'
import { ALONE } from './paced.js'
import type { Recorder } from './recorder.js'
import type { Mode } from './results.js'
import { type BySize, type Scenario, type Stage, sized, startsAnew, takesPart } from './scenario.js'
import { AGENT_SIZES } from './scenarios/agent-prompt.js'
import { startUpstream } from './upstream.js'
import { SHORT_ANSWER } from './wire/plan.js'

export interface SuiteOptions {
  readonly record: Recorder
  readonly mode: Mode
  /** Null for the default number of the mode. */
  readonly rounds: number | null
  readonly placement: Placement
  readonly thinwireFlags: readonly string[]
  /** Called with a line of text for each step. */
  readonly onProgress: (text: string) => void
}

export const ROUNDS: BySize<number> = { whole: 7, quick: 4, smoke: 1 }

/** Figures that also have the difference to a direct connection: scenario, figure, name of the difference. */
const ADDED = [
  ['first_byte', 'first_byte_p50', 'first_byte_added_p50'],
  ['first_byte', 'first_byte_p99', 'first_byte_added_p99'],
  ['low-rate', 'first_byte_p50', 'first_byte_added_p50'],
  ['low-rate', 'first_byte_p90', 'first_byte_added_p90'],
  ['burst', 'first_byte_p90', 'first_byte_added_p90'],
  ['prompts', 'first_byte_100k_p50', 'first_byte_100k_added_p50'],
  ['prompts', 'first_byte_1m_p50', 'first_byte_1m_added_p50'],
  ['prompts', 'first_byte_1m_paced_p50', 'first_byte_1m_paced_added_p50'],
  ...AGENT_SIZES.flatMap(({ label }) =>
    ['p50', 'p90'].map(
      (q) => ['agent-prompt', `first_byte_${label}_${q}`, `first_byte_${label}_added_${q}`] as const,
    ),
  ),
] as const

/** A started contestant, and the scenarios in which it takes part. */
interface Taking {
  readonly contestant: Contestant
  readonly running: Running
  readonly scenarios: readonly Scenario[]
}

/**
 * Runs every scenario with every contestant, round by round, in reversed order in every second round. So a disturbance
 * of the machine affects all contestants, and none is always the first.
 *
 * @returns why a baseline took no part, by its name
 */
export async function runSuite(
  contestants: readonly Contestant[],
  scenarios: readonly Scenario[],
  options: SuiteOptions,
): Promise<Record<string, string>> {
  const { record, mode, placement, onProgress } = options
  const upstream = await startUpstream(placement, mode)
  const driver = new Driver(placement)
  const surroundings: Surroundings = {
    placement,
    upstreamPort: upstream.port,
    upstream: upstream.child,
    secure: null,
    thinwireFlags: options.thinwireFlags,
  }
  const missing: Record<string, string> = {}
  const taking: Taking[] = []
  const start = (those: readonly Scenario[], secure: Secure | null): Promise<void> =>
    startAll(contestants, those, { ...surroundings, secure }, taking, missing)
  try {
    await start(
      scenarios.filter(({ secure }) => secure === undefined),
      null,
    )
    const secured = scenarios.filter(({ secure }) => secure)
    if (secured.length > 0) await start(secured, upstream.secure)
    const stage: Stage = { driver, record, mode }
    await warmUp(stage, taking, onProgress)
    const rounds = options.rounds ?? sized(mode, ROUNDS)
    for (let round = 0; round < rounds; round++) {
      for (const scenario of scenarios) {
        if (options.rounds === null && round >= sized(mode, scenario.rounds)) continue
        onProgress(`round ${round + 1} of ${rounds}: ${scenario.about}`)
        const order = round % 2 === 0 ? taking : [...taking].reverse()
        for (const { contestant, running, scenarios: its } of order) {
          if (!its.includes(scenario)) continue
          if (options.rounds === null && round >= sized(mode, contestant.rounds)) continue
          if (!startsAnew(scenario, mode)) {
            await scenario.measure(stage, running)
            continue
          }
          const flags = scenario.loaded === null ? [] : ['--import', programOf(scenario.loaded)]
          const fresh = await contestant.start({
            ...surroundings,
            thinwireFlags: [...surroundings.thinwireFlags, ...flags],
          })
          await scenario.measure(stage, fresh).finally(() => fresh.stop())
        }
      }
    }
  } finally {
    await Promise.all(taking.map(({ running }) => running.stop()))
    await Promise.all([driver.child.stop(), upstream.stop()])
  }
  for (const [scenario, figure, added] of ADDED) record.deriveAdded(scenario, figure, added)
  return missing
}

/**
 * Starts the contestants that take part in any of the scenarios, all at once, and adds them to `taking`.
 * @param missing gets the reason for each baseline that cannot be started
 */
async function startAll(
  contestants: readonly Contestant[],
  scenarios: readonly Scenario[],
  surroundings: Surroundings,
  taking: Taking[],
  missing: Record<string, string>,
): Promise<void> {
  const cast = contestants
    .map((contestant) => ({ contestant, its: scenarios.filter((one) => takesPart(one, contestant)) }))
    .filter(({ its }) => its.length > 0)
  const started = await Promise.allSettled(cast.map(({ contestant }) => contestant.start(surroundings)))
  const failed: unknown[] = []
  for (const [n, { contestant, its }] of cast.entries()) {
    const start = started[n] as PromiseSettledResult<Running>
    if (start.status === 'fulfilled') taking.push({ contestant, running: start.value, scenarios: its })
    else if (contestant.baseline) missing[contestant.name] = firstLine(start.reason)
    else failed.push(start.reason)
  }
  // Whatever has started is in `taking` by now, and is stopped with it.
  if (failed.length > 0) throw failed[0]
}

function firstLine(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
}

/**
 * So many requests until the code is compiled: Thinwire's cost falls until some 5,000, bare's until 3,000. A time would
 * favour whoever serves more requests in it.
 */
const WARM_REQUESTS: BySize<number> = { whole: 10_000, quick: 6_000, smoke: 1 }

/** How long the streams of the warm-up take. */
const STREAM_SECONDS: BySize<number> = { whole: 2, quick: 1, smoke: 0.02 }

/** A contestant that takes longer is measured as it is then. */
const WARM_SECONDS = 10

/** Lets every process compile its code. Nothing is recorded. */
async function warmUp(
  stage: Stage,
  taking: readonly Taking[],
  onProgress: (text: string) => void,
): Promise<void> {
  onProgress('warming up')
  const seconds = sized(stage.mode, { whole: 0.5, quick: 0.5, smoke: 0.02 })
  const lasting = taking.filter(({ scenarios }) => scenarios.some((one) => !startsAnew(one, stage.mode)))
  for (const { contestant, running } of lasting) {
    const ask = { target: running, promptBytes: 2_000 }
    const streamed = {
      json: 0,
      chunks: Math.ceil(sized(stage.mode, STREAM_SECONDS) * 100),
      every: 5,
      bytes: 200,
    }
    let requests = 0
    for (
      let spent = 0;
      requests < sized(stage.mode, WARM_REQUESTS) && spent < WARM_SECONDS;
      spent += seconds
    ) {
      const load = await stage.driver.run('load', {
        ...ask,
        plan: SHORT_ANSWER,
        connections: stage.mode === 'smoke' ? 1 : 16,
        seconds,
        reconnect: false,
        refused: false,
      })
      requests += load.requests
    }
    // Contestants that are not `everywhere` run no scenario with streams.
    if (!contestant.everywhere || stage.mode === 'smoke') continue
    await stage.driver.run('paced', {
      ...ask,
      plan: streamed,
      api: 'chat',
      streams: 50,
      ...ALONE,
    })
  }
  for (const { running, scenarios } of lasting)
    for (const scenario of scenarios) await scenario.prepare?.(stage, running)
}
