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

/** For a ledger to meet the stall, and to write what it has after it. */
const PATIENCE_MS = 15_000

/** What is not written so long after its request is not going to be. */
const UNWRITTEN_MS = 400

/** A write to a pipe of no more than this goes as a whole or not at all (pipe(7), PIPE_BUF). */
const FILLING = Buffer.alloc(4_096, '\n')

/** How a record begins. */
const RECORD = '{"v":1,'

/**
 * A disk that has stopped: in the place of a ledger's file stands a pipe that is full and that nobody reads. A write to
 * it neither fails nor comes back, and its thread waits in the kernel, as for a disk (pipe(7)).
 */
export class StalledDisk {
  private readonly running: Running
  private readonly path: string
  private readonly pipe: number
  /** Bytes in the pipe that are not the ledger's. */
  private readonly filled: number
  /** Records that were written before. */
  private written: number

  /**
   * Resolves when a write of the ledger's hangs.
   * @param ask makes requests that leave records
   * @throws Error if there is no ledger, or it goes on writing
   */
  static async begin(running: Running, ask: () => Promise<unknown>): Promise<StalledDisk> {
    const folder = running.ledger
    const name = folder === null ? undefined : listLedgerNames(readdirSync(folder)).at(-1)?.name
    if (folder === null || name === undefined) throw new Error(`${running.name} has no ledger to be stalled`)
    const disk = new StalledDisk(running, join(folder, name))
    const deadline = performance.now() + PATIENCE_MS
    // A ledger looks once in a while whether its file is still the one in that place.
    while (performance.now() < deadline) {
      disk.written = (await ledgerOf(running)).written
      await ask()
      await setTimeout(UNWRITTEN_MS)
      if (await disk.holds()) return disk
    }
    throw new Error(`${running.name}: its ledger goes on writing, though its disk has stopped`)
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

  /** @throws Error if the ledger has written anything since, for then nothing was stalled that was measured */
  async check(): Promise<void> {
    if (!(await this.holds())) throw new Error(`${this.running.name}: its ledger was not stalled`)
  }

  private async holds(): Promise<boolean> {
    const { written, queued_bytes } = await ledgerOf(this.running)
    return written === this.written && queued_bytes > 0
  }

  /**
   * Puts the file back and takes what hung, so that the ledger comes back to its file.
   * @throws Error if what hung in the pipe was no record: the ledger was held up by something else
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

/** Resolves when all records are written. @throws Error if that does not come */
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

/** What a write or a read on the pipe says; 0 if it would have to wait. */
function withoutWait(call: () => number): number {
  try {
    return call()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
    throw error
  }
}
