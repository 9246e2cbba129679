import type { KeyRecord } from '../access/keyring.js'
import type { Shape } from '../api/apis.js'
import { headerValue } from '../http/headers.js'
import type { Tap } from '../metering/meter.js'
import type { PromptSample } from '../metering/prompt-sample.js'
import type { Exchange } from './exchange.js'
import { overheadMs } from './timing.js'
import { type Account, FROM_CACHE, settleAccount } from './token-usage.js'

const TRACE = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/

/**
 * What is kept of a request that is over, until its lines in the log and in the ledger are written: the rest of it, prompt
 * and all, can go. Lines are written many at a time, as code that runs over and over is in the processor's caches: between
 * the other work of a request one takes several times as long (bench `requests`, `connects`).
 */
export class Settled {
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
  readonly dialect: Exchange['dialect'] | `cursor_${Shape}`
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
  private readonly memory: Exchange['memory']
  private readonly rawHeaders: readonly string[]
  private readonly tap: Tap | null
  /** `performance.now()`, as the tap's times are. */
  private readonly startedAt: number
  private settledAccount: Account | null

  /** @param now `performance.now()` */
  constructor(x: Exchange, now: number) {
    this.receivedAt = x.receivedAt
    this.settledAt = Date.now()
    this.totalMs = now - x.startedAt
    const asked = Math.max(x.attemptAt, x.askedAt)
    this.upstreamMs = x.answeredAt === 0 || asked === 0 ? -1 : x.answeredAt - asked
    this.readMs = x.readMs
    this.overheadMs = isKept(x.cache) ? x.answeredAt - x.startedAt - Math.max(0, x.readMs) : overheadMs(x)
    this.attempts = x.attempts
    this.failures = x.failures
    this.gapMs = x.pieces > 1 ? x.longestGap : -1
    this.id = x.id
    this.end = x.end
    this.status = x.status
    this.method = x.method
    this.path = x.path
    this.dialect = x.shape === null ? x.dialect : `cursor_${x.shape}`
    this.cursor = x.cursor
    this.key = x.key
    this.model = x.model
    this.stream = x.stream
    this.upstream = x.upstream
    this.upstreamRequestId = x.upstreamRequestId
    this.errorCode = x.errorCode
    this.cause = x.cause
    this.phase = x.phase
    this.bytesIn = x.bytesIn
    this.bytesOut = x.bytesOut
    this.pieces = x.pieces
    this.prompt = x.prompt
    this.cache = x.cache
    this.memory = x.memory
    this.rawHeaders = x.req.rawHeaders
    this.tap = x.tap
    this.startedAt = x.startedAt
    this.settledAccount = null
  }

  get userAgent(): string | null {
    return headerValue(this.rawHeaders, 'user-agent') ?? null
  }

  /** Of `traceparent` (W3C Trace Context, 3.2.2), or null. */
  get traceId(): string | null {
    return TRACE.exec(headerValue(this.rawHeaders, 'traceparent') ?? '')?.[1] ?? null
  }

  /** What passed in its answer; null if nothing was looked at. */
  get seen(): Tap['seen'] | null {
    return this.tap?.seen ?? null
  }

  /** When its answer has been read. */
  get account(): Account {
    const shared = isKept(this.cache) || this.cache === 'joined'
    this.settledAccount ??= shared ? FROM_CACHE : settleAccount(this)
    return this.settledAccount
  }

  /** What was not asked for again; null if it was, or is not known. */
  get saved(): Account | null {
    return isKept(this.cache) || this.cache === 'joined' ? (this.memory?.account ?? null) : null
  }

  /** Milliseconds from the head of the request to the first token; -1 if none came. */
  get firstTokenMs(): number {
    const at = this.seen?.firstTokenAt ?? 0
    // Who joined late had it at once.
    return at === 0 ? -1 : Math.max(0, at - this.startedAt)
  }
}

/** Whether it was answered from what was there. */
function isKept(cache: Exchange['cache']): boolean {
  return cache === 'hit' || cache === 'prefix'
}
