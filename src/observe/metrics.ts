import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import type { BreakerState } from '../routing/circuit-breaker.js'
import { VERSION } from '../version.js'
import type { RelayState } from './relay-state.js'

/** What is looked at when it is asked for. */
export interface MetricsSource extends RelayState {
  /** Bytes of answers that are kept. */
  readonly cacheBytes: number
}

const STATES: readonly BreakerState[] = ['closed', 'open', 'half_open']

/** Seconds. From an answer out of memory up to a model that thinks for minutes. */
const DURATIONS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

/** Of the relay's own part, which is a fraction of a millisecond. */
const OVERHEADS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]

/**
 * Metrics in Prometheus' text format. Each request is counted once, when its line in the log is written; the rest is looked at
 * when it is asked for. Labels are what the config and the key file name, and closed lists: nothing that a client can make up.
 */
export class Metrics implements SummarySink {
  private readonly registry: Registry
  private readonly requests: Counter<'team' | 'dialect' | 'upstream' | 'status' | 'end' | 'cache'>
  private readonly failedAttempts: Counter<'target' | 'cause'>
  private readonly tokens: Counter<'team' | 'upstream' | 'kind' | 'source'>
  private readonly savedTokens: Counter<'team'>
  private readonly duration: Histogram<'upstream'>
  private readonly firstToken: Histogram<'upstream'>
  private readonly upstreamFirstByte: Histogram<'upstream'>
  private readonly overhead: Histogram
  private readonly inFlight: Gauge
  private readonly bufferedBytes: Gauge
  private readonly cacheBytes: Gauge
  private readonly bounds: Counter<'bound'>
  private readonly targetState: Gauge<'target' | 'state'>
  private readonly targetCooldown: Gauge<'target'>
  private readonly targetInFlight: Gauge<'target'>
  private readonly targetOpened: Counter<'target'>
  private readonly ledgerRecords: Counter<'outcome'>
  private readonly ledgerQueued: Gauge
  private readonly ledgerStalled: Gauge

  constructor() {
    const registry = new Registry()
    this.registry = registry
    const counter = <L extends string>(name: string, help: string, labelNames: L[] = []): Counter<L> =>
      new Counter({ name: `thinwire_${name}`, help, labelNames, registers: [registry] })
    const gauge = <L extends string>(name: string, help: string, labelNames: L[] = []): Gauge<L> =>
      new Gauge({ name: `thinwire_${name}`, help, labelNames, registers: [registry] })
    const histogram = <L extends string>(
      name: string,
      help: string,
      buckets: number[],
      labelNames: L[] = [],
    ) => new Histogram({ name: `thinwire_${name}`, help, labelNames, buckets, registers: [registry] })

    gauge('build_info', 'Which Thinwire this is.', ['version']).set({ version: VERSION }, 1)
    this.requests = counter('requests_total', 'Requests that are over, by how they ended.', [
      'team',
      'dialect',
      'upstream',
      'status',
      'end',
      'cache',
    ])
    this.failedAttempts = counter('failed_attempts_total', 'Attempts that did not become the answer.', [
      'target',
      'cause',
    ])
    this.tokens = counter(
      'tokens_total',
      'Tokens of answered requests; cached is a part of prompt, reasoning of completion.',
      ['team', 'upstream', 'kind', 'source'],
    )
    this.savedTokens = counter('saved_tokens_total', 'Tokens for which no upstream had to be asked.', [
      'team',
    ])
    this.duration = histogram(
      'request_duration_seconds',
      'From the head of a request to its end.',
      DURATIONS,
      ['upstream'],
    )
    this.firstToken = histogram(
      'first_token_seconds',
      'From the head of a request to the first token.',
      DURATIONS,
      ['upstream'],
    )
    this.upstreamFirstByte = histogram(
      'upstream_first_byte_seconds',
      'From the attempt to the first byte of its answer.',
      DURATIONS,
      ['upstream'],
    )
    this.overhead = histogram(
      'overhead_seconds',
      'What the relay itself took until an answer began.',
      OVERHEADS,
    )
    this.inFlight = gauge('requests_in_flight', 'Requests under way.')
    this.bufferedBytes = gauge('buffered_bytes', 'Bytes of prompts that are held.')
    this.cacheBytes = gauge('cache_bytes', 'Bytes of answers that are kept.')
    this.bounds = counter('bounds_hit_total', 'How often a bound of the config was hit.', ['bound'])
    this.targetState = gauge('target_state', '1 for the state of the circuit breaker of a target.', [
      'target',
      'state',
    ])
    this.targetCooldown = gauge(
      'target_cooldown_seconds',
      'Time until the cooldown that a target asked for ends (retry-after).',
      ['target'],
    )
    this.targetInFlight = gauge('target_in_flight', 'Attempts under way, streams included.', ['target'])
    this.targetOpened = counter('target_opened_total', 'Times that the circuit of a target opened.', [
      'target',
    ])
    this.ledgerRecords = counter('ledger_records_total', 'Records of the usage ledger.', ['outcome'])
    this.ledgerQueued = gauge('ledger_queued_bytes', 'Records that wait for the disk.')
    this.ledgerStalled = gauge('ledger_stalled', '1 while nothing can be written to the ledger.')
    collectDefaultMetrics({ register: registry })
  }

