import type { RefusalDetails } from '../../api/error-response.js'
import { ERRORS, type ErrorCode } from '../../api/errors.js'
import type { SocketResponse } from '../../exchange/socket-response.js'
import type { RequestSummary } from '../../exchange/summary.js'
import type { Reference } from '../../json/references.js'
import type { EstimatedBody } from '../../limits/estimate.js'
import type { PricedTarget } from '../../limits/request-costs.js'
import type { Target } from '../../routing/route.js'
import type { Location } from '../../stored/locate.js'
import type { Upstream } from '../../upstream/upstream.js'
import type { SocketRoute } from './connector.js'
import { CLOSE_CODES } from './frames.js'

/** Why an event of a client does not pass. */
export interface EventRefusal extends RefusalDetails {
  readonly code: ErrorCode
  /** Name of the limit rule that bars its model; not there for none. */
  readonly barredBy?: string
}

/** What a WebSocket needs to know of the config, the keys and the routes. */
export interface SocketRules {
  /** Longest message of a client, in bytes. */
  readonly bodyBytes: number
  /** Milliseconds that a connection may stay open without a message or an open response. */
  readonly quietMs: number
  /** Milliseconds that a message of a client may take to arrive, if it is held until it is complete. */
  readonly requestMs: number
  /** Milliseconds that a client may read nothing while data waits for it. */
  readonly clientStallMs: number
  /** Finds where the stored objects are that a response goes on from; see `locate`. */
  locate(references: readonly Reference[]): Location | null
  /**
   * Resolves when objects are known that may be known in a moment (`behind`).
   * @throws {Error} whose they are cannot be known
   */
  whenKnown(ids: readonly string[]): Promise<void>
  /**
   * Finds the targets of a connection.
   * @param upstream that has the stored objects: the only one, if it is among the targets; null for none
   * @returns why there are none
   */
  route(model: string | null, upstream: string | null): SocketRoute | EventRefusal
  /** Finds the name of a model at the target of a connection; null if the model is not there. */
  nameAt(target: Target<Upstream>, model: string): string | null
  /** Whether a rule depends on the model. */
  dependsOnModel(): boolean
  /**
   * Why models may not be used; null if they may.
   * @param recorded the model that the record of the response has; null for none
   * @param named all that an event names; null for one that is no text
   */
  refuseModels(recorded: string | null, named: readonly (string | null)[]): EventRefusal | null
  /** A limit rule has refused a response because of its model. @param rule its name */
  bar(response: SocketResponse, rule: string): void
  /** An upstream has no WebSocket at the path of this one. */
  onNoWebSocket(upstream: Upstream): void
  /**
   * @param upstream that gets the response; null if none is connected yet
   * @param isFurther it comes beside another one
   * @returns why it is refused; null if it may begin
   */
  admit(upstream: Upstream | null, isFurther: boolean): ErrorCode | null
  releaseFurther(): void
  /**
   * Asks the limits about a response, and counts it if it may begin. `later`: `whenChecked` has the answer.
   * @param body the message that asks for it
   * @param target that gets it: its price decides
   */
  checkLimits(
    response: SocketResponse,
    body: EstimatedBody,
    target: PricedTarget,
  ): EventRefusal | 'later' | null
  /** Waits for the answer, which may come after the end of the response. */
  whenChecked(response: SocketResponse, onChecked: (refusal: EventRefusal | null) => void): void
  /** A response that was checked does not begin after all. */
  cancelLimits(response: SocketResponse): void
  record(summary: RequestSummary): void
}

/** The code that a connection is closed with after an error of the relay's. */
export function closeCodeOf(code: ErrorCode): number {
  if (code === 'draining') return CLOSE_CODES.goingAway
  if (code === 'body_too_large') return CLOSE_CODES.messageTooBig
  const { status } = ERRORS[code]
  if (status === 429 || status === 503) return CLOSE_CODES.tryAgainLater
  return code === 'upgrade_unsupported' ? CLOSE_CODES.internalError : CLOSE_CODES.policyViolation
}
