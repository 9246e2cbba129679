import { join } from 'node:path'
import { listLedgerNames } from '../files.js'
import { type Entry, readEntry } from './entry.js'
import { readBack } from './lines.js'
import { listFolder } from './start-check.js'

/** Lines of others in a row behind which nothing of a start is expected. */
const MOST_OTHERS = 10_000

/** The last records of a start that is over. */
export interface LastRecords {
  readonly writer: string
  /** Its files are read; null: those of a relay of one process. */
  readonly worker: number | null
  /** Records behind this number are looked for. */
  readonly seq: number
}

/**
 * Reads the records of a start behind a number, a moment after its end. Its files are read backwards, and only as far
 * as these stand: a writer's numbers ascend in each file.
 * @param folders of the ledger
 * @returns by their ids
 * @throws the error of the file system
 */
export async function readLastRecords(
  folders: readonly string[],
  { writer, worker, seq }: LastRecords,
): Promise<Map<string, Entry>> {
  const found = new Map<string, Entry>()
  let others = 0
  const take = (line: string): boolean => {
    const entry = line.includes(writer) ? readEntry(line) : null
    if (entry?.writer !== writer) return ++others < MOST_OTHERS
    others = 0
    if (entry.seq > seq && entry.id !== null) found.set(entry.id, entry)
    return entry.seq > seq
  }
  for (const folder of folders) {
    const names = listLedgerNames(await listFolder(folder)).filter((name) => name.worker === worker)
    for (const { name } of names.reverse()) if (!(await readBack(join(folder, name), take))) break
  }
  return found
}
