import type { RouteConfig } from '../config/routes.js'
import { compileGlobs, isAllowed, matchesAny } from './glob.js'
import type { Endpoint, Route } from './route.js'

/** A route by what the request is made in: `DIALECTS`, and anything else. Null where no target speaks that. */
export type RoutesByApi<E extends Endpoint = Endpoint> = readonly (Route<E> | null)[]

/** A route as the config has it. Null takes anything. */
interface Rule<E extends Endpoint> {
  readonly paths: readonly RegExp[] | null
  readonly models: readonly RegExp[] | null
  readonly teams: readonly RegExp[] | null
  readonly routes: RoutesByApi<E>
}

/** For so many pairs of a team and a model it is known what takes them. Then all of it is forgotten. */
const KNOWN_MAX = 2_000

/** A longer name is none that is asked for again and again. */
const NAME_MAX = 200

/**
 * The routes in the order of the config. Most requests are of a few models and teams, so it is remembered which routes take
 * those, and only the path is looked at anew: sixty routes of two patterns each are 6 us, a tenth of a request (bench
 * `routing`).
 */
export class RouteTable<E extends Endpoint = Endpoint> {
  private readonly rules: readonly Rule<E>[]
  /** Some route asks for a model or a team. */
  private readonly selective: boolean
  private readonly byTeam: Map<string | null, Map<string | null, readonly Rule<E>[]>>
  private known: number

  constructor(routes: readonly RouteConfig[], prepare: (route: RouteConfig) => RoutesByApi<E>) {
    this.rules = routes.map((route) => ({
      paths: compileGlobs(route.paths),
      models: compileGlobs(route.models),
      teams: compileGlobs(route.teams),
      routes: prepare(route),
    }))
    this.selective = routes.some(({ models, teams }) => models !== null || teams !== null)
    this.byTeam = new Map()
    this.known = 0
  }

  /** @returns the first that takes all of it and has a target that speaks this; null if there is none */
  find(path: string, model: string | null, team: string | null, dialect: number): Route<E> | null {
    const rules = this.selective ? this.taking(model, team) : this.rules
    for (const rule of rules) {
      if (rule.paths !== null && !matchesAny(rule.paths, path)) continue
      const route = rule.routes[dialect]
      if (route != null) return route
    }
    return null
  }

  /** Pairs of a model and a team whose routes are remembered. */
  get rememberedCount(): number {
    let count = 0
    for (const byModel of this.byTeam.values()) count += byModel.size
    return count
  }

  private taking(model: string | null, team: string | null): readonly Rule<E>[] {
    const known = this.byTeam.get(team)?.get(model)
    if (known !== undefined) return known
    const rules = this.rules.filter((rule) => isAllowed(rule.models, model) && isAllowed(rule.teams, team))
    if (model === null || model.length <= NAME_MAX) this.remember(model, team, rules)
    return rules
  }

  /** Names of models are the clients' own, and may be any number. */
  private remember(model: string | null, team: string | null, rules: readonly Rule<E>[]): void {
    if (this.known >= KNOWN_MAX) {
      this.byTeam.clear()
      this.known = 0
    }
    this.known++
    const byModel = this.byTeam.get(team)
    if (byModel === undefined) this.byTeam.set(team, new Map([[model, rules]]))
    else byModel.set(model, rules)
  }
}
