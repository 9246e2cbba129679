import type { Config } from '../config/config.js'
import { HEALTH_DEFAULTS, Health } from './health.js'
import { HedgeBudget } from './hedge.js'
import { compile, matches } from './pattern.js'
import { Selection, type Strategy } from './selection.js'
import { Upstream } from './upstream.js'

/** Where a request can go. */
export interface Target {
  /** The upstream's, and behind a slash the model's if it is another; for logs. */
  readonly name: string
  readonly upstream: Upstream
  /** The name to put in place of the client's model, null to leave the body as it is. */
  readonly model: string | null
  readonly weight: number
  readonly health: Health
}

export interface Route {
  /** Its targets, by name. */
  readonly id: string
  readonly targets: readonly Target[]
  readonly choose: Strategy
  readonly failover: boolean | null
  readonly stallMs: number | null
  readonly hedge: boolean
  readonly selection: Selection
  readonly hedges: HedgeBudget
}

interface Rule {
  readonly paths: readonly RegExp[] | null
  readonly models: readonly RegExp[] | null
  readonly route: Route
}

/** Path and model to upstream: aliases first, then the routes in the order of the config. Knows nothing of sockets. */
export class Router {
  readonly upstreams: readonly Upstream[]
  /** Names for `GET /v1/models`; empty when that list is the upstream's. */
  readonly aliases: readonly string[]
  private readonly rules: readonly Rule[]
  private readonly byAlias: ReadonlyMap<string, Route>

  /** @param config checked: every upstream that is named exists */
  constructor(config: Config) {
    const byName = new Map<string, Upstream>()
    for (const entry of config.upstreams) {
      byName.set(entry.name, new Upstream(entry, config.timeouts, config.limits))
    }
    const named = (name: string): Upstream => {
      const upstream = byName.get(name)
      if (upstream === undefined) throw new Error(`no upstream named ${name}`)
      return upstream
    }
    this.upstreams = [...byName.values()]
    this.aliases = config.aliases.map((alias) => alias.name)
    this.byAlias = new Map(
      config.aliases.map((alias) => [
        alias.name,
        single(named(alias.upstream), alias.model === alias.name ? null : alias.model),
      ]),
    )
    this.rules = config.routes.map((route) => ({
      paths: route.paths?.map(compile) ?? null,
      models: route.models?.map(compile) ?? null,
      route: single(named(route.upstream), null),
    }))
  }

  /** @returns null if no route matches */
  choose(path: string, model: string | null): Route | null {
    const alias = model === null ? undefined : this.byAlias.get(model)
    if (alias !== undefined) return alias
    for (const rule of this.rules) {
      if (rule.paths !== null && !matches(rule.paths, path)) continue
      if (rule.models !== null && (model === null || !matches(rule.models, model))) continue
      return rule.route
    }
    return null
  }
}

function single(upstream: Upstream, model: string | null): Route {
  const name = model === null ? upstream.name : `${upstream.name}/${model}`
  const target = { name, upstream, model, weight: 1, health: new Health(HEALTH_DEFAULTS, () => {}) }
  return {
    id: name,
    targets: [target],
    choose: 'order',
    failover: null,
    stallMs: null,
    hedge: false,
    selection: new Selection([target], 'order', Math.random),
    hedges: new HedgeBudget(),
  }
}
