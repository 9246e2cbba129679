import type { KeyRecord } from '../access/key-lines.js'
import { holdsKey } from '../access/key-traces.js'
import { BODY_PATHS, type BodyApi, findBodyApi } from '../api/apis.js'
import type { ErrorCode } from '../api/errors.js'
import { isRead } from '../api/model-paths.js'
import { isAmbiguousPath, type ModelUse } from '../api/model-use.js'
import type { RequestFacts } from '../exchange/request-facts.js'
import type { Peek } from '../json/peek.js'
import type { Reference } from '../json/references.js'
import { isExempt } from '../limits/rules/exempt.js'
import { findSession } from '../routing/affinity.js'
import type { Route, Target } from '../routing/route.js'
import type { Router } from '../routing/router.js'
import type { Location } from '../stored/locate.js'
import type {
  ConversationOptions,
  ConversationRequest,
  FieldRefusal,
} from '../translate/conversation-request.js'
import { createKeyCheckResponse, isKeyCheck } from '../translate/cursor-key-check.js'
import { prepareConversation } from '../translate/prepare-conversation.js'
import { detectBodyApi } from '../translate/request/detect-api.js'
import { removeShownThinking } from '../translate/request/shown-thinking.js'
import { type ModelList, parseModelName } from '../upstream/model-list.js'
import type { Upstream } from '../upstream/upstream.js'
import {
  AMBIGUOUS_PATH,
  findDeepModels,
  findDoubt,
  findLeadingModels,
  findNamedModel,
  findUse,
  type GateBody,
  type GateRefusal,
  KEY_IN_PATH,
  MIXED,
  mayNameDeep,
} from './gate.js'
import { type ModelAccess, refuseModels } from './model-access.js'
import type { TargetTraits } from './target-traits.js'

/** What is done with a request. */
export type Plan =
  /** The rest of the body decides: plan again when it is complete. */
  | { readonly kind: 'wait' }
  /** Objects decide that are known in a moment: plan again then. @property ids of these */
  | { readonly kind: 'later'; readonly ids: readonly string[] }
  /** The relay answers with JSON of its own. */
  | { readonly kind: 'local'; readonly status: number; readonly body: unknown }
  /** The same: what limits the client's key, and what is left. */
  | { readonly kind: 'key'; readonly key: KeyRecord }
  /** The same, once the body is there. */
  | { readonly kind: 'pending'; readonly body: Promise<unknown> }
  | {
      readonly kind: 'refuse'
      readonly code: ErrorCode
      readonly bodyApi: BodyApi | null
      /** What the client reads besides: of a field that no target can be sent, or of a rule; null for nothing. */
      readonly field: Omit<GateRefusal, 'code'> | null
    }
  | ProxyPlan

/** The request goes to an upstream, or is answered from the cache. */
export interface ProxyPlan {
  readonly kind: 'proxy'
  readonly route: Route<Upstream>
  /** Fits the request to the API of each target; null if it goes as it came. */
  readonly conversation: ConversationRequest | null
  /** Indexes of the targets that the request can be fitted to; null for all. */
  readonly usable: readonly number[] | null
  /** The model that the body names below its top level only, for the record; null if it was not looked for. */
  readonly deepModel: string | null
}

/** What a plan depends on, of a request that was admitted. */
export type PlanRequest = Pick<
  RequestFacts,
  'method' | 'path' | 'query' | 'deployment' | 'isCursor' | 'model' | 'team' | 'key' | 'tags' | 'rawHeaders'
>

export interface PlanBody extends GateBody {
  /** Bytes, as far as is known. */
  readonly length: number
  /** What was found in it so far. */
  readonly peeked: GateBody['peeked'] & Pick<Peek, 'references' | 'namesOthers'>
}

