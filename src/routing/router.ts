import { findApiIndex, includesApi, OTHER_API } from '../api/api-of-path.js'
import { hasConversationApi } from '../api/apis.js'
import { listVariants, type ModelVariant } from '../api/model-variants.js'
import type { Config } from '../config/config.js'
import type { DestinationConfig, TargetConfig } from '../config/routes.js'
import {
  BREAKER_DEFAULTS,
  type BreakerSnapshot,
  CircuitBreaker,
  type OnBreakerChange,
} from './circuit-breaker.js'
import { compileGlobs, isAllowed } from './glob.js'
import { HedgeBudget } from './hedge.js'
import { type BalancedTarget, LoadBalancer } from './load-balancer.js'
import type { Endpoint, Route, Target } from './route.js'
import { type RoutesByApi, RouteTable } from './route-table.js'

/** Called when the circuit breaker of a target has changed its state. @param name `Target.name` */
export type OnTargetStateChange = (name: string, ...change: Parameters<OnBreakerChange>) => void

interface Alias<E extends Endpoint> {
  readonly teams: readonly RegExp[] | null
  readonly routes: RoutesByApi<E>
}

interface TargetHealth<E extends Endpoint> {
  readonly upstream: E
  readonly breaker: CircuitBreaker
}

/**
 * Finds where a request may go, by its path, model and team: aliases first, then the routes in the order of the config.
 * It knows nothing of sockets. Everything is made at start: finding the route of a model that was seen before allocates
 * nothing.
 */
export class Router<E extends Endpoint = Endpoint> {
  readonly upstreams: readonly E[]
  /** Model names that the config defines (`models`), in its order. */
  readonly aliases: readonly string[]
  /** Some route or alias translates requests on `/v1`. */
  readonly hasTranslatedRoutes: boolean
  private readonly table: RouteTable<E>
  private readonly byAlias: ReadonlyMap<string, Alias<E>>
  /** Some upstream does not speak every API. */
  private readonly selective: boolean
  private readonly targetsByKey: Map<string, Target<E>>
  /** By `Target.name`. */
  private readonly health: Map<string, TargetHealth<E>>
  private readonly onStateChange: OnTargetStateChange
  /** Routes to one upstream, by its name, as far as they were asked for. */
  private readonly direct: Map<string, Route<E>>

  /**
   * @param config checked: every upstream that a route names exists
   * @param upstreams in the order of the config
   * @param before the router that this one replaces: a target whose upstream is still the same object keeps its breaker
   */
  constructor(
    config: Pick<Config, 'aliases' | 'routes'>,
    upstreams: readonly E[],
    onStateChange: OnTargetStateChange = () => {},
    before: Router<E> | null = null,
  ) {
    const byName = new Map(upstreams.map((upstream) => [upstream.name, upstream]))
    const create = (destination: DestinationConfig, alias: string | null): RoutesByApi<E> => {
      const targets = destination.targets.map((target) => this.createTarget(target, byName, alias, before))
      return createRoutes(destination, targets)
    }
    this.upstreams = upstreams
    this.hasTranslatedRoutes = [...config.aliases, ...config.routes].some(({ translate }) => translate)
    this.selective = upstreams.some(({ apis }) => apis !== null)
    this.targetsByKey = new Map()
    this.health = new Map()
    this.onStateChange = onStateChange
    this.direct = new Map()
    this.aliases = config.aliases.map((alias) => alias.name)
    this.byAlias = new Map(
      config.aliases.map((alias) => [
        alias.name,
        { teams: compileGlobs(alias.teams), routes: create(alias, alias.name) },
      ]),
    )
    this.table = new RouteTable(config.routes, (route) => create(route, null))
  }

  /**
   * @param path behind the version, without a query
   * @param model null if the request names none
   * @param team of the key; null if there is none
   * @param isKnownPath an API has a model in requests of this path
   * @returns null if no route matches, or if no target of the matching route speaks the API of the path
   */
  findRoute(path: string, model: string | null, team: string | null, isKnownPath = true): Route<E> | null {
    const api = this.selective ? findApiIndex(path) : OTHER_API
    const alias = model === null || !isKnownPath ? undefined : this.byAlias.get(model)
    // A team that may use an alias never gets past it: an upstream would not know the name.
    if (alias !== undefined && isAllowed(alias.teams, team)) return alias.routes[api] ?? null
    return this.table.find(path, model, team, api, null, isKnownPath)
  }

  /**
   * Whether the model of such a request decides where it goes, or what its model becomes.
   * @param isKnownPath see `findRoute`
   */
  dependsOnModel(path: string, team: string | null, isKnownPath = true): boolean {
    if (isKnownPath) for (const { teams } of this.byAlias.values()) if (isAllowed(teams, team)) return true
    return this.table.dependsOnModel(path, team, this.selective ? findApiIndex(path) : OTHER_API)
  }

  /** Some route has patterns for paths. */
  get hasPathRules(): boolean {
    return this.table.hasPaths
  }

  /** Finds the route to one upstream, for what only that one can answer; null if the config does not have it. */
  findRouteTo(name: string): Route<E> | null {
    const known = this.direct.get(name)
    if (known !== undefined) return known
    const upstream = this.upstreams.find((candidate) => candidate.name === name)
    if (upstream === undefined) return null
    const entry = { upstream: name, model: null, weight: 1 }
    const target = this.createTarget(entry, new Map([[name, upstream]]), null, null)
    const [route = null] = createRoutes({ ...DIRECT, targets: [entry] }, [target]).slice(OTHER_API)
    if (route !== null) this.direct.set(name, route)
    return route
  }

