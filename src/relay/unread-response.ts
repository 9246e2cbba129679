import type { Exchange } from '../exchange/exchange.js'
import type { Stage } from '../exchange/stage.js'
import { ClientConnection } from './client-connection.js'
import type { RelayContext } from './relay-context.js'

/** The stage of a response of the relay itself that its client has not read yet. A client that reads nothing is cut. */
export class UnreadResponse implements Stage {
  private readonly connection: ClientConnection
  private readonly context: RelayContext
  private readonly stallMs: number
  private isOver: boolean

  /** @param stallMs `timeouts.clientStallMs` */
  constructor(exchange: Exchange, context: RelayContext, stallMs: number) {
    this.connection = new ClientConnection(exchange.res)
    this.context = context
    this.stallMs = stallMs
    this.isOver = false
    this.connection.watch()
  }

  onClose(): void {
    this.isOver = true
  }

  onTick(now: number): void {
    if (this.isOver || !this.connection.hasStalled(now, this.stallMs, true)) return
    this.isOver = true
    this.context.bounds.hit('clientStallMs')
    this.connection.giveUp()
  }
}
