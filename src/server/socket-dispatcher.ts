import type { Socket } from 'node:net'
import { readSubprotocols, stripSubprotocolKeys } from '../access/credentials.js'
import { holdsKey } from '../access/key-traces.js'
import { dropQueryKeys } from '../access/query-key.js'
import { findApiIndex, includesApi } from '../api/api-of-path.js'
import { BODY_PATHS } from '../api/apis.js'
import { NO_DETAILS, type RefusalDetails } from '../api/error-response.js'
import type { ErrorCode } from '../api/errors.js'
import { isAmbiguousPath } from '../api/model-use.js'
import { readQueryModel } from '../api/query-model.js'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import type { RequestSummary } from '../exchange/summary.js'
import { removeHeader } from '../http/flat-headers.js'
import { filterRequestHeaders } from '../http/request-headers.js'
import type { RelayContext } from '../relay/relay-context.js'
import type { SocketRoute } from '../relay/websocket/connector.js'
import { readHandshakeKey } from '../relay/websocket/frames.js'
import type { HandshakeRequest } from '../relay/websocket/handshake.js'
import { SocketRelay } from '../relay/websocket/socket-relay.js'
import type { EventRefusal, SocketRules } from '../relay/websocket/socket-rules.js'
import { findSession } from '../routing/affinity.js'
import { isFailoverDefault } from '../routing/retry-policy.js'
import type { Target } from '../routing/route.js'
import type { Router } from '../routing/router.js'
import { locate } from '../stored/locate.js'
import { placePassthroughCredential } from '../upstream/passthrough-auth.js'
import type { Upstream } from '../upstream/upstream.js'
import { replaceModel } from '../upstream/url.js'
import type { Admission } from './admission.js'
import { type GateRefusal, KEY_IN_PATH } from './gate.js'
import { LATER, type LimitGate } from './limit-gate.js'
import type { ModelAccess } from './model-access.js'
import type { StoredLookup } from './stored-lookup.js'

/** Milliseconds that an upstream without a WebSocket for Responses is remembered: then it is asked once more. */
const REMEMBERED_MS = 600_000

/** Why a handshake is refused. */
export interface SocketRefusal {
  readonly code: ErrorCode
  readonly details?: RefusalDetails
}

/** Refuses a request. */
export type Refuse = (exchange: Exchange, code: ErrorCode, details?: RefusalDetails) => void

/** Opens WebSockets to the targets of their routes. Holds what a reload of the config replaces. */
export class SocketDispatcher {
  private config: Config
  private router: Router<Upstream>
  private readonly context: RelayContext
  private readonly admission: Admission
  private readonly record: (summary: RequestSummary) => void
  private readonly stored: StoredLookup
  private readonly limits: LimitGate
  private readonly refuseLater: Refuse
  /** When an upstream has refused a WebSocket for Responses: `performance.now()`. */
  private readonly refusedAt: WeakMap<Upstream, number>

  constructor(
    config: Config,
    router: Router<Upstream>,
    context: RelayContext,
    admission: Admission,
    record: (summary: RequestSummary) => void,
    stored: StoredLookup,
    limits: LimitGate,
    refuseLater: Refuse,
  ) {
    this.config = config
    this.router = router
    this.context = context
    this.admission = admission
    this.record = record
    this.stored = stored
    this.limits = limits
    this.refuseLater = refuseLater
    this.refusedAt = new WeakMap()
  }

  /** WebSockets from now on follow this config. */
  reconfigure(config: Config, router: Router<Upstream>): void {
    this.config = config
    this.router = router
  }

  /** @returns why the handshake is refused; null if it is under way, or refused later */
  open(exchange: Exchange, socket: Socket, head: Buffer): SocketRefusal | null {
    const refused = this.readModel(exchange)
    if (refused !== null) return refused
    exchange.setConnection()
    const rules = this.createRules(exchange)
    const refusal = this.refuseObjects(exchange)
    if (refusal !== null) return refusal
    // The first message names the model.
    if (exchange.request.path === BODY_PATHS.responses && exchange.request.model === null)
      return this.accept(exchange, socket, head, rules)
    const route = rules.route(exchange.request.model, null)
    if ('code' in route) return this.refuse(exchange, route)
    const [first] = route.targets
    const target = { upstream: first?.upstream.name ?? null, model: first?.model ?? null }
    const limited = this.limits.checkHandshake(exchange, target)
    if (limited !== null && limited !== LATER) return limited
    const relay = new SocketRelay(exchange, socket, head, this.context, rules)
    relay.listen()
    if (limited === null) relay.connect(route)
    else this.connectLater(exchange, relay, rules)
    return null
  }

