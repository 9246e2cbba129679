import type { Running } from './contestants.js'
import { ALONE, runPaced } from './paced.js'
import { type Stage, sized } from './scenario.js'
import { type Api, SHORT_ANSWER } from './wire/plan.js'

/** Measures requests of 2 KB with answers of 1 KB. @returns CPU time of one, in microseconds */
export async function cpuPerRequest(
  { driver, mode }: Stage,
  target: Running,
  model: string,
  requests = sized(mode, { whole: 3_000, quick: 2_000, smoke: 100 }),
): Promise<number> {
  const run = (count: number) =>
    driver.run('answers', {
      target,
      plan: SHORT_ANSWER,
      promptBytes: 2_000,
      model,
      connections: 32,
      requests: count,
    })
  // The work of a reload must not be measured.
  await run(requests / 4)
  const before = await target.child.read()
  await run(requests)
  return ((await target.child.read()).cpuUs - before.cpuUs) / requests
}

/** Measures streams of 50 events a second. @returns CPU time of one event, in microseconds */
export async function cpuPerEvent(
  stage: Stage,
  running: Running,
  api: Api,
  seconds: number,
): Promise<number> {
  const streams = sized(stage.mode, { whole: 100, quick: 40, smoke: 10 })
  const { delayUs, readings } = await runPaced(stage, running, streams, seconds, ALONE, api)
  const [before, after] = readings
  return (after.cpuUs - before.cpuUs) / delayUs.length
}
