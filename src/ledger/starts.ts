import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** File in the ledger's folder that has one line for each start of a relay that is over. */
export const STARTS_FILE = 'starts.jsonl'

/** Begins the name of a writer that is no start of a relay, but an import of direct traffic into one day. */
const IMPORT_PREFIX = 'direct-'

/** Makes the name of the writer of an import. @param digits hex digits that no other import has */
export function nameImport(digits: string): string {
  return `${IMPORT_PREFIX}${digits}`
}

/** Whether a writer is an import of direct traffic. */
export function isImport(writer: string): boolean {
  return writer.startsWith(IMPORT_PREFIX)
}

/** The process of a start, as far as it can be told from another one later. */
export interface ProcessMark {
  /** Machine, its boot and its process ids, so that the number means the same; see `isRunning`. */
  readonly host: string
  readonly pid: number
  /** When the process began, in ticks since the boot: another one may get the same number. Null if not known. */
  readonly born: number | null
}

/** First line of a start's journal. */
export interface StartMark extends ProcessMark {
  readonly writer: string
  /** Number of the worker; not there for a relay of one process. */
  readonly worker?: number
  /** ISO 8601, UTC. */
  readonly started: string
  /** `ledger.flushMs` of that start. */
  readonly flush_ms: number
}

/** How a start ended. A line of `STARTS_FILE`. */
export interface StartEnd {
  readonly writer: string
  /** Number of the worker; not there for a relay of one process, and for an import. */
  readonly worker?: number
  readonly started: string
  /** Null if the start was killed. */
  readonly ended: string | null
  readonly flush_ms: number
  /** Number of its last record; null if it was killed. */
  readonly records: number | null
  /** Records that could not be written; null if it was killed. */
  readonly lost: number | null
  /** The chain's link behind its last batch; null if it was killed. */
  readonly chain: string | null
  /** Start that has found it killed, and has completed its records. */
  readonly found_by: string | null
}

/** Formats a line of `STARTS_FILE`. The line feed in front ends a torn line. Readers skip empty lines. */
export function formatStartEnd(end: StartEnd): string {
  return `\n${JSON.stringify({ v: 1, ...end })}\n`
}

/** Reads `STARTS_FILE`. Lines that are none are skipped. @returns by writer; a clean end wins over a later finding */
export function parseStartEnds(text: string): Map<string, StartEnd> {
  const ends = new Map<string, StartEnd>()
  for (const line of text.split('\n')) {
    const end = parseObject(line) as Partial<StartEnd> | null
    if (end === null || typeof end.writer !== 'string' || typeof end.started !== 'string') continue
    if ((ends.get(end.writer)?.ended ?? null) !== null) continue
    ends.set(end.writer, {
      writer: end.writer,
      ...nameWorker(asCount(end.worker)),
      started: end.started,
      ended: typeof end.ended === 'string' ? end.ended : null,
      flush_ms: asCount(end.flush_ms) ?? 0,
      records: asCount(end.records),
      lost: asCount(end.lost),
      chain: typeof end.chain === 'string' ? end.chain : null,
      found_by: typeof end.found_by === 'string' ? end.found_by : null,
    })
  }
  return ends
}

/** Reads the first line of a journal. @returns null if it is none */
export function parseStartMark(line: string): StartMark | null {
  const mark = parseObject(line) as Partial<StartMark> | null
  if (mark === null || typeof mark.writer !== 'string' || typeof mark.started !== 'string') return null
  if (typeof mark.host !== 'string' || typeof mark.pid !== 'number') return null
  return {
    writer: mark.writer,
    ...nameWorker(asCount(mark.worker)),
    started: mark.started,
    flush_ms: asCount(mark.flush_ms) ?? 0,
    host: mark.host,
    pid: mark.pid,
    born: typeof mark.born === 'number' ? mark.born : null,
  }
}

/** The field of a worker's number, which lines of a relay of one process do not have. */
export function nameWorker(worker: number | null): { worker?: number } {
  return worker === null ? {} : { worker }
}

/** @returns null if the line is no JSON object */
export function parseObject(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}

function asCount(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}

/** Marks this process. */
export function markProcess(): ProcessMark {
  return { host: describeHost(), pid: process.pid, born: readBirth(process.pid) ?? null }
}

/**
 * Whether the process of a mark runs. A number alone does not tell: it is given again, and two containers that share a
 * folder may both be process 1.
 * @returns null if it cannot be told from here: the process belongs to another machine or container, or this system has
 * no /proc
 */
export function isRunning(mark: ProcessMark): boolean | null {
  if (mark.host !== describeHost()) return null
  const born = readBirth(mark.pid)
  if (born !== null) return born !== undefined && born === mark.born
  try {
    process.kill(mark.pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? false : null
  }
  return mark.pid === process.pid ? true : null
}

/** Within it, a process id and a time since the boot mean the same. */
function describeHost(): string {
  const boot = readText('/proc/sys/kernel/random/boot_id').trim()
  let namespace = ''
  try {
    namespace = readlinkSync('/proc/self/ns/pid')
  } catch {
    // Not Linux.
  }
  return [hostname(), boot, namespace].join(' ').trim()
}

/** @returns start of a process in ticks since the boot; undefined if it does not run, null if there is no /proc */
function readBirth(pid: number): number | null | undefined {
  if (readText('/proc/self/stat') === '') return null
  const text = readText(`/proc/${pid}/stat`)
  // The second field is the name, in parentheses, and may have spaces and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  // A zombie has ended; its parent has not asked for it yet.
  if (text === '' || fields[0] === 'Z' || fields[0] === 'X') return undefined
  return Number(fields[19])
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
