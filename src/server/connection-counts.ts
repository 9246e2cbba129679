import type { Socket } from 'node:net'
import { groupAddress } from '../access/address-group.js'
import type { ClientAddresses } from '../access/client-address.js'
import type { Config } from '../config/config.js'
import type { BoundCounters } from '../lib/limit-counters.js'
import type { Log } from '../observe/log.js'

/** Milliseconds between two lines of the log about connections that were closed. */
const LOG_MS = 60_000

/** Counts the open connections, and those of each address (`limits.connectionsPerAddress`). */
export class ConnectionCounts {
  /** Open connections. */
  open: number
  private readonly limit: number
  private readonly addresses: ClientAddresses
  private readonly bounds: BoundCounters
  private readonly log: Pick<Log, 'warn'>
  private readonly counts: Map<string, number>
  /** Connections that were closed since the last line of the log. */
  private closed: number
  /** An address that one of them came from. */
  private closedFrom: string
  /** `performance.now()` */
  private loggedAt: number

  constructor(config: Config, addresses: ClientAddresses, bounds: BoundCounters, log: Pick<Log, 'warn'>) {
    this.open = 0
    this.limit = config.limits.connectionsPerAddress
    this.addresses = addresses
    this.bounds = bounds
    this.log = log
    this.counts = new Map()
    this.closed = 0
    this.closedFrom = ''
    this.loggedAt = Number.NEGATIVE_INFINITY
  }

  /** Counts a new connection. @returns false if its address has too many */
  add(socket: Socket): boolean {
    const address = this.groupOf(socket)
    const count = address === null ? 0 : (this.counts.get(address) ?? 0)
    if (address !== null && count >= this.limit) {
      this.bounds.hit('connectionsPerAddress')
      this.closed++
      this.closedFrom = address
      return false
    }
    this.open++
    if (address !== null) this.counts.set(address, count + 1)
    socket.once('close', () => this.remove(address))
    return true
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    if (this.closed === 0 || now - this.loggedAt < LOG_MS) return
    this.loggedAt = now
    this.log.warn(
      { connections: this.closed, address: this.closedFrom },
      `${this.closed} connections were closed at once, of addresses that have limits.connectionsPerAddress open, such as ${this.closedFrom}. If that is a proxy, put it into trustedProxies`,
    )
    this.closed = 0
  }

  private remove(address: string | null): void {
    this.open--
    if (address === null) return
    const count = (this.counts.get(address) ?? 1) - 1
    if (count === 0) this.counts.delete(address)
    else this.counts.set(address, count)
  }

  /** Null where connections are not limited: a proxy has those of all its clients. */
  private groupOf({ remoteAddress }: Socket): string | null {
    if (remoteAddress === undefined || this.addresses.isProxy(remoteAddress)) return null
    return groupAddress(remoteAddress)
  }
}
