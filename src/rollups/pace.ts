/** Milliseconds of a turn of the event loop that a part may take. Streams go on in between. */
const TURN_MS = 4

/** Who waits for a turn, in this order. */
const waiting: (() => void)[] = []

/**
 * Divides long work into parts. In each turn of the event loop only one of all parts is done, whatever is asked at one
 * time: a hundred questions hold a stream up for no longer than one.
 */
export class Pace {
  private until: number

  private constructor() {
    this.until = 0
  }

  /** Waits for the first turn. */
  static async begin(): Promise<Pace> {
    const pace = new Pace()
    await pace.rest()
    return pace
  }

  /** Whether it is time to `rest`. */
  get isTimeUp(): boolean {
    return performance.now() >= this.until
  }

  /** Waits for the next turn. */
  async rest(): Promise<void> {
    await new Promise<void>((resolve) => {
      waiting.push(resolve)
      if (waiting.length === 1) setImmediate(giveTurn)
    })
    this.until = performance.now() + TURN_MS
  }
}

/** The part is done before the immediate of the next turn comes: its promise goes on as this function ends. */
function giveTurn(): void {
  const [next] = waiting
  next?.()
  waiting.shift()
  if (waiting.length > 0) setImmediate(giveTurn)
}