  /**
   * Finds the route of a conversation that is fitted to the API of each target. The first route that matches decides,
   * whatever API its targets have.
   * @param bodyPath of the API that the body is written for
   * @returns null if no route matches, or if no target of the matching route has an API for conversations
   */
  findConversationRoute(
    path: string,
    bodyPath: string,
    model: string | null,
    team: string | null,
  ): Route<E> | null {
    const alias = model === null ? undefined : this.byAlias.get(model)
    if (alias !== undefined && isAllowed(alias.teams, team)) return alias.routes[CONVERSATION] ?? null
    return this.table.find(path, model, team, CONVERSATION, bodyPath)
  }

  /** The alias that a team asks for by the name of a variant; null if it is none (see `listVariants`). */
  findVariant(model: string, team: string | null): ModelVariant | null {
    if (this.byAlias.size === 0 || this.byAlias.has(model)) return null
    for (const variant of listVariants(model)) {
      const alias = this.byAlias.get(variant.base)
      if (alias !== undefined && isAllowed(alias.teams, team)) return variant
    }
    return null
  }

  /** The names of an alias's targets, in the order of the config. */
  listAliasTargets(alias: string): readonly string[] {
    return this.byAlias.get(alias)?.routes[OTHER_API]?.targets.map(({ name }) => name) ?? []
  }

  /** The aliases that a team may use, in the order of the config. */
  listAliases(team: string | null): readonly string[] {
    return this.aliases.filter((name) => isAllowed(this.byAlias.get(name)?.teams ?? null, team))
  }

  /** The state of each target's breaker, by the target's name. @param now `performance.now()` */
  snapshotTargets(now: number): ReadonlyMap<string, BreakerSnapshot> {
    const snapshots = new Map<string, BreakerSnapshot>()
    for (const [name, { breaker }] of this.health) snapshots.set(name, breaker.snapshot(now))
    return snapshots
  }

  /** Creates a target, or finds the one that was created for an equal entry. */
  private createTarget(
    entry: TargetConfig,
    byName: ReadonlyMap<string, E>,
    alias: string | null,
    before: Router<E> | null,
  ): Target<E> {
    const upstream = byName.get(entry.upstream)
    if (upstream === undefined) throw new Error(`no upstream named ${entry.upstream}`)
    const { weight } = entry
    const model = entry.model === alias ? null : entry.model
    const name = model === null ? upstream.name : `${upstream.name}/${model}`
    const key = `${name} ${weight}`
    const known = this.targetsByKey.get(key)
    if (known !== undefined) return known
    const target = { breaker: this.createBreaker(name, upstream, before), upstream, model, weight, name }
    this.targetsByKey.set(key, target)
    return target
  }

  /** Creates a breaker, or finds the one that this router or the one before already has. */
  private createBreaker(name: string, upstream: E, before: Router<E> | null): CircuitBreaker {
    const known = this.health.get(name)
    if (known !== undefined) return known.breaker
    const earlier = before?.health.get(name)
    const breaker =
      earlier?.upstream === upstream
        ? earlier.breaker
        : new CircuitBreaker(BREAKER_DEFAULTS, (...change) => this.onStateChange(name, ...change))
    this.health.set(name, { upstream, breaker })
    return breaker
  }
}

const DIRECT = {
  strategy: 'order',
  failover: null,
  firstTokenMs: null,
  hedge: false,
  translate: false,
} as const

/** Stands for a conversation in any of its APIs. */
const CONVERSATION = OTHER_API + 1

/** Creates the routes of one destination: for each API one with the targets that speak it. */
function createRoutes<E extends Endpoint>(
  { strategy, failover, firstTokenMs, hedge, translate }: DestinationConfig,
  targets: readonly Target<E>[],
): RoutesByApi<E> {
  const byId = new Map<string, Route<E>>()
  const routes: (Route<E> | null)[] = []
  for (let api = 0; api <= CONVERSATION; api++) {
    const able = targets.filter(({ upstream }) =>
      api === CONVERSATION ? hasConversationApi(upstream.apis) : includesApi(upstream.apis, api),
    )
    if (able.length === 0) {
      routes.push(null)
      continue
    }
    const id = able.map(formatTargetId).join(',')
    const route = byId.get(id) ?? {
      id,
      targets: able,
      strategy,
      failover,
      firstTokenMs,
      hedge,
      translate,
      balancer: new LoadBalancer(able.map(toBalancedTarget), strategy, Math.random),
      hedges: new HedgeBudget(),
    }
    byId.set(id, route)
    routes.push(route)
  }
  return routes
}

/**
 * To the balancer, a target at its limit of concurrent requests is like an unhealthy one: it comes after the others.
 */
function toBalancedTarget({ name, weight, breaker, upstream }: Target): BalancedTarget {
  return {
    name,
    weight,
    health: {
      get inFlight() {
        return breaker.inFlight
      },
      allows: (now) => breaker.allows(now) && !upstream.full,
      expectedFirstByteMs: (now) => breaker.expectedFirstByteMs(now),
    },
  }
}

/** Like `Target.name`, but without commas. */
function formatTargetId({ upstream, model }: Target): string {
  return model === null ? upstream.name : `${upstream.name}/${encodeURIComponent(model)}`
}
