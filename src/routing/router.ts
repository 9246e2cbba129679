import type { Config } from '../config/config.js'
import { compile, matches } from './pattern.js'
import { Upstream } from './upstream.js'

/** Where a request goes. */
export interface Choice {
  readonly upstream: Upstream
  /** The name to put in place of the client's model, null to leave the body as it is. */
  readonly model: string | null
}

interface Rule {
  readonly paths: readonly RegExp[] | null
  readonly models: readonly RegExp[] | null
  readonly choice: Choice
}

/** Path and model to upstream: aliases first, then the routes in the order of the config. Knows nothing of sockets. */
export class Router {
  readonly upstreams: readonly Upstream[]
  /** Names for `GET /v1/models`; empty when that list is the upstream's. */
  readonly aliases: readonly string[]
  private readonly rules: readonly Rule[]
  private readonly byAlias: ReadonlyMap<string, Choice>

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
        { upstream: named(alias.upstream), model: alias.model === alias.name ? null : alias.model },
      ]),
    )
    this.rules = config.routes.map((route) => ({
      paths: route.paths?.map(compile) ?? null,
      models: route.models?.map(compile) ?? null,
      choice: { upstream: named(route.upstream), model: null },
    }))
  }

  /** @returns null if no route matches */
  choose(path: string, model: string | null): Choice | null {
    const alias = model === null ? undefined : this.byAlias.get(model)
    if (alias !== undefined) return alias
    for (const rule of this.rules) {
      if (rule.paths !== null && !matches(rule.paths, path)) continue
      if (rule.models !== null && (model === null || !matches(rule.models, model))) continue
      return rule.choice
    }
    return null
  }
}
