import { join } from 'node:path'
import { readEntry } from './entry.js'
import { readLines } from './lines.js'
import type { DayReader } from './report-set.js'
import { Rollup } from './rollup.js'
import { buildRollup, type DayFiles, isClosed, readRollup, writeRollup } from './rollup-files.js'

/** How days are read. */
export interface ReadOptions {
  /** Epoch milliseconds: says which days are closed. */
  readonly now: number
  /** False: rollups are neither read nor written. */
  readonly usesRollups: boolean
  /** Called with a number of bytes of the day's files, after their lines. */
  readonly onProgress: (bytes: number) => void
}

/**
 * Adds the records of a day to a report: from its rollup where that gives the same result. A missing or outdated rollup
 * of a closed day is made in passing.
 * @param bytes size of the day's files
 */
export async function readDay(
  folder: string,
  day: DayFiles,
  bytes: number,
  report: DayReader,
  { now, usesRollups, onProgress }: ReadOptions,
): Promise<void> {
  const mayUse = usesRollups && report.takesRollups && isClosed(day.day, now)
  if (mayUse) {
    const rollup = await readRollup(folder, day)
    if (rollup?.addTo(report) === true) {
      onProgress(bytes)
      return
    }
    if (rollup === null && (await readAndRollUp(folder, day, report, onProgress))) return
  }
  for (const name of day.names) {
    await readLines(
      join(folder, name),
      (line) => {
        // The writer puts a line end first when it does not know how the line before ended.
        if (line !== '') report.add(readEntry(line))
      },
      onProgress,
    )
  }
}

/** @returns false if the records have to be read once more */
async function readAndRollUp(
  folder: string,
  day: DayFiles,
  report: DayReader,
  onProgress: (bytes: number) => void,
): Promise<boolean> {
  const { text, isStable } = await buildRollup(folder, day, onProgress)
  if (isStable) await writeRollup(folder, day.day, text)
  return Rollup.parse(text)?.addTo(report) === true
}