/** What a plan depends on, of the relay. */
export interface PlanRules {
  readonly router: Pick<
    Router<Upstream>,
    | 'findRoute'
    | 'findConversationRoute'
    | 'findVariant'
    | 'findRouteTo'
    | 'hasTranslatedRoutes'
    | 'dependsOnModel'
    | 'hasPathRules'
  >
  readonly models: Pick<ModelList, 'answer' | 'routeFor'>
  readonly traits: Pick<TargetTraits, 'find'>
  /** Which models a request may use. */
  findAccess(request: PlanRequest): ModelAccess
  /** Answer Cursor's check of a key locally (`cursor.answerKeyCheck`). */
  readonly answerKeyCheck: boolean
  /** How thinking is shown to Cursor (`cursor.thinking`). */
  readonly showThinking: ConversationOptions['showThinking']
  /** Opens the memory of the thinking in the conversation of a body. */
  openThoughts(request: PlanRequest, body: Buffer): ConversationOptions['thoughts']
  /** Where the stored objects of a request are; see `locate`. */
  locate(request: PlanRequest, references: readonly Reference[]): Location | null
  /** Whether the cache may hold the response; only the complete body decides. @param bytes of the body */
  mayCache(request: PlanRequest, bytes: number): boolean
}

const WAIT: Plan = { kind: 'wait' }
const NO_REFERENCES: readonly Reference[] = []
const NO_ROUTE = { kind: 'refuse', code: 'no_route', bodyApi: null, field: null } as const

/**
 * Decides what is done with a request. Sends nothing and changes nothing: the caller carries the plan out.
 * @param body null if the request has none
 * @param isLast it is not to be planned later once more
 */
export function planRequest(
  request: PlanRequest,
  body: PlanBody | null,
  rules: PlanRules,
  isLast = false,
): Plan {
  const { key, method, path } = request
  if (key !== null && path === '/key' && (method === 'GET' || method === 'HEAD')) return { kind: 'key', key }
  const access = rules.findAccess(request)
  const plan = planAllowed(request, body, rules, access, isLast)
  return plan.kind === 'proxy' && access.barsTargets ? barTargets(plan, request, access) : plan
}

/** Leaves out the targets whose own model a rule denies. Without any other, the request is refused. */
function barTargets(plan: ProxyPlan, request: PlanRequest, access: ModelAccess): Plan {
  const { route, conversation } = plan
  // Most targets are asked for the model of the request.
  if (!route.targets.some(({ model }) => model !== null) || findUse(request) === 'none') return plan
  const asked = conversation?.modelName ?? request.model
  const before = plan.usable ?? [...route.targets.keys()]
  let refusal: GateRefusal | null = null
  const usable = before.filter((i) => {
    const found = access.refuseTarget(asked, route.targets[i]?.model ?? null)
    refusal ??= found
    return found === null
  })
  if (refusal === null) return plan
  return usable.length === 0 ? refuseAtGate(refusal) : { ...plan, usable }
}

function planAllowed(
  request: PlanRequest,
  body: PlanBody | null,
  rules: PlanRules,
  access: ModelAccess,
  isLast: boolean,
): Plan {
  const { method, path, team } = request
  const use = findUse(request)
  const gate = passGate(request, body, use, rules, access)
  if (gate !== null) return gate
  const model = findNamedModel(request, body, use)
  const located = rules.locate(request, body?.peeked.references ?? NO_REFERENCES)
  if (located?.kind === 'refused') return refuseLocation(located)
  if (located?.kind === 'behind' && !isLast)
    return body?.isComplete === false ? WAIT : { kind: 'later', ids: located.ids }
  const location = located?.kind === 'behind' ? located.otherwise : located
  const pathApi = method === 'POST' && body !== null ? findBodyApi(path) : null
  if (request.isCursor && pathApi === 'chat' && body !== null)
    return body.isComplete ? planCursorChat(request, body.join(), rules) : WAIT
  if (pathApi !== null && body !== null && rules.router.hasTranslatedRoutes) {
    const route = rules.router.findConversationRoute(path, path, model, team)
    if (route?.translate === true)
      return body.isComplete ? planTranslated(request, pathApi, route, body.join(), rules) : WAIT
  }
  const isModelList = path.startsWith('/models') && (method === 'GET' || method === 'HEAD')
  if (isModelList) {
    const name = parseModelName(path)
    const refuse = (model: string): GateRefusal | null =>
      access.refuse(model) ?? refuseTargets(model, team, rules, access)
    const refusal = name === null ? null : refuse(name)
    if (refusal !== null) return refuseAtGate(refusal)
    const isListed = access.isRestricted ? (model: string): boolean => refuse(model) === null : null
    const models = rules.models.answer(path, team, isListed)
    if (models instanceof Promise) return { kind: 'pending', body: models }
    if (models !== null) return { kind: 'local', status: 200, body: models }
  }
  const matching = isModelList
    ? rules.models.routeFor(path, team)
    : rules.router.findRoute(path, model, team, use !== 'unknown')
  const { route, usable } = pinTo(location, matching, rules)
  if (use === 'deep' && route !== null && !takesAll(request, body, route, rules)) return refuseAtGate(MIXED)
  if (body?.isComplete === false && (route === null || needsWholeBody(request, body, route, rules)))
    return WAIT
  const deepModel = use === 'deep' ? model : null
  return route === null ? NO_ROUTE : { kind: 'proxy', route, conversation: null, usable, deepModel }
}

