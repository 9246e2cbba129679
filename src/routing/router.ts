import { findApiIndex, includesApi, OTHER_API } from '../api/api-of-path.js'
import { APIS } from '../api/presets.js'
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
import { LoadBalancer, type BalancedTarget as SelectionTarget } from './load-balancer.js'
import type { Endpoint, Route, Target } from './route.js'
import { type RoutesByApi, RouteTable } from './route-table.js'

/** Told of a target whose health has changed. @param name the target's */
export type OnTargetStateChange = (name: string, ...change: Parameters<OnBreakerChange>) => void

interface Alias<E extends Endpoint> {
  readonly teams: readonly RegExp[] | null
  readonly routes: RoutesByApi<E>
}

/**
 * Finds where a request may go, by its path, model and team: aliases first, then the routes in the order of the config.
 * It knows nothing of sockets. Everything is made at start: finding the route of a model that was seen before allocates
 * nothing.
 */
export class Router<E extends Endpoint = Endpoint> {
  readonly upstreams: readonly E[]
  /** All names of the config's own. */
  readonly aliases: readonly string[]
  private readonly table: RouteTable<E>
  private readonly byAlias: ReadonlyMap<string, Alias<E>>
  /** Some upstream does not speak everything. */
  private readonly selective: boolean
  private readonly targetsByKey: Map<string, Target<E>>
  /** By `Target.name`. */
  private readonly healths: Map<string, { readonly upstream: E; readonly breaker: CircuitBreaker }>
  private readonly onHealth: OnTargetStateChange
  private before: Router<E> | null

  /**
   * @param config checked: every upstream that a route names exists
   * @param upstreams in the order of the config
   * @param before the router that this one replaces: a target whose upstream is still the same object keeps its breaker
   */
  constructor(
    config: Pick<Config, 'aliases' | 'routes'>,
    upstreams: readonly E[],
    onHealth: OnTargetStateChange = ignore,
    before: Router<E> | null = null,
  ) {
    const byName = new Map(upstreams.map((upstream) => [upstream.name, upstream]))
    this.before = before
    this.upstreams = upstreams
    this.selective = upstreams.some(({ dialects }) => dialects !== null)
    this.targetsByKey = new Map()
    this.healths = new Map()
    this.onHealth = onHealth
    this.aliases = config.aliases.map((alias) => alias.name)
    this.byAlias = new Map(
      config.aliases.map((alias) => [
        alias.name,
        { teams: compileGlobs(alias.teams), routes: this.prepare(alias, byName, alias.name) },
      ]),
    )
    this.table = new RouteTable(config.routes, (route) => this.prepare(route, byName, null))
    // Not a chain of all that there were.
    this.before = null
  }

  /**
   * @param team of the key; null if there is none
   * @returns null if no route matches, or none of its targets speaks what the path is of
   */
  findRoute(path: string, model: string | null, team: string | null): Route<E> | null {
    const dialect = this.selective ? findApiIndex(path) : OTHER_API
    const alias = model === null ? undefined : this.byAlias.get(model)
    // The name is the config's own: who may use it and speaks nothing of the kind gets it nowhere else.
    if (alias !== undefined && isAllowed(alias.teams, team)) return alias.routes[dialect] ?? null
    return this.table.find(path, model, team, dialect)
  }

  /** The names of the config's own that a team may use, in the order of the config. */
  listAliases(team: string | null): readonly string[] {
    return this.aliases.filter((name) => isAllowed(this.byAlias.get(name)?.teams ?? null, team))
  }

  /** @param alias the name that the client uses; null if that is the upstream's, too */
  private prepare(
    given: DestinationConfig,
    byName: ReadonlyMap<string, E>,
    alias: string | null,
  ): RoutesByApi<E> {
    const targets = given.targets.map((target) => this.target(target, byName, alias))
    const { strategy, failover, firstTokenMs, hedge } = given
    const made = new Map<string, Route<E>>()
    const routes: (Route<E> | null)[] = []
    for (let dialect = 0; dialect <= APIS.length; dialect++) {
      const able = targets.filter(({ upstream }) => includesApi(upstream.dialects, dialect))
      if (able.length === 0) {
        routes.push(null)
        continue
      }
      const id = able.map(idOf).join(',')
      const route = made.get(id) ?? {
        ...{ id, targets: able, strategy, failover, firstTokenMs, hedge },
        balancer: new LoadBalancer(able.map(asSelected), strategy, Math.random),
        hedges: new HedgeBudget(),
      }
      made.set(id, route)
      routes.push(route)
    }
    return routes
  }

  private target(given: TargetConfig, byName: ReadonlyMap<string, E>, alias: string | null): Target<E> {
    const upstream = byName.get(given.upstream)
    if (upstream === undefined) throw new Error(`no upstream named ${given.upstream}`)
    const { weight } = given
    const model = given.model === alias ? null : given.model
    const name = model === null ? upstream.name : `${upstream.name}/${model}`
    const key = `${name} ${weight}`
    const known = this.targetsByKey.get(key)
    if (known !== undefined) return known
    const target = { breaker: this.healthOf(name, upstream), upstream, model, weight, name }
    this.targetsByKey.set(key, target)
    return target
  }

  private healthOf(name: string, upstream: E): CircuitBreaker {
    const known = this.healths.get(name)
    if (known !== undefined) return known.breaker
    const earlier = this.before?.healths.get(name)
    const breaker =
      earlier?.upstream === upstream
        ? earlier.breaker
        : new CircuitBreaker(BREAKER_DEFAULTS, (...change) => this.onHealth(name, ...change))
    this.healths.set(name, { upstream, breaker })
    return breaker
  }

  /** Of each target by its name. @param now `performance.now()` */
  snapshotTargets(now: number): ReadonlyMap<string, BreakerSnapshot> {
    const found = new Map<string, BreakerSnapshot>()
    for (const [name, { breaker }] of this.healths) found.set(name, breaker.snapshot(now))
    return found
  }
}

/** One that has as much to do as it is to have is asked behind the others. */
function asSelected({ name, weight, breaker, upstream }: Target): SelectionTarget {
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

/** As `Target.name`, without a comma in it. */
function idOf({ upstream, model }: Target): string {
  return model === null ? upstream.name : `${upstream.name}/${encodeURIComponent(model)}`
}

function ignore(): void {
  // Who gives no other does not want to know.
}
