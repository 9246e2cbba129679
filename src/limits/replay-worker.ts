import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import type { CounterUse } from './budget-sums.js'
import { type ReplayProblem, type ReplayTask, replayLedger } from './replay.js'

/** What the thread reports: what was used of some counters, and at last what could not be read. */
export interface ReplayNews {
  readonly uses: readonly CounterUse[]
  /** Null as long as there is more to come. */
  readonly problems: readonly ReplayProblem[] | null
}

/**
 * Counters of one message. It is unpacked within one turn of the relay's event loop, as are all that have come by then:
 * the next one is sent when it asks for it.
 */
const AT_ONCE = 500

if (parentPort !== null) {
  const port = parentPort
  const { sums, problems } = await replayLedger(workerData as ReplayTask)
  const send = (uses: readonly CounterUse[], found: ReplayNews['problems']): void =>
    port.postMessage({ uses, problems: found } satisfies ReplayNews)
  let uses: CounterUse[] = []
  for (const use of sums.list()) {
    if (uses.push(use) < AT_ONCE) continue
    send(uses, null)
    uses = []
    await once(port, 'message')
  }
  send(uses, problems)
  port.close()
}
