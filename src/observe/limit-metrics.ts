import { Counter, Gauge, type Registry } from 'prom-client'

/** How often a rule has refused requests, or would have. */
export interface RefusalCount {
  /** Its name. */
  readonly rule: string
  readonly kind: string
  /** It only observes. */
  readonly observed: boolean
  readonly count: number
}

/** One amount of a rule, over all of its counters. */
export interface LimitAmount {
  /** Its name. */
  readonly rule: string
  /** `requests`, `tokens`, `concurrent` or `usd`. */
  readonly unit: string
  /** `minute`, `hour`, `day`, `week` or `month`; empty for requests in flight. */
  readonly period: string
  /** Used share of the fullest counter: 1 is all of it. */
  readonly usedRatio: number
  /** Held for requests in flight, over all counters: tokens or US dollars. */
  readonly held: number
}

/** What metrics tell of limits. */
export interface LimitFigures {
  readonly refusals: Iterable<RefusalCount>
  readonly amounts: Iterable<LimitAmount>
  /** Counters in memory. */
  readonly counters: number
  readonly alerts: { readonly sent: number; readonly failed: number; readonly waiting: number }
}

/** Metrics of limits, all of them read at each scrape. Labels are names of rules and closed lists. */
export class LimitMetrics {
  private readonly refusals: Counter<'rule' | 'kind' | 'observed'>
  private readonly usedRatio: Gauge<'rule' | 'unit' | 'period'>
  private readonly held: Gauge<'rule' | 'unit' | 'period'>
  private readonly counters: Gauge
  private readonly alerts: Counter<'outcome'>
  private readonly waiting: Gauge

  constructor(registry: Registry) {
    const registers = [registry]
    this.refusals = new Counter({
      name: 'thinwire_limit_refusals_total',
      help: 'Requests that a limit rule has refused, or, with observed="true", would have refused.',
      labelNames: ['rule', 'kind', 'observed'],
      registers,
    })
    this.usedRatio = new Gauge({
      name: 'thinwire_limit_used_ratio',
      help: 'Used share of an amount of a limit rule: that of the fullest of its counters. 1 is all of it.',
      labelNames: ['rule', 'unit', 'period'],
      registers,
    })
    this.held = new Gauge({
      name: 'thinwire_limit_held',
      help: 'Held of a budget for requests in flight, over all counters of the rule: tokens or US dollars.',
      labelNames: ['rule', 'unit', 'period'],
      registers,
    })
    this.counters = new Gauge({
      name: 'thinwire_limit_counters',
      help: 'Counters of limit rules in memory: one for each rule and owner.',
      registers,
    })
    this.alerts = new Counter({
      name: 'thinwire_limit_alerts_total',
      help: 'Alerts for the webhook of limits.alerts, sent or given up.',
      labelNames: ['outcome'],
      registers,
    })
    this.waiting = new Gauge({
      name: 'thinwire_limit_alerts_waiting',
      help: 'Alerts that wait for the webhook of limits.alerts.',
      registers,
    })
  }

  /** Replaces all values. Rules of an earlier config disappear. */
  read({ refusals, amounts, counters, alerts }: LimitFigures): void {
    this.refusals.reset()
    for (const { rule, kind, observed, count } of refusals)
      this.refusals.inc({ rule, kind, observed: String(observed) }, count)
    this.usedRatio.reset()
    this.held.reset()
    for (const { rule, unit, period, usedRatio, held } of amounts) {
      this.usedRatio.set({ rule, unit, period }, usedRatio)
      if (unit === 'usd' || (unit === 'tokens' && period !== 'minute'))
        this.held.set({ rule, unit, period }, held)
    }
    this.counters.set(counters)
    this.alerts.reset()
    this.alerts.inc({ outcome: 'sent' }, alerts.sent)
    this.alerts.inc({ outcome: 'failed' }, alerts.failed)
    this.waiting.set(alerts.waiting)
  }
}
