import { chmodSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Linux has its files in memory here. A container may have little of it. */
const IN_MEMORY = '/dev/shm'

/** What a run needs at most is a tenth of it. */
const LEAST_FREE_BYTES = 4 * 1024 ** 3

/** A run that was killed leaves its folder behind, and memory is dear. No run takes so long. */
const OUTDATED_MS = 24 * 3_600_000
const NAME = /^tw-\w{6}$/

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
    removeOutdated(folder)
    // Short: the path of a socket has room for a hundred characters.
    const made = mkdtempSync(join(folder, 'tw-'))
    // As `/tmp`, through which others go to what they may read, such as the workers of nginx.
    chmodSync(made, 0o755)
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

function removeOutdated(folder: string): void {
  for (const name of readdirSync(folder).filter((each) => NAME.test(each))) {
    const path = join(folder, name)
    try {
      if (Date.now() - statSync(path).mtimeMs > OUTDATED_MS) rmSync(path, { recursive: true, force: true })
    } catch {
      // Another run has removed it, or it is of another user.
    }
  }
}
