import { Bench } from 'tinybench'
import type { Recorder } from '../recorder.js'
import { makePairs } from './pairs.js'
import type { AgentSize } from './requests.js'

/**
 * Runs each pair side by side, and records the median of one call in microseconds for both.
 * @param calls least number of calls, however long they take
 * @param agent size of an agent's request
 */
export async function runMicro(
  record: Recorder,
  rounds: number,
  timeMs: number,
  calls: number,
  agent: AgentSize,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const { figure, ours, usual } of makePairs(agent)) {
      const bench = new Bench({
        time: timeMs,
        warmupTime: timeMs / 4,
        iterations: calls,
        warmupIterations: Math.ceil(calls / 4),
      })
      bench.add('thinwire', () => void ours())
      bench.add(usual.name, () => void usual.run())
      await bench.run()
      for (const { name, result } of bench.tasks) {
        const us = 'latency' in result ? result.latency.p50 * 1_000 : Number.NaN
        record.add('micro', figure, 'us', name, us)
      }
    }
  }
}
