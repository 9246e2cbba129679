import { isDeepStrictEqual } from 'node:util'
import { NO_DETAILS } from '../api/error-response.js'
import { isAccountScoped } from '../api/stored-collections.js'
import { ResponseCache } from '../cache/response-cache.js'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import { ownerOf } from '../exchange/owner.js'
import type { Log } from '../observe/log.js'
import { ClientWriter } from '../relay/client-writer.js'
import type { FailoverOptions } from '../relay/failover-options.js'
import type { RelayContext } from '../relay/relay-context.js'
import type { RequestBody } from '../relay/request-body.js'
import { ResponsePipeline } from '../relay/response-pipeline.js'
import type { ResponseSink } from '../relay/response-sink.js'
import { findAffinity, findSession } from '../routing/affinity.js'
import { findHedgeDelayMs } from '../routing/hedge.js'
import { isFailoverDefault } from '../routing/retry-policy.js'
import type { Route, Target } from '../routing/route.js'
import type { Router, TargetSnapshot } from '../routing/router.js'
import { type KnownObjects, type Location, locate } from '../stored/locate.js'
import { LearnedTraits } from '../translate/corrections/learned-traits.js'
import type { ThoughtKeeper } from '../translate/thinking/conversation-memory.js'
import { ThoughtStore } from '../translate/thinking/thought-store.js'
import { ModelList } from '../upstream/model-list.js'
import type { Upstream } from '../upstream/upstream.js'
import { AttemptSender } from './attempt-sender.js'
import type { Refused } from './limit-gate.js'
import { findAccess, type ModelAccess, type ModelRuleSource } from './model-access.js'
import {
  type Plan,
  type PlanBody,
  type PlanRequest,
  type PlanRules,
  type ProxyPlan,
  planRequest,
} from './plan.js'
import { TargetTraits } from './target-traits.js'

const WAIT: Plan = { kind: 'wait' }
const UPSTREAM_BUSY: Refused = { code: 'upstream_busy', details: NO_DETAILS }

/** A request that is planned: an exchange, or the facts of one that was never sent. */
interface Planned {
  readonly request: PlanRequest
}

/** The second half of a request's life: plan, cache, attempt. Holds what a reload of the config replaces. */
export class RequestDispatcher {
  private config: Config
  private router: Router<Upstream>
  private models: ModelList
  /** Null if the cache is off. */
  cache: ResponseCache | null
  /** Counts up with each other config. */
  generation: number
  private readonly context: RelayContext
  private readonly onHeld: () => void
  private readonly log: Pick<Log, 'warn'>
  private readonly stored: KnownObjects
  private readonly limits: ModelRuleSource | null
  /** What was learned of the models at the targets; kept when the config changes. */
  private readonly learned: LearnedTraits
  /** Where all workers keep their thinking; null: there are no others. */
  private readonly sharedThoughts: ThoughtKeeper | null
  private thoughts: ThoughtKeeper
  private traits: TargetTraits
  private sender: AttemptSender
  private planRules: PlanRules

  constructor(
    config: Config,
    router: Router<Upstream>,
    context: RelayContext,
    log: Pick<Log, 'warn'>,
    stored: KnownObjects,
    limits: ModelRuleSource | null,
    sharedThoughts: ThoughtKeeper | null,
  ) {
    this.config = config
    this.router = router
    this.context = context
    this.onHeld = () => context.bounds.hit('heldMs')
    this.log = log
    this.stored = stored
    this.limits = limits
    this.learned = new LearnedTraits()
    this.sharedThoughts = sharedThoughts
    this.thoughts = this.createThoughts(config)
    this.traits = new TargetTraits(config.modelRules, this.learned)
    this.sender = new AttemptSender(config, this.traits, this.learned, log)
    this.models = new ModelList(router, config)
    this.cache = config.cache.enabled ? new ResponseCache(config, context) : null
    this.planRules = this.createPlanRules()
    this.generation = 0
  }

  /**
   * Requests from now on follow this config. Cached responses are kept under the names of their targets, so a change of
   * routes does them no harm; the cache is emptied when an upstream has changed or has gone, or when the rules of the
   * cache or of the translation have changed.
   */
  reconfigure(config: Config, router: Router<Upstream>): void {
    const sameUpstreams = this.router.upstreams.every((upstream) => router.upstreams.includes(upstream))
    if (!sameUpstreams || !isDeepStrictEqual(settingsOfCache(config), settingsOfCache(this.config)))
      this.cache = config.cache.enabled ? new ResponseCache(config, this.context) : null
    if (!isDeepStrictEqual(config.cursor, this.config.cursor)) this.thoughts = this.createThoughts(config)
    this.config = config
    this.router = router
    this.models = this.models.after(router, config)
    this.traits = new TargetTraits(config.modelRules, this.learned)
    this.sender = new AttemptSender(config, this.traits, this.learned, this.log)
    this.planRules = this.createPlanRules()
    this.generation++
  }

