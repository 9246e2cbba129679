import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { parse } from 'node:path'
import { isObject } from '../json/values.js'
import { firstLink, Link } from '../lib/chain.js'
import { readErrorCode } from '../lib/error-code.js'
import { appendLines, createFileError } from './keyfile.js'

/*
 * The audit of a key file: one JSON object a line, only ever appended, in a file beside it. `thinwire keys` writes a
 * line for each change that it makes.
 *
 *   {"v":1,"ts":"…","by":"root","sudo":"alice","op":"changed","id":"k_…",
 *    "old":{"models":null},"new":{"models":["gpt-*"]},"line":"…","chain":"…"}
 *
 * `by` is who the process belongs to. A change by the page of a relay has `page` too, which names the session.
 * `line` is a hash of the line in the key file. `chain` is a hash of the audit line before it and of that line's own
 * link: a line that is changed, removed or moved later does not fit any more.
 */

export type ChangeOp = 'issued' | 'changed' | 'rotated' | 'revoked'

/** One change of a key. */
export interface KeyChange {
  /** ISO 8601, UTC. */
  readonly ts: string
  readonly op: ChangeOp
  /** Of the key. */
  readonly id: string
  /** The values that were changed, and what they were before. Null: there was no key. */
  readonly old: Readonly<Record<string, unknown>> | null
  readonly new: Readonly<Record<string, unknown>>
  /** The line of the key file that makes the change. */
  readonly line: string
}

/** One line of the audit. */
export interface AuditEntry {
  readonly ts: string
  /** User of the operating system. */
  readonly by: string
  /** Who had called `sudo`; null for nobody. */
  readonly sudo: string | null
  /** Session of the page that has made the change, and its address; null for a command. */
  readonly page: string | null
  readonly op: string
  readonly id: string
  readonly old: Readonly<Record<string, unknown>> | null
  readonly new: Readonly<Record<string, unknown>>
  /** Hash of the line in the key file; see `hashLine`. */
  readonly line: string
}

export interface ParsedAudit {
  readonly entries: readonly AuditEntry[]
  /** One sentence for each line that is broken, or does not follow the line before it. */
  readonly flaws: readonly string[]
}

const FIRST_LINK = firstLink('keys')

/** Hex digits of the hash of a line. */
const LINE_DIGITS = 32

/** `keys.jsonl` has its audit in `keys.audit.jsonl`. */
export function auditFileOf(keyFile: string): string {
  const { dir, name, ext } = parse(keyFile)
  return `${dir === '' || dir.endsWith('/') ? dir : `${dir}/`}${name}.audit${ext === '' ? '.jsonl' : ext}`
}

/** @param line of the key file, without its line end */
export function hashLine(line: string): string {
  return createHash('sha256').update(line.trim()).digest('hex').slice(0, LINE_DIGITS)
}

/**
 * Appends changes to the audit of a key file.
 * @param page session of the page that has made them; null for a command
 * @throws {KeyringError} if it cannot be read or written
 */
export function appendAudit(
  keyFile: string,
  changes: readonly KeyChange[],
  page: string | null = null,
): void {
  const file = auditFileOf(keyFile)
  const who = { ...readUser(), ...(page === null ? {} : { page: toPrintable(page) }) }
  const lines: string[] = []
  let chain = nextLink(readAudit(file))
  for (const { ts, op, id, old, new: current, line } of changes) {
    const entry = { v: 1, ts, ...who, op, id, old, new: current, line: hashLine(line), chain }
    const text = JSON.stringify(entry)
    lines.push(text)
    chain = linkAfter(text, chain)
  }
  appendLines(file, lines)
}

/**
 * Reads the audit of a key file, and checks its chain.
 * @throws {KeyringError} if it cannot be read
 */
export function loadAudit(keyFile: string): ParsedAudit {
  const entries: AuditEntry[] = []
  const flaws: string[] = []
  let chain = FIRST_LINK
  for (const [i, line] of splitLines(readAudit(auditFileOf(keyFile))).entries()) {
    const entry = parseEntry(line)
    if (entry === null) {
      flaws.push(`line ${i + 1} is not an entry of the audit`)
      continue
    }
    if (entry.chain !== chain)
      flaws.push(`line ${i + 1} does not follow the line before it: a line was changed, removed or moved`)
    entries.push(entry)
    chain = linkAfter(line, entry.chain)
  }
  return { entries, flaws }
}

/** @param text of an audit, or of its end @returns the hashes of the lines of the key file that it has */
export function findAuditedLines(text: string): Set<string> {
  const found = new Set<string>()
  for (const line of splitLines(text)) {
    const entry = parseEntry(line)
    if (entry !== null) found.add(entry.line)
  }
  return found
}

function readAudit(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    if (readErrorCode(cause) === 'ENOENT') return ''
    throw createFileError('unreadable', file, cause)
  }
}

/** A broken line has no link: the line behind it follows the last one that has. */
function nextLink(text: string): string {
  const lines = splitLines(text)
  for (let i = lines.length - 1; i >= 0; i--) {
    const line = lines[i] as string
    const entry = parseEntry(line)
    if (entry !== null) return linkAfter(line, entry.chain)
  }
  return FIRST_LINK
}

function linkAfter(line: string, chain: string): string {
  return new Link(chain).add(`${line}\n`).close()
}

function splitLines(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '')
}

function parseEntry(line: string): (AuditEntry & { readonly chain: string }) | null {
  let fields: unknown
  try {
    fields = JSON.parse(line)
  } catch {
    return null
  }
  if (!isObject(fields) || !isObject(fields.new)) return null
  const { ts, by, sudo, page, op, id, old, new: current, line: hash, chain } = fields
  if (![ts, by, op, id, hash, chain].every((value) => typeof value === 'string')) return null
  return {
    ts: String(ts),
    by: String(by),
    sudo: typeof sudo === 'string' ? sudo : null,
    page: typeof page === 'string' ? page : null,
    op: String(op),
    id: String(id),
    old: isObject(old) ? old : null,
    new: current,
    line: String(hash),
    chain: String(chain),
  }
}

/** The names are printed in terminals. */
function readUser(): { by: string; sudo?: string } {
  let by = ''
  try {
    by = userInfo().username
  } catch {
    // A container may run as a number without a name.
    by = `uid ${process.getuid?.() ?? 'unknown'}`
  }
  const sudo = process.env.SUDO_USER
  return sudo === undefined || sudo === ''
    ? { by: toPrintable(by) }
    : { by: toPrintable(by), sudo: toPrintable(sudo) }
}

function toPrintable(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, '?').slice(0, 80)
}
