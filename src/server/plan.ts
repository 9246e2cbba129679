import type { BodyApi } from '../api/apis.js'
import type { ErrorCode } from '../api/errors.js'
import type { Route } from '../routing/route.js'
import type { Router } from '../routing/router.js'
import { createKeyCheckResponse, isKeyCheck } from '../translate/cursor-key-check.js'
import { createNativeRequest, createTranslatedRequest } from '../translate/outbound-request.js'
import { detectBodyApi } from '../translate/request/detect-api.js'
import type { OutboundRequest } from '../translate/translator.js'
import type { ModelList } from '../upstream/model-list.js'
import type { Upstream } from '../upstream/upstream.js'

/** What is done with a request. */
export type Plan =
  /** The rest of the body decides: plan again when it is complete. */
  | { readonly kind: 'wait' }
  /** The relay answers with JSON of its own. */
  | { readonly kind: 'local'; readonly status: number; readonly body: unknown }
  /** The same, once the body is there. */
  | { readonly kind: 'pending'; readonly body: Promise<unknown> }
  | { readonly kind: 'refuse'; readonly code: ErrorCode; readonly bodyApi: BodyApi | null }
  | ProxyPlan

/** The request goes to an upstream, or is answered from the cache. */
export interface ProxyPlan {
  readonly kind: 'proxy'
  readonly route: Route<Upstream>
  /** What is sent in place of the request, of a body at `/cursor`; null if it goes as it came. */
  readonly outbound: OutboundRequest | null
}

/** What a plan depends on, of a request that was admitted. */
export interface PlanRequest {
  readonly method: string
  /** Behind the version. */
  readonly path: string
  /** The request came by Cursor's own route. */
  readonly isCursor: boolean
  readonly model: string | null
  readonly team: string | null
  /** Null if the request has none. */
  readonly body: PlanBody | null
}

export interface PlanBody {
  /** All of it has arrived. */
  readonly isComplete: boolean
  /** To be called only when the body is complete. */
  join(): Buffer
}

/** What a plan depends on, of the relay. */
export interface PlanRules {
  readonly router: Pick<Router<Upstream>, 'findRoute'>
  readonly models: Pick<ModelList, 'answer' | 'routeFor'>
  /** Answer Cursor's check of a key locally (`cursor.answerKeyCheck`). */
  readonly answerKeyCheck: boolean
  /** Whether the cache may hold the response, which it can tell only from the complete body. */
  mayCache(): boolean
}

const WAIT: Plan = { kind: 'wait' }
const NO_ROUTE = { kind: 'refuse', code: 'no_route', bodyApi: null } as const

/**
 * Decides what is done with a request. Sends nothing and changes nothing: whoever calls it carries the plan out.
 */
export function planRequest(request: PlanRequest, rules: PlanRules): Plan {
  const { method, path, body, model, team } = request
  if (request.isCursor && method === 'POST' && path === '/chat/completions' && body !== null)
    return body.isComplete ? planCursorChat(request, body.join(), rules) : WAIT
  const isModelList = path.startsWith('/models') && (method === 'GET' || method === 'HEAD')
  if (isModelList) {
    const models = rules.models.answer(path, team)
    if (models instanceof Promise) return { kind: 'pending', body: models }
    if (models !== null) return { kind: 'local', status: 200, body: models }
  }
  const route = isModelList ? rules.models.routeFor(path, team) : rules.router.findRoute(path, model, team)
  if (body?.isComplete === false && (route === null || needsWholeBody(request, route, rules))) return WAIT
  return route === null ? NO_ROUTE : { kind: 'proxy', route, outbound: null }
}

/** Plans a chat from Cursor, whose body may be written for another API than its path says. */
function planCursorChat({ model, team }: PlanRequest, body: Buffer, rules: PlanRules): Plan {
  if (rules.answerKeyCheck && isKeyCheck(body))
    return { kind: 'local', status: 200, body: createKeyCheckResponse(model ?? 'none') }
  const api: BodyApi = detectBodyApi(body)
  const native = createNativeRequest(api, body, model)
  const route = rules.router.findRoute(native.path, model, team)
  if (route !== null) return { kind: 'proxy', route, outbound: native }
  if (api === 'chat') return { ...NO_ROUTE, bodyApi: api }
  const outbound = createTranslatedRequest(native, body)
  const translatedRoute = rules.router.findRoute(outbound.path, model, team)
  return translatedRoute === null
    ? { ...NO_ROUTE, bodyApi: api }
    : { kind: 'proxy', route: translatedRoute, outbound }
}

/** Whether the end of the body may change the request, or the cache. */
function needsWholeBody({ method, path }: PlanRequest, route: Route<Upstream>, rules: PlanRules): boolean {
  for (const { upstream } of route.targets) if (upstream.asksUsage(method, path)) return true
  return rules.mayCache()
}
