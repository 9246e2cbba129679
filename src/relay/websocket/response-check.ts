import type { SocketResponse } from '../../exchange/socket-response.js'
import type { EstimatedBody } from '../../limits/estimate.js'
import type { PricedTarget } from '../../limits/request-costs.js'
import type { ClientEvent } from './client-event.js'
import type { EventRefusal, SocketRules } from './socket-rules.js'

/** What limits estimate of a response that nobody has asked for. */
const UNASKED: EstimatedBody = {
  length: 0,
  pieces: [],
  decoded: null,
  peeked: { maxTokens: null, maxOutputTokens: null, formBoundary: null },
}

/** What limits estimate a response by: the message that asks for it. */
export function estimateEvent(event: ClientEvent): EstimatedBody {
  const { prompt } = event
  const peeked = { ...event.peek(), formBoundary: null }
  return { length: prompt.length, pieces: [prompt], decoded: null, peeked }
}

/** A response of which the limits are asked, in another process. Its message is held until they answer. */
export class ResponseCheck {
  readonly event: ClientEvent
  readonly response: SocketResponse
  /** It counts against the limits of the key, beside the connection itself. */
  readonly takesPlace: boolean
  /** Resolves with the answer. */
  readonly done: Promise<void>
  /** Why it may not begin; null if it may, or before the answer. */
  refusal: EventRefusal | null

  constructor(
    event: ClientEvent,
    response: SocketResponse,
    takesPlace: boolean,
    rules: Pick<SocketRules, 'whenChecked'>,
  ) {
    this.event = event
    this.response = response
    this.takesPlace = takesPlace
    this.refusal = null
    this.done = new Promise((resolve) => {
      rules.whenChecked(response, (refusal) => {
        this.refusal = refusal
        resolve()
      })
    })
  }

  /** It does not begin, whatever the answer is. @returns its record, to be closed */
  drop(rules: Pick<SocketRules, 'releaseFurther' | 'cancelLimits'>): SocketResponse {
    if (this.takesPlace) rules.releaseFurther()
    rules.cancelLimits(this.response)
    return this.response
  }
}

/**
 * Asks the limits about a response that nobody has asked for, and that has begun.
 * @param onChecked called with the answer, now or later
 */
export function checkUnasked(
  response: SocketResponse,
  target: PricedTarget,
  rules: Pick<SocketRules, 'checkLimits' | 'whenChecked'>,
  onChecked: (refusal: EventRefusal | null) => void,
): void {
  const checked = rules.checkLimits(response, UNASKED, target)
  if (checked === 'later') rules.whenChecked(response, onChecked)
  else onChecked(checked)
}