  /** Forwards a handshake when the limits let it pass; its route may be another one by then. */
  private connectLater(exchange: Exchange, relay: SocketRelay, rules: SocketRules): void {
    this.limits.whenChecked(exchange, (refusal) => {
      const next = refusal ?? rules.route(exchange.request.model, null)
      if (!('code' in next)) {
        relay.connect(next)
        return
      }
      relay.drop()
      const { code, details = NO_DETAILS } = this.refuse(exchange, next)
      this.refuseLater(exchange, code, details)
    })
  }

  private refuse(exchange: Exchange, { code, barredBy, ...details }: EventRefusal): SocketRefusal {
    if (barredBy !== undefined) this.limits.bar(exchange, barredBy)
    return { code, details }
  }

  /** Takes the model from the query, at paths where an API has it there. */
  private readModel(exchange: Exchange): SocketRefusal | null {
    const { path, query, deployment, key } = exchange.request
    const { model, isAmbiguous, hasDeployment } = readQueryModel(query)
    // The model's name at the upstream is put into the query again.
    if (key !== null && [path, deployment, model].some((text) => text !== null && holdsKey(text)))
      return { code: 'invalid_path', details: { message: KEY_IN_PATH } }
    const isKnown = path === BODY_PATHS.responses || /\/realtime(?:$|\/)/.test(path)
    const access = this.limits.findAccess(exchange.request)
    const depends = dependsOnModel(exchange, access, this.router)
    if (isAmbiguous || (hasDeployment && depends))
      return { code: 'ambiguous_request', details: { message: AMBIGUOUS } }
    if (depends && isAmbiguousPath('POST', path)) return { code: 'ambiguous_request' }
    if (!isKnown) {
      const refusal = access.refuseHidden()
      return refusal === null ? null : this.refuse(exchange, toEventRefusal(refusal))
    }
    exchange.setModel(model)
    return null
  }

  /** An upstream without WebSockets answers a handshake as it answers a GET: with the object that its path names. */
  private refuseObjects({ request }: Exchange): SocketRefusal | null {
    if (request.path === BODY_PATHS.responses) return null
    const location = locate(request, [], this.stored, this.config.stored.lists === 'refuse')
    // No WebSocket is at the path of an object: whose it is need not be waited for.
    if (location?.kind === 'behind') return { code: 'object_not_found' }
    if (location?.kind !== 'refused') return null
    const { code, missing } = location
    return missing === null ? { code } : { code, details: missing }
  }

  private accept(exchange: Exchange, socket: Socket, head: Buffer, rules: SocketRules): SocketRefusal | null {
    const { rawHeaders, path } = exchange.request
    const key = readHandshakeKey(rawHeaders)
    if (key === null) return { code: 'invalid_request', details: { message: INVALID_HANDSHAKE } }
    if (!this.router.upstreams.some((upstream) => this.mayAccept(upstream, path)))
      return { code: 'upgrade_unsupported' }
    const [protocol = null] = readSubprotocols(rawHeaders)
    new SocketRelay(exchange, socket, head, this.context, rules).accept(key, protocol)
    return null
  }

  /** Whether an upstream may have a WebSocket for Responses. */
  private mayAccept(upstream: Upstream, path: string): boolean {
    if (!upstream.websockets || !includesApi(upstream.apis, findApiIndex(path))) return false
    const refusedAt = this.refusedAt.get(upstream)
    return refusedAt === undefined || performance.now() - refusedAt > REMEMBERED_MS
  }

