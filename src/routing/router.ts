import { dialectIndex, OTHER, speaks } from '../api/api-of-path.js'
import { DIALECTS } from '../api/presets.js'
import type { Config } from '../config/config.js'
import type { Choose, DestinationConfig, TargetConfig } from '../config/routes.js'
import { Upstream } from '../upstream/upstream.js'
import { HEALTH_DEFAULTS, Health, type HealthSnapshot, type OnHealthChange } from './circuit-breaker.js'
import { compileAll, isOf } from './glob.js'
import { HedgeBudget } from './hedge.js'
import { Selection, type Target as SelectionTarget } from './load-balancer.js'
import { type ByDialect, Rules } from './route-table.js'

/** One place where a request may go. There is one object for each that the config names, however often it does. */
export interface Target {
  /** Of its upstream and model: whoever goes there with another weight has part in it. */
  readonly health: Health
  readonly upstream: Upstream
  /** The name to put in place of the client's model, null to leave the body as it is. */
  readonly model: string | null
  /** Its share of the requests, where `Route.choose` is `weight`; 0 if it is for want of others. */
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
  readonly choose: Choose
  /** Whether the next target is asked where one fails; null: where that is safe. */
  readonly failover: boolean | null
  /** How long an answer that has begun may have nothing in it before the next target is asked; null: for ever. */
  readonly stallMs: number | null
  /** Whether the next target is asked, too, when the first is later than it mostly is. */
  readonly hedge: boolean
  readonly selection: Selection
  readonly hedges: HedgeBudget
}

/** Told of a target whose health has changed. @param name the target's */
export type OnTargetHealth = (name: string, ...change: Parameters<OnHealthChange>) => void

interface Alias {
  readonly teams: readonly RegExp[] | null
  readonly routes: ByDialect
}

/**
 * Path, model and team to where a request may go: aliases first, then the routes in the order of the config. Knows nothing of
 * sockets. Everything is made at start: to choose for a model that was asked for before allocates nothing.
 */
export class Router {
  readonly upstreams: readonly Upstream[]
  /** All names of the config's own. */
  readonly aliases: readonly string[]
  private readonly rules: Rules
  private readonly byAlias: ReadonlyMap<string, Alias>
  /** Some upstream does not speak everything. */
  private readonly selective: boolean
  private readonly targetsByKey: Map<string, Target>
  /** By `Target.name`. */
  private readonly healths: Map<string, { readonly upstream: Upstream; readonly health: Health }>
  private readonly onHealth: OnTargetHealth
  private before: Router | null

  /**
   * @param config checked: every upstream that is named exists
   * @param before of the config that this one takes the place of: upstreams that are the same stay, with what is known of them
   */
  constructor(config: Config, onHealth: OnTargetHealth = ignore, before: Router | null = null) {
    const byName = new Map<string, Upstream>()
    for (const entry of config.upstreams) {
      const known = before?.upstreams.find((upstream) => upstream.isMadeFrom(entry))
      byName.set(entry.name, known ?? new Upstream(entry, config.limits))
    }
    this.before = before
    this.upstreams = [...byName.values()]
    this.selective = config.upstreams.some(({ dialects }) => dialects !== null)
    this.targetsByKey = new Map()
    this.healths = new Map()
    this.onHealth = onHealth
    this.aliases = config.aliases.map((alias) => alias.name)
    this.byAlias = new Map(
      config.aliases.map((alias) => [
        alias.name,
        { teams: compileAll(alias.teams), routes: this.prepare(alias, byName, alias.name) },
      ]),
    )
    this.rules = new Rules(config.routes, (route) => this.prepare(route, byName, null))
    // Not a chain of all that there were.
    this.before = null
  }

  /**
   * @param team of the key; null if there is none
   * @returns null if no route matches, or none of its targets speaks what the path is of
   */
  choose(path: string, model: string | null, team: string | null): Route | null {
    const dialect = this.selective ? dialectIndex(path) : OTHER
    const alias = model === null ? undefined : this.byAlias.get(model)
    // The name is the config's own: who may use it and speaks nothing of the kind gets it nowhere else.
    if (alias !== undefined && isOf(alias.teams, team)) return alias.routes[dialect] ?? null
    return this.rules.find(path, model, team, dialect)
  }

  /** The names of the config's own that a team may use, in the order of the config. */
  aliasesOf(team: string | null): readonly string[] {
    return this.aliases.filter((name) => isOf(this.byAlias.get(name)?.teams ?? null, team))
  }

  /** @param alias the name that the client uses; null if that is the upstream's, too */
  private prepare(
    given: DestinationConfig,
    byName: ReadonlyMap<string, Upstream>,
    alias: string | null,
  ): ByDialect {
    const targets = given.targets.map((target) => this.target(target, byName, alias))
    const { choose, failover, stallMs, hedge } = given
    const made = new Map<string, Route>()
    const routes: (Route | null)[] = []
    for (let dialect = 0; dialect <= DIALECTS.length; dialect++) {
      const able = targets.filter(({ upstream }) => speaks(upstream.dialects, dialect))
      if (able.length === 0) {
        routes.push(null)
        continue
      }
      const id = able.map(idOf).join(',')
      const route = made.get(id) ?? {
        ...{ id, targets: able, choose, failover, stallMs, hedge },
        selection: new Selection(able.map(asSelected), choose, Math.random),
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
    const target = { health: this.healthOf(name, upstream), upstream, model, weight, name }
    this.targetsByKey.set(key, target)
    return target
  }

  private healthOf(name: string, upstream: Upstream): Health {
    const known = this.healths.get(name)
    if (known !== undefined) return known.health
    const earlier = this.before?.healths.get(name)
    const health =
      earlier?.upstream === upstream
        ? earlier.health
        : new Health(HEALTH_DEFAULTS, (...change) => this.onHealth(name, ...change))
    this.healths.set(name, { upstream, health })
    return health
  }

  /** Of each target by its name. @param now `performance.now()` */
  targetHealth(now: number): ReadonlyMap<string, HealthSnapshot> {
    const found = new Map<string, HealthSnapshot>()
    for (const [name, { health }] of this.healths) found.set(name, health.snapshot(now))
    return found
  }
}

/** One that has as much to do as it is to have is asked behind the others. */
function asSelected({ name, weight, health, upstream }: Target): SelectionTarget {
  return {
    name,
    weight,
    health: {
      get inFlight() {
        return health.inFlight
      },
      allows: (now) => health.allows(now) && !upstream.full,
      expectedFirstByteMs: (now) => health.expectedFirstByteMs(now),
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
