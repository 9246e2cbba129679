/** The window is counted in this many slots, each a tenth of it. */
const SLOTS = 10

const HALF = 0.5

/** Counts the successes and failures of the last `windowMs`, to a tenth of the window. */
export class OutcomeWindow {
  private readonly slotMs: number
  private readonly totals: Uint32Array
  private readonly failures: Uint32Array
  /** Number of the newest slot, counted from time 0. It is stored at its last digit. */
  private newestSlot: number

  constructor(windowMs: number) {
    this.slotMs = windowMs / SLOTS
    this.totals = new Uint32Array(SLOTS)
    this.failures = new Uint32Array(SLOTS)
    this.newestSlot = 0
  }

  /** @param now `performance.now()` */
  add(now: number, failed: boolean): void {
    this.advance(Math.floor(now / this.slotMs))
    const at = this.newestSlot % SLOTS
    this.totals[at] = (this.totals[at] as number) + 1
    if (failed) this.failures[at] = (this.failures[at] as number) + 1
  }

  /**
   * A success of the window has turned out to be a failure: the newest one is counted so. If it is too old to be in the
   * window, the failure is added.
   * @param now `performance.now()`
   */
  turn(now: number): void {
    this.advance(Math.floor(now / this.slotMs))
    for (let back = 0; back < SLOTS; back++) {
      const at = (this.newestSlot - back + SLOTS) % SLOTS
      if ((this.totals[at] as number) === (this.failures[at] as number)) continue
      this.failures[at] = (this.failures[at] as number) + 1
      return
    }
    this.add(now, true)
  }

  /**
   * Whether at least half of the outcomes were failures, up to the time of the last `add`.
   * @param minimum with fewer outcomes than this the result is false
   */
  hasMostlyFailed(minimum: number): boolean {
    let total = 0
    let failed = 0
    for (let at = 0; at < SLOTS; at++) {
      total += this.totals[at] as number
      failed += this.failures[at] as number
    }
    return total >= minimum && failed >= total * HALF
  }

  clear(): void {
    this.totals.fill(0)
    this.failures.fill(0)
  }

  /** Empties the slots between the newest one and `slot`. */
  private advance(slot: number): void {
    if (slot - this.newestSlot >= SLOTS) this.clear()
    else {
      for (let next = this.newestSlot + 1; next <= slot; next++) {
        this.totals[next % SLOTS] = 0
        this.failures[next % SLOTS] = 0
      }
    }
    if (slot > this.newestSlot) this.newestSlot = slot
  }
}