/** Why no target of a model may be asked for it; null if one may. */
function refuseTargets(
  model: string,
  team: string | null,
  { models }: PlanRules,
  access: ModelAccess,
): GateRefusal | null {
  if (!access.barsTargets) return null
  const { targets } = models.routeFor(`/models/${encodeURIComponent(model)}`, team) ?? { targets: [] }
  const refusals = targets.map((target) => access.refuseTarget(model, target.model))
  return refusals.every((refusal) => refusal !== null) ? (refusals[0] ?? null) : null
}

/** Whether the targets of a route are also those of each other model that decides where the request goes. */
function takesAll(
  { path, team }: PlanRequest,
  body: PlanBody | null,
  { targets }: Route<Upstream>,
  { router }: PlanRules,
): boolean {
  if (!router.dependsOnModel(path, team)) return true
  for (const model of new Set(findLeadingModels(path, body))) {
    const there = model === null ? null : router.findRoute(path, model, team)
    if (!targets.every(({ upstream }) => there?.targets.some((target) => target.upstream === upstream)))
      return false
  }
  return true
}

/**
 * Refuses what a rule depends on and cannot be read, or can be read in several ways, and what a key may not use.
 * @returns null if the request passes, as far as its body has arrived
 */
function passGate(
  request: PlanRequest,
  body: PlanBody | null,
  use: ModelUse,
  rules: PlanRules,
  access: ModelAccess,
): Plan | null {
  const { method, path, team, deployment, key } = request
  if (key !== null && (holdsKey(path) || (deployment !== null && holdsKey(deployment))))
    return refuseAtGate({ code: 'invalid_path', message: KEY_IN_PATH, param: null })
  // No doubt is looked for where no rule depends on the model: that may be a walk over the whole body.
  if (!access.dependsOnModel && !rules.router.dependsOnModel(path, team, use !== 'unknown'))
    return rules.router.hasPathRules && isAmbiguousPath(method, path) ? refuseAtGate(AMBIGUOUS_PATH) : null
  const doubt = findDoubt(request, body, use)
  if (doubt !== null) return refuseAtGate(doubt)
  if (body?.isComplete === false && mayNameDeep(use, path)) return WAIT
  return access.dependsOnModel ? passModels(request, body, use, rules, access) : null
}

/** Checks a request where rules depend on its model. */
function passModels(
  request: PlanRequest,
  body: PlanBody | null,
  use: ModelUse,
  rules: PlanRules,
  access: ModelAccess,
): Plan | null {
  const { path, team, isCursor } = request
  const named = findNamedModel(request, body, use)
  if (body?.isComplete === false && named === null) return WAIT
  const isCursorChat = isCursor && findBodyApi(path) === 'chat'
  if (isCursorChat && rules.answerKeyCheck && body?.isComplete === true && isKeyCheck(body.join()))
    return null
  const deep = use === 'deep' ? findDeepModels(path, body) : []
  const all = deep.length > 0 || named === null ? deep : [named]
  // Of other requests, variants are no names of aliases.
  const variant = isCursorChat && named !== null ? rules.router.findVariant(named, team) : null
  const leading = use === 'deep' ? findLeadingModels(path, body) : []
  const refusal =
    refuseModels(access, use, all, variant, body?.peeked.namesOthers === true) ??
    (mayRunUnseen(request, use) ? access.refuseUnseen(use, { recorded: named, leading, all: deep }) : null)
  return refusal === null ? null : refuseAtGate(refusal)
}

/** Whether a request runs models, and costs what limits count. */
function mayRunUnseen({ method, path }: PlanRequest, use: ModelUse): boolean {
  return use !== 'none' && !(use === 'unknown' && isRead(method)) && !isExempt(method, path)
}

