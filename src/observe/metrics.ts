import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from 'prom-client'
import { findFailureSign } from '../exchange/failed-request.js'
import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import type { BreakerState } from '../routing/circuit-breaker.js'
import type { TargetSnapshot } from '../routing/router.js'
import { VERSION } from '../version.js'
import { Durations } from './durations.js'
import { type LimitFigures, LimitMetrics } from './limit-metrics.js'
import { PhaseMetrics } from './phase-metrics.js'
import type { RelayState } from './relay-state.js'
import { RequestCounts } from './request-counts.js'

/** State of the relay that is read at each scrape. */
export interface MetricsSource extends RelayState {
  /** Bytes of cached responses. */
  readonly cacheBytes: number
}

const STATES: readonly BreakerState[] = ['closed', 'open', 'half_open']

const REFUSALS: readonly NonNullable<TargetSnapshot['refused']>[] = ['credential', 'quota', 'model']

/** Buckets in seconds: from a cached response to a model that reasons for minutes. */
const DURATION_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

/** Buckets in seconds for the relay's own time, which is usually a fraction of a millisecond. */
const OVERHEAD_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]

/**
 * Metrics in the text format of Prometheus. Each request is counted once, when its line in the log is written; all
 * other values are read at each scrape. Labels are names from the config and the key file, and closed lists: a client
 * cannot make one up.
 */
export class Metrics implements SummarySink {
  /** Requests that were counted. */
  requestCount: number
  private readonly registry: Registry
  private readonly requests: RequestCounts
  private readonly errors: Counter<'team' | 'upstream' | 'sign'>
  private readonly failedAttempts: Counter<'target' | 'cause'>
  private readonly savedTokens: Counter<'team'>
  private readonly duration: Durations
  private readonly firstToken: Durations
  private readonly upstreamFirstByte: Durations
  private readonly overhead: Durations
  private readonly phaseShares: PhaseMetrics
  private readonly inFlight: Gauge
  private readonly bufferedBytes: Gauge
  private readonly cacheBytes: Gauge
  private readonly bounds: Counter<'bound'>
  private readonly targetState: Gauge<'target' | 'state'>
  private readonly targetCooldown: Gauge<'target'>
  private readonly targetRefused: Gauge<'target' | 'why'>
  private readonly targetInFlight: Gauge<'target'>
  private readonly targetOpened: Counter<'target'>
  private readonly ledgerRecords: Counter<'outcome'>
  private readonly ledgerQueued: Gauge
  private readonly ledgerStalled: Gauge
  private readonly limits: LimitMetrics
  private readLimits: (() => Promise<LimitFigures>) | null
  private readExpiry: (() => number) | null
  private certificateExpiry: Gauge | null

  constructor() {
    const registry = new Registry()
    this.requestCount = 0
    this.registry = registry
    const counter = <L extends string>(name: string, help: string, labelNames: L[] = []): Counter<L> =>
      new Counter({ name: `thinwire_${name}`, help, labelNames, registers: [registry] })
    const gauge = <L extends string>(name: string, help: string, labelNames: L[] = []): Gauge<L> =>
      new Gauge({ name: `thinwire_${name}`, help, labelNames, registers: [registry] })
    gauge('build_info', 'Version of Thinwire.', ['version']).set({ version: VERSION }, 1)
    this.requests = new RequestCounts(registry)
    this.errors = counter(
      'request_errors_total',
      'Finished requests that failed, by what shows it: status, end, or stream_error for an error within a response.',
      ['team', 'upstream', 'sign'],
    )
    this.failedAttempts = counter(
      'failed_attempts_total',
      'Attempts at a target that did not become the response.',
      ['target', 'cause'],
    )
    this.savedTokens = counter('saved_tokens_total', 'Tokens that the cache of the relay saved.', ['team'])
    this.duration = new Durations(
      registry,
      'thinwire_request_duration_seconds',
      'Time from the request head to the end.',
      DURATION_BUCKETS,
      true,
    )
    this.firstToken = new Durations(
      registry,
      'thinwire_first_token_seconds',
      'Time from the request head to the first token.',
      DURATION_BUCKETS,
      true,
    )
    this.upstreamFirstByte = new Durations(
      registry,
      'thinwire_upstream_first_byte_seconds',
      'Time from the attempt to the first byte of the upstream response.',
      DURATION_BUCKETS,
      true,
    )
    this.overhead = new Durations(
      registry,
      'thinwire_overhead_seconds',
      'Time that the relay itself took until the response began.',
      OVERHEAD_BUCKETS,
      false,
    )
    this.phaseShares = new PhaseMetrics(registry)
    this.inFlight = gauge('requests_in_flight', 'Requests in flight.')
    this.bufferedBytes = gauge('buffered_bytes', 'Bytes of request bodies in memory.')
    this.cacheBytes = gauge('cache_bytes', 'Bytes of cached responses.')
    this.bounds = counter('bounds_hit_total', 'Times a limit of the config was hit.', ['bound'])
    this.targetState = gauge(
      'target_state',
      'State of the circuit breaker of a target: 1 for the current state, 0 for the others.',
      ['target', 'state'],
    )
    this.targetCooldown = gauge(
      'target_cooldown_seconds',
      'Time left of the cooldown of a target: one that it requested (retry-after), or that of a refused key.',
      ['target'],
    )
    this.targetRefused = gauge(
      'target_refused',
      '1 while the upstream of a target does not serve it: it refuses the credential, has no quota left for it, or lacks a model.',
      ['target', 'why'],
    )
    this.targetInFlight = gauge('target_in_flight', 'Attempts in flight at a target, streams included.', [
      'target',
    ])
    this.targetOpened = counter('target_opened_total', 'Times the circuit opened.', ['target'])
    this.ledgerRecords = counter('ledger_records_total', 'Records of the usage ledger, written or dropped.', [
      'outcome',
    ])
    this.ledgerQueued = gauge('ledger_queued_bytes', 'Bytes of records that wait for the disk.')
    this.ledgerStalled = gauge('ledger_stalled', '1 while the ledger cannot be written, else 0.')
    this.limits = new LimitMetrics(registry)
    this.readLimits = null
    this.readExpiry = null
    this.certificateExpiry = null
    collectDefaultMetrics({ register: registry })
  }

