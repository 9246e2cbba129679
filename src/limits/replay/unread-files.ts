import { open, readdir } from 'node:fs/promises'
import { isMissing } from '../../ledger/read/start-check.js'
import type { ReplayResult } from './replay-thread.js'

/** Paths of what could not be read. */
export function listUnread({ problems }: ReplayResult): readonly string[] {
  return problems.filter(({ kind }) => kind === 'unreadable').map(({ path }) => path)
}

/** Whether a file or folder can be read now, or is gone. */
export async function isReadable(path: string, folders: readonly string[]): Promise<boolean> {
  try {
    if (folders.includes(path)) await readdir(path)
    else {
      const file = await open(path, 'r')
      await file.read(Buffer.alloc(1), 0, 1, 0).finally(() => file.close())
    }
    return true
  } catch (error) {
    return isMissing(error)
  }
}
