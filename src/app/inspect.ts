import type { Socket } from 'node:net'
import { SharedResponse } from '../cache/shared-response.js'
import { Subscriber } from '../cache/subscriber.js'
import type { Exchange } from '../exchange/exchange.js'
import type { CacheOutcome, End, Phase } from '../exchange/outcome.js'
import type { Stage } from '../exchange/stage.js'
import { findHeader } from '../http/flat-headers.js'
import type { LimitState } from '../limits/counters/store.js'
import type { Limiter } from '../limits/limiter.js'
import type { RefusalCount } from '../observe/limit-metrics.js'
import type { LedgerState } from '../observe/relay-state.js'
import { ClientWriter } from '../relay/client-writer.js'
import type { Route } from '../routing/route.js'
import type { Router } from '../routing/router.js'
import type { RequestHandler } from '../server/request-handler.js'
import type { Upstream } from '../upstream/upstream.js'

/** The state of a running relay. Each property is a getter: it shows the state at the time of the access. */
export interface Inspection {
  /** Requests that have not ended, in any order. */
  readonly exchanges: readonly OpenExchange[]
  readonly openCount: number
  /** No request is open, and every response has been read to its end by its meter. */
  readonly isIdle: boolean
  /** Bytes of request bodies and held responses that count against `limits.bufferedBytes`. */
  readonly bufferedBytes: number
  /** How often each bound of the config was hit; bounds that were never hit are left out. */
  readonly boundsHit: Readonly<Record<string, number>>
  /** Null if nothing is recorded. */
  readonly ledger: LedgerState | null
  /** Null if the cache is off. */
  readonly cache: CacheInspection | null
  /** The counters of limits. */
  readonly limits: readonly LimitState[]
  /** What their rules have refused. */
  readonly refusals: readonly RefusalCount[]
  /** Upstreams of the config that the relay follows now. */
  readonly upstreams: readonly Upstream[]
  /** Upstreams of earlier configs that still have requests under way. */
  readonly retiringUpstreams: readonly Upstream[]
  /** The targets of a request, by the rules of `Router.findRoute`. */
  findRoute(path: string, model: string | null, team: string | null): Route<Upstream> | null
}

/** One open request. */
export interface OpenExchange {
  readonly id: string
  readonly path: string
  readonly model: string | null
  readonly phase: Phase
  /** Null while the request has not been ended; it may be open for a while longer. */
  readonly end: End | null
  /** The head of the response was handed to the client's connection. */
  readonly hasSentHead: boolean
  readonly cache: CacheOutcome | null
  /** Body bytes that were handed to the client's connection. */
  readonly bytesOut: number
  /** The client does not take what it is sent, so the upstream has to wait. */
  readonly isUpstreamBlocked: boolean
  /** The client's connection has more to send than its high water mark. */
  readonly isClientBlocked: boolean
  /** Bytes that wait in the relay's memory for the client's connection. */
  readonly unsentBytes: number
  /** The translated request is held, to be sent to another target. */
  readonly holdsTranslatedRequest: boolean
  readonly clientSocket: Socket
  /** What handles the request at the moment. */
  readonly stage: Stage | null
  /** The relay's record of the request, to see whether its memory is freed. */
  readonly record: WeakRef<object>
  /** @param lower name of a request header, in lower case */
  header(lower: string): string | undefined
}

export interface CacheInspection {
  /** Size of the cached responses. */
  readonly bytes: number
  /** Size of the prompts of responses that still arrive. */
  readonly openPromptBytes: number
  /** Responses that arrive and that a further request can join, to see whether their memory is freed. */
  readonly openResponses: readonly WeakRef<object>[]
  /** How many cached prompts each entry of the prefix index has. */
  readonly indexedPrompts: readonly number[]
}

/**
 * Makes the view into a relay's parts. Only this file knows their inner state: what tests and the operator's page
 * see stays the same when the parts change.
 */
export function createInspection(
  handler: RequestHandler,
  limiter: Limiter,
  router: () => Router<Upstream>,
  retiring: ReadonlySet<Upstream>,
): Inspection {
  return {
    get exchanges() {
      const found: OpenExchange[] = []
      handler.inFlight.forEach((exchange) => {
        found.unshift(new ExchangeView(exchange))
      })
      return found
    },
    get openCount() {
      return handler.openCount
    },
    get isIdle() {
      return handler.idle
    },
    get bufferedBytes() {
      return handler.bufferedBytes
    },
    get boundsHit() {
      return handler.bounds.snapshot()
    },
    get ledger() {
      return handler.ledgerState
    },
    get cache() {
      const { cache } = handler
      return cache === null
        ? null
        : {
            bytes: cache.bytes,
            openPromptBytes: cache.openPromptBytes,
            openResponses: cache.openResponses.map((shared) => refOf(shared)),
            indexedPrompts: cache.indexedPrompts,
          }
    },
    get limits() {
      return limiter.readAll()
    },
    get refusals() {
      return [...limiter.refusals]
    },
    get upstreams() {
      return router().upstreams
    },
    get retiringUpstreams() {
      return [...retiring]
    },
    findRoute: (path, model, team) => router().findRoute(path, model, team),
  }
}

/** One reference for each response, so that a caller who collects them does not count one twice. */
const refs = new WeakMap<object, WeakRef<object>>()

function refOf(target: object): WeakRef<object> {
  const known = refs.get(target)
  if (known !== undefined) return known
  const ref = new WeakRef(target)
  refs.set(target, ref)
  return ref
}

class ExchangeView implements OpenExchange {
  private readonly exchange: Exchange

  constructor(exchange: Exchange) {
    this.exchange = exchange
  }

  get id(): string {
    return this.exchange.request.id
  }

  get path(): string {
    return this.exchange.request.path
  }

  get model(): string | null {
    return this.exchange.request.model
  }

  get end(): End | null {
    return this.exchange.outcome.end
  }

  get hasSentHead(): boolean {
    return this.exchange.res.headersSent
  }

  header(lower: string): string | undefined {
    return findHeader(this.exchange.req.rawHeaders, lower)
  }

  get phase(): Phase {
    return this.exchange.outcome.phase
  }

  get cache(): CacheOutcome | null {
    return this.exchange.outcome.cache
  }

  get bytesOut(): number {
    return this.exchange.outcome.bytesOut
  }

  get isUpstreamBlocked(): boolean {
    const { stage } = this.exchange
    if (!(stage instanceof ClientWriter)) return false
    const { feed } = stage
    if (!(feed instanceof Subscriber)) return stage.isBlocked
    // A cached response has no upstream.
    return feed.source instanceof SharedResponse && feed.source.isBlocked
  }

  get isClientBlocked(): boolean {
    return this.exchange.res.writableNeedDrain
  }

  get unsentBytes(): number {
    return this.exchange.res.socket?.writableLength ?? 0
  }

  get holdsTranslatedRequest(): boolean {
    const { body } = this.exchange
    return body !== null && body.conversation !== null
  }

  get clientSocket(): Socket {
    return this.exchange.req.socket
  }

  get stage(): Stage | null {
    return this.exchange.stage
  }

  get record(): WeakRef<object> {
    return refOf(this.exchange)
  }
}
