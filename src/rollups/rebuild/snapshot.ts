import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { listLedgerNames } from '../../ledger/files.js'
import { listDays } from '../../ledger/read/rollup-files.js'
import { isMissing } from '../../ledger/read/start-check.js'
import { readErrorCode } from '../../lib/error-code.js'
import type { RebuildProblem } from '../rollups.js'

/** A file of the ledger, and how long it was. */
export interface FileSize {
  readonly name: string
  readonly bytes: number
}

/** The files of one day in one folder. */
export interface DaySizes {
  readonly folder: string
  /** `YYYY-MM-DD` (UTC). */
  readonly day: string
  readonly files: readonly FileSize[]
}

/** What the folders of the ledger had at one moment. */
export interface LedgerSnapshot {
  /** The latest day first. */
  readonly days: readonly DaySizes[]
  readonly problems: readonly RebuildProblem[]
}

/**
 * Looks at how long the files are. What is behind that is written later: taken before this relay writes its first
 * record, it parts the records of others from those that are counted as they are made.
 * @param since no file of an earlier day is looked at: epoch milliseconds
 * @param isWanted not given: all files are
 */
export async function takeSnapshot(
  folders: readonly string[],
  since: number,
  isWanted: (name: string) => boolean = () => true,
): Promise<LedgerSnapshot> {
  const firstDay = new Date(since).toISOString().slice(0, 10)
  const days: DaySizes[] = []
  const problems: RebuildProblem[] = []
  for (const folder of folders) {
    const names = await readdir(folder).catch((error: unknown) => {
      if (!isMissing(error)) problems.push({ path: folder, code: readErrorCode(error) })
      return []
    })
    for (const { day, names: ofDay } of listDays(listLedgerNames(names))) {
      if (day < firstDay) continue
      const files: FileSize[] = []
      for (const name of ofDay.filter(isWanted)) {
        const path = join(folder, name)
        const found = await stat(path).catch((error: unknown) => {
          if (!isMissing(error)) problems.push({ path, code: readErrorCode(error) })
          return null
        })
        if (found !== null && found.size > 0) files.push({ name, bytes: found.size })
      }
      if (files.length > 0) days.push({ folder, day, files })
    }
  }
  days.sort((a, b) => (a.day === b.day ? 0 : a.day < b.day ? 1 : -1))
  return { days, problems }
}