  private createPlanRules(): PlanRules {
    const { router, models, traits, config } = this
    return {
      router,
      models,
      traits,
      findAccess: (request) => findAccess(request, this.limits),
      answerKeyCheck: config.cursor.answerKeyCheck,
      showThinking: config.cursor.thinking,
      openThoughts: (request, body) => this.thoughts.open(ownerOf(request), body),
      locate: (request, references) =>
        locate(request, references, this.stored, config.stored.lists === 'refuse'),
      mayCache: (request, bytes) => this.cache?.mayHold(request, bytes) === true,
    }
  }

  private createThoughts({ cursor }: Config): ThoughtKeeper {
    if (this.sharedThoughts !== null) return this.sharedThoughts
    const bounds = { maxBytes: cursor.thinkingBytes, maxAgeMs: cursor.thinkingMs }
    return new ThoughtStore(bounds, { onFull: () => this.context.bounds.hit('thinkingBytes') })
  }

  /** The thinking that this process keeps; null if it is kept elsewhere. */
  get ownThoughts(): ThoughtStore | null {
    return this.thoughts instanceof ThoughtStore ? this.thoughts : null
  }

  /** Circuit breakers by the names of their targets. */
  get targetHealth(): ReadonlyMap<string, TargetSnapshot> {
    return this.router.snapshotTargets(performance.now())
  }

  get cacheBytes(): number {
    return this.cache?.bytes ?? 0
  }

  /** @param body null if the request has none */
  plan({ request }: Planned, body: PlanBody | null, isLast: boolean): Plan {
    const flaw = body?.flaw ?? null
    if (flaw === 'too_dense') this.context.bounds.hit('bodyRatio')
    else if (flaw === 'too_long') this.context.bounds.hit('bodyBytes')
    const plan = planRequest(request, body, this.planRules, isLast)
    // A slow upload would hold one of the few places of an upstream without using it.
    if (plan.kind === 'proxy' && body?.isComplete === false && isLimited(plan.route)) return WAIT
    return plan
  }

  /** Where the stored objects of a request are, as far as its body has named them; null if that decides nothing. */
  locate({ request }: Exchange, { peeked }: RequestBody): Location | null {
    return this.planRules.locate(request, peeked.references)
  }

  /** Whether a rule depends on the model of a request. */
  dependsOnModel(request: PlanRequest): boolean {
    const { path, team } = request
    return this.findAccess(request).dependsOnModel || this.router.dependsOnModel(path, team)
  }

  /** Which models a request may use. */
  findAccess(request: PlanRequest): ModelAccess {
    return findAccess(request, this.limits)
  }

  /**
   * Answers a request from the cache, or sends it to the targets of its route.
   * @returns why not: all of them are at their limit of concurrent requests; null if it is done
   */
  proxy(exchange: Exchange, { route, usable }: ProxyPlan, body: RequestBody | null): Refused | null {
    let key: string | null = null
    if (this.cache !== null && body !== null) {
      exchange.startCache(performance.now())
      const served = this.cache.answer(exchange, destinationOf(exchange, route, usable), body)
      if (served === 'answered') return null
      key = served?.key ?? null
    }
    if (isFull(route)) {
      this.context.bounds.hit('upstreamMaxConcurrentRequests')
      return UPSTREAM_BUSY
    }
    exchange.startAttempts(performance.now())
    this.send(exchange, route, usable, body, key)
    exchange.markSent(performance.now())
    return null
  }

  /** @param key under which the response is cached; null if it is not */
  private send(
    exchange: Exchange,
    route: Route<Upstream>,
    usable: readonly number[] | null,
    body: RequestBody | null,
    key: string | null,
  ): void {
    const { cache, context, config } = this
    const createSink = (pipeline: ResponsePipeline): ResponseSink => {
      if (key !== null && cache !== null && body !== null) return cache.share(exchange, key, body, pipeline)
      const writer = new ClientWriter(exchange, pipeline, context, config.timeouts.clientStallMs)
      if (body === null) exchange.stage = writer
      else body.uploadTo(writer)
      return writer
    }
    const options = this.failoverOptions(exchange, route, usable, body)
    new ResponsePipeline(exchange, createSink, options, config.limits.transformBufferBytes).start()
  }

