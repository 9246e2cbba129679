import { join } from 'node:path'
import { parseObject, parseStartMark, type StartMark } from './starts.js'

/**
 * The journal of open requests: one file for each start of a relay, which says that the start has not ended, and has
 * what the records of its open requests would be. It is removed when the relay ends well. Else the next start writes
 * those records, and then removes it.
 *
 * Its first line is a `StartMark`. Each further line is `{"seq":12,"open":{...}}`: a record without its number, and the
 * number of the last record that the start had made by then. A later line of the same request replaces an earlier one.
 */
export interface Journal {
  /** Null if it was never written. */
  readonly mark: StartMark | null
  /** The last line of each request, by its id. */
  readonly open: ReadonlyMap<string, OpenRecord>
}

/** A record that was not made, as its request had not ended. */
export interface OpenRecord {
  readonly id: string
  /** The record of this request, if there is one, has a higher number. */
  readonly seq: number
  readonly fields: Readonly<Record<string, unknown>>
}

/** A file name of a journal. */
export interface JournalName {
  readonly name: string
  readonly writer: string
  /** From 1. A long journal is continued in a new file. */
  readonly part: number
  /** Writer of the start that completes the records of this one; null if nobody does. */
  readonly claimedBy: string | null
}

const NAME = /^open-(w-[0-9a-f]+)\.(\d+)(?:\.by-(w-[0-9a-f]+))?\.jsonl$/

/** Formats a file name: `open-w-1f.1.jsonl`, `open-w-1f.1.by-w-2e.jsonl`. */
export function formatJournalName(writer: string, part: number, claimedBy: string | null = null): string {
  return `open-${writer}.${part}${claimedBy === null ? '' : `.by-${claimedBy}`}.jsonl`
}

/** Picks the names of journals, by writer and part. */
export function listJournalNames(names: readonly string[]): JournalName[] {
  const found: JournalName[] = []
  for (const name of names) {
    const [, writer, part, claimedBy = null] = NAME.exec(name) ?? []
    if (writer !== undefined) found.push({ name, writer, part: Number(part), claimedBy })
  }
  return found.sort((a, b) => (a.writer === b.writer ? a.part - b.part : a.writer < b.writer ? -1 : 1))
}

export function locateJournal(folder: string, writer: string, part: number): string {
  return join(folder, formatJournalName(writer, part))
}

/** Formats the first line. The line feed in front ends a torn line; readers skip empty lines. */
export function formatMark(mark: StartMark): string {
  return `\n${JSON.stringify({ v: 1, ...mark })}\n`
}

/** @param record as `formatRecord` returns it, with the number 0 */
export function formatOpen(record: string, seq: number): string {
  return `{"seq":${seq},"open":${record.slice(0, -1)}}\n`
}

/** Reads the parts of a journal. Torn and foreign lines are skipped. */
export function parseJournal(parts: readonly string[]): Journal {
  let mark: StartMark | null = null
  const open = new Map<string, OpenRecord>()
  for (const line of parts.join('\n').split('\n')) {
    if (line === '') continue
    const entry = parseOpen(line)
    if (entry !== null) open.set(entry.id, entry)
    else mark ??= parseStartMark(line)
  }
  return { mark, open }
}

function parseOpen(line: string): OpenRecord | null {
  const found = parseObject(line)
  const fields = found?.open as Record<string, unknown> | null | undefined
  if (typeof fields !== 'object' || fields === null || !Number.isSafeInteger(found?.seq)) return null
  const { v, id, seq, ts, end } = fields
  if (v !== 1 || typeof id !== 'string' || seq !== 0 || typeof ts !== 'string' || end !== 'crashed')
    return null
  return { id, seq: found?.seq as number, fields }
}

/** The record of a request whose relay was killed, as a line. */
export function formatRecovered(open: OpenRecord, from: string, writer: string, seq: number): string {
  return `${JSON.stringify({ ...open.fields, seq, writer, recovered_from: from })}\n`
}
