/** Who has asked for `/readyz` within this time goes by it. Probes come some seconds apart. */
const PROBED_MS = 120_000

/** What `/readyz` says, and whether anybody goes by it. */
export class Readiness {
  /** False while the relay starts. Requests are answered in any case. */
  isReady: boolean
  /** The relay is about to stop: no new requests should be sent, although those that come are still taken. */
  isLeaving: boolean
  /** `performance.now()` of the last request for `/readyz`; null before the first. */
  private askedAt: number | null

  constructor() {
    this.isReady = true
    this.isLeaving = false
    this.askedAt = null
  }

  onAsked(): void {
    this.askedAt = performance.now()
  }

  /** Somebody, such as a balancer, goes by `/readyz`. */
  get isProbed(): boolean {
    return this.askedAt !== null && performance.now() - this.askedAt < PROBED_MS
  }
}
