import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import type { ClientRequest } from '../relay/client-request.js'
import type { RelayContext } from '../relay/relay-context.js'
import {
  BOUND_OF_BODY_REFUSAL,
  type BodyEvents,
  type BodyLimits,
  type BodyRefusal,
  RequestBody,
} from '../relay/request-body.js'
import type { RequestDispatcher } from './request-dispatcher.js'

/** Starts to read the bodies of requests, and says what happens with what has come of them. */
export class BodyIntake {
  private readonly context: RelayContext
  private readonly limits: BodyLimits
  private readonly events: BodyEvents

  constructor(
    { limits, timeouts }: Config,
    context: RelayContext,
    dispatcher: RequestDispatcher,
    onReady: BodyEvents['onReady'],
    refuse: (exchange: Exchange, reason: BodyRefusal) => void,
  ) {
    this.context = context
    this.limits = { ...limits, requestMs: timeouts.requestMs }
    this.events = {
      onReady,
      onReference: (exchange, body) => dispatcher.locate(exchange, body) !== null,
      onDoubt: ({ request }) => dispatcher.dependsOnModel(request),
      onOthers: ({ request }) => dispatcher.findAccess(request).dependsOnModel,
      onRefused: (exchange, reason) => {
        context.bounds.hit(BOUND_OF_BODY_REFUSAL[reason])
        refuse(exchange, reason)
      },
    }
  }

  /** @param length that the head declares; -1 if it is not known */
  start(exchange: Exchange, req: ClientRequest, length: number): void {
    const body = new RequestBody(exchange, length, this.events, this.limits, this.context.budget)
    exchange.body = body
    exchange.stage = body
    body.start(req)
  }
}