  /** @param usable indexes of the targets that can be sent the request; null for all */
  private failoverOptions(
    exchange: Exchange,
    route: Route<Upstream>,
    usable: readonly number[] | null,
    body: RequestBody | null,
  ): FailoverOptions {
    const { targets, failover, firstTokenMs } = route
    const affinity = targets.length > 1 && route.strategy !== 'order' ? affinityOf(exchange, body) : null
    const open = orderTargets(exchange.request, route, usable, affinity)
    const order = deferMissing(open, route, exchange.body?.conversation?.modelName ?? exchange.request.model)
    const hedge = route.hedge ? findHedge(exchange, route, order) : null
    return {
      targets,
      order,
      failover,
      firstTokenMs,
      heldMs: this.config.timeouts.heldMs,
      onHeld: this.onHeld,
      hedge,
      ownsCredential: this.config.keys.mode !== 'passthrough',
      budget: this.context.budget,
      send: this.sender.send,
      correct:
        exchange.body?.conversation == null
          ? null
          : (attempt, status, error) => this.sender.correct(exchange, attempt, status, error),
    }
  }
}

/** What cached responses depend on, besides their targets. */
function settingsOfCache({ cache, cursor, modelRules }: Config): unknown {
  return { cache, cursor, modelRules }
}

/** What the request has in common with those that are to go to the same target; null for nothing. */
function affinityOf({ request }: Exchange, body: RequestBody | null): string | null {
  const conversation = body?.conversation ?? null
  if (conversation !== null) return findSession(request.rawHeaders) ?? conversation.conversation
  const isWhole = body?.isComplete === true
  return findAffinity(request, isWhole ? { bytes: body.join(), session: body.peeked.session } : null)
}

/** The order of a route with one target. */
const ONE: readonly number[] = Object.freeze([0])

/**
 * The targets that a request may go to, in the order in which they are tried.
 * @param usable indexes of those that can be sent the request; null for all
 * @param affinity see `Balancer.order`
 */
export function orderTargets(
  { method, path }: Pick<PlanRequest, 'method' | 'path'>,
  route: Route<Upstream>,
  usable: readonly number[] | null,
  affinity: string | null,
): readonly number[] {
  if (route.targets.length === 1 && usable === null) return ONE
  const all = route.balancer.order(performance.now(), affinity)
  const able =
    route.targets.length > 1 && isAccountScoped(method, path) ? orderAccount(route, usable, all) : all
  return usable === null ? able : able.filter((i) => usable.includes(i))
}

/**
 * Stored objects (files, batches) exist in one account only: that of the target that made them, else of the first one.
 * Each of its keys gets to them.
 */
function orderAccount(
  { targets }: Route<Upstream>,
  usable: readonly number[] | null,
  order: readonly number[],
): readonly number[] {
  const place = targets[usable?.[0] ?? 0]?.place
  return order.filter((i) => targets[i]?.place === place)
}

/** Whether any target has said that it lacks a model: few ever do. */
function hasMissing(targets: Route<Upstream>['targets']): boolean {
  for (const { missing } of targets) if (!missing.isEmpty) return true
  return false
}

/** Targets that have said that they lack the model come last. @param asked the model of the request */
function deferMissing(
  order: readonly number[],
  { targets }: Route<Upstream>,
  asked: string | null,
): readonly number[] {
  if (order.length === 1 || !hasMissing(targets)) return order
  const now = performance.now()
  const lacks = (i: number): boolean => {
    const target = targets[i]
    const model = target?.model ?? asked
    return target !== undefined && model !== null && target.missing.lacks(model, now)
  }
  return [...order.filter((i) => !lacks(i)), ...order.filter(lacks)]
}

/** Whether an upstream of the route takes only so many requests at one time. */
function isLimited({ targets }: Route<Upstream>): boolean {
  for (const { upstream } of targets) if (upstream.isLimited) return true
  return false
}

function isFull({ targets }: Route<Upstream>): boolean {
  for (const { upstream } of targets) if (!upstream.full) return false
  return true
}

/**
 * Responses are alike only if they are of the same targets, for the same model and reader, and in the same API.
 * @param usable indexes of the targets that can be sent the request; null for all
 */
function destinationOf(
  { request, body }: Exchange,
  route: Route<Upstream>,
  usable: readonly number[] | null,
): string {
  const id = usable === null ? route.id : `${usable.join(',')} of ${route.id}`
  const { deployment, isCursor } = request
  const api = body?.conversation?.api ?? null
  if (api === null && deployment === null) return id
  const reader = isCursor ? 'cursor ' : ''
  return `${reader}${api ?? ''} ${encodeURIComponent(deployment ?? '')} ${id}`
}

/** Null if the first target is not to be hedged: sending twice is not safe, or its latency is not known well enough. */
function findHedge(
  exchange: Exchange,
  route: Route<Upstream>,
  order: readonly number[],
): FailoverOptions['hedge'] {
  const { hedges, targets, failover } = route
  if (order.length === 1 || !(failover ?? isFailoverDefault(exchange.request.method, exchange.request.path)))
    return null
  hedges.count()
  const afterMs = findHedgeDelayMs((targets[order[0] as number] as Target<Upstream>).breaker.latency)
  return afterMs === null ? null : { afterMs, budget: hedges }
}
