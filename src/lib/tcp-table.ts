import { fstatSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { readErrorCode } from './error-code.js'

/** One line for each connection of this network namespace (Linux, proc(5)). */
const FILES: readonly string[] = ['/proc/net/tcp', '/proc/net/tcp6']

/**
 * Lines that are read between two turns of the event loop. A machine with many short connections has tens of thousands,
 * which take 50 ms at once.
 */
const LINES_A_TURN = 500

/** Readings take at most one part in so many of the time, however long the table is. */
const REST = 20

/**
 * Milliseconds after which the next reading may begin in any case. On a busy machine a reading waits for a thread, far
 * longer than it works: that shall not keep the relay from seeing that a client has left.
 */
const LONGEST_REST_MS = 5_000

/** A connection that is closed, and whose number waits for late packets: it belongs to nobody. */
const TIME_WAIT = ' 06 '

/** The state and the queue of a connection on which nothing is to be told: ESTABLISHED, nothing unacknowledged. */
const QUIET = ' 01 00000000:'

/** The other side has sent its FIN, and this side has not read as far. */
const CLOSE_WAIT = 0x08

/** What the kernel knows of a connection. */
export interface TcpEntry {
  /** Bytes that were written to it, and that the other side has not acknowledged. */
  readonly unacknowledged: number
  /** The other side has closed its half. */
  readonly isClosedByPeer: boolean
}

const NOTHING: TcpEntry = { unacknowledged: 0, isClosedByPeer: false }

/**
 * The kernel's table of TCP connections. Node tells when the kernel has taken some bytes, and nothing of whether the
 * other side has: a client that has vanished looks like one that reads, until the kernel's buffer is full. Linux alone
 * tells it, here; elsewhere the table is never read.
 *
 * It is read in Node's thread pool, all at once, and at most as often as somebody needs it.
 */
export class TcpTable {
  /** Number of the last reading that was begun. */
  begun: number
  /** Number of the last reading that is complete. */
  complete: number
  private beganAt: number
  /** How long the last reading took, in milliseconds. */
  private tookMs: number
  private isMissing: boolean
  private entries: ReadonlyMap<number, TcpEntry>
  private inodes: ReadonlySet<number>

  private readonly files: readonly string[]
  private readonly rest: number
  /** Those that could be read once. */
  private readonly readable: Set<string>

  /** @param rest see `REST` */
  constructor(files: readonly string[] = FILES, rest = REST) {
    this.files = files
    this.rest = rest
    this.readable = new Set()
    this.begun = 0
    this.complete = 0
    this.beganAt = Number.NEGATIVE_INFINITY
    this.tookMs = 0
    this.isMissing = process.platform !== 'linux'
    this.entries = new Map()
    this.inodes = new Set()
  }

  /** Begins a reading, unless one was begun within `maxAgeMs`. @param now `performance.now()` */
  want(now: number, maxAgeMs: number): void {
    if (this.isMissing || this.begun !== this.complete) return
    const restMs = Math.min(this.rest * this.tookMs, LONGEST_REST_MS)
    // A clock that was moved on and back again (a test's) must not keep all that follows from a reading.
    if (Math.abs(now - this.beganAt) < Math.max(maxAgeMs, restMs)) return
    this.begun++
    this.beganAt = now
    void this.read()
  }

  /** What the last reading tells of a connection; null if it is not in the table: closed by a reset, above all. */
  find(inode: number): TcpEntry | null {
    return this.entries.get(inode) ?? (this.inodes.has(inode) ? NOTHING : null)
  }

  private async read(): Promise<void> {
    const startedAt = performance.now()
    try {
      const texts = await Promise.all(this.files.map((file) => this.readFile(file)))
      const entries = new Map<number, TcpEntry>()
      const inodes = new Set<number>()
      for (const text of texts)
        for (let at = 0; at !== -1; at = parseTcpTable(text, at, LINES_A_TURN, entries, inodes))
          await nextTurn()
      this.entries = entries
      this.inodes = inodes
      // Not even the listener's own connections: no such file, or a sandbox without it.
      if (inodes.size === 0) this.isMissing = true
    } catch {
      // Nobody has a sample of this number: what is known stays, and no connection counts as gone.
      this.begun++
    } finally {
      this.tookMs = performance.now() - startedAt
      this.complete = this.begun
    }
  }

  /** @throws if a file that is there cannot be read at the moment, as no file descriptor is left */
  private async readFile(file: string): Promise<string> {
    try {
      const text = await readFile(file, 'latin1')
      this.readable.add(file)
      return text
    } catch (error) {
      if (this.readable.has(file) || LATER.has(readErrorCode(error))) throw error
      return ''
    }
  }
}

/** Errors that say nothing of the file. */
const LATER: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'])

/**
 * Reads a part of the text of such a file.
 * @param from where it begins; 0 for the line with the names of the columns
 * @param lines how many are read at most
 * @param entries gets those on which there is something to tell, by inode
 * @param inodes gets all
 * @returns where the next part begins; -1 if this was the last one
 */
export function parseTcpTable(
  text: string,
  from: number,
  lines: number,
  entries: Map<number, TcpEntry>,
  inodes: Set<number>,
): number {
  let at = from === 0 ? text.indexOf('\n') + 1 : from
  // ` 12: 0100007F:8B72 0100007F:81CD 01 0000006B:00000000 01:00000012 00000000     0        0 4005024 2 ...`
  for (let count = 0; count < lines; count++) {
    const end = text.indexOf('\n', at)
    if (end === -1) return -1
    const start = at
    at = end + 1
    const colon = text.indexOf(': ', start)
    const local = text.indexOf(' ', colon + 2)
    const remote = text.indexOf(' ', local + 1)
    if (text.startsWith(TIME_WAIT, remote)) continue
    const [, , inode] = text
      .slice(remote + 42, end)
      .trimStart()
      .split(/ +/, 3)
    if (inode === undefined || inode === '0') continue
    inodes.add(Number(inode))
    if (text.startsWith(QUIET, remote)) continue
    const state = Number.parseInt(text.slice(remote + 1, remote + 3), 16)
    const unacknowledged = Number.parseInt(text.slice(remote + 4, remote + 12), 16)
    entries.set(Number(inode), { unacknowledged, isClosedByPeer: state === CLOSE_WAIT })
  }
  return at
}

/** The kernel has one table for all. */
export const TCP_TABLE = new TcpTable()

/** Members of Node's handles that its types leave out. */
export interface TcpHandle {
  readonly fd?: number
  /** Bytes that were written to the handle. */
  readonly bytesWritten?: number
  /** Those of them that the kernel has not taken. */
  readonly writeQueueSize?: number
  /** The handle below a TLS handle. */
  readonly _parent?: TcpHandle
}

/** The TCP handle of a connection; undefined if it is closed. */
export function tcpHandleOf(socket: Socket): TcpHandle | undefined {
  const handle = (socket as { _handle?: TcpHandle | null })._handle ?? undefined
  return handle?._parent ?? handle
}

/** The number that the kernel's tables know a connection by; null if it has none. */
export function inodeOf(handle: TcpHandle | undefined): number | null {
  const fd = handle?.fd
  if (fd === undefined || fd < 0) return null
  try {
    return fstatSync(fd).ino
  } catch {
    // Closed in the meantime.
    return null
  }
}