  record(summary: RequestSummary): void {
    const team = summary.request.key?.team ?? ''
    const upstream = summary.outcome.upstream ?? ''
    this.requests.inc(
      {
        ...{
          team,
          upstream,
          dialect: summary.request.api,
          end: summary.outcome.end ?? '',
          cache: summary.outcome.cache ?? '',
        },
        status: summary.outcome.status ?? '',
      },
      1,
    )
    if (summary.outcome.failures !== null) this.countFailures(summary.outcome.failures)
    this.countTokens(summary, team, upstream)
    this.duration.observe({ upstream }, summary.totalMs / 1_000)
    const { firstTokenMs, overheadMs } = summary
    const { upstreamMs } = summary.timeline
    if (firstTokenMs !== null) this.firstToken.observe({ upstream }, firstTokenMs / 1_000)
    if (upstreamMs !== null) this.upstreamFirstByte.observe({ upstream }, upstreamMs / 1_000)
    if (overheadMs !== null) this.overhead.observe(overheadMs / 1_000)
  }

  get contentType(): string {
    return this.registry.contentType
  }

  /** All of them, as Prometheus reads them. */
  text(source: MetricsSource): Promise<string> {
    this.inFlight.set(source.openCount)
    this.bufferedBytes.set(source.bufferedBytes)
    this.cacheBytes.set(source.cacheBytes)
    this.bounds.reset()
    for (const [bound, times] of Object.entries(source.bounds.snapshot())) this.bounds.inc({ bound }, times)
    this.lookAtTargets(source.targetHealth)
    const ledger = source.ledgerState
    if (ledger !== null) {
      this.ledgerRecords.reset()
      this.ledgerRecords.inc({ outcome: 'written' }, ledger.written)
      this.ledgerRecords.inc({ outcome: 'dropped' }, ledger.dropped)
      this.ledgerQueued.set(ledger.queued_bytes)
      this.ledgerStalled.set(ledger.stalled === null ? 0 : 1)
    }
    return this.registry.metrics()
  }

  /** Those of an earlier config are not told of any more. */
  private lookAtTargets(targets: MetricsSource['targetHealth']): void {
    this.targetState.reset()
    this.targetCooldown.reset()
    this.targetInFlight.reset()
    this.targetOpened.reset()
    for (const [target, health] of targets) {
      for (const state of STATES) this.targetState.set({ target, state }, health.state === state ? 1 : 0)
      this.targetCooldown.set({ target }, health.cooling_ms / 1_000)
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

  private countTokens(summary: RequestSummary, team: string, upstream: string): void {
    const { usage, source } = summary.usage
    const saved = summary.savedUsage?.usage ?? null
    if (saved !== null) this.savedTokens.inc({ team }, (saved.prompt ?? 0) + (saved.completion ?? 0))
    if (usage === null || source === 'cache') return
    for (const kind of KINDS) {
      const count = usage[kind]
      if (count !== null && count > 0) this.tokens.inc({ team, upstream, kind, source }, count)
    }
  }
}

const KINDS = ['prompt', 'cached', 'completion', 'reasoning'] as const
