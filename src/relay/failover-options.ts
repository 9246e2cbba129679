import type { ErrorCode } from '../api/errors.js'
import type { Exchange } from '../exchange/exchange.js'
import type { HedgeBudget } from '../routing/hedge.js'
import type { Target } from '../routing/route.js'
import type { Upstream } from '../upstream/upstream.js'
import type { Attempt, BodyHandler, ResponseHead } from './attempt.js'
import type { ByteBudget } from './byte-budget.js'

/** Receives the response of the attempt that wins. */
export interface ResponseHandler extends BodyHandler {
  /**
   * @param attempt the attempt that won
   * @throws if the head cannot be sent on; nothing has gone to a client then
   */
  onHead(head: ResponseHead, attempt: Attempt): void
  /** No target gave a response. Nothing has gone to a client. */
  onFailed(code: ErrorCode, cause: string): void
}

/** What a failover needs to know of the route and the request. */
export interface FailoverOptions {
  readonly targets: readonly Target<Upstream>[]
  /** Indexes into `targets`, in the order of the attempts. */
  readonly order: readonly number[]
  /** Whether the request may be repeated although an upstream may have acted on it; null: see `isFailoverDefault`. */
  readonly failover: boolean | null
  /** Milliseconds that a response may stay without content while another target is left; null for no limit. */
  readonly firstTokenMs: number | null
  /** What bounds the same where `firstTokenMs` does not. Then the response goes to the client. */
  readonly heldMs: number
  /** The time has come. */
  readonly onHeld: () => void
  /**
   * A second target is tried when the first has not answered after `afterMs`, if `budget` allows it; null for never.
   */
  readonly hedge: { readonly afterMs: number; readonly budget: HedgeBudget } | null
  /** Upstreams get the credentials of the relay, and not the client's own. */
  readonly ownsCredential: boolean
  /** Limits the bytes of responses that are held back. */
  readonly budget: ByteBudget
  /** Sends the request; called once for each attempt. @param exchange the exchange that is billed now */
  readonly send: (exchange: Exchange, attempt: Attempt) => void
  /**
   * Learns from a refusal how the target wants the request.
   * @returns whether the request can be sent to it once more, changed; null: requests are never changed
   */
  readonly correct: ((attempt: Attempt, status: number, error: Buffer) => boolean) | null
}
