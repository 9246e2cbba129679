import type { Failover } from './failover.js'

/** Tells a failover when a second target may be tried beside the first. */
export class HedgeTimer {
  private readonly failover: Failover
  private timer: NodeJS.Timeout | null

  constructor(failover: Failover) {
    this.failover = failover
    this.timer = null
  }

  /** Calls `startHedge` after this time. */
  start(ms: number): void {
    this.timer = setTimeout(startHedge, ms, this.failover).unref()
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }
}

function startHedge(failover: Failover): void {
  failover.startHedge()
}
