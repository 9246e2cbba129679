import { access, constants } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { type DayFiles, isClosed, isCurrent } from './rollup-files.js'
import type { RollupNews, RollupTask } from './rollup-worker.js'

/** More threads wait for the disk. */
const MAX_THREADS = 4

/** What became of the rollups of some days. */
export interface MadeRollups {
  /** Days whose rollup was made. */
  readonly made: readonly string[]
  /** Days whose rollup could not be written, or whose files changed meanwhile. */
  readonly failed: readonly string[]
  /** Number of days whose rollup was there. */
  readonly current: number
  /** Number of days that are not over. */
  readonly open: number
}

/**
 * Makes the missing and outdated rollups of days that are over, several at a time, each in a thread of its own.
 * @param now epoch milliseconds
 * @param onProgress called with a number of bytes, after their lines
 */
export async function makeRollups(
  folder: string,
  days: readonly DayFiles[],
  now: number,
  onProgress: (bytes: number) => void = () => {},
): Promise<MadeRollups> {
  const closed = days.filter(({ day }) => isClosed(day, now))
  const missing: DayFiles[] = []
  for (const day of closed) if (!(await isCurrent(folder, day))) missing.push(day)
  const result = { current: closed.length - missing.length, open: days.length - closed.length }
  if (missing.length > 0 && !(await isWritable(folder)))
    return { ...result, made: [], failed: missing.map(({ day }) => day) }
  const made: string[] = []
  const failed: string[] = []
  const left = [...missing]
  const work = async (): Promise<void> => {
    for (let day = left.shift(); day !== undefined; day = left.shift()) {
      const isWritten = await runWorker({ folder, day }, onProgress)
      ;(isWritten ? made : failed).push(day.day)
    }
  }
  await Promise.all(Array.from({ length: Math.min(MAX_THREADS, availableParallelism()) }, work))
  return { ...result, made: made.sort(), failed: failed.sort() }
}

/** Whether files can be made in a folder. */
export async function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK).then(
    () => true,
    () => false,
  )
}

/** @returns whether the rollup was written */
function runWorker(task: RollupTask, onProgress: (bytes: number) => void): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let isWritten = false
    const worker = new Worker(new URL('./rollup-worker.js', import.meta.url), { workerData: task })
    worker.on('message', (news: RollupNews) => {
      if ('bytes' in news) onProgress(news.bytes)
      else isWritten = news.isWritten
    })
    worker.on('error', reject)
    worker.on('exit', () => resolve(isWritten))
  })
}
