import type { IncomingMessage, ServerResponse } from 'node:http'
import { loadConfig } from '../../src/config/config.js'
import { Exchange } from '../../src/exchange/exchange.js'
import type { End } from '../../src/exchange/outcome.js'
import type { RequestSummary } from '../../src/exchange/summary.js'
import type { LedgerFile, LedgerFiles } from '../../src/ledger/files.js'
import { Ledger } from '../../src/ledger/write/ledger.js'

/** Fault of the next write. */
type Fault = { error: string } | { bytes: number } | { until: Promise<void> }

/** A disk in memory that fails on demand. */
export class Disk implements LedgerFiles {
  readonly files = new Map<string, { bytes: Buffer }>()
  readonly faults: Fault[] = []
  /** What the next syncs wait for. */
  readonly syncs: Promise<void>[] = []
  readonly calls: string[] = []
  /** Files whose paths begin so are full; null for none. */
  broken: string | null = null
  /** Files that are open now. */
  openCount = 0
  /** Awaited ahead of each call to an open file and of each open; null: they come back at once. */
  pace: (() => Promise<void>) | null = null
  /** Called after a write, before the ledger gets its result. */
  onWrite: (() => void) | null = null

  text(path: string): string {
    return this.files.get(path)?.bytes.toString() ?? ''
  }

  put(path: string, text: string): void {
    this.files.set(path, { bytes: Buffer.from(text) })
  }

  async open(path: string): Promise<LedgerFile> {
    this.calls.push(`open ${path}`)
    await this.pace?.()
    this.openCount++
    let isClosed = false
    let file = this.files.get(path)
    if (file === undefined) {
      file = { bytes: Buffer.alloc(0) }
      this.files.set(path, file)
    }
    const opened = file
    return {
      size: async () => opened.bytes.length,
      lastByte: async () => opened.bytes.at(-1) ?? null,
      write: async (bytes) => {
        await this.pace?.()
        if (isClosed) throw Object.assign(new Error('closed'), { code: 'EBADF' })
        this.fail(path)
        const fault = this.faults.shift()
        if (fault !== undefined && 'error' in fault)
          throw Object.assign(new Error('disk'), { code: fault.error })
        if (fault !== undefined && 'until' in fault) await fault.until
        const length =
          fault !== undefined && 'bytes' in fault ? Math.min(fault.bytes, bytes.length) : bytes.length
        this.calls.push(`write ${length}`)
        opened.bytes = Buffer.concat([opened.bytes, bytes.subarray(0, length)])
        this.onWrite?.()
        return length
      },
      sync: async () => {
        await this.pace?.()
        this.calls.push('sync')
        await this.syncs.shift()
      },
      close: async () => {
        this.calls.push('close')
        if (!isClosed) this.openCount--
        isClosed = true
      },
      place: async () => {
        await this.pace?.()
        return this.files.get(path) === opened ? 'there' : 'deleted'
      },
      touch: async () => {},
    }
  }

  private fail(path: string): void {
    if (this.broken !== null && path.startsWith(this.broken))
      throw Object.assign(new Error('disk'), { code: 'ENOSPC' })
  }

  async list(folder: string): Promise<string[]> {
    return [...this.files.keys()]
      .filter((path) => path.startsWith(`${folder}/`))
      .map((path) => path.slice(folder.length + 1))
  }

  async read(path: string): Promise<string | null> {
    return this.files.get(path)?.bytes.toString() ?? null
  }

  async move(): Promise<boolean> {
    return false
  }

  async remove(path: string): Promise<void> {
    this.removeNow(path)
  }

  removeNow(path: string): void {
    this.files.delete(path)
  }

  async stamp(): Promise<string | null> {
    return null
  }

  appendNow(path: string, bytes: Buffer): void {
    this.fail(path)
    const fault = this.faults.shift()
    if (fault !== undefined && 'error' in fault) throw Object.assign(new Error('disk'), { code: fault.error })
    this.put(path, Buffer.concat([this.files.get(path)?.bytes ?? Buffer.alloc(0), bytes]).toString())
  }
}

const { ledger: DEFAULTS } = loadConfig({ env: {}, cwd: '/nonexistent' })
const PATIENCE = { firstWaitMs: 2, longestWaitMs: 20, fallbackAfterMs: 30 }
export const TODAY = new Date().toISOString().slice(0, 10)
export const FILE = `/led/usage-${TODAY}.jsonl`

export interface Bench<T> {
  readonly disk: T
  readonly ledger: Ledger
  readonly logged: string[]
  /** Adds so many requests. */
  add(count: number): void
}

/** A ledger on a disk that fails on demand, unless another one is given. */
export function bench(options?: Partial<typeof DEFAULTS>): Bench<Disk>
export function bench<T extends LedgerFiles>(
  options: Partial<typeof DEFAULTS>,
  disk: T,
  worker?: number,
): Bench<T>
export function bench(
  options: Partial<typeof DEFAULTS> = {},
  disk: LedgerFiles = new Disk(),
  worker: number | null = null,
): Bench<LedgerFiles> {
  const logged: string[] = []
  const log = {
    warn: (_: unknown, message: string) => void logged.push(`warn ${message}`),
    info: (_: unknown, message: string) => void logged.push(`info ${message}`),
  }
  const ledger = new Ledger(
    { ...DEFAULTS, folder: '/led', flushMs: 1, ...options },
    log,
    null,
    disk,
    PATIENCE,
    worker,
  )
  return {
    disk,
    ledger,
    logged,
    add(count) {
      for (let i = 0; i < count; i++) ledger.record(summarize())
    },
  }
}

export function summarize(end: End = 'done'): RequestSummary {
  const req = { method: 'GET', rawHeaders: [] } as unknown as IncomingMessage
  const exchange = new Exchange(req, {} as ServerResponse, 0)
  exchange.conclude(end)
  return exchange.close(1) as RequestSummary
}

interface Found {
  readonly seq: number
  readonly writer: string
}

/** The records of a file; lines that are none are left out. */
export function records(text: string): { seqs: number[]; torn: number } {
  const seqs: number[] = []
  let torn = 0
  for (const line of text.split('\n')) {
    if (line === '') continue
    try {
      seqs.push((JSON.parse(line) as Found).seq)
    } catch {
      torn++
    }
  }
  return { seqs, torn }
}

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)
