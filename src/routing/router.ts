import { findApiIndex, includesApi, OTHER_API } from '../api/api-of-path.js'
import { APIS } from '../api/presets.js'
import type { Config } from '../config/config.js'
import type { DestinationConfig, Strategy, TargetConfig } from '../config/routes.js'
import { Upstream } from '../upstream/upstream.js'
import {
  BREAKER_DEFAULTS,
  type BreakerSnapshot,
  CircuitBreaker,
  type OnBreakerChange,
} from './circuit-breaker.js'
import { compileGlobs, isAllowed } from './glob.js'
import { HedgeBudget } from './hedge.js'
import { LoadBalancer, type BalancedTarget as SelectionTarget } from './load-balancer.js'
import { type RoutesByApi, RouteTable } from './route-table.js'

/** One place where a request may go. There is one object for each that the config names, however often it does. */
export interface Target {
  /** Of its upstream and model: whoever goes there with another weight has part in it. */
  readonly breaker: CircuitBreaker
  readonly upstream: Upstream
  /** The name to put in place of the client's model, null to leave the body as it is. */
  readonly model: string | null
  /** Its share of the requests, where `Route.strategy` is `weight`; 0 if it is for want of others. */
  readonly weight: number
  /**
   * For logs: the upstream's name, and behind a slash the model's, if it is given another. Unlike any other of a route, and
   * the same after a restart.
   */
  readonly name: string
}

/** Where a request may go, in the order of the config. */
export interface Route {
  /** Its targets, in their order; the same after a restart with the same config. */
  readonly id: string
  /** One at least; those that speak what the request is made in. */
  readonly targets: readonly Target[]
  readonly strategy: Strategy
  /** Whether the next target is asked where one fails; null: where that is safe. */
  readonly failover: boolean | null
  /** How long an answer that has begun may have nothing in it before the next target is asked; null: for ever. */
  readonly firstTokenMs: number | null
  /** Whether the next target is asked, too, when the first is later than it mostly is. */
  readonly hedge: boolean
  readonly balancer: LoadBalancer
  readonly hedges: HedgeBudget
}

/** Told of a target whose health has changed. @param name the target's */
export type OnTargetStateChange = (name: string, ...change: Parameters<OnBreakerChange>) => void

interface Alias {
  readonly teams: readonly RegExp[] | null
  readonly routes: RoutesByApi
}

/**
 * Path, model and team to where a request may go: aliases first, then the routes in the order of the config. Knows nothing of
 * sockets. Everything is made at start: to choose for a model that was asked for before allocates nothing.
 */
export class Router {
  readonly upstreams: readonly Upstream[]
  /** All names of the config's own. */
  readonly aliases: readonly string[]
  private readonly table: RouteTable
  private readonly byAlias: ReadonlyMap<string, Alias>
  /** Some upstream does not speak everything. */
  private readonly selective: boolean
  private readonly targetsByKey: Map<string, Target>
  /** By `Target.name`. */
  private readonly healths: Map<string, { readonly upstream: Upstream; readonly breaker: CircuitBreaker }>
  private readonly onHealth: OnTargetStateChange
  private before: Router | null

  /**
   * @param config checked: every upstream that is named exists
   * @param before of the config that this one takes the place of: upstreams that are the same stay, with what is known of them
   */
  constructor(config: Config, onHealth: OnTargetStateChange = ignore, before: Router | null = null) {
    const byName = new Map<string, Upstream>()
    for (const entry of config.upstreams) {
      const known = before?.upstreams.find((upstream) => upstream.isMadeFrom(entry))
      byName.set(entry.name, known ?? new Upstream(entry, config.limits))
    }
    this.before = before
    this.upstreams = [...byName.values()]
    this.selective = config.upstreams.some(({ apis }) => apis !== null)
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
  findRoute(path: string, model: string | null, team: string | null): Route | null {
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
    byName: ReadonlyMap<string, Upstream>,
    alias: string | null,
  ): RoutesByApi {
    const targets = given.targets.map((target) => this.target(target, byName, alias))
    const { strategy, failover, firstTokenMs, hedge } = given
    const made = new Map<string, Route>()
    const routes: (Route | null)[] = []
    for (let dialect = 0; dialect <= APIS.length; dialect++) {
      const able = targets.filter(({ upstream }) => includesApi(upstream.apis, dialect))
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

  private target(given: TargetConfig, byName: ReadonlyMap<string, Upstream>, alias: string | null): Target {
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

  private healthOf(name: string, upstream: Upstream): CircuitBreaker {
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
