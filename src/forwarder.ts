import type { Socket } from 'node:net'
import { withoutSubprotocolKeys } from './access/credential.js'
import { AnswerCache } from './cache/cache.js'
import type { FollowerOwner } from './cache/follower.js'
import type { Config } from './config/config.js'
import type { Exchange, Stage } from './exchange.js'
import { ERRORS, type ErrorCode } from './http/errors.js'
import { headerValue, requestHeaders } from './http/headers.js'
import { splice } from './http/splice.js'
import type { BoundCounters } from './ops/counters.js'
import { answerError } from './relay/answer.js'
import { inOne, type RequestBody, type Upload } from './relay/body.js'
import { Relay, type RelayOwner } from './relay/relay.js'
import { Tunnel } from './relay/tunnel.js'
import { ModelList } from './routing/model-list.js'
import { outgoing } from './routing/outgoing.js'
import type { Router } from './routing/router.js'
import type { Upstream } from './routing/upstream.js'

export interface ForwarderOwner {
  readonly draining: boolean
  readonly bounds: BoundCounters
  refuse(x: Exchange, code: ErrorCode, detail?: string): void
  /** Answers with JSON of the relay's own. */
  answerLocal(x: Exchange, status: number, value: unknown): void
}

/** The second half of a request's way: route, cache, attempt. What is admitted and can be read goes to an upstream. */
export class Forwarder implements RelayOwner, FollowerOwner {
  private readonly config: Config
  private readonly router: Router
  private readonly owner: ForwarderOwner
  private readonly models: ModelList
  /** Null if nothing is to be kept. */
  private readonly cache: AnswerCache | null

  constructor(config: Config, router: Router, owner: ForwarderOwner) {
    this.config = config
    this.router = router
    this.owner = owner
    this.models = new ModelList(router, config)
    this.cache = config.cache.enabled ? new AnswerCache(config, this) : null
  }

  get draining(): boolean {
    return this.owner.draining
  }

  /** @param body null if the request has none; one that is not whole may be left until it is */
  forward(x: Exchange, body: RequestBody | null): void {
    x.phase = 'route'
    const team = x.key?.team ?? null
    const aboutModels = x.path.startsWith('/models') && (x.method === 'GET' || x.method === 'HEAD')
    if (aboutModels && this.answerModels(x, team)) return
    const route = aboutModels ? this.models.routeFor(x.path, team) : this.router.choose(x.path, x.model, team)
    const choice = route?.targets[0]
    if (route === null || choice === undefined) {
      if (body === null || body.whole) this.owner.refuse(x, 'no_route')
      else x.phase = 'read'
      return
    }
    const { upstream } = choice
    if (body?.whole === false && this.hasToBeWhole(x, body, upstream)) {
      x.phase = 'read'
      return
    }
    let key: string | null = null
    if (this.cache !== null && body !== null) {
      x.phase = 'cache'
      const known = this.cache.answer(x, { upstream: upstream.name, model: choice.model }, body)
      if (known === 'answered') return
      key = known?.key ?? null
    }
    x.upstream = upstream.name
    const { method, path, query } = x
    const { rawHeaders } = x.req
    const incoming = { method, path, query, rawHeaders, found: body?.found ?? null }
    const passthrough = this.config.keys.mode === 'passthrough'
    const { path: target, headers, edits, usageUnasked } = outgoing(incoming, choice, passthrough)

    x.phase = 'attempt'
    x.attemptAt = performance.now()
    x.connected = false
    if (key !== null && this.cache !== null && body !== null) {
      const sent = inOne(splice(body.pieces, edits))
      const flight = this.cache.start(x, key, usageUnasked, body)
      upstream.dispatch({ method, path: target, headers, body: sent }, flight.attempt)
      return
    }
    const relay = new Relay(x, this, {
      timeouts: upstream.timeouts,
      crossOrigin: headerValue(rawHeaders, 'origin') !== undefined,
      usageUnasked,
    })
    let sent: Buffer | Upload | null = null
    if (body === null) x.stage = relay
    else {
      const pieces = splice(body.pieces, edits)
      if (!body.whole)
        headers.push('content-length', String(body.length + sizeOf(pieces) - sizeOf(body.pieces)))
      sent = body.send(pieces, relay)
    }
    upstream.dispatch({ method, path: target, headers, body: sent }, relay.attempt)
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
    x.model = new URLSearchParams(x.query).get('model')
    const choice = this.router.choose(x.path, x.model, x.key?.team ?? null)?.targets[0]
    if (choice === undefined) {
      this.owner.refuse(x, 'no_route')
      return
    }
    const { upstream } = choice
    x.upstream = upstream.name
    x.phase = 'attempt'
    x.attemptAt = performance.now()
    const tunnel = new Tunnel(x, socket, head, this, upstream.timeouts)
    x.stage = tunnel
    const passthrough = this.config.keys.mode === 'passthrough'
    const headers = requestHeaders(x.req.rawHeaders, upstream.headersFor(x.path, passthrough), passthrough)
    tunnel.open({
      upstream,
      path: upstream.addressOf(x.path, x.query, choice.model ?? x.model, passthrough),
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
  private hasToBeWhole(x: Exchange, body: RequestBody, upstream: Upstream): boolean {
    return upstream.asksUsage(x.method, x.path) || this.cache?.mayHold(x, body.length) === true
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
