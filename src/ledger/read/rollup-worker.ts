import { parentPort, workerData } from 'node:worker_threads'
import { buildRollup, type DayFiles, writeRollup } from './rollup-files.js'

/** What a worker is given. */
export interface RollupTask {
  readonly folder: string
  readonly day: DayFiles
}

/** What a worker tells: bytes that it has read, and at last whether it has written the rollup. */
export type RollupNews = { readonly bytes: number } | { readonly isWritten: boolean }

const { folder, day } = workerData as RollupTask
const tell = (news: RollupNews): void => parentPort?.postMessage(news)
const { text, isStable } = await buildRollup(folder, day, (bytes) => tell({ bytes }))
tell({ isWritten: isStable && (await writeRollup(folder, day.day, text)) })
