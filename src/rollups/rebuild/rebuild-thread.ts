import { setImmediate as nextTurn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { RebuildNews, RebuildTask } from './rebuild.js'

/** A thread that needs more ends, and the relay goes on. */
const MAX_HEAP_MB = 768

/** The module of the thread; a test has others. */
const MODULE = new URL('./rebuild-worker.js', import.meta.url)

/**
 * Sums up the ledger in a thread of its own, which keeps no process running. Its messages come one at a time, each in a
 * turn of its own.
 * @param onNews the next message comes when what it returns resolves
 * @param stop ends it
 * @returns resolves when all has been told
 * @throws the error that ended the thread
 */
export function rebuildInThread(
  task: RebuildTask,
  onNews: (news: RebuildNews) => Promise<void>,
  stop: AbortSignal,
  module: URL = MODULE,
): Promise<void> {
  return new Promise((resolve, reject) => {
    stop.throwIfAborted()
    const resourceLimits = { maxOldGenerationSizeMb: MAX_HEAP_MB }
    const worker = new Worker(module, { workerData: task, resourceLimits })
    worker.unref()
    const end = (): void => void worker.terminate()
    stop.addEventListener('abort', end, { once: true })
    worker.on('message', (news: RebuildNews) => {
      void onNews(news)
        .then(() => nextTurn())
        .then(() => {
          if (news.kind === 'end') resolve()
          else worker.postMessage('next')
        })
        .catch((error: unknown) => {
          reject(error instanceof Error ? error : new Error(String(error)))
          end()
        })
    })
    worker.on('error', reject)
    worker.on('exit', () => {
      stop.removeEventListener('abort', end)
      reject(new Error('the thread ended before it was done'))
    })
  })
}
