import { join } from 'node:path'
import { parseObject, parseStartMark, type StartMark } from './starts.js'

/**
 * The journal of open requests: one file for each start of a relay, which says that the start has not ended, and has
 * what the records of its open requests would be. It is removed when the relay ends well. Else the next start writes
 * those records, and then removes it.
 *
 * Its first line is a `StartMark`. Each further line is `{"seq":12,"at":1767225600000,"open":{...}}`: a record without
 * its number, the number of the last record that the start had made by then, and the time. A later line of the same
 * request replaces an earlier one. A line with a time alone is written each minute.
 *
 * No line says that a request has ended. Its record does; and a request whose line was not renewed for two minutes,
 * while others were written, had ended: its record may be in a file that was taken away since.
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
  /** When the line was written, epoch milliseconds. */
  readonly at: number
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

/** A live request's line is renewed every few seconds, and the time is written each minute; milliseconds. */
const STALE_MS = 120_000

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

/**
 * @param record as `formatRecord` returns it, with the number 0
 * @param at epoch milliseconds
 */
export function formatOpen(record: string, seq: number, at: number): string {
  return `{"seq":${seq},"at":${at},"open":${record.slice(0, -1)}}\n`
}

/** Says that the start was alive. @param at epoch milliseconds */
export function formatBeat(at: number): string {
  return `{"at":${at}}\n`
}

/** Reads the parts of a journal. Torn and foreign lines are skipped. */
export function parseJournal(parts: readonly string[]): Journal {
  let mark: StartMark | null = null
  const open = new Map<string, OpenRecord>()
  let latest = 0
  for (const line of parts.join('\n').split('\n')) {
    if (line === '') continue
    const found = parseObject(line)
    if (found === null) continue
    const entry = readOpen(found)
    if (entry !== null) open.set(entry.id, entry)
    else mark ??= parseStartMark(line)
    if (Number.isSafeInteger(found.at)) latest = Math.max(latest, found.at as number)
  }
  for (const { id, at } of open.values()) if (at < latest - STALE_MS) open.delete(id)
  return { mark, open }
}

function readOpen({ seq: last, at, open }: Record<string, unknown>): OpenRecord | null {
  if (typeof open !== 'object' || open === null) return null
  if (!Number.isSafeInteger(last) || !Number.isSafeInteger(at)) return null
  const fields = open as Record<string, unknown>
  const { v, id, seq, ts, end } = fields
  if (v !== 1 || typeof id !== 'string' || seq !== 0 || typeof ts !== 'string' || end !== 'crashed')
    return null
  return { id, seq: last as number, at: at as number, fields }
}

/** The record of a request whose relay was killed, as a line. */
export function formatRecovered(open: OpenRecord, from: string, writer: string, seq: number): string {
  return `${JSON.stringify({ ...open.fields, seq, writer, recovered_from: from })}\n`
}
