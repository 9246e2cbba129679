import type { Stage } from '../exchange/stage.js'

/** The stage of a request while the relay collects its response. */
export class Waiting implements Stage {
  isOver = false

  onClose(): void {
    this.isOver = true
  }

  onTick(): void {
    // The promise has a time limit of its own.
  }
}
