import type { Api } from '../api/presets.js'
import type { Strategy } from '../config/routes.js'
import type { CircuitBreaker } from './circuit-breaker.js'
import type { CredentialHealth } from './credential-health.js'
import type { HedgeBudget } from './hedge.js'
import type { Balancer } from './load-balancer.js'
import type { MissingModels } from './missing-models.js'

/** What routing needs to know of an upstream. The connections to it are no concern of this folder. */
export interface Endpoint {
  readonly name: string
  /** The APIs that it speaks; null for all. */
  readonly apis: readonly Api[] | null
  /** It has reached its limit of concurrent requests. */
  readonly full: boolean
  /** Its keys (`keys` in the config), which take turns by weight; null if it has one credential or none. */
  readonly keys: readonly EndpointKey[] | null
}

export interface EndpointKey {
  /** For logs and metrics: never a part of the key itself. */
  readonly name: string
  /** Share of the requests of the upstream. */
  readonly weight: number
}

/**
 * One place where a request may go: an upstream, one of its keys, and the model to use there. The config may name it in
 * several routes; there is one object for it.
 * @typeParam E the upstream as the caller knows it
 */
export interface Target<E extends Endpoint = Endpoint> {
  /** Shared by all targets with the same upstream, key and model, whatever their weight. */
  readonly breaker: CircuitBreaker
  /** Shared by all targets with the same upstream and key. */
  readonly credential: CredentialHealth
  readonly missing: MissingModels
  readonly upstream: E
  /** Index of its key among those of the upstream; 0 where it has no `keys`. */
  readonly key: number
  /** Null where the upstream has no `keys`. */
  readonly keyName: string | null
  /** Replaces the client's model; null leaves the body as it is. */
  readonly model: string | null
  /** Share of the requests if `Route.strategy` is `weight`. 0: used only when no other target can be. */
  readonly weight: number
  /**
   * For logs: `upstream`, `upstream#key`, `upstream/model` or `upstream#key/model`. Unique within a route, and the same
   * after a restart.
   */
  readonly name: string
  /** The name without the key. */
  readonly place: string
}

/** Where a request may go. */
export interface Route<E extends Endpoint = Endpoint> {
  /** Places of its targets in their order; the same after a restart with the same config. */
  readonly id: string
  /** The entry of the config that it comes from: `routes[2]`, `models.team-fast`; null if it comes from none. */
  readonly entry: string | null
  /** At least one, in the order of the config: those that speak the API of the request. */
  readonly targets: readonly Target<E>[]
  readonly strategy: Strategy
  /** Whether a failed request goes to the next target; null: if repeating it is safe (`isFailoverDefault`). */
  readonly failover: boolean | null
  /** Milliseconds that a response may stay without content before the next target is tried; null for no limit. */
  readonly firstTokenMs: number | null
  /** Whether a second target is tried, too, if the first one is slower than it usually is. */
  readonly hedge: boolean
  /** Whether conversations on `/v1` are fitted to the API of each target. */
  readonly translate: boolean
  readonly balancer: Balancer
  readonly hedges: HedgeBudget
}
