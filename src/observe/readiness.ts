import { ignore } from '../lib/ignore.js'

/** Who has asked for `/readyz` within this time goes by it. Probes come some seconds apart. */
const PROBED_MS = 120_000

/** What `/readyz` says, and whether anybody goes by it. */
export class Readiness {
  /** False while the relay starts. Requests are answered in any case. */
  isReady: boolean
  /** The relay is about to stop: no new requests should be sent, although those that come are still taken. */
  isLeaving: boolean
  /** Of a relay with several workers: how many are ready. Null for a relay of one process. */
  workers: { readonly ready: number; readonly of: number } | null
  /** Called with each request for `/readyz`. */
  onProbe: () => void
  /** `performance.now()` of the last request for `/readyz`; null before the first. */
  private askedAt: number | null

  constructor() {
    this.isReady = true
    this.isLeaving = false
    this.workers = null
    this.onProbe = ignore
    this.askedAt = null
  }

  onAsked(): void {
    this.askedAt = performance.now()
    this.onProbe()
  }

  /** This process is ready, or another worker of the relay is. */
  get isAnyReady(): boolean {
    return this.isReady || (this.workers?.ready ?? 0) > 0
  }

  /** Somebody, such as a balancer, goes by `/readyz`. */
  get isProbed(): boolean {
    return this.askedAt !== null && performance.now() - this.askedAt < PROBED_MS
  }
}
