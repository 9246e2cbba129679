import { setImmediate as nextTurn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { CounterUse, RecordRanges } from './budget-sums.js'
import type { ReplayProblem, ReplayTask } from './replay.js'
import type { ReplayNews } from './replay-worker.js'

/** What a replay has found. */
export interface ReplayResult {
  readonly uses: readonly CounterUse[]
  readonly problems: readonly ReplayProblem[]
  /** Writers that had not ended. */
  readonly running: readonly string[]
  /** The records that were read. */
  readonly ranges: RecordRanges
}

/**
 * Replays the ledger in a thread of its own: its millions of records take seconds of processor time, which no request
 * waits for. The thread keeps no process running.
 * @param stop ends it
 * @throws the error that ended the thread
 */
export function replayInThread(task: ReplayTask, stop: AbortSignal): Promise<ReplayResult> {
  return new Promise((resolve, reject) => {
    stop.throwIfAborted()
    const uses: CounterUse[] = []
    const worker = new Worker(new URL('./replay-worker.js', import.meta.url), { workerData: task })
    worker.unref()
    const end = (): void => void worker.terminate()
    stop.addEventListener('abort', end, { once: true })
    worker.on('message', (news: ReplayNews) => {
      uses.push(...news.uses)
      if (news.end !== null) resolve({ uses, ...news.end })
      else void nextTurn().then(() => worker.postMessage('next'))
    })
    worker.on('error', reject)
    worker.on('exit', () => {
      stop.removeEventListener('abort', end)
      reject(new Error('the thread ended before it was done'))
    })
  })
}
