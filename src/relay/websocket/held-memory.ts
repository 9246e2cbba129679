import type { Exchange } from '../../exchange/exchange.js'
import type { RelayContext } from '../relay-context.js'

/** The memory that the held message of one connection takes (`limits.bufferedBytes`). */
export class HeldMemory {
  private readonly exchange: Exchange
  private readonly context: RelayContext

  constructor(exchange: Exchange, context: RelayContext) {
    this.exchange = exchange
    this.context = context
  }

  /** @returns false if there is no room for so many bytes */
  take(bytes: number): boolean {
    const { budget, bounds } = this.context
    const fits = budget.take(bytes)
    if (fits) this.exchange.heldBytes += bytes
    else bounds.hit('bufferedBytes')
    return fits
  }

  give(bytes: number): void {
    this.context.budget.give(bytes)
    this.exchange.heldBytes -= bytes
  }
}
