import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LedgerName } from '../files.js'
import { Rollup } from './rollup.js'
import { buildRollup, formatRollupName, listDays, readRollup } from './rollup-files.js'

/** A rollup that was compared with the records of its day. */
export interface RollupCheck {
  readonly day: string
  /**
   * `outdated`: the files of the day have changed since, so that the rollup is not used, and is made again.
   * `differs`: it is used, and tells something else than the records.
   */
  readonly state: 'same' | 'outdated' | 'differs'
}

/** Compares each rollup of a folder with the records that it sums up. @param names of the ledger's files */
export async function verifyRollups(folder: string, names: readonly LedgerName[]): Promise<RollupCheck[]> {
  const checks: RollupCheck[] = []
  for (const day of listDays(names)) {
    const path = join(folder, formatRollupName(day.day))
    const text = await readFile(path, 'utf8').catch(() => null)
    if (text === null) continue
    if (Rollup.parse(text) === null || (await readRollup(folder, day)) === null) {
      checks.push({ day: day.day, state: 'outdated' })
      continue
    }
    const built = await buildRollup(folder, day)
    checks.push({ day: day.day, state: built.text === text ? 'same' : 'differs' })
  }
  return checks
}

/** Formats what was found, for a person; nothing if all rollups are right, or there are none. */
export function formatRollupChecks(checks: readonly RollupCheck[]): string[] {
  const differing = checks.filter(({ state }) => state === 'differs')
  if (differing.length === 0) return []
  return [
    '',
    'rollups that differ from the records of their day (delete them; they are made again):',
    ...differing.map(({ day }) => `  ${formatRollupName(day)}`),
  ]
}
