import type { KeyRecord } from '../access/keyring.js'
import type { BodyApi } from '../api/apis.js'
import { findHeader } from '../http/headers.js'
import type { Meter } from '../metering/meter.js'
import type { PromptSample } from '../metering/prompt-sample.js'
import type { ResponseStats } from '../metering/response-stats.js'
import type { Exchange } from './exchange.js'
import { computeOverheadMs } from './timing.js'
import { CACHED_USAGE, resolveUsage, type TokenUsage } from './token-usage.js'

const TRACE = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/

/**
 * What is kept of a request that is over, until its lines in the log and in the ledger are written: the rest of it, prompt
 * and all, can go. Lines are written many at a time, as code that runs over and over is in the processor's caches: between
 * the other work of a request one takes several times as long (bench `requests`, `connects`).
 */
export class RequestSummary {
  /** Epoch milliseconds. */
  readonly receivedAt: number
  readonly settledAt: number
  /** Milliseconds. */
  readonly totalMs: number
  /** From the attempt to the first byte of the answer; -1 if it did not come so far, as below. */
  readonly upstreamMs: number
  /** Until the request's body was whole. */
  readonly readMs: number
  /** What the relay itself took until the answer began. */
  readonly overheadMs: number
  /** Longest silence between two pieces of the answer. */
  readonly gapMs: number
  /** Upstreams that were asked. */
  readonly attempts: number
  /** Which did not answer, or not well, and why. */
  readonly failures: string | null
  readonly id: string
  readonly end: Exchange['end']
  readonly status: number
  readonly method: string
  readonly path: string
  /** The API that was spoken; of a body at Cursor's own route, whose it is. */
  readonly api: Exchange['errorFormat'] | `cursor_${BodyApi}`
  readonly cursor: boolean
  readonly key: KeyRecord | null
  readonly model: string | null
  readonly stream: boolean | null
  readonly upstream: string | null
  readonly upstreamRequestId: string | null
  readonly errorCode: string | null
  readonly cause: string | null
  readonly phase: Exchange['phase']
  readonly bytesIn: number
  readonly bytesOut: number
  readonly pieces: number
  readonly prompt: PromptSample | null
  readonly cache: Exchange['cache']
  private readonly memory: Exchange['sharedUsage']
  private readonly rawHeaders: readonly string[]
  private readonly meter: Meter | null
  /** `performance.now()`, as the tap's times are. */
  private readonly startedAt: number
  private settledAccount: TokenUsage | null

  /** @param now `performance.now()` */
  constructor(exchange: Exchange, now: number) {
    this.receivedAt = exchange.receivedAt
    this.settledAt = Date.now()
    this.totalMs = now - exchange.startedAt
    const asked = Math.max(exchange.attemptAt, exchange.askedAt)
    this.upstreamMs = exchange.answeredAt === 0 || asked === 0 ? -1 : exchange.answeredAt - asked
    this.readMs = exchange.readMs
    this.overheadMs = isKept(exchange.cache)
      ? exchange.answeredAt - exchange.startedAt - Math.max(0, exchange.readMs)
      : computeOverheadMs(exchange)
    this.attempts = exchange.attempts
    this.failures = exchange.failures
    this.gapMs = exchange.pieces > 1 ? exchange.longestGap : -1
    this.id = exchange.id
    this.end = exchange.end
    this.status = exchange.status
    this.method = exchange.method
    this.path = exchange.path
    this.api = exchange.bodyApi === null ? exchange.errorFormat : `cursor_${exchange.bodyApi}`
    this.cursor = exchange.cursor
    this.key = exchange.key
    this.model = exchange.model
    this.stream = exchange.stream
    this.upstream = exchange.upstream
    this.upstreamRequestId = exchange.upstreamRequestId
    this.errorCode = exchange.errorCode
    this.cause = exchange.cause
    this.phase = exchange.phase
    this.bytesIn = exchange.bytesIn
    this.bytesOut = exchange.bytesOut
    this.pieces = exchange.pieces
    this.prompt = exchange.prompt
    this.cache = exchange.cache
    this.memory = exchange.sharedUsage
    this.rawHeaders = exchange.req.rawHeaders
    this.meter = exchange.meter
    this.startedAt = exchange.startedAt
    this.settledAccount = null
  }

  get userAgent(): string | null {
    return findHeader(this.rawHeaders, 'user-agent') ?? null
  }

  /** Of `traceparent` (W3C Trace Context, 3.2.2), or null. */
  get traceId(): string | null {
    return TRACE.exec(findHeader(this.rawHeaders, 'traceparent') ?? '')?.[1] ?? null
  }

  /** What passed in its answer; null if nothing was looked at. */
  get stats(): ResponseStats | null {
    return this.meter?.readStats() ?? null
  }

  /** When its answer has been read. */
  get usage(): TokenUsage {
    const shared = isKept(this.cache) || this.cache === 'joined'
    this.settledAccount ??= shared ? CACHED_USAGE : resolveUsage(this)
    return this.settledAccount
  }

  /** What was not asked for again; null if it was, or is not known. */
  get savedUsage(): TokenUsage | null {
    return isKept(this.cache) || this.cache === 'joined' ? (this.memory?.usage ?? null) : null
  }

  /** Milliseconds from the head of the request to the first token; -1 if none came. */
  get firstTokenMs(): number {
    const at = this.stats?.firstTokenAt ?? 0
    // Who joined late had it at once.
    return at === 0 ? -1 : Math.max(0, at - this.startedAt)
  }
}

/** Whether it was answered from what was there. */
function isKept(cache: Exchange['cache']): boolean {
  return cache === 'hit' || cache === 'prefix'
}
