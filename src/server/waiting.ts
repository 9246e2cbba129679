import type { Exchange } from '../exchange/exchange.js'
import type { Stage } from '../exchange/stage.js'

/** The stage of a request while the relay waits for what its response depends on. */
export class Waiting implements Stage {
  private isOver = false

  /** Nothing follows if the client leaves in the meantime. @param value has a time limit of its own */
  static start<T>(
    exchange: Exchange,
    value: Promise<T>,
    onValue: (value: T) => void,
    onFailed: () => void,
  ): void {
    const waiting = new Waiting()
    exchange.stage = waiting
    value
      .then((it) => waiting.isOver || onValue(it))
      // Also if what follows fails.
      .catch(() => waiting.isOver || onFailed())
  }

  onClose(): void {
    this.isOver = true
  }

  onTick(): void {
    // See `value`.
  }
}
