import { isObject } from '../json/values.js'
import { type AuditEntry, hashLine } from './audit.js'
import { isForOlder } from './key-lines.js'

/** A line of the key file. */
export interface ChangeLine {
  /** From 1. */
  readonly number: number
  /** See `hashLine`. */
  readonly hash: string
  /** `revoked k_0123456789`; safe to print. */
  readonly what: string
}

/** How a key file differs from its audit. */
export interface AuditDifference {
  /** Lines before the first one that the audit has: they were written before there was an audit. */
  readonly older: number
  /** Later lines that the audit does not have. */
  readonly unaudited: readonly ChangeLine[]
  /** Changes that the audit has and the key file does not. */
  readonly missing: readonly AuditEntry[]
}

/** Compares a key file with its audit. */
export function compareWithAudit(keyFile: string, entries: readonly AuditEntry[]): AuditDifference {
  const lines = readChangeLines(keyFile)
  const audited = new Set(entries.map(({ line }) => line))
  const first = lines.findIndex(({ hash }) => audited.has(hash))
  const older = first === -1 ? lines.length : first
  const present = new Set(lines.map(({ hash }) => hash))
  return {
    older,
    unaudited: lines.slice(older).filter(({ hash }) => !audited.has(hash)),
    missing: entries.filter(({ line }) => !present.has(line)),
  }
}

/** Reads the lines that change a key here. Those for relays of earlier versions alone are no changes of their own. */
export function readChangeLines(text: string): ChangeLine[] {
  const found: ChangeLine[] = []
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    let fields: unknown = null
    try {
      fields = JSON.parse(line)
    } catch {
      // It changes nothing, and is reported by the reading of the keys.
      continue
    }
    if (!isObject(fields) || isForOlder(fields)) continue
    const { op, id } = fields
    const what = isWord(op) && isWord(id) ? `${op} ${id}` : 'an unknown change'
    found.push({ number: i + 1, hash: hashLine(line), what })
  }
  return found
}

/** The line may hold a key that was put there by mistake. */
function isWord(value: unknown): value is string {
  return typeof value === 'string' && /^(?:issued|changed|revoked|k_[0-9a-f]{10})$/.test(value)
}
