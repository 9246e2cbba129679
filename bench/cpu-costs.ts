import type { Running } from './contestants.js'
import { ALONE, runPaced } from './paced.js'
import { type Stage, sized } from './scenario.js'
import { type Api, SHORT_ANSWER } from './wire/plan.js'

/** Measures requests of 2 KB with answers of 1 KB. @returns CPU time of one, in microseconds */
export async function cpuPerRequest(
  { driver, mode }: Stage,
  target: Running,
  model: string,
): Promise<number> {
  const requests = sized(mode, { whole: 3_000, quick: 2_000, smoke: 150 })
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

const MOST_ATTEMPTS = 4

/** Measures streams of 50 events a second. @returns CPU time of one event, in microseconds */
export async function cpuPerEvent(
  stage: Stage,
  running: Running,
  api: Api,
  seconds: number,
): Promise<number> {
  const streams = sized(stage.mode, { whole: 100, quick: 40, smoke: 10 })
  for (let attempt = 1; ; attempt++) {
    const { delayUs, readings } = await runPaced(stage, running, streams, seconds, ALONE, api)
    const [before, after] = readings
    // On a busy machine the first stream may end before the last one has begun.
    if (delayUs.length > 0 || attempt === MOST_ATTEMPTS) return (after.cpuUs - before.cpuUs) / delayUs.length
  }
}
