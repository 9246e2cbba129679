import { Child, freePort, programOf } from './child.js'
import type { Contestant, Running, Surroundings } from './contestants.js'
import { Driver } from './driver.js'
import type { Placement } from './machine.js'
import type { Recorder } from './recorder.js'
import type { Mode } from './results.js'
import { type Scenario, type Stage, sized } from './scenario.js'

export interface SuiteOptions {
  readonly record: Recorder
  readonly mode: Mode
  readonly rounds: number
  readonly placement: Placement
  readonly thinwireFlags: readonly string[]
  /** Told of each step, for the one who waits. */
  readonly onProgress: (text: string) => void
}

export interface Measured {
  /** Why a contestant took no part, by its name. */
  readonly missing: Record<string, string>
}

/**
 * Takes every contestant through every scenario, round by round, the order reversed each round: what disturbs the
 * machine for a while then meets all of them, and whoever comes first is not always the same.
 */
export async function runSuite(
  contestants: readonly Contestant[],
  scenarios: readonly Scenario[],
  options: SuiteOptions,
): Promise<Measured> {
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
      try {
        taking.push({ contestant, running: await contestant.start(surroundings) })
      } catch (error) {
        if (contestant.name === 'thinwire') throw error
        missing[contestant.name] =
          error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
      }
    }
    const stage: Stage = { driver, record, mode, fresh: (contestant) => contestant.start(surroundings) }
    await warmUp(stage, scenarios, taking, onProgress)
    for (let round = 0; round < options.rounds; round++) {
      for (const scenario of scenarios) {
        if (round >= sized(mode, scenario.rounds)) continue
        onProgress(`round ${round + 1} of ${options.rounds}: ${scenario.about}`)
        const order = round % 2 === 0 ? taking : [...taking].reverse()
        for (const { contestant, running } of order) {
          if (scenario.only !== null && !scenario.only.includes(contestant.name)) continue
          await scenario.measure(stage, contestant, scenario.fresh ? null : running)
        }
      }
    }
  } finally {
    await Promise.all(taking.map(({ running }) => running.stop()))
    await Promise.all([driver.child.stop(), upstream.stop()])
  }
  return { missing }
}

/** Lets every process compile what it is about to run. Nothing of it is recorded. */
async function warmUp(
  stage: Stage,
  scenarios: readonly Scenario[],
  taking: readonly { contestant: Contestant; running: Running }[],
  onProgress: (text: string) => void,
): Promise<void> {
  if (scenarios.every((scenario) => scenario.fresh)) return
  onProgress('warming up')
  const seconds = sized(stage.mode, { whole: 2, quick: 0.8, smoke: 0.2 })
  for (const { running } of taking) {
    const ask = { target: running, promptBytes: 2_000 }
    const json = { json: 1_024, chunks: 0, every: 0, bytes: 0 }
    const streamed = { json: 0, chunks: Math.ceil(seconds * 100), every: 5, bytes: 200 }
    await stage.driver.run('load', {
      ...ask,
      plan: json,
      connections: 16,
      seconds,
      reconnect: false,
      refused: false,
    })
    await stage.driver.run('paced', {
      ...ask,
      plan: streamed,
      streams: 50,
      stalled: false,
      badKeysPerSecond: 0,
    })
  }
}
