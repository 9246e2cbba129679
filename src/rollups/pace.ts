import { setImmediate as nextTurn } from 'node:timers/promises'

/** Milliseconds of a turn of the event loop that a query may take. Streams go on in between. */
const TURN_MS = 4

/** Divides long work into short turns. */
export class Pace {
  private until: number

  constructor() {
    this.until = performance.now() + TURN_MS
  }

  /** Whether it is time to `rest`. */
  get isTimeUp(): boolean {
    return performance.now() >= this.until
  }

  async rest(): Promise<void> {
    await nextTurn()
    this.until = performance.now() + TURN_MS
  }
}
