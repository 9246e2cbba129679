import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { listLedgerNames } from '../src/ledger/files.js'
import type { Running } from './contestants.js'
import type { Recorder } from './recorder.js'
import { median } from './statistics.js'

/** The phases of a request, as the ledger names what the relay itself took in each: `admit_us`. */
const PHASES = ['admit', 'read', 'plan', 'cache', 'attempt', 'respond'] as const

/** Records are in the file 20 ms after a request, if the disk is not busy. */
const WRITTEN_MS = 200

/** Of more requests than these, the last ones are read. */
const MOST_RECORDS = 2_000

/**
 * Records what Thinwire itself takes in each phase of the requests that are sent meanwhile: medians, `phase_admit_p50`.
 * For contestants without a ledger, and for a commit whose records lack a phase, it records nothing.
 */
export async function recordPhases<T>(
  record: Recorder,
  scenario: string,
  running: Running,
  send: () => Promise<T>,
): Promise<T> {
  const { ledger } = running
  if (ledger === null) return send()
  // Those of the scenario before are written by then.
  await setTimeout(WRITTEN_MS)
  const before = sizesOf(ledger)
  const result = await send()
  await setTimeout(WRITTEN_MS)
  const records = readSince(ledger, before).slice(-MOST_RECORDS)
  for (const phase of PHASES) {
    const values = records.map((one) => one[`${phase}_us`]).filter((value) => typeof value === 'number')
    if (values.length > 0) record.add(scenario, `phase_${phase}_p50`, 'us', running.name, median(values))
  }
  return result
}

function filesOf(folder: string): string[] {
  return listLedgerNames(readdirSync(folder)).map(({ name }) => name)
}

function sizesOf(folder: string): Map<string, number> {
  return new Map(filesOf(folder).map((name) => [name, statSync(join(folder, name)).size]))
}

/** The records that were written since the files had these sizes. The last line may be in the middle of a write. */
function readSince(folder: string, sizes: ReadonlyMap<string, number>): Record<string, unknown>[] {
  return filesOf(folder).flatMap((name) => {
    const text = readFileSync(join(folder, name)).subarray(sizes.get(name) ?? 0)
    const lines = text.toString('utf8').split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  })
}
