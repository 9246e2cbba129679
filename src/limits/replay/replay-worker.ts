import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import type { CounterUse } from './budget-sums.js'
import { type ReplayTask, replayLedger } from './replay.js'
import type { ReplayResult } from './replay-thread.js'

/** What the thread reports: what was used of some counters, and at last what could not be read. */
export interface ReplayNews {
  readonly uses: readonly CounterUse[]
  /** Null as long as there is more to come. */
  readonly end: Omit<ReplayResult, 'uses'> | null
}

/**
 * Counters of one message. It is unpacked within one turn of the relay's event loop, as are all that have come by then:
 * the next one is sent when it asks for it.
 */
const AT_ONCE = 500

if (parentPort !== null) {
  const port = parentPort
  const { sums, problems, running } = await replayLedger(workerData as ReplayTask)
  const send = (uses: readonly CounterUse[], end: ReplayNews['end']): void =>
    port.postMessage({ uses, end } satisfies ReplayNews)
  let uses: CounterUse[] = []
  for (const use of sums.list()) {
    if (uses.push(use) < AT_ONCE) continue
    send(uses, null)
    uses = []
    await once(port, 'message')
  }
  send(uses, { problems, running, ranges: sums.ranges })
  port.close()
}