function refuseAtGate({ code, ...field }: GateRefusal): Plan {
  return { kind: 'refuse', code, bodyApi: null, field }
}

function refuseLocation({ code, missing }: Location & { kind: 'refused' }): Plan {
  return { kind: 'refuse', code, bodyApi: null, field: missing }
}

/** A request about stored objects goes to the upstream that has them, as long as the config has that upstream. */
function pinTo(
  location: Location | null,
  route: Route<Upstream> | null,
  { router }: PlanRules,
): Pick<ProxyPlan, 'usable'> & { readonly route: Route<Upstream> | null } {
  if (location?.kind !== 'at') return { route, usable: null }
  const indexes = [...(route?.targets.keys() ?? [])]
  const usable = indexes.filter((i) => route?.targets[i]?.upstream.name === location.upstream)
  if (usable.length > 0) return { route, usable }
  return { route: (location.isAboutIt ? router.findRouteTo(location.upstream) : null) ?? route, usable: null }
}

/** Plans a chat from Cursor, whose body may be written for another API than its path says. */
function planCursorChat(request: PlanRequest, given: Buffer, rules: PlanRules): Plan {
  const { model, team, path } = request
  if (rules.answerKeyCheck && isKeyCheck(given))
    return { kind: 'local', status: 200, body: createKeyCheckResponse(model ?? 'none') }
  const api = detectBodyApi(given)
  const body = rules.showThinking === 'think_tags' ? removeShownThinking(api, given) : given
  const variant = model === null ? null : rules.router.findVariant(model, team)
  const route = rules.router.findConversationRoute(path, BODY_PATHS[api], variant?.base ?? model, team)
  if (route === null) return { ...NO_ROUTE, bodyApi: api }
  const conversation = prepareConversation(api, body, {
    reads: 'chat',
    isCursor: true,
    model,
    modelName: variant?.base ?? null,
    effort: variant?.effort ?? null,
    showThinking: rules.showThinking,
    thoughts: rules.openThoughts(request, body),
  })
  return planConversation(conversation, route, request, rules)
}

/** Plans a conversation of another client, on a route that translates. */
function planTranslated(
  request: PlanRequest,
  api: BodyApi,
  route: Route<Upstream>,
  body: Buffer,
  rules: PlanRules,
): Plan {
  const conversation = prepareConversation(api, body, {
    reads: api,
    isCursor: false,
    model: request.model,
    modelName: null,
    effort: null,
    showThinking: 'reasoning_content',
    thoughts: rules.openThoughts(request, body),
  })
  return planConversation(conversation, route, request, rules)
}

/** Leaves out the targets that cannot be sent a field of the request. Without any other, the field is refused. */
function planConversation(
  conversation: ConversationRequest,
  route: Route<Upstream>,
  { model }: PlanRequest,
  rules: PlanRules,
): Plan {
  const usable: number[] = []
  let refusal: FieldRefusal | null = null
  for (const [i, target] of route.targets.entries()) {
    const found = findRefusal(conversation, target, conversation.modelName ?? model, rules)
    if (found === null) usable.push(i)
    else refusal ??= found
  }
  if (usable.length === 0)
    return { kind: 'refuse', code: 'unsupported_field', bodyApi: conversation.api, field: refusal }
  return { kind: 'proxy', route, conversation, usable: refusal === null ? null : usable, deepModel: null }
}

function findRefusal(
  conversation: ConversationRequest,
  target: Target<Upstream>,
  model: string | null,
  { traits }: PlanRules,
): FieldRefusal | null {
  const { api } = traits.find(target, conversation.api, model)
  return api === null ? null : conversation.findRefusal(api)
}

/** Whether the end of the body may change the request, or the cache. */
function needsWholeBody(
  request: PlanRequest,
  { length }: PlanBody,
  route: Route<Upstream>,
  rules: PlanRules,
): boolean {
  for (const { upstream } of route.targets)
    if (upstream.needsWholeBody(request.path) || upstream.asksUsage(request.method, request.path)) return true
  // The end of the body may name the session, which decides between the targets.
  if (route.strategy !== 'order' && route.targets.length > 1 && findSession(request.rawHeaders) === null)
    return true
  return rules.mayCache(request, length)
}
