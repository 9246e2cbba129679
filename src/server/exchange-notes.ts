import type { Exchange } from '../exchange/exchange.js'
import type { RequestBody } from '../relay/request-body.js'
import type { ProxyPlan } from './plan.js'

/** Notes what the plan has found out, for the attempts and the record. @param body null if it has none */
export function markPlanned(exchange: Exchange, plan: ProxyPlan, body: RequestBody | null): void {
  if (body !== null && plan.conversation !== null) {
    body.conversation = plan.conversation
    exchange.markTranslated()
    if (exchange.request.isCursor) exchange.setBodyApi(plan.conversation.api)
  }
  if (plan.deepModel !== null) exchange.setModel(plan.deepModel)
}
