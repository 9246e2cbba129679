import type { ErrorCode } from '../api/errors.js'
import type { Meter } from '../metering/meter.js'
import type { PromptSample } from '../metering/prompt-sample.js'
import type { TokenUsage } from './token-usage.js'

/**
 * The phases of a request, in their order; it only goes forward. The key is checked before the body is read, so that a
 * flood of bad keys costs no memory.
 */
export const PHASES = ['admit', 'read', 'plan', 'cache', 'attempt', 'respond'] as const

export type Phase = (typeof PHASES)[number]

/**
 * How the relay's cache took part: `hit` from memory; `prefix` the rest of a cached completion whose beginning the user
 * has typed; `miss` sent upstream and billed; `joined` shares the response to another request; `off` by the client's
 * wish.
 */
export type CacheOutcome = 'hit' | 'prefix' | 'miss' | 'joined' | 'off'

/** How an exchange ended; a closed list. */
export type End =
  /** The upstream's whole response, whatever its status, was handed to the client. */
  | 'done'
  /** The relay made the response itself: health, CORS preflight, the list of aliases. */
  | 'local'
  /** The relay refused the request before an upstream was asked. */
  | 'refused'
  /** No upstream gave a response; the client got an error of the relay's. */
  | 'upstream_failed'
  /** The upstream broke off within its response; the client's connection was broken too. */
  | 'upstream_cut'
  /** The upstream was silent within its response for longer than `timeouts.idleMs`. */
  | 'upstream_idle'
  /** A newer autocomplete request of the same session arrived. */
  | 'superseded'
  /** The client left before the end. */
  | 'client_gone'
  /** The client did not read for longer than `timeouts.clientStallMs`. */
  | 'client_stalled'
  /** The key was revoked, deleted or expired while the request was open, and it was cut. */
  | 'revoked'
  /** Still open when the time for draining was up. */
  | 'shutdown'
  /** A fault of the relay. */
  | 'crashed'

/** The health of the target that responded, as far as the end of its response tells of it. */
export interface ResponderHealth {
  /**
   * A response that began well is over.
   * @param ticket identifies the attempt
   * @param now `performance.now()`
   * @param error the target's own, which ended the response; null for none
   */
  settle(ticket: number, now: number, error: string | null): void
}

/** What became of a request. Unknown is null. */
export class Outcome {
  phase: Phase
  end: End | null
  /** The relay's own error that the client got. */
  errorCode: ErrorCode | null
  /** What exactly went wrong, for the log alone. Never a secret or a part of a prompt. */
  cause: string | null
  /** Status of the response that the client got. */
  status: number | null
  /** Name of the upstream that responded, or else of the last attempt. */
  upstream: string | null
  /** Name of the key that it was asked with; null if it has only one. */
  upstreamKey: string | null
  /** The model that this upstream was asked for; null if it is the one that the client requested. */
  sentModel: string | null
  upstreamRequestId: string | null
  /** Health of the target whose response began well; null for none. Where a response is shared, its payer has it. */
  responder: ResponderHealth | null
  responderTicket: number
  /** Attempts that were made; one upstream may have had two. */
  attempts: number
  /** Targets that failed, and why: `azure 429, groq ECONNREFUSED`. */
  failures: string | null
  /** Targets whose attempts were overtaken by another one (hedging); null for none. */
  overtaken: string | null
  /** How many of these had been sent the request, so that they may bill the prompt too. */
  overtakenCount: number
  /** Fields of the request that the target was not sent, as it does not have or take them: `temperature, stop`. */
  droppedFields: string | null
  /** Name of the limit rule that refused the request; null for none. */
  limitRule: string | null
  /** Names of the rules that only observe, and would have refused it: `interns, everyone`; null for none. */
  observedRules: string | null
  bytesIn: number
  bytesOut: number
  /** Chunks of the response. */
  chunks: number
  /** Longest time between two chunks, in milliseconds; null for fewer than two. */
  longestGapMs: number | null
  /** Null if the request cannot be cached. */
  cache: CacheOutcome | null
  /**
   * Usage of the cached or joined response, and the upstream that made it; null if the response came from an upstream
   * for this request.
   */
  sharedUsage: { readonly usage: TokenUsage | null; readonly upstream: string | null } | null
  /** Sample of the prompt for a token estimate; the body itself is freed. */
  prompt: PromptSample | null
  /** Reads a copy of the response; null if it is not metered. */
  meter: Meter | null
  private lastChunkAt: number

  constructor() {
    this.phase = 'admit'
    this.end = null
    this.errorCode = null
    this.cause = null
    this.status = null
    this.upstream = null
    this.upstreamKey = null
    this.sentModel = null
    this.upstreamRequestId = null
    this.responder = null
    this.responderTicket = 0
    this.attempts = 0
    this.failures = null
    this.overtaken = null
    this.overtakenCount = 0
    this.droppedFields = null
    this.limitRule = null
    this.observedRules = null
    this.bytesIn = 0
    this.bytesOut = 0
    this.chunks = 0
    this.longestGapMs = null
    this.cache = null
    this.sharedUsage = null
    this.prompt = null
    this.meter = null
    this.lastChunkAt = 0
  }

  /** @param now `performance.now()` */
  countChunk(now: number): void {
    if (this.chunks > 0) {
      const gap = now - this.lastChunkAt
      if (this.longestGapMs === null || gap > this.longestGapMs) this.longestGapMs = gap
    }
    this.chunks++
    this.lastChunkAt = now
  }

  /** Moves attempts and usage to the outcome of another exchange, so that they are recorded exactly once. */
  moveBillingTo(heir: Outcome): void {
    heir.attempts = this.attempts
    heir.failures = this.failures
    heir.overtaken = this.overtaken
    heir.overtakenCount = this.overtakenCount
    heir.upstream = this.upstream
    heir.upstreamKey = this.upstreamKey
    heir.sentModel = this.sentModel
    heir.meter = this.meter
    heir.responder = this.responder
    heir.responderTicket = this.responderTicket
    this.attempts = 0
    this.failures = null
    this.overtaken = null
    this.overtakenCount = 0
    this.meter = null
    this.responder = null
  }
}