  private createRules(exchange: Exchange): SocketRules {
    const { config, router, admission, context, record, stored } = this
    const { path, team, rawHeaders } = exchange.request
    // The rules may change while the connection is open.
    const access = (): ModelAccess => this.limits.findAccess(exchange.request)
    return {
      bodyBytes: config.limits.bodyBytes,
      quietMs: config.timeouts.websocketQuietMs,
      requestMs: config.timeouts.requestMs,
      clientStallMs: config.timeouts.clientStallMs,
      // As of the POST that the event stands for.
      locate: (references) => locate({ method: 'POST', path, team, rawHeaders }, references, stored, false),
      dependsOnModel: () => dependsOnModel(exchange, access(), router),
      refuseModels: (recorded, named) => {
        const refusal = access().refuseNamed(recorded, named)
        return refusal === null ? null : toEventRefusal(refusal)
      },
      bar: (response, rule) => this.limits.bar(response, rule),
      whenKnown: (ids) => stored.whenKnown(ids),
      route: (model, upstreamName) => {
        const allowed = access()
        const barred = allowed.refuseNamed(model, [model])
        if (barred !== null) return toEventRefusal(barred)
        const route = router.findRoute(path, model, team)
        if (route === null) return { code: 'no_route' }
        const ordered = route.balancer.order(performance.now(), findSession(rawHeaders))
        const able = ordered
          .flatMap((i) => route.targets[i] ?? [])
          .filter((target) => target.upstream.websockets)
        const refusals = able.map((target) => allowed.refuseTarget(model, target.model))
        const open = able.filter((_, i) => refusals[i] === null)
        const [first = null] = refusals
        if (open.length === 0 && first !== null) return toEventRefusal(first)
        const pinned = open.filter(({ upstream }) => upstream.name === upstreamName)
        const targets = pinned.length > 0 ? pinned : open
        if (targets.length === 0) return { code: 'upgrade_unsupported' }
        if (targets.every(({ upstream }) => upstream.full)) {
          context.bounds.hit('upstreamMaxConcurrentRequests')
          return { code: 'upstream_busy' }
        }
        return this.createRoute(exchange, model, targets, route.failover)
      },
      nameAt: ({ upstream }, model) => {
        const allowed = access()
        if (!allowed.allows(model)) return null
        const there = router
          .findRoute(path, model, team)
          ?.targets.find((target) => target.upstream === upstream)
        if (there === undefined || allowed.refuseTarget(model, there.model) !== null) return null
        return there.model ?? model
      },
      onNoWebSocket: (upstream) => this.refusedAt.set(upstream, performance.now()),
      admit: (upstream, isFurther) => {
        if (upstream?.full === true) {
          context.bounds.hit('upstreamMaxConcurrentRequests')
          return 'upstream_busy'
        }
        return isFurther ? admission.admitFurther(exchange) : null
      },
      releaseFurther: () => admission.releaseFurther(exchange),
      checkLimits: (response, body, target) => {
        const checked = this.limits.checkResponse(response, body, target)
        return checked === LATER ? 'later' : checked
      },
      whenChecked: (response, onChecked) => this.limits.whenChecked(response, onChecked, true),
      cancelLimits: (response) => this.limits.cancel(response),
      record,
    }
  }

  private createRoute(
    exchange: Exchange,
    model: string | null,
    targets: readonly Target<Upstream>[],
    failover: boolean | null,
  ): SocketRoute {
    const passthrough = this.config.keys.mode === 'passthrough'
    return {
      targets,
      failover: failover ?? isFailoverDefault(exchange.request.method, exchange.request.path),
      ownsCredential: !passthrough,
      build: (target) => buildHandshake(exchange, target, model, passthrough),
    }
  }
}

function toEventRefusal({ rule, ...refusal }: GateRefusal): EventRefusal {
  return rule === undefined ? refusal : { ...refusal, barredBy: rule }
}

/** Whether a rule depends on the model. */
function dependsOnModel({ request }: Exchange, access: ModelAccess, router: Router<Upstream>): boolean {
  return access.dependsOnModel || router.dependsOnModel(request.path, request.team)
}

const AMBIGUOUS =
  'The query of the handshake names a model more than once, or in another way than model=NAME. Name one model, once.'

const INVALID_HANDSHAKE =
  'The WebSocket handshake needs Sec-WebSocket-Version: 13 and a Sec-WebSocket-Key of 16 bytes (RFC 6455, 4.1).'

/** Builds the handshake for a target: the client's, with the model name, the credential and the path of the target. */
function buildHandshake(
  { request }: Exchange,
  { upstream, key, model: ownName }: Target<Upstream>,
  model: string | null,
  passthrough: boolean,
): HandshakeRequest {
  const { path, rawHeaders } = request
  const query = passthrough ? request.query : dropQueryKeys(request.query)
  const queryModel = new URLSearchParams(query).get('model')
  const wanted = ownName ?? model
  const isRenamed = request.model !== null && wanted !== null && wanted !== queryModel
  const { auth, address } = upstream.withKey(key)
  const given = passthrough ? rawHeaders : stripSubprotocolKeys(rawHeaders)
  const headers = filterRequestHeaders(given, auth.headersFor(path, passthrough), passthrough, holdsKey)
  if (passthrough) placePassthroughCredential(headers, auth.passthroughSchemeFor(path))
  // Compressed frames could not be read.
  removeHeader(headers, 'sec-websocket-extensions')
  const target = isRenamed ? replaceModel(query, wanted) : query
  return {
    path: address.build(path, target, wanted, passthrough),
    headers,
  }
}
