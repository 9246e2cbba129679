import { authenticate } from '../access/credentials.js'
import { Keyring } from '../access/keyring.js'
import { findApiIndex, OTHER_API } from '../api/api-of-path.js'
import { type BodyApi, findBodyApi } from '../api/apis.js'
import { ERRORS, type ErrorCode } from '../api/errors.js'
import { findModelUse, namesModel } from '../api/model-use.js'
import { APIS } from '../api/presets.js'
import { parseRequestTarget } from '../api/request-target.js'
import { CacheRules } from '../cache/cache-rules.js'
import type { Config } from '../config/config.js'
import { redactText } from '../exchange/log-text.js'
import { RequestFacts } from '../exchange/request-facts.js'
import { peekFields } from '../json/peek.js'
import { BoundCounters } from '../lib/limit-counters.js'
import { isExempt } from '../limits/rules/exempt.js'
import { CompiledRule, LimitMatcher } from '../limits/rules/matcher.js'
import { findMismatch } from '../limits/rules/mismatch.js'
import { describeRequest } from '../limits/rules/subject.js'
import { ByteBudget } from '../relay/byte-budget.js'
import { RelayContext } from '../relay/relay-context.js'
import { isFailoverDefault } from '../routing/retry-policy.js'
import { Router } from '../routing/router.js'
import type { PlanBody, PlanRequest, ProxyPlan } from '../server/plan.js'
import { orderTargets, RequestDispatcher } from '../server/request-dispatcher.js'
import { TargetTraits } from '../server/target-traits.js'
import type { KnownObjects } from '../stored/locate.js'
import { LearnedTraits } from '../translate/corrections/learned-traits.js'
import { createUpstreams } from '../upstream/upstream.js'
import { describeAmounts } from './limit-words.js'
import { describePlaces, type PlaceOutlook } from './target-outlook.js'

/** A request that is not sent. */
export interface ImaginedRequest {
  readonly model: string
  /** With the version, as a client has it: `/v1/chat/completions`. */
  readonly path: string
  /** The client's key; null for none. */
  readonly key: string | null
  /** In place of a key; null for none. */
  readonly team: string | null
}

/** A refusal, as the client gets it. */
export interface RefusalOutlook {
  readonly code: ErrorCode
  readonly status: number
  readonly message: string
}

/** Who sends the request, as far as the relay knows. */
export interface OwnerOutlook {
  readonly id: string
  readonly env: string
  readonly team: string
  readonly user: string
  readonly expiresAt: string | null
  /** Patterns; null for any. */
  readonly models: readonly string[] | null
  readonly addresses: readonly string[] | null
}

/** Where the request would go. */
export interface RouteOutlook {
  /** The entry of the config: `routes[2]`, `models.team-fast`. Null for one of the routes of a config without any. */
  readonly entry: string | null
  readonly strategy: string
  readonly failover: boolean
  /** The request goes in the API of each target, if that is not its own. */
  readonly fitted: boolean
  readonly hedge: boolean
  readonly firstTokenMs: number | null
  readonly targets: readonly PlaceOutlook[]
}

/** A limit rule that holds for the request. */
export interface LimitRuleOutlook {
  readonly name: string
  /** `limits.rules[2]`, `key k_…` */
  readonly place: string
  /** In words: `120 requests a minute`. */
  readonly amounts: readonly string[]
}

/** What would happen with a request. It has no credential, not even where the client wrote one into a name. */
export interface RequestOutlook {
  readonly method: 'GET' | 'POST'
  /** Behind the version; null if the path is refused. */
  readonly path: string | null
  /** Of the path; null if it belongs to none. */
  readonly api: string | null
  readonly isCursor: boolean
  /** The name that decides; null if such a path names none. */
  readonly model: string | null
  readonly keysMode: Config['keys']['mode']
  readonly owner: OwnerOutlook | null
  readonly team: string | null
  /** `upstream`, `relay` (from its own knowledge) or `refused`. */
  readonly answeredBy: 'upstream' | 'relay' | 'refused'
  readonly refusal: RefusalOutlook | null
  readonly route: RouteOutlook | null
  /** Indexes of the rules by which the cache may hold it; null if the cache is off. */
  readonly cacheRules: readonly number[] | null
  /** Of the config and of the key; of a team without a key, those that look at no key, user and env. */
  readonly limitRules: readonly LimitRuleOutlook[]
}

const NOTHING_STORED: KnownObjects = { find: () => null, isVisible: () => false, isBehind: () => false }

/**
 * Finds out what a relay with this config would do with a request, by the plan that a relay makes. Nothing is sent.
 * @param config its credentials are not used, and may be stand-ins
 * @param hasRoutes the config file has `routes`; else they were made from the upstreams
 * @throws KeyringError
 */
