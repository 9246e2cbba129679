import type { RouteConfig } from '../config/routes.js'
import { compileGlobs, isAllowed, matchesAny } from './glob.js'
import type { Endpoint, Route } from './route.js'

/**
 * One configured route, by the API of the request: an index into `APIS`, one more for anything else, and one more for
 * conversations whose API is fitted to each target. Null where no target speaks that API.
 */
export type RoutesByApi<E extends Endpoint = Endpoint> = readonly (Route<E> | null)[]

/** A route as configured. Null patterns match everything. */
interface Rule<E extends Endpoint> {
  readonly paths: readonly RegExp[] | null
  readonly models: readonly RegExp[] | null
  readonly teams: readonly RegExp[] | null
  readonly routes: RoutesByApi<E>
}

/** The memory holds this many pairs of a team and a model. Then it is emptied. */
const REMEMBERED_MAX = 2_000

/** Longer model names are not remembered: no client uses one again and again. */
const NAME_MAX = 200

/**
 * The routes in the order of the config. Most requests name one of a few models and teams, so the table remembers which
 * routes match a team and a model, and matches only the path each time: sixty routes of two patterns each would cost
 * 6 us, a tenth of a request (bench `routing`).
 */
export class RouteTable<E extends Endpoint = Endpoint> {
  private readonly rules: readonly Rule<E>[]
  /** Some route has patterns for models or teams. */
  private readonly selective: boolean
  /** Some route has patterns for paths. */
  readonly hasPaths: boolean
  /** Matching rules by team, then by model. */
  private readonly remembered: Map<string | null, Map<string | null, readonly Rule<E>[]>>
  private pairs: number

  constructor(routes: readonly RouteConfig[], prepare: (route: RouteConfig) => RoutesByApi<E>) {
    this.rules = routes.map((route) => ({
      paths: compileGlobs(route.paths),
      models: compileGlobs(route.models),
      teams: compileGlobs(route.teams),
      routes: prepare(route),
    }))
    this.selective = routes.some(({ models, teams }) => models !== null || teams !== null)
    this.hasPaths = routes.some(({ paths }) => paths !== null)
    this.remembered = new Map()
    this.pairs = 0
  }

  /**
   * Finds the first route that matches the path, the model and the team, and has a target that speaks the API. A route
   * that names the model is never overtaken by a later one that takes any model: a prompt for a private model must not
   * leave for another account because its upstream lacks an API.
   * @param api index of the request's API, see `RoutesByApi`
   * @param isKnownPath an API has a model in requests of this path. In others a model is anybody's guess: it matches a
   * rule with paths of its own, and a rule without them takes no such request, nor does a later one
   * @param otherPath the request matches a route by this path as well; null for none
   * @returns null if there is none
   */
  find(
    path: string,
    model: string | null,
    team: string | null,
    api: number,
    otherPath: string | null = null,
    isKnownPath = true,
  ): Route<E> | null {
    const rules = this.selective ? this.findRules(model, team) : this.rules
    let isNamed = false
    for (const rule of rules) {
      if ((isNamed && rule.models === null) || !matchesPath(rule.paths, path, otherPath)) continue
      const route = isKnownPath || rule.models === null || rule.paths !== null ? rule.routes[api] : null
      if (route != null) return route
      isNamed ||= rule.models !== null
    }
    return null
  }

  /** Whether the model of a request decides which route takes it. @param api see `find` */
  dependsOnModel(path: string, team: string | null, api: number): boolean {
    if (!this.selective) return false
    for (const { models, teams, paths, routes } of this.rules) {
      if (!isAllowed(teams, team) || !matchesPath(paths, path, null)) continue
      if (models !== null) return true
      // It takes any model, so that no later route is looked at.
      if (routes[api] != null) return false
    }
    return false
  }

  /** Number of remembered pairs, for tests. */
  get rememberedCount(): number {
    let count = 0
    for (const byModel of this.remembered.values()) count += byModel.size
    return count
  }

  /** The rules that match a model and a team, whatever the path. */
  private findRules(model: string | null, team: string | null): readonly Rule<E>[] {
    const known = this.remembered.get(team)?.get(model)
    if (known !== undefined) return known
    const rules = this.rules.filter((rule) => isAllowed(rule.models, model) && isAllowed(rule.teams, team))
    if (model === null || model.length <= NAME_MAX) this.remember(model, team, rules)
    return rules
  }

  /** Bounded: clients can send any number of different model names. */
  private remember(model: string | null, team: string | null, rules: readonly Rule<E>[]): void {
    if (this.pairs >= REMEMBERED_MAX) {
      this.remembered.clear()
      this.pairs = 0
    }
    this.pairs++
    const byModel = this.remembered.get(team)
    if (byModel === undefined) this.remembered.set(team, new Map([[model, rules]]))
    else byModel.set(model, rules)
  }
}

function matchesPath(patterns: readonly RegExp[] | null, path: string, other: string | null): boolean {
  return patterns === null || matchesAny(patterns, path) || (other !== null && matchesAny(patterns, other))
}
