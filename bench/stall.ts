import { spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  linkSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { listLedgerNames } from '../src/ledger/files.js'
import type { LedgerState } from '../src/observe/relay-state.js'
import type { Running } from './contestants.js'

/** Limit for the ledger to hang, and to write everything afterwards. */
const PATIENCE_MS = 15_000

/** A record that is not written this long after its request will not be written. */
const UNWRITTEN_MS = 400

/** A write of at most this size to a pipe is atomic (pipe(7), PIPE_BUF). */
const FILLING = Buffer.alloc(4_096, '\n')

/** The beginning of a record. */
const RECORD = '{"v":1,'

/**
 * A disk that hangs: the ledger's file is replaced by a full pipe that nobody reads. A write to it neither fails nor
 * completes, and its thread waits in the kernel as for a disk (pipe(7)).
 */
export class StalledDisk {
  private readonly running: Running
  private readonly path: string
  private readonly pipe: number
  /** Bytes in the pipe that are not from the ledger. */
  private readonly filled: number
  /** Number of records that were written before. */
  private written: number

  /**
   * Resolves when a write of the ledger hangs.
   * @param ask sends requests that leave records
   * @throws Error if there is no ledger, or it continues to write
   */
  static async begin(running: Running, ask: () => Promise<unknown>): Promise<StalledDisk> {
    const folder = running.ledger
    const name = folder === null ? undefined : listLedgerNames(readdirSync(folder)).at(-1)?.name
    if (folder === null || name === undefined) throw new Error(`${running.name} has no ledger to be stalled`)
    const disk = new StalledDisk(running, join(folder, name))
    const deadline = performance.now() + PATIENCE_MS
    // The ledger checks from time to time whether its file was replaced.
    while (performance.now() < deadline) {
      disk.written = (await ledgerOf(running)).written
      await ask()
      await setTimeout(UNWRITTEN_MS)
      if (await disk.holds()) return disk
    }
    throw new Error(`${running.name}: its ledger continues to write, although its disk hangs`)
  }

  private constructor(running: Running, path: string) {
    this.running = running
    this.path = path
    this.written = 0
    const made = spawnSync('mkfifo', [`${path}.pipe`])
    if (made.status !== 0) throw new Error(`mkfifo: ${made.error?.message ?? made.stderr.toString().trim()}`)
    this.pipe = openSync(`${path}.pipe`, constants.O_RDWR | constants.O_NONBLOCK)
    let filled = 0
    for (let bytes = FILLING.length; bytes > 0; filled += bytes)
      bytes = withoutWait(() => writeSync(this.pipe, FILLING))
    this.filled = filled
    linkSync(path, `${path}.aside`)
    renameSync(`${path}.pipe`, path)
  }

  /** @throws Error if the ledger has written anything since: the measurement was then not of a stalled ledger */
  async check(): Promise<void> {
    if (!(await this.holds())) throw new Error(`${this.running.name}: its ledger was not stalled`)
  }

  private async holds(): Promise<boolean> {
    const { written, queued_bytes } = await ledgerOf(this.running)
    return written === this.written && queued_bytes > 0
  }

  /**
   * Puts the file back and reads the pipe empty, so that the ledger continues in its file.
   * @throws Error if the pipe had no record: the ledger waited for something else
   */
  async end(): Promise<void> {
    renameSync(`${this.path}.aside`, this.path)
    const piece = Buffer.alloc(64 * 1024)
    let taken = 0
    let first = ''
    const deadline = performance.now() + PATIENCE_MS
    try {
      for (;;) {
        const bytes = withoutWait(() => readSync(this.pipe, piece))
        if (first.length < RECORD.length)
          first += piece.toString('latin1', Math.min(bytes, Math.max(0, this.filled - taken)), bytes)
        taken += bytes
        if (bytes > 0) continue
        if ((await ledgerOf(this.running)).queued_bytes === 0) break
        if (performance.now() > deadline)
          throw new Error(`${this.running.name}: its ledger is stalled for good`)
        await setTimeout(1)
      }
    } finally {
      closeSync(this.pipe)
    }
    if (!first.startsWith(RECORD))
      throw new Error(`${this.running.name}: no record hung, but ${first.slice(0, 20)}`)
  }
}

/** Resolves when all records are written. @throws Error if that does not happen in time */
export async function allWritten(running: Running): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while ((await ledgerOf(running)).queued_bytes > 0) {
    if (performance.now() > deadline) throw new Error(`${running.name}: its ledger does not write`)
    await setTimeout(20)
  }
}

async function ledgerOf(running: Running): Promise<LedgerState> {
  const answer = await fetch(`http://127.0.0.1:${running.port}/readyz`)
  return ((await answer.json()) as { ledger: LedgerState }).ledger
}

/** @returns the bytes that `call` has written to or read from the pipe; 0 if it would have to wait */
function withoutWait(call: () => number): number {
  try {
    return call()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
    throw error
  }
}
