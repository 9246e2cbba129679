import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { ignore } from '../lib/ignore.js'
import { auditFileOf, findAuditedLines } from './audit.js'
import { type ChangeLine, readChangeLines } from './audit-check.js'
import { findKeyFault } from './key-limits.js'
import type { KeyRecord } from './key-lines.js'

/** A key that expires within this time is reported, once. */
const AHEAD_MS = 7 * 24 * 3_600_000

/** Between two looks for such keys. */
const EXPIRY_CHECK_MS = 3_600_000

/** Bytes of the end of the audit that are read: a change is among its last ones. */
const AUDIT_BYTES = 1024 * 1024

/** `thinwire keys` writes to the audit after it has written to the key file. */
const AUDIT_DELAY_MS = 1_000

const MOST_NAMED = 10

/**
 * Watches over a key file: reports changes that `thinwire keys` has not made, and keys that expire soon. Such changes
 * count as all others do.
 */
export class KeyFileWatch {
  private readonly file: string
  private readonly onProblem: (message: string) => void
  private readonly delayMs: number
  /** Length and hash of the whole lines that were there at the last reading; null before the first. */
  private seen: { readonly length: number; readonly hash: string } | null
  /** Hashes of lines that were reported. */
  private readonly reported: Set<string>
  /** Keys that were reported, with their expiry. */
  private readonly announced: Set<string>
  private readonly timers: Set<NodeJS.Timeout>
  /** Epoch milliseconds. */
  private checkedAt: number
  private isClosed: boolean

  /** @param onProblem gets one line, safe to log */
  constructor(file: string, onProblem: (message: string) => void, delayMs = AUDIT_DELAY_MS) {
    this.file = file
    this.onProblem = onProblem
    this.delayMs = delayMs
    this.seen = null
    this.reported = new Set()
    this.announced = new Set()
    this.timers = new Set()
    this.checkedAt = 0
    this.isClosed = false
  }

  /** The key file was read. @param text all of it; empty if there is none */
  onRead(text: string, keys: readonly KeyRecord[]): void {
    const { seen } = this
    // The last line may be in the middle of a write: it is looked at again.
    const length = text.lastIndexOf('\n') + 1
    this.seen = { length, hash: hashText(text.slice(0, length)) }
    this.announceExpiries(keys)
    if (seen === null) return
    if (hashText(text.slice(0, seen.length)) === seen.hash)
      this.checkLines(readChangeLines(text.slice(seen.length)))
    else
      this.onProblem(`key file ${this.file}: lines were changed or removed by hand; see: thinwire keys audit`)
  }

  /** Time has passed. @param keys are only asked for now and then */
  onPoll(keys: () => readonly KeyRecord[]): void {
    if (Date.now() - this.checkedAt > EXPIRY_CHECK_MS) this.announceExpiries(keys())
  }

  close(): void {
    this.isClosed = true
    for (const timer of this.timers) clearTimeout(timer)
    this.timers.clear()
  }

  private announceExpiries(keys: readonly KeyRecord[]): void {
    const now = Date.now()
    this.checkedAt = now
    const names: string[] = []
    for (const key of keys) {
      const { id, user, expiresAt } = key
      if (expiresAt === null || Date.parse(expiresAt) - now > AHEAD_MS || findKeyFault(key, now) !== null)
        continue
      const name = `${id} (${user}) on ${expiresAt.slice(0, 10)}`
      if (this.announced.has(name)) continue
      this.announced.add(name)
      names.push(name)
    }
    if (names.length > 0) this.onProblem(`keys expire within 7 days: ${listSome(names)}`)
  }

  private checkLines(lines: readonly ChangeLine[]): void {
    const fresh = lines.filter(({ hash }) => !this.reported.has(hash))
    if (fresh.length === 0) return
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      void this.reportUnaudited(fresh)
    }, this.delayMs).unref()
    this.timers.add(timer)
  }

  private async reportUnaudited(lines: readonly ChangeLine[]): Promise<void> {
    const audited = findAuditedLines(await readEnd(auditFileOf(this.file)))
    if (this.isClosed) return
    const unaudited = lines.filter(({ hash }) => !audited.has(hash) && !this.reported.has(hash))
    for (const { hash } of unaudited) this.reported.add(hash)
    if (unaudited.length > 0)
      this.onProblem(
        `key file ${this.file}: not written by thinwire keys: ${listSome(unaudited.map(({ what }) => what))}`,
      )
  }
}

/** The first of some names, and how many there are beside them. */
export function listSome(names: readonly string[]): string {
  const more = names.length - MOST_NAMED
  return names.slice(0, MOST_NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

function hashText(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}

/** @returns empty if the file cannot be read */
async function readEnd(file: string): Promise<string> {
  try {
    const handle = await open(file)
    try {
      const { size } = await handle.stat()
      const from = Math.max(0, size - AUDIT_BYTES)
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - from), 0, size - from, from)
      return buffer.subarray(0, bytesRead).toString()
    } finally {
      await handle.close().catch(ignore)
    }
  } catch {
    return ''
  }
}