  /** Counts a request. */
  record(summary: RequestSummary): void {
    this.requestCount += summary.requests
    const team = summary.request.key?.team ?? ''
    const upstream = summary.outcome.upstream ?? ''
    this.requests.add(summary)
    this.countError(summary, team, upstream)
    // Refusals that were summed up: their times are not known.
    if (summary.requests > 1) return
    if (summary.outcome.failures !== null) this.countFailures(summary.outcome.failures)
    const saved = summary.savedUsage?.usage ?? null
    if (saved !== null) this.savedTokens.inc({ team }, (saved.prompt ?? 0) + (saved.completion ?? 0))
    this.duration.observe(upstream, summary.totalMs)
    const { firstTokenMs, overheadMs } = summary
    const { upstreamMs } = summary.timeline
    if (firstTokenMs !== null) this.firstToken.observe(upstream, firstTokenMs)
    if (upstreamMs !== null) this.upstreamFirstByte.observe(upstream, upstreamMs)
    if (overheadMs !== null) this.overhead.observe('', overheadMs)
    this.phaseShares.add(summary.phaseShares)
  }

  /** Shows the limits, too. @param read called at each scrape */
  followLimits(read: () => Promise<LimitFigures>): void {
    this.readLimits = read
  }

  /** Shows the time left of the relay's own certificate. @param read its end, unix time in milliseconds */
  followCertificate(read: () => number): void {
    this.readExpiry = read
    this.certificateExpiry = new Gauge({
      name: 'thinwire_tls_certificate_expiry_seconds',
      help: 'Time left until the certificate of listen.tls expires. Negative: it has expired.',
      registers: [this.registry],
    })
  }

  /** Value of the content-type header. */
  get contentType(): string {
    return this.registry.contentType
  }

  /** Renders all metrics in the text format of Prometheus. */
  async render(source: MetricsSource): Promise<string> {
    await this.read(source)
    return this.registry.metrics()
  }

  /** All metrics as plain objects, for the process that shows those of several workers. */
  async list(source: MetricsSource): Promise<MetricObjectWithValues<MetricValue<string>>[]> {
    await this.read(source)
    return this.registry.getMetricsAsJSON()
  }

  /** Sets what is read at each scrape. */
  private async read(source: MetricsSource): Promise<void> {
    if (this.readLimits !== null) this.limits.read(await this.readLimits())
    if (this.readExpiry !== null) this.certificateExpiry?.set((this.readExpiry() - Date.now()) / 1_000)
    this.requests.show()
    this.phaseShares.show()
    this.inFlight.set(source.openCount)
    this.bufferedBytes.set(source.bufferedBytes)
    this.cacheBytes.set(source.cacheBytes)
    this.bounds.reset()
    for (const [bound, times] of Object.entries(source.bounds.snapshot())) this.bounds.inc({ bound }, times)
    this.readTargets(source.targetHealth)
    const ledger = source.ledgerState
    if (ledger !== null) {
      this.ledgerRecords.reset()
      this.ledgerRecords.inc({ outcome: 'written' }, ledger.written)
      this.ledgerRecords.inc({ outcome: 'dropped' }, ledger.dropped)
      this.ledgerQueued.set(ledger.queued_bytes)
      this.ledgerStalled.set(ledger.stalled === null ? 0 : 1)
    }
  }

  /** Sets the metrics of all targets. Targets of an earlier config disappear. */
  private readTargets(targets: MetricsSource['targetHealth']): void {
    this.targetState.reset()
    this.targetCooldown.reset()
    this.targetRefused.reset()
    this.targetInFlight.reset()
    this.targetOpened.reset()
    for (const [target, health] of targets) {
      for (const state of STATES) this.targetState.set({ target, state }, health.state === state ? 1 : 0)
      this.targetCooldown.set({ target }, health.cooling_ms / 1_000)
      for (const why of REFUSALS) this.targetRefused.set({ target, why }, health.refused === why ? 1 : 0)
      this.targetInFlight.set({ target }, health.in_flight)
      this.targetOpened.inc({ target }, health.opened)
    }
  }

  /** @param failures as in the ledger: `azure 429, groq/llama ECONNREFUSED` */
  private countFailures(failures: string): void {
    for (const failure of failures.split(', ')) {
      const space = failure.lastIndexOf(' ')
      this.failedAttempts.inc({ target: failure.slice(0, space), cause: failure.slice(space + 1) })
    }
  }

  private countError(summary: RequestSummary, team: string, upstream: string): void {
    const { status, end } = summary.outcome
    const sign = findFailureSign(status, end, summary.stats?.error ?? null)
    if (sign !== null) this.errors.inc({ team, upstream, sign }, 1)
  }
}
