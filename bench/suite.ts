import { Child, freePort, programOf } from './child.js'
import type { Contestant, Running, Surroundings } from './contestants.js'
import { Driver } from './driver.js'
import type { Placement } from './machine.js'
import { ALONE } from './paced.js'
import type { Recorder } from './recorder.js'
import type { Mode } from './results.js'
import { type BySize, type Scenario, type Stage, sized, takesPart } from './scenario.js'
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
  ['prompts', 'first_byte_100k_p50', 'first_byte_100k_added_p50'],
  ['prompts', 'first_byte_1m_p50', 'first_byte_1m_added_p50'],
  ['prompts', 'first_byte_1m_paced_p50', 'first_byte_1m_paced_added_p50'],
] as const

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
  const upstreamPort = await freePort()
  const upstream = Child.node(programOf('wire/upstream.js'), [String(upstreamPort)], {
    core: placement.others,
  })
  await upstream.listening(upstreamPort)
  const driver = new Driver(placement)
  const surroundings: Surroundings = {
    placement,
    upstreamPort,
    upstream,
    thinwireFlags: options.thinwireFlags,
  }
  const missing: Record<string, string> = {}
  const taking: { contestant: Contestant; running: Running }[] = []
  try {
    for (const contestant of contestants) {
      if (!scenarios.some((scenario) => takesPart(scenario, contestant))) continue
      try {
        taking.push({ contestant, running: await contestant.start(surroundings) })
      } catch (error) {
        if (!contestant.baseline) throw error
        missing[contestant.name] =
          error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
      }
    }
    const stage: Stage = { driver, record, mode }
    const lasting = scenarios.filter((scenario) => !scenario.fresh)
    const warmed = taking.filter(({ contestant }) => lasting.some((one) => takesPart(one, contestant)))
    await warmUp(stage, warmed, onProgress)
    const rounds = options.rounds ?? sized(mode, ROUNDS)
    for (let round = 0; round < rounds; round++) {
      for (const scenario of scenarios) {
        if (options.rounds === null && round >= sized(mode, scenario.rounds)) continue
        onProgress(`round ${round + 1} of ${rounds}: ${scenario.about}`)
        const order = round % 2 === 0 ? taking : [...taking].reverse()
        for (const { contestant, running } of order) {
          if (!takesPart(scenario, contestant)) continue
          if (options.rounds === null && round >= sized(mode, contestant.rounds)) continue
          if (!scenario.fresh) {
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

/** Lets every process compile its code. Nothing is recorded. */
async function warmUp(
  stage: Stage,
  taking: readonly { contestant: Contestant; running: Running }[],
  onProgress: (text: string) => void,
): Promise<void> {
  onProgress('warming up')
  const seconds = sized(stage.mode, { whole: 2, quick: 0.6, smoke: 0.2 })
  for (const { contestant, running } of taking) {
    const ask = { target: running, promptBytes: 2_000 }
    const streamed = { json: 0, chunks: Math.ceil(seconds * 100), every: 5, bytes: 200 }
    await stage.driver.run('load', {
      ...ask,
      plan: SHORT_ANSWER,
      connections: 16,
      seconds,
      reconnect: false,
      refused: false,
    })
    // Contestants that are not `everywhere` run no scenario with streams.
    if (!contestant.everywhere) continue
    await stage.driver.run('paced', {
      ...ask,
      plan: streamed,
      api: 'chat',
      streams: 50,
      ...ALONE,
    })
  }
}
