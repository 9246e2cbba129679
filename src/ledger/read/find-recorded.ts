import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { listLedgerNames } from '../files.js'
import type { OpenRecord } from '../journal.js'
import { readIdentity } from './entry.js'
import { readBack } from './lines.js'

/** Whose requests are looked for. */
export interface RecordedSearch {
  /** Writer of the journal. */
  readonly writer: string
  /**
   * Only the files of this worker are read, or for null those of a relay of one process. Undefined: those of all, as
   * another start may have begun to write these records into its own files.
   */
  readonly worker: number | null | undefined
}

/**
 * Finds which requests of a journal have a record. The files are read backwards, and only as far as such a record can
 * stand: a writer's numbers ascend in each file.
 * @param folders of the ledger
 * @returns their ids
 */
export async function findRecorded(
  folders: readonly string[],
  { writer, worker }: RecordedSearch,
  open: ReadonlyMap<string, OpenRecord>,
): Promise<Set<string>> {
  const recorded = new Set<string>()
  if (open.size === 0) return recorded
  const entries = [...open.values()]
  const seq = Math.min(...entries.map((entry) => entry.seq))
  // A request is recorded on the day on which it ends, or later.
  const firstDay = entries
    .map(({ fields }) => String(fields.ts).slice(0, 10))
    .reduce((first, day) => (day < first ? day : first))
  const take = (line: string): boolean => {
    const found = readIdentity(line)
    if (found === null) return true
    const { id } = found.fields
    if (id !== undefined && open.has(id)) recorded.add(id)
    return recorded.size < open.size && (found.writer !== writer || found.seq > seq)
  }
  for (const folder of folders) {
    const names = listLedgerNames(await listFolder(folder)).filter(
      (name) => name.day >= firstDay && (worker === undefined || name.worker === worker),
    )
    for (const { name } of names.reverse()) await readBack(join(folder, name), take)
  }
  return recorded
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
