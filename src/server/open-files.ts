import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Log } from '../observe/log.js'

/** A request has a client's connection and an upstream's. */
const FILES_PER_CONNECTION = 2

/** Files that are kept free for the upstreams of requests under way, the ledger and the log: a tenth, within these. */
const LEAST_RESERVE = 16
const MOST_RESERVE = 1_000

/** The part of the connections that has to be left before the listener goes on. */
const RESUME_AT = 0.9

/** Stops and restarts the listener. */
export interface Pausable {
  readonly pause: () => void
  /** Listens again. */
  readonly resume: () => void
  /** Counts a pause. */
  readonly count: () => void
}

/**
 * Stops accepting connections while the process is about to run out of file descriptors. Beyond the limit, the system
 * closes new connections without an answer, and Node does not say so.
 *
 * The system gives out the lowest free descriptor, so that the one of a new connection tells how many are in use.
 */
export class OpenFiles {
  isPaused: boolean
  /** Descriptors below this one are for connections; null if the limit is not known. */
  private readonly most: number | null
  private readonly limit: number | null
  private readonly log: Pick<Log, 'warn' | 'info'>
  private readonly listener: Pausable
  /** Connections when the listener was paused. */
  private pausedAt: number

  /** @param limit of the process; null if it is not known */
  constructor(limit: number | null, log: Pick<Log, 'warn' | 'info'>, listener: Pausable) {
    this.isPaused = false
    this.limit = limit
    this.most =
      limit === null ? null : limit - Math.min(MOST_RESERVE, Math.max(LEAST_RESERVE, Math.ceil(limit / 10)))
    this.log = log
    this.listener = listener
    this.pausedAt = 0
  }

  /** Warns if so many connections cannot be open at one time. */
  check(connections: number): void {
    const { limit } = this
    if (limit === null || limit >= connections * FILES_PER_CONNECTION) return
    this.log.warn(
      { open_files: limit, connections },
      `this process may have ${limit} files open, and limits.connections of ${connections} need ${connections * FILES_PER_CONNECTION}: raise the limit (ulimit -n, LimitNOFILE of systemd, --ulimit nofile of docker), or lower limits.connections`,
    )
  }

  /** @param open connections, with this one */
  onConnection(socket: Socket, open: number): void {
    if (this.most === null || this.isPaused || descriptorOf(socket) < this.most) return
    this.isPaused = true
    this.pausedAt = open
    this.listener.count()
    this.log.warn(
      { open_files: this.limit, connections: open },
      `almost all of the ${this.limit} files that this process may have open are in use: no connections are accepted until some have ended. Raise the limit (ulimit -n), or lower limits.connections`,
    )
    this.listener.pause()
  }

  /** @param open connections */
  tick(open: number): void {
    if (!this.isPaused || open > this.pausedAt * RESUME_AT) return
    this.isPaused = false
    this.log.info({ connections: open }, 'connections are accepted again')
    this.listener.resume()
  }

  /** The listener could not be resumed: the next tick does it. */
  tryAgain(): void {
    this.isPaused = true
  }
}

/** -1 where Node does not tell. */
function descriptorOf(socket: Socket): number {
  return (socket as { _handle?: { fd?: number } | null })._handle?.fd ?? -1
}

/** How many files this process may have open; null if the system does not say so as Linux does. */
export function readFileLimit(): number | null {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
    return soft === undefined ? null : Number(soft)
  } catch {
    return null
  }
}
