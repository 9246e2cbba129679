import { chmodSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'

/** Linux has its files in memory here. A container may have little of it. */
const IN_MEMORY = '/dev/shm'

/** What a run needs at most is a tenth of it. */
const LEAST_FREE_BYTES = 4 * 1024 ** 3

/**
 * Makes a folder in memory for the files of all tests, where they find it as `TMPDIR`: on a disk, thousands of relays
 * wait for their key files and records to be synced.
 * @param folder where it is made
 * @returns what removes it again, with all that tests have left there; null if somebody has named a folder already, or
 * there is no room
 */
export function openScratch(
  env: NodeJS.ProcessEnv,
  folder = IN_MEMORY,
  leastFree = LEAST_FREE_BYTES,
): (() => void) | null {
  if (env.TMPDIR !== undefined) return null
  try {
    const { bavail, bsize } = statfsSync(folder)
    if (bavail * bsize < leastFree) return null
    // Short: the path of a socket has room for a hundred characters.
    const made = mkdtempSync(join(folder, 'tw-'))
    // As in the usual folder, a server that runs as another user finds what a test has made for it there.
    chmodSync(made, 0o711)
    env.TMPDIR = made
    return () => {
      delete env.TMPDIR
      // Processes of a test that was killed may still write there while they end.
      rmSync(made, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    }
  } catch {
    return null
  }
}
