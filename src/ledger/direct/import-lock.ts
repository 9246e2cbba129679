import { randomBytes, randomInt } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readErrorCode } from '../../lib/error-code.js'
import { isRunning, markProcess, type ProcessMark, parseObject } from '../starts.js'

const NAME = /^import-[0-9a-f]{12}\.lock$/

/** How often a lock is touched, and after which time without a touch one of another machine is dead; milliseconds. */
const TOUCH_MS = 2_000
const QUIET_MS = 60_000

/** Bounds of the pause between two attempts, in milliseconds. They differ, so that two imports do not meet again. */
const PAUSE_MS = [50, 250] as const

/** Another import has the lock. */
export class ImportRuns extends Error {
  constructor(path: string) {
    super(`another import writes to this ledger; if none does, delete ${path}`)
  }
}

/**
 * Keeps other imports out of a ledger's folder. Each import has a lock file of its own, and goes on only if there is no
 * other one of a process that lives: so a lock that a killed import has left can be removed without a race, as no live
 * import ever has a file of that name.
 */
export class ImportLock {
  private readonly path: string
  private readonly timer: NodeJS.Timeout

  private constructor(path: string) {
    this.path = path
    this.timer = setInterval(() => {
      const now = new Date()
      utimes(path, now, now).catch(() => {})
    }, TOUCH_MS).unref()
  }

  /**
   * @param waitMs how long another import is waited for
   * @throws {ImportRuns} if it has not ended by then; the error of the file system
   */
  static async take(folder: string, waitMs: number): Promise<ImportLock> {
    await mkdir(folder, { recursive: true })
    const since = performance.now()
    for (;;) {
      const path = join(folder, `import-${randomBytes(6).toString('hex')}.lock`)
      await writeFile(path, `${JSON.stringify(markProcess())}\n`, { flag: 'wx', mode: 0o640 })
      const other = await findOther(folder, path).catch(async (error: unknown) => {
        await rm(path, { force: true })
        throw error
      })
      if (other === null) return new ImportLock(path)
      await rm(path, { force: true })
      if (performance.now() - since >= waitMs) throw new ImportRuns(other)
      await sleep(randomInt(...PAUSE_MS))
    }
  }

  async release(): Promise<void> {
    clearInterval(this.timer)
    await rm(this.path, { force: true })
  }
}

/** @returns the path of a lock of another import that lives; null if there is none */
async function findOther(folder: string, own: string): Promise<string | null> {
  const { mtimeMs: now } = await stat(own)
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    if (!NAME.test(name) || path === own) continue
    try {
      if (await isAlive(path, now)) return path
    } catch (error) {
      // It has ended meanwhile.
      if (readErrorCode(error) !== 'ENOENT') throw error
    }
    await rm(path, { force: true })
  }
  return null
}

/** @param now time of the file system, which another machine may share */
async function isAlive(path: string, now: number): Promise<boolean> {
  const mark = parseObject(await readFile(path, 'utf8')) as Partial<ProcessMark> | null
  if (mark !== null && typeof mark.host === 'string' && typeof mark.pid === 'number') {
    const running = isRunning({ host: mark.host, pid: mark.pid, born: mark.born ?? null })
    if (running !== null) return running
  }
  // Of another machine or container, or not written yet.
  return now - (await stat(path)).mtimeMs < QUIET_MS
}
