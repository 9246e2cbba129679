import { Counter, type Registry } from 'prom-client'
import type { PhaseShares } from '../exchange/timing.js'

/**
 * The relay's own share of each phase, summed up over the requests. Plain numbers until a scrape: a labelled counter of
 * prom-client takes a key of text for each addition.
 */
export class PhaseMetrics {
  private readonly seconds: Counter<'phase'>
  private admitUs: number
  private readUs: number
  private planUs: number
  private cacheUs: number
  private attemptUs: number
  private respondUs: number

  constructor(registry: Registry) {
    this.seconds = new Counter({
      name: 'thinwire_phase_seconds_total',
      help: "Time that the relay itself took in each phase of finished requests, without the client's upload and the upstream's time.",
      labelNames: ['phase'],
      registers: [registry],
    })
    this.admitUs = 0
    this.readUs = 0
    this.planUs = 0
    this.cacheUs = 0
    this.attemptUs = 0
    this.respondUs = 0
  }

  add(shares: PhaseShares): void {
    this.admitUs += shares.admit ?? 0
    this.readUs += shares.read ?? 0
    this.planUs += shares.plan ?? 0
    this.cacheUs += shares.cache ?? 0
    this.attemptUs += shares.attempt ?? 0
    this.respondUs += shares.respond ?? 0
  }

  /** Shows what was added. */
  show(): void {
    const { seconds } = this
    seconds.reset()
    seconds.inc({ phase: 'admit' }, this.admitUs / 1e6)
    seconds.inc({ phase: 'read' }, this.readUs / 1e6)
    seconds.inc({ phase: 'plan' }, this.planUs / 1e6)
    seconds.inc({ phase: 'cache' }, this.cacheUs / 1e6)
    seconds.inc({ phase: 'attempt' }, this.attemptUs / 1e6)
    seconds.inc({ phase: 'respond' }, this.respondUs / 1e6)
  }
}
