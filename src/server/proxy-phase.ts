import type { Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { stripSubprotocolKeys } from '../access/credentials.js'
import { ERRORS, type ErrorCode } from '../api/errors.js'
import { ResponseCache } from '../cache/response-cache.js'
import type { SubscriberOwner } from '../cache/subscriber.js'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import type { Stage } from '../exchange/stage.js'
import { filterRequestHeaders, findHeader } from '../http/headers.js'
import { applyEdits } from '../json/edits.js'
import type { ByteBudget } from '../lib/byte-budget.js'
import { concatOnce } from '../lib/concat.js'
import type { BoundCounters } from '../lib/limit-counters.js'
import type { Attempt } from '../relay/attempt.js'
import { Failover, type FailoverOptions, type ResponseHandler } from '../relay/failover.js'
import { sendError } from '../relay/local-response.js'
import { type RequestBody, type RequestSink, Upload } from '../relay/request-body.js'
import { ResponsePipeline, type ResponsePipelineOwner } from '../relay/response-pipeline.js'
import { Tunnel } from '../relay/tunnel.js'
import type { BreakerSnapshot } from '../routing/circuit-breaker.js'
import { findHedgeDelayMs } from '../routing/hedge.js'
import { isAccountScoped, isFailoverDefault } from '../routing/retry-policy.js'
import type { Route, Router, Target } from '../routing/router.js'
import { createKeyCheckResponse, isKeyCheck } from '../translate/cursor-key-check.js'
import { createNativeRequest, createTranslatedRequest } from '../translate/outbound-request.js'
import { detectBodyApi } from '../translate/request/detect-api.js'
import { ModelList } from '../upstream/model-list.js'
import { placePassthroughCredential } from '../upstream/passthrough-auth.js'
import { buildUpstreamRequest } from '../upstream/upstream-request.js'
import { replaceModel } from '../upstream/url.js'

const FIRST_ONLY: readonly number[] = [0]

export interface ProxyPhaseOwner {
  readonly draining: boolean
  readonly bounds: BoundCounters
  /** Of what is held for clients. */
  readonly budget: ByteBudget
  refuse(exchange: Exchange, code: ErrorCode, detail?: string): void
  /** Answers with JSON of the relay's own. */
  answerLocal(exchange: Exchange, status: number, value: unknown): void
}

/** The second half of a request's way: route, cache, attempt. What is admitted and can be read goes to an upstream. */
export class ProxyPhase implements ResponsePipelineOwner, SubscriberOwner {
  private config: Config
  private router: Router
  private readonly owner: ProxyPhaseOwner
  private models: ModelList
  /** Null if nothing is to be kept. */
  private cache: ResponseCache | null

  constructor(config: Config, router: Router, owner: ProxyPhaseOwner) {
    this.config = config
    this.router = router
    this.owner = owner
    this.models = new ModelList(router, config)
    this.cache = config.cache.enabled ? new ResponseCache(config, this) : null
  }

  /**
   * Requests from now on go by these. Answers are kept under the names of their targets, so that other routes do them no harm;
   * but with an upstream that is no more, or not as it was, or under other rules, all are let go.
   */
  reconfigure(config: Config, router: Router): void {
    const stays = this.router.upstreams.every((upstream) => router.upstreams.includes(upstream))
    if (!stays || !isDeepStrictEqual(config.cache, this.config.cache))
      this.cache = config.cache.enabled ? new ResponseCache(config, this) : null
    this.config = config
    this.router = router
    this.models = this.models.after(router, config)
  }

  get targetHealth(): ReadonlyMap<string, BreakerSnapshot> {
    return this.router.snapshotTargets(performance.now())
  }

  get cacheBytes(): number {
    return this.cache?.bytes ?? 0
  }

  get draining(): boolean {
    return this.owner.draining
  }

  /** @param body null if the request has none; one that is not whole may be left until it is */
  forward(exchange: Exchange, body: RequestBody | null): void {
    exchange.phase = 'route'
    const team = exchange.key?.team ?? null
    if (
      exchange.cursor &&
      exchange.method === 'POST' &&
      exchange.path === '/chat/completions' &&
      body !== null
    ) {
      if (body.whole) this.forwardForCursor(exchange, body, team)
      else exchange.phase = 'read'
      return
    }
    const aboutModels =
      exchange.path.startsWith('/models') && (exchange.method === 'GET' || exchange.method === 'HEAD')
    if (aboutModels && this.answerModels(exchange, team)) return
    const route = aboutModels
      ? this.models.routeFor(exchange.path, team)
      : this.router.findRoute(exchange.path, exchange.model, team)
    if (route === null) {
      if (body === null || body.whole) this.owner.refuse(exchange, 'no_route')
      else exchange.phase = 'read'
      return
    }
    if (body?.whole === false && this.hasToBeWhole(exchange, body, route)) {
      exchange.phase = 'read'
      return
    }
    this.ask(exchange, route, body)
  }

  /** A chat whose body may be written for another API than its path says. */
  private forwardForCursor(exchange: Exchange, body: RequestBody, team: string | null): void {
    const whole = body.bytes
    if (this.config.cursor.answerKeyCheck && isKeyCheck(whole)) {
      this.owner.answerLocal(exchange, 200, createKeyCheckResponse(exchange.model ?? 'none'))
      return
    }
    const shape = detectBodyApi(whole)
    exchange.bodyApi = shape
    const native = createNativeRequest(shape, whole, exchange.model)
    let route = this.router.findRoute(native.path, exchange.model, team)
    let outbound = native
    if (route === null && shape !== 'chat') {
      outbound = createTranslatedRequest(native, whole)
      route = this.router.findRoute(outbound.path, exchange.model, team)
    }
    body.outbound = outbound
    if (route === null) this.owner.refuse(exchange, 'no_route')
    else this.ask(exchange, route, body)
  }

  /** From memory, or of an upstream. */
  private ask(exchange: Exchange, route: Route, body: RequestBody | null): void {
    let key: string | null = null
    if (this.cache !== null && body !== null) {
      exchange.phase = 'cache'
      const known = this.cache.answer(exchange, destinationOf(exchange, route), body)
      if (known === 'answered') return
      key = known?.key ?? null
    }
    if (isFull(route)) {
      this.owner.bounds.hit('upstreamExchanges')
      this.owner.refuse(exchange, 'upstream_busy')
      return
    }
    exchange.phase = 'attempt'
    exchange.attemptAt = performance.now()
    exchange.connected = false
    if (key !== null && this.cache !== null && body !== null) {
      const shared = this.cache.start(exchange, key, body)
      shared.failover = this.courseOf(exchange, route, shared, null)
      shared.failover.start()
      return
    }
    const relay = new ResponsePipeline(exchange, this, {
      timeouts: this.config.timeouts,
      answerBytes: this.config.limits.answerBytes,
      crossOrigin: findHeader(exchange.req.rawHeaders, 'origin') !== undefined,
    })
    if (body === null) exchange.stage = relay
    relay.failover = this.courseOf(exchange, route, relay, relay)
    relay.failover.start()
  }

  /** @param sender sends a body on while it comes; null for one that is whole */
  private courseOf(
    exchange: Exchange,
    route: Route,
    receiver: ResponseHandler,
    sender: RequestSink | null,
  ): Failover {
    const { targets, balancer, firstTokenMs, failover } = route
    const { body } = exchange
    // What an account keeps is with the first: another would not have it.
    const order =
      targets.length > 1 && isAccountScoped(exchange.path)
        ? FIRST_ONLY
        : balancer.order(exchange.attemptAt, body?.outbound?.conversation ?? null)
    const hedge = route.hedge ? hedgeOf(exchange, route, order) : null
    const { budget } = this.owner
    const send = (attempt: Attempt): void => this.send(running, sender, attempt)
    const options = { targets, order, failover, firstTokenMs, hedge, budget, send }
    const running = new Failover(exchange, receiver, options)
    return running
  }

  /**
   * Has an attempt made: the request as its target needs it, all else as it came. Of those that share an answer it is the
   * request of the one who pays now: those of others are let go with them.
   */
  private send(failover: Failover, sender: RequestSink | null, attempt: Attempt): void {
    const { method, path, query, deployment, body, req } = failover.exchange
    const { target } = attempt
    const { rawHeaders } = req
    const outbound = body?.outbound ?? null
    const found = outbound?.peeked ?? body?.peeked ?? null
    const incoming = { method, path: outbound?.path ?? path, query, rawHeaders, found, deployment, outbound }
    const passthrough = this.config.keys.mode === 'passthrough'
    const { path: address, headers, edits, translate } = buildUpstreamRequest(incoming, target, passthrough)
    attempt.translate = translate
    let sent: Buffer | Upload | null = null
    if (body !== null) {
      const pieces = applyEdits(outbound?.pieces ?? body.pieces, edits)
      if (!body.whole)
        headers.push('content-length', String(body.length + sizeOf(pieces) - sizeOf(body.pieces)))
      sent = sender === null ? concatOnce(pieces) : body.send(pieces, sender)
      if (sent instanceof Upload) attempt.upload = sent
    }
    target.upstream.dispatch({ method, path: address, headers, body: sent }, attempt)
  }

  /** @returns false if the question is for an upstream */
  private answerModels(exchange: Exchange, team: string | null): boolean {
    const models = this.models.answer(exchange.path, team)
    if (models === null) return false
    if (!(models instanceof Promise)) {
      this.owner.answerLocal(exchange, 200, models)
      return true
    }
    const waiting = new Waiting()
    exchange.stage = waiting
    models
      .then((list) => waiting.over || this.owner.answerLocal(exchange, 200, list))
      // An upstream may put into its list what cannot be written down again: nesting without end.
      .catch(() => waiting.over || this.owner.refuse(exchange, 'internal_error'))
    return true
  }

  /** A WebSocket handshake. */
  tunnel(exchange: Exchange, socket: Socket, head: Buffer): void {
    exchange.phase = 'route'
    const asked = new URLSearchParams(exchange.query).get('model')
    exchange.model = exchange.deployment ?? asked
    const route = this.router.findRoute(exchange.path, exchange.model, exchange.key?.team ?? null)
    if (route === null) {
      this.owner.refuse(exchange, 'no_route')
      return
    }
    const [first = 0] = route.balancer.order(performance.now(), null)
    const { upstream, model } = route.targets[first] as Target
    exchange.attempts = 1
    exchange.upstream = upstream.name
    exchange.phase = 'attempt'
    exchange.attemptAt = performance.now()
    const tunnel = new Tunnel(exchange, socket, head, this, upstream.timeouts)
    exchange.stage = tunnel
    const passthrough = this.config.keys.mode === 'passthrough'
    const headers = filterRequestHeaders(
      exchange.req.rawHeaders,
      upstream.headersFor(exchange.path, passthrough),
      passthrough,
    )
    if (passthrough) placePassthroughCredential(headers, upstream.ownAuthFor(exchange.path))
    const wanted = model ?? exchange.model
    const renamed = exchange.model !== null && wanted !== null && wanted !== asked
    const query = renamed ? replaceModel(exchange.query, wanted) : exchange.query
    tunnel.open({
      upstream,
      path: upstream.addressOf(exchange.path, query, wanted, passthrough),
      headers: passthrough ? headers : stripSubprotocolKeys(headers),
    })
  }

  onAttemptFailed(exchange: Exchange, code: ErrorCode, cause: string): void {
    if (code === 'upstream_timeout') this.owner.bounds.hit('firstByteMs')
    exchange.cause = cause
    // A request that undici would not take is the client's matter; all else is the upstream's.
    exchange.conclude(code === 'invalid_request' ? 'refused' : 'upstream_failed')
    const detail = code === 'invalid_request' ? undefined : `${ERRORS[code].message} (${cause})`
    sendError(exchange, code, this.draining, detail)
  }

  onSuperseded(exchange: Exchange): void {
    sendError(exchange, 'superseded', this.draining)
  }

  /** Whether what is asked for may turn on the end of a body. */
  private hasToBeWhole(exchange: Exchange, body: RequestBody, route: Route): boolean {
    for (const { upstream } of route.targets)
      if (upstream.asksUsage(exchange.method, exchange.path)) return true
    return this.cache?.mayHold(exchange, body.length) === true
  }
}

/** For an answer of the relay's own that is not there yet; who makes it sees to it that it comes. */
class Waiting implements Stage {
  over = false

  onClose(): void {
    this.over = true
  }

  onTick(): void {
    // The wait has a bound of its own.
  }
}

function sizeOf(pieces: readonly Buffer[]): number {
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  return bytes
}

function isFull({ targets }: Route): boolean {
  for (const { upstream } of targets) if (!upstream.full) return false
  return true
}

/** Answers are alike only if they are of the same targets, asked for the same model and in the same way. */
function destinationOf({ deployment, body }: Exchange, { id }: Route): string {
  const shape = body?.outbound?.api ?? null
  if (shape === null && deployment === null) return id
  return `${shape ?? ''} ${encodeURIComponent(deployment ?? '')} ${id}`
}

/** Null if the first target is not to be hedged: it is not safe to ask twice, or too little is known of it. */
function hedgeOf(exchange: Exchange, route: Route, order: readonly number[]): FailoverOptions['hedge'] {
  const { hedges, targets, failover } = route
  if (order.length === 1 || !(failover ?? isFailoverDefault(exchange.method, exchange.path))) return null
  hedges.count()
  const afterMs = findHedgeDelayMs((targets[order[0] as number] as Target).breaker.latency)
  return afterMs === null ? null : { afterMs, budget: hedges }
}
