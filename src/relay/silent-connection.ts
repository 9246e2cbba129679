import { DeliveryWatch } from '../lib/delivery-watch.js'
import type { Connection } from '../upstream/connection.js'

/**
 * Finds out whether a kept connection has been forgotten on the way, by a firewall or a balancer that drops packets
 * without a word: the upstream acknowledges nothing of the request. Silence alone says nothing, as models think for
 * minutes. Only Linux tells what was acknowledged.
 */
export class SilentConnection {
  private readonly connection: Connection
  private readonly delivery: DeliveryWatch | null
  /** The upstream has got the whole request: what comes late now is its response. */
  private isDelivered: boolean

  constructor(connection: Connection) {
    const { socket, idleSince } = connection
    this.connection = connection
    // A new connection was alive a moment ago.
    this.delivery = socket === null || idleSince === null ? null : new DeliveryWatch(socket)
    this.isDelivered = this.delivery === null
  }

  /**
   * To be called at each tick.
   * @returns whether nothing was acknowledged for longer than `limitMs`
   */
  isForgotten(now: number, limitMs: number): boolean {
    const { delivery, connection } = this
    if (this.isDelivered || delivery === null || !connection.isOpen) return false
    const undeliveredMs = delivery.check(now, limitMs / 4)
    this.isDelivered = delivery.isInformed && !delivery.isPending
    return undeliveredMs > limitMs
  }

  /** No request gets this connection, or one that was unused as long, any more. */
  drop(): void {
    this.connection.forget()
  }
}