export function foresee(asked: ImaginedRequest, config: Config, hasRoutes: boolean): RequestOutlook {
  const target = parseRequestTarget(asked.path)
  const method = isRead(target) ? 'GET' : 'POST'
  const nothing = {
    method,
    path: null,
    api: null,
    isCursor: false,
    model: null,
    keysMode: config.keys.mode,
    owner: null,
    team: null,
    refusal: null,
    route: null,
    cacheRules: null,
    limitRules: [],
  } as const
  if ('problem' in target)
    return { ...nothing, answeredBy: 'refused', refusal: refusalOf('invalid_path', target.problem) }
  const facts = new RequestFacts('', { method, rawHeaders: [] })
  facts.setTarget(target)
  const { path, query, isCursor, deployment, pathModel } = facts
  const model = method === 'GET' ? pathModel : (pathModel ?? asked.model)
  const namesIt = pathModel !== null || namesModel(findModelUse(method, path))
  const api = APIS[findApiIndex(path)] ?? null
  const shownModel = namesIt && model !== null ? redactText(model) : null
  const known = { ...nothing, path: redactText(path), api, isCursor, model: shownModel }
  const verdict = admit(asked, config)
  if ('refusal' in verdict)
    return { ...known, answeredBy: 'refused', refusal: refusalOf(verdict.refusal, null) }
  const { record } = verdict
  const owner = record === null ? null : ownerOf(record)
  const team = record?.team ?? (config.keys.mode === 'keys' ? asked.team : null)
  const request = {
    method,
    path,
    query,
    deployment,
    isCursor,
    model,
    team,
    key: record,
    tags: null,
    rawHeaders: [],
  }
  const body = method === 'GET' ? null : createBody(path, pathModel === null ? asked.model : undefined)
  return {
    ...known,
    owner,
    team: team === null ? null : redactText(team),
    limitRules: findLimitRules(request, config),
    ...decide(request, body, config, hasRoutes),
  }
}

function findLimitRules(request: PlanRequest, { limitRules }: Config): LimitRuleOutlook[] {
  if (isExempt(request.method, request.path)) return []
  const subject = { ...describeRequest(request), team: request.team }
  return [...limitRules.rules, ...(request.key?.limits ?? [])]
    .filter((rule) => findMismatch(new CompiledRule(rule), subject) === null)
    .map((rule) => ({ name: rule.name, place: rule.place, amounts: describeAmounts(rule) }))
}

/** Lists of models are read, and single ones; anything else is posted. */
function isRead(target: ReturnType<typeof parseRequestTarget>): boolean {
  return (
    !('problem' in target) && target.path.startsWith('/models') && findApiIndex(target.path) === OTHER_API
  )
}

type Record = NonNullable<PlanRequest['key']>

/** @returns the record of the key; null where there is none to be looked at */
function admit(
  { key }: ImaginedRequest,
  { keys }: Config,
): { record: Record | null } | { refusal: ErrorCode } {
  if (keys.mode !== 'keys' || key === null) return { record: null }
  const keyring = Keyring.open(keys.file)
  keyring.close()
  return authenticate([key], keyring)
}

function ownerOf({ id, env, team, user, expiresAt, models, addresses }: Record): OwnerOutlook {
  return { id, env, team, user, expiresAt, models, addresses }
}

function refusalOf(code: ErrorCode, message: string | null): RefusalOutlook {
  return { code, status: ERRORS[code].status, message: message ?? ERRORS[code].message }
}

/**
 * A short request of the usual form. Only the model in it matters.
 * @param model undefined: the path names it
 */
function createBody(path: string, model: string | undefined): PlanBody {
  const api = findBodyApi(path)
  const bytes = Buffer.from(JSON.stringify({ model, ...(api === null ? {} : PROMPTS[api]) }))
  return { isComplete: true, length: bytes.length, peeked: peekFields(bytes), flaw: null, join: () => bytes }
}

const PROMPTS: Readonly<{ [api in BodyApi]: object }> = {
  chat: { messages: [{ role: 'user', content: '?' }] },
  responses: { input: '?' },
  messages: { max_tokens: 1, messages: [{ role: 'user', content: '?' }] },
}

function decide(
  request: PlanRequest,
  body: PlanBody | null,
  config: Config,
  hasRoutes: boolean,
): Pick<RequestOutlook, 'answeredBy' | 'refusal' | 'route' | 'cacheRules'> {
  const router = new Router(config, createUpstreams(config))
  const context = new RelayContext(new BoundCounters(), new ByteBudget(config.limits.bufferedBytes))
  const limits = new LimitMatcher(config.limitRules.rules)
  const dispatcher = new RequestDispatcher(
    config,
    router,
    context,
    { warn() {} },
    NOTHING_STORED,
    limits,
    null,
  )
  const plan = dispatcher.plan({ request }, body, true)
  if (plan.kind === 'refuse') {
    const refusal = refusalOf(plan.code, plan.field?.message ?? null)
    return { answeredBy: 'refused', refusal, route: null, cacheRules: null }
  }
  if (plan.kind !== 'proxy') return { answeredBy: 'relay', refusal: null, route: null, cacheRules: null }
  const { cache } = config
  const cacheRules = cache.enabled ? new CacheRules(cache.rules).listFor(request) : null
  return {
    answeredBy: 'upstream',
    refusal: null,
    route: describeRoute(request, body, plan, config, hasRoutes),
    cacheRules,
  }
}

function describeRoute(
  request: PlanRequest,
  body: PlanBody | null,
  { route, conversation, usable }: ProxyPlan,
  config: Config,
  hasRoutes: boolean,
): RouteOutlook {
  const { entry, strategy, failover, hedge, firstTokenMs } = route
  const ordered = orderTargets(request, route, usable, null)
  // By weight or by latency each request has another order.
  const order = strategy === 'order' ? ordered : [...ordered].sort((one, other) => one - other)
  const traits = new TargetTraits(config.modelRules, new LearnedTraits())
  const targets = order.flatMap((i) => route.targets[i] ?? [])
  return {
    entry: entry?.startsWith('routes[') === true && !hasRoutes ? null : entry,
    strategy,
    failover: targets.length > 1 && (failover ?? isFailoverDefault(request.method, request.path)),
    fitted: conversation !== null,
    hedge,
    firstTokenMs,
    targets: describePlaces(targets, { request, body, conversation, traits, upstreams: config.upstreams }),
  }
}
