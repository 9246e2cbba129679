import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { listJournalNames, parseJournal } from '../journal.js'
import { isRunning, parseStartEnds, STARTS_FILE, type StartEnd, type StartMark } from '../starts.js'

/** A start that has not ended, by its journal. */
export interface OpenStart extends StartMark {
  /** Null if that cannot be told, as it belongs to another machine. */
  readonly isRunning: boolean | null
  /** Requests in its journal. Some may have ended since. */
  readonly openRequests: number
}

/** What the ledger's folders say of the starts of relays. */
export interface Starts {
  readonly ended: ReadonlyMap<string, StartEnd>
  readonly open: readonly OpenStart[]
}

/** Reads how the starts of relays have ended, and the journals of those that have not. */
export async function readStarts(folders: readonly string[]): Promise<Starts> {
  const texts: string[] = []
  const journals = new Map<string, string[]>()
  for (const folder of folders) {
    texts.push(await readText(join(folder, STARTS_FILE)))
    for (const { name, writer } of listJournalNames(await listFolder(folder))) {
      const parts = journals.get(writer) ?? []
      parts.push(await readText(join(folder, name)))
      journals.set(writer, parts)
    }
  }
  const ended = parseStartEnds(texts.join('\n'))
  const open: OpenStart[] = []
  for (const [writer, parts] of journals) {
    const { mark, open: requests } = parseJournal(parts)
    if (mark !== null && !ended.has(writer))
      open.push({ ...mark, isRunning: isRunning(mark), openRequests: requests.size })
  }
  return { ended, open }
}

/** A journal may be removed while it is read. */
async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return ''
    throw error
  }
}

/** @returns nothing for a folder that is not there */
export async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** There may be another thing in the place of a folder, which then the fallback is for. */
export function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENOTDIR'
}
