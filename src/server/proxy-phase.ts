import type { Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { withoutSubprotocolKeys } from '../access/credentials.js'
import { ERRORS, type ErrorCode } from '../api/errors.js'
import { AnswerCache } from '../cache/response-cache.js'
import type { FollowerOwner } from '../cache/subscriber.js'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import type { Stage } from '../exchange/stage.js'
import { headerValue, requestHeaders } from '../http/headers.js'
import { splice } from '../json/edits.js'
import type { ByteBudget } from '../lib/byte-budget.js'
import { inOne } from '../lib/concat.js'
import type { BoundCounters } from '../lib/limit-counters.js'
import type { Attempt } from '../relay/attempt.js'
import { Course, type CourseOptions, type Receiver } from '../relay/failover.js'
import { answerError } from '../relay/local-response.js'
import { type RequestBody, type Sender, Upload } from '../relay/request-body.js'
import { Relay, type RelayOwner } from '../relay/response-pipeline.js'
import { Tunnel } from '../relay/tunnel.js'
import type { HealthSnapshot } from '../routing/circuit-breaker.js'
import { hedgeAfterMs } from '../routing/hedge.js'
import { failoverByDefault, isKept } from '../routing/retry-policy.js'
import type { Route, Router, Target } from '../routing/router.js'
import { isKeyCheck, keyCheckAnswer } from '../translate/cursor-key-check.js'
import { nativeErrand, translatedErrand } from '../translate/outbound-request.js'
import { shapeOf } from '../translate/request/detect-api.js'
import { ModelList } from '../upstream/model-list.js'
import { placeOwnCredential } from '../upstream/passthrough-auth.js'
import { outgoing } from '../upstream/upstream-request.js'
import { withModel } from '../upstream/url.js'

const FIRST_ONLY: readonly number[] = [0]

export interface ForwarderOwner {
  readonly draining: boolean
  readonly bounds: BoundCounters
  /** Of what is held for clients. */
  readonly budget: ByteBudget
  refuse(x: Exchange, code: ErrorCode, detail?: string): void
  /** Answers with JSON of the relay's own. */
  answerLocal(x: Exchange, status: number, value: unknown): void
}

/** The second half of a request's way: route, cache, attempt. What is admitted and can be read goes to an upstream. */
export class Forwarder implements RelayOwner, FollowerOwner {
  private config: Config
  private router: Router
  private readonly owner: ForwarderOwner
  private models: ModelList
  /** Null if nothing is to be kept. */
  private cache: AnswerCache | null

  constructor(config: Config, router: Router, owner: ForwarderOwner) {
    this.config = config
    this.router = router
    this.owner = owner
    this.models = new ModelList(router, config)
    this.cache = config.cache.enabled ? new AnswerCache(config, this) : null
  }

  /**
   * Requests from now on go by these. Answers are kept under the names of their targets, so that other routes do them no harm;
   * but with an upstream that is no more, or not as it was, or under other rules, all are let go.
   */
  reconfigure(config: Config, router: Router): void {
    const stays = this.router.upstreams.every((upstream) => router.upstreams.includes(upstream))
    if (!stays || !isDeepStrictEqual(config.cache, this.config.cache))
      this.cache = config.cache.enabled ? new AnswerCache(config, this) : null
    this.config = config
    this.router = router
    this.models = this.models.after(router, config)
  }

  get targetHealth(): ReadonlyMap<string, HealthSnapshot> {
    return this.router.targetHealth(performance.now())
  }

  get cacheBytes(): number {
    return this.cache?.bytes ?? 0
  }

  get draining(): boolean {
    return this.owner.draining
  }

  /** @param body null if the request has none; one that is not whole may be left until it is */
  forward(x: Exchange, body: RequestBody | null): void {
    x.phase = 'route'
    const team = x.key?.team ?? null
    if (x.cursor && x.method === 'POST' && x.path === '/chat/completions' && body !== null) {
      if (body.whole) this.forwardForCursor(x, body, team)
      else x.phase = 'read'
      return
    }
    const aboutModels = x.path.startsWith('/models') && (x.method === 'GET' || x.method === 'HEAD')
    if (aboutModels && this.answerModels(x, team)) return
    const route = aboutModels ? this.models.routeFor(x.path, team) : this.router.choose(x.path, x.model, team)
    if (route === null) {
      if (body === null || body.whole) this.owner.refuse(x, 'no_route')
      else x.phase = 'read'
      return
    }
    if (body?.whole === false && this.hasToBeWhole(x, body, route)) {
      x.phase = 'read'
      return
    }
    this.ask(x, route, body)
  }

  /** A chat whose body may be written for another API than its path says. */
  private forwardForCursor(x: Exchange, body: RequestBody, team: string | null): void {
    const whole = body.bytes
    if (this.config.cursor.answerKeyCheck && isKeyCheck(whole)) {
      this.owner.answerLocal(x, 200, keyCheckAnswer(x.model ?? 'none'))
      return
    }
    const shape = shapeOf(whole)
    x.shape = shape
    const native = nativeErrand(shape, whole, x.model)
    let route = this.router.choose(native.path, x.model, team)
    let errand = native
    if (route === null && shape !== 'chat') {
      errand = translatedErrand(native, whole)
      route = this.router.choose(errand.path, x.model, team)
    }
    body.errand = errand
    if (route === null) this.owner.refuse(x, 'no_route')
    else this.ask(x, route, body)
  }

  /** From memory, or of an upstream. */
  private ask(x: Exchange, route: Route, body: RequestBody | null): void {
    let key: string | null = null
    if (this.cache !== null && body !== null) {
      x.phase = 'cache'
      const known = this.cache.answer(x, destinationOf(x, route), body)
      if (known === 'answered') return
      key = known?.key ?? null
    }
    if (isFull(route)) {
      this.owner.bounds.hit('upstreamExchanges')
      this.owner.refuse(x, 'upstream_busy')
      return
    }
    x.phase = 'attempt'
    x.attemptAt = performance.now()
    x.connected = false
    if (key !== null && this.cache !== null && body !== null) {
      const flight = this.cache.start(x, key, body)
      flight.course = this.courseOf(x, route, flight, null)
      flight.course.start()
      return
    }
    const relay = new Relay(x, this, {
      timeouts: this.config.timeouts,
      answerBytes: this.config.limits.answerBytes,
      crossOrigin: headerValue(x.req.rawHeaders, 'origin') !== undefined,
    })
    if (body === null) x.stage = relay
    relay.course = this.courseOf(x, route, relay, relay)
    relay.course.start()
  }

  /** @param sender sends a body on while it comes; null for one that is whole */
  private courseOf(x: Exchange, route: Route, receiver: Receiver, sender: Sender | null): Course {
    const { targets, selection, stallMs, failover } = route
    const { body } = x
    // What an account keeps is with the first: another would not have it.
    const order =
      targets.length > 1 && isKept(x.path)
        ? FIRST_ONLY
        : selection.order(x.attemptAt, body?.errand?.conversation ?? null)
    const hedge = route.hedge ? hedgeOf(x, route, order) : null
    const { budget } = this.owner
    const send = (attempt: Attempt): void => this.send(course, sender, attempt)
    const course = new Course(x, receiver, { targets, order, failover, stallMs, hedge, budget, send })
    return course
  }

  /**
   * Has an attempt made: the request as its target needs it, all else as it came. Of those that share an answer it is the
   * request of the one who pays now: those of others are let go with them.
   */
  private send(course: Course, sender: Sender | null, attempt: Attempt): void {
    const { method, path, query, deployment, body, req } = course.x
    const { target } = attempt
    const { rawHeaders } = req
    const errand = body?.errand ?? null
    const found = errand?.found ?? body?.found ?? null
    const incoming = { method, path: errand?.path ?? path, query, rawHeaders, found, deployment, errand }
    const passthrough = this.config.keys.mode === 'passthrough'
    const { path: address, headers, edits, translate } = outgoing(incoming, target, passthrough)
    attempt.translate = translate
    let sent: Buffer | Upload | null = null
    if (body !== null) {
      const pieces = splice(errand?.pieces ?? body.pieces, edits)
      if (!body.whole)
        headers.push('content-length', String(body.length + sizeOf(pieces) - sizeOf(body.pieces)))
      sent = sender === null ? inOne(pieces) : body.send(pieces, sender)
      if (sent instanceof Upload) attempt.upload = sent
    }
    target.upstream.dispatch({ method, path: address, headers, body: sent }, attempt)
  }

  /** @returns false if the question is for an upstream */
  private answerModels(x: Exchange, team: string | null): boolean {
    const models = this.models.answer(x.path, team)
    if (models === null) return false
    if (!(models instanceof Promise)) {
      this.owner.answerLocal(x, 200, models)
      return true
    }
    const waiting = new Waiting()
    x.stage = waiting
    models
      .then((list) => waiting.over || this.owner.answerLocal(x, 200, list))
      // An upstream may put into its list what cannot be written down again: nesting without end.
      .catch(() => waiting.over || this.owner.refuse(x, 'internal_error'))
    return true
  }

  /** A WebSocket handshake. */
  tunnel(x: Exchange, socket: Socket, head: Buffer): void {
    x.phase = 'route'
    const asked = new URLSearchParams(x.query).get('model')
    x.model = x.deployment ?? asked
    const route = this.router.choose(x.path, x.model, x.key?.team ?? null)
    if (route === null) {
      this.owner.refuse(x, 'no_route')
      return
    }
    const [first = 0] = route.selection.order(performance.now(), null)
    const { upstream, model } = route.targets[first] as Target
    x.attempts = 1
    x.upstream = upstream.name
    x.phase = 'attempt'
    x.attemptAt = performance.now()
    const tunnel = new Tunnel(x, socket, head, this, upstream.timeouts)
    x.stage = tunnel
    const passthrough = this.config.keys.mode === 'passthrough'
    const headers = requestHeaders(x.req.rawHeaders, upstream.headersFor(x.path, passthrough), passthrough)
    if (passthrough) placeOwnCredential(headers, upstream.ownAuthFor(x.path))
    const wanted = model ?? x.model
    const renamed = x.model !== null && wanted !== null && wanted !== asked
    const query = renamed ? withModel(x.query, wanted) : x.query
    tunnel.open({
      upstream,
      path: upstream.addressOf(x.path, query, wanted, passthrough),
      headers: passthrough ? headers : withoutSubprotocolKeys(headers),
    })
  }

  onAttemptFailed(x: Exchange, code: ErrorCode, cause: string): void {
    if (code === 'upstream_timeout') this.owner.bounds.hit('firstByteMs')
    x.cause = cause
    // A request that undici would not take is the client's matter; all else is the upstream's.
    x.conclude(code === 'invalid_request' ? 'refused' : 'upstream_failed')
    const detail = code === 'invalid_request' ? undefined : `${ERRORS[code].message} (${cause})`
    answerError(x, code, this.draining, detail)
  }

  onSuperseded(x: Exchange): void {
    answerError(x, 'superseded', this.draining)
  }

  /** Whether what is asked for may turn on the end of a body. */
  private hasToBeWhole(x: Exchange, body: RequestBody, route: Route): boolean {
    for (const { upstream } of route.targets) if (upstream.asksUsage(x.method, x.path)) return true
    return this.cache?.mayHold(x, body.length) === true
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
  const shape = body?.errand?.shape ?? null
  if (shape === null && deployment === null) return id
  return `${shape ?? ''} ${encodeURIComponent(deployment ?? '')} ${id}`
}

/** Null if the first target is not to be hedged: it is not safe to ask twice, or too little is known of it. */
function hedgeOf(x: Exchange, route: Route, order: readonly number[]): CourseOptions['hedge'] {
  const { hedges, targets, failover } = route
  if (order.length === 1 || !(failover ?? failoverByDefault(x.method, x.path))) return null
  hedges.count()
  const afterMs = hedgeAfterMs((targets[order[0] as number] as Target).health.latency)
  return afterMs === null ? null : { afterMs, budget: hedges }
}
