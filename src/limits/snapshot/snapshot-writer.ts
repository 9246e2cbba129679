import { closeSync, fstatSync, openSync, readSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { LimitClaim } from '../../exchange/limit-ticket.js'
import { isRunning } from '../../ledger/starts.js'
import { readErrorCode } from '../../lib/error-code.js'
import { ignore } from '../../lib/ignore.js'
import type { Log } from '../../observe/log.js'
import type { LimitStore } from '../counters/store.js'
import {
  ENDED,
  formatEnd,
  formatOwner,
  type LiveMark,
  parseOwner,
  SliceFormatter,
  SNAPSHOT_FILE,
  type SnapshotOwner,
} from './snapshot-file.js'

/** The file is written at most once in this time, in milliseconds. */
const EVERY_MS = 1_000

/** How long one slice takes at most, and how long the relay has a rest behind it, in milliseconds: 4 % of a core. */
const SLICE_MS = 1
const REST_MS = 25

/** The clock is read after so many counters. */
const READ_AT_ONCE = 16

/** A write that takes longer has met a disk that does not respond, in milliseconds. */
const HUNG_MS = 3_000

/** A file of a process that cannot be seen from here is taken for abandoned after this time, in milliseconds. */
const ABANDONED_MS = 15_000

/** The owner stands in the first bytes of the file, and whether it has ended in the last ones. */
const OWNER_BYTES = 2_048

/** What the writer needs of a relay. */
export interface SnapshotParts {
  /** Of the ledger. */
  readonly folder: string
  readonly store: Pick<LimitStore, 'list' | 'read' | 'changes'>
  readonly owner: SnapshotOwner
  /** Number of the last record that was counted; of a primary, the records of its workers. */
  readonly counted: () => number | LiveMark
  /** Names the writers of a primary's workers; null: this relay makes its records itself. */
  readonly listWorkers: (() => readonly string[]) | null
  /** Whether the budgets have what was used before this start. */
  readonly isRestored: () => boolean
  readonly log: Pick<Log, 'warn' | 'info'>
  /** Milliseconds between two files at least; not given: a second. */
  readonly everyMs?: number
}

/**
 * Leaves the state of all counters in a file, for commands. It waits for no disk, and works in slices: however many
 * counters there are, no request waits for longer than a millisecond.
 */
export class SnapshotWriter {
  private readonly parts: SnapshotParts
  private readonly path: string
  private readonly draft: string
  private readonly head: string
  /** `changes` of the store, and whether it was restored, when the last file was begun. */
  private written: string
  private timer: NodeJS.Timeout | null
  private writing: Promise<void> | null
  /** `performance.now()`; 0 while nothing is being written. */
  private writingSince: number
  private isStarted: boolean
  private isClosed: boolean
  /** The last problem that was reported; empty for none. */
  private problem: string

  constructor(parts: SnapshotParts) {
    const { folder, owner } = parts
    this.parts = parts
    this.path = join(folder, SNAPSHOT_FILE)
    this.draft = join(folder, `${SNAPSHOT_FILE}.${owner.writer}`)
    this.head = formatOwner(owner, parts.listWorkers !== null)
    this.written = ''
    this.timer = null
    this.writing = null
    this.writingSince = 0
    this.isStarted = false
    this.isClosed = false
    this.problem = ''
  }

  /** Writes the file from now on, after each change. */
  start(): void {
    this.isStarted = true
    this.schedule()
    void this.removeOld().catch(ignore)
  }

  /** A start that was killed may have left a draft. */
  private async removeOld(): Promise<void> {
    const { folder } = this.parts
    for (const name of await readdir(folder)) {
      const path = join(folder, name)
      if (!name.startsWith(`${SNAPSHOT_FILE}.`) || path.startsWith(this.draft)) continue
      if (Date.now() - (await stat(path)).mtimeMs > ABANDONED_MS) await rm(path, { force: true })
    }
  }

  /** Another process of this relay writes the file from now on. */
  leave(): void {
    this.stop()
    this.isStarted = false
  }

  /** Writes the file a last time. A disk that does not respond is not waited for. */
  async close(): Promise<void> {
    this.stop()
    if (this.writing !== null) {
      let timer: NodeJS.Timeout | undefined
      const timeUp = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, HUNG_MS)
      })
      await Promise.race([this.writing, timeUp])
      clearTimeout(timer)
    }
    this.endNow()
  }

  /** The same, synchronously, for a process that is about to exit. */
  endNow(): void {
    this.stop()
    if (!this.isStarted || this.isHung) return
    try {
      if (this.isOthers(this.readOwnerNow())) return
      const slices = new SliceFormatter()
      const at = Date.now()
      for (const claim of this.parts.store.list()) this.add(claim, slices, at)
      const draft = `${this.draft}.end`
      writeFileSync(
        draft,
        this.head + slices.take(this.parts.counted(), at) + this.tail(true, this.parts.isRestored()),
        {
          mode: 0o640,
        },
      )
      renameSync(draft, this.path)
      rmSync(this.draft, { force: true })
    } catch (error) {
      this.report(error)
    }
  }

  private get isHung(): boolean {
    return this.writingSince !== 0 && performance.now() - this.writingSince >= HUNG_MS
  }

  private stop(): void {
    this.isClosed = true
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  private schedule(): void {
    if (this.isClosed) return
    this.timer = setTimeout(() => this.look(), this.parts.everyMs ?? EVERY_MS)
    this.timer.unref()
  }

  private look(): void {
    const state = `${this.parts.store.changes} ${this.parts.isRestored()}`
    if (state === this.written) {
      this.schedule()
      return
    }
    this.writingSince = performance.now()
    this.writing = this.write()
      .then((isWritten) => {
        if (isWritten) this.written = state
        if (isWritten && this.problem !== '') this.parts.log.info({}, `${this.path} is written again`)
        if (isWritten) this.problem = ''
      })
      .catch((error: unknown) => this.report(error))
      .finally(() => {
        this.writing = null
        this.writingSince = 0
        this.schedule()
      })
  }

  /** @returns false if the file is another relay's */
  private async write(): Promise<boolean> {
    if (this.isOthers(await this.readOwner())) return false
    const file = await open(this.draft, 'w', 0o640)
    try {
      await file.write(this.head)
      const wasRestored = await this.writeSlices(file)
      if (wasRestored === null) return false
      await file.write(this.tail(false, wasRestored))
    } finally {
      await file.close()
    }
    if (this.isClosed) return false
    await rename(this.draft, this.path)
    return true
  }

  /** @returns whether all was restored before each slice; null if the relay has ended meanwhile */
  private async writeSlices(file: FileHandle): Promise<boolean | null> {
    let wasRestored = true
    const slices = new SliceFormatter()
    const claims = this.parts.store.list()[Symbol.iterator]()
    for (;;) {
      const began = performance.now()
      const at = Date.now()
      wasRestored &&= this.parts.isRestored()
      let next = claims.next()
      for (let count = 1; next.done !== true; count++) {
        this.add(next.value, slices, at)
        if (count % READ_AT_ONCE === 0 && performance.now() - began >= SLICE_MS) break
        next = claims.next()
      }
      const text = slices.take(this.parts.counted(), at)
      this.writingSince = performance.now()
      await file.write(text)
      if (next.done === true) return wasRestored
      await new Promise<void>((resolve) => {
        setTimeout(resolve, REST_MS)
      })
      if (this.isClosed) return null
    }
  }

  private add(claim: LimitClaim, slices: SliceFormatter, at: number): void {
    for (const state of this.parts.store.read(claim, performance.now(), at)) slices.add(state)
  }

  private tail(ended: boolean, restored: boolean): string {
    const written = new Date().toISOString()
    return formatEnd({ written, ended, restored }, this.parts.listWorkers?.())
  }

  /**
   * Whether another relay writes the file. Of two that have one folder, the one that was started last writes it: an
   * older one may be draining.
   */
  private isOthers(found: FoundOwner | null): boolean {
    const { owner } = this.parts
    if (found === null || found.owner.writer === owner.writer) return false
    const isLater = found.owner.started > owner.started
    if (!isLater || found.hasEnded) return false
    const isAlive = isRunning(found.owner) ?? Date.now() - found.writtenAt < ABANDONED_MS
    if (!isAlive) return false
    this.warn('another', `${this.path} has the counters of another relay, which was started later`)
    return true
  }

  private async readOwner(): Promise<FoundOwner | null> {
    let file: FileHandle
    try {
      file = await open(this.path, 'r')
    } catch (error) {
      if (readErrorCode(error) === 'ENOENT') return null
      throw error
    }
    try {
      const { size, mtimeMs } = await file.stat()
      const buffer = Buffer.alloc(OWNER_BYTES)
      const { bytesRead } = await file.read(buffer, 0, OWNER_BYTES, 0)
      const start = buffer.toString('utf8', 0, bytesRead)
      const end = await file.read(buffer, 0, OWNER_BYTES, Math.max(0, size - OWNER_BYTES))
      return toFound(start, buffer.toString('utf8', 0, end.bytesRead), mtimeMs)
    } finally {
      await file.close()
    }
  }

  private readOwnerNow(): FoundOwner | null {
    let fd: number
    try {
      fd = openSync(this.path, 'r')
    } catch (error) {
      if (readErrorCode(error) === 'ENOENT') return null
      throw error
    }
    try {
      const { size, mtimeMs } = fstatSync(fd)
      const buffer = Buffer.alloc(OWNER_BYTES)
      const start = buffer.toString('utf8', 0, readSync(fd, buffer, 0, OWNER_BYTES, 0))
      const end = readSync(fd, buffer, 0, OWNER_BYTES, Math.max(0, size - OWNER_BYTES))
      return toFound(start, buffer.toString('utf8', 0, end), mtimeMs)
    } finally {
      closeSync(fd)
    }
  }

  private report(error: unknown): void {
    const code = readErrorCode(error)
    this.warn(code, `${this.path} cannot be written (${code}): thinwire limits shows nothing, or what was`)
  }

  /** A problem that lasts is reported once. */
  private warn(problem: string, message: string): void {
    if (this.problem === problem) return
    this.problem = problem
    this.parts.log.warn({}, message)
  }
}

interface FoundOwner {
  readonly owner: SnapshotOwner
  readonly hasEnded: boolean
  /** Epoch milliseconds. */
  readonly writtenAt: number
}

function toFound(start: string, end: string, writtenAt: number): FoundOwner | null {
  const owner = parseOwner(start)
  return owner === null ? null : { owner, hasEnded: end.includes(ENDED), writtenAt }
}
