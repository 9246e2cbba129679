import type { Socket } from 'node:net'
import { inodeOf, TCP_TABLE, type TcpTable, tcpHandleOf } from './tcp-table.js'

/**
 * Watches whether the other side of a connection acknowledges what it is sent, and whether it has closed the connection
 * while nothing is read from it.
 *
 * A reading of the table takes place some time between its begin and its end, while bytes are written on. So there are
 * two bounds on what the other side has taken: what the kernel had at the begin and what it had at the end, less what
 * is unacknowledged. Only if the lower bound exceeds an earlier upper bound, the other side has taken something.
 */
export class DeliveryWatch {
  private readonly socket: Socket
  private readonly table: TcpTable
  private inode: number | null
  /** The connection was in the table once. */
  private wasFound: boolean
  /** The reading that `handedBefore` belongs to. */
  private sampled: number
  /** When that reading began, and how many bytes the kernel had got then. */
  private sampledAt: number
  private handedBefore: number
  /** The last reading that was looked at. */
  private seen: number
  /** The most that the other side may have taken at `since`. */
  private takenAtMost: number
  /** `performance.now()` since when it has taken nothing of what there is for it; null if it has taken all. */
  private since: number | null
  /** For how long, as far as the last reading tells. */
  private stalledMs: number
  private isLeft: boolean
  /** The last reading did not have the connection. */
  private isMissed: boolean

  constructor(socket: Socket, table: TcpTable = TCP_TABLE) {
    this.socket = socket
    this.table = table
    this.inode = null
    this.wasFound = false
    this.sampled = 0
    this.sampledAt = 0
    this.handedBefore = 0
    this.seen = table.complete
    this.takenAtMost = 0
    this.since = null
    this.stalledMs = 0
    this.isLeft = false
    this.isMissed = false
  }

  /** The other side has closed or reset the connection. Known after `check`. */
  get hasLeft(): boolean {
    return this.isLeft
  }

  /** A reading that began after this watch did has been looked at. */
  get isInformed(): boolean {
    return this.wasFound
  }

  /** Something is unacknowledged, as far as the last reading tells. */
  get isPending(): boolean {
    return this.since !== null
  }

  /**
   * To be called at each tick.
   * @param now `performance.now()`
   * @param maxAgeMs how old what is known may be
   * @returns milliseconds for which the other side has acknowledged nothing of what it was sent; 0 if it has all
   */
  check(now: number, maxAgeMs: number): number {
    const { table } = this
    table.want(now, maxAgeMs)
    if (table.complete !== this.seen && table.complete === this.sampled) this.look(now)
    if (table.begun !== table.complete && table.begun !== this.sampled) {
      this.sampled = table.begun
      this.sampledAt = now
      this.handedBefore = this.handed()
    }
    return this.stalledMs
  }

  private look(now: number): void {
    this.seen = this.table.complete
    this.inode ??= inodeOf(tcpHandleOf(this.socket))
    const entry = this.inode === null ? null : this.table.find(this.inode)
    if (entry === null) {
      // The kernel hands the table out in pieces, and may pass over one connection while others close.
      this.isLeft = this.wasFound && this.isMissed
      this.isMissed = true
      return
    }
    this.isMissed = false
    this.wasFound = true
    this.isLeft = entry.isClosedByPeer
    const { unacknowledged } = entry
    this.stalledMs = 0
    if (unacknowledged === 0) {
      this.since = null
      return
    }
    if (this.since !== null && this.handedBefore - unacknowledged <= this.takenAtMost) {
      this.stalledMs = Math.max(0, this.sampledAt - this.since)
      return
    }
    this.since = now
    this.takenAtMost = this.handed() - unacknowledged
  }

  private handed(): number {
    const handle = tcpHandleOf(this.socket)
    return (handle?.bytesWritten ?? 0) - (handle?.writeQueueSize ?? 0)
  }
}
