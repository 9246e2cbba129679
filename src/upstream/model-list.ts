import type { Config } from '../config/config.js'
import { decodePercent } from '../lib/percent.js'
import type { Route } from '../routing/route.js'
import type { Router } from '../routing/router.js'
import { BodyCollector } from './body-collector.js'
import {
  buildModelList,
  describeAlias,
  describeModel,
  type ModelObject,
  parseModels,
} from './model-object.js'
import type { Upstream } from './upstream.js'

/** All in milliseconds. */
export interface ListTimes {
  /** Timeout of a request for a list. Then the last list is used, or the upstream is left out. */
  readonly timeoutMs: number
  /** An older list is still used, but requested again at the same time. */
  readonly freshMs: number
  /** After a failure no list is requested for this long, so that clients do not wait again. */
  readonly pauseMs: number
}

const TIMES: ListTimes = { timeoutMs: 3_000, freshMs: 60_000, pauseMs: 10_000 }

const LIST_MAX_BYTES = 1024 * 1024

/** Paths that name a model. A model of an upstream is listed if a request at one of these would go to that upstream. */
const PATHS = ['/chat/completions', '/messages', '/responses', '/completions', '/embeddings']

/** The list of one upstream. */
interface CachedList {
  /** Null until the first response. */
  models: readonly ModelObject[] | null
  /** `performance.now()` of the last response or failure. */
  at: number
  failed: boolean
  pending: Promise<void> | null
}

/**
 * Answers `GET /models` and `GET /models/{id}`: with the aliases of the config, and with the upstreams' models that
 * requests of the key's team would reach.
 */
export class ModelList {
  private readonly router: Router<Upstream>
  private readonly all: boolean
  private readonly passthrough: boolean
  private readonly times: ListTimes
  private readonly lists: Map<Upstream, CachedList>

  constructor(router: Router<Upstream>, config: Config, times: ListTimes = TIMES) {
    this.router = router
    this.all = config.listModels === 'all'
    this.passthrough = config.keys.mode === 'passthrough'
    this.times = times
    this.lists = new Map()
  }

  /** Creates the model list of another config, with the cached lists of the upstreams that are still there. */
  after(router: Router<Upstream>, config: Config): ModelList {
    const next = new ModelList(router, config, this.times)
    for (const [upstream, list] of this.lists)
      if (router.upstreams.includes(upstream)) next.lists.set(upstream, list)
    return next
  }

  /**
   * @param path begins with `/models`
   * @param team of the key
   * @param isAllowed whether the key may use a model; null for all
   * @returns the body of the response, or a promise of it that is never rejected; null if an upstream has to respond
   * (see `routeFor`)
   */
  answer(
    path: string,
    team: string | null,
    isAllowed: ((model: string) => boolean) | null = null,
  ): unknown | Promise<unknown> | null {
    const listed = this.router.listAliases(team)
    const aliases = isAllowed === null ? listed : listed.filter(isAllowed)
    const name = parseModelName(path)
    if (name !== null) return aliases.includes(name) ? this.describe(name) : null
    if (path !== '/models') return null
    if (aliases.length > 0 && !this.all) return buildModelList(aliases.map((alias) => this.describe(alias)))
    // The client's own credential is valid at one upstream, and its list may depend on the credential: no cached lists.
    if (this.passthrough)
      return aliases.length === 0 ? null : buildModelList(aliases.map((alias) => this.describe(alias)))
    // The list of a single upstream passes byte for byte.
    const single = this.router.upstreams.length === 1 && isAllowed === null
    if (single && aliases.length === 0 && this.router.findRoute(path, null, team) !== null) return null
    return this.mergeLists(aliases, team, isAllowed)
  }

  /**
   * Finds the route of a request about models that goes to an upstream. `/models/{id}` goes where a request with that
   * model would go.
   */
  routeFor(path: string, team: string | null): Route<Upstream> | null {
    const name = parseModelName(path)
    if (name !== null) {
      for (const each of PATHS) {
        const route = this.router.findRoute(each, name, team)
        if (route !== null) return route
      }
    }
    return this.router.findRoute(path, name, team)
  }

  private describe(alias: string): ModelObject {
    return describeAlias(alias, this.router.listAliasTargets(alias))
  }

  /** All models that a team may use: aliases first, then each upstream's, in the order of the config. */
  private async mergeLists(
    aliases: readonly string[],
    team: string | null,
    isAllowed: ((model: string) => boolean) | null,
  ): Promise<ModelObject> {
    const { upstreams } = this.router
    const lists = await Promise.all(upstreams.map((upstream) => this.modelsOf(upstream)))
    const models = new Map<string, ModelObject>(aliases.map((name) => [name, this.describe(name)]))
    upstreams.forEach((upstream, i) => {
      for (const model of lists[i] ?? []) {
        const id = model.id as string
        if (models.has(id) || isAllowed?.(id) === false) continue
        if (this.isRouted(upstream, id, team)) models.set(id, describeModel(model, upstream.name))
      }
    })
    return buildModelList([...models.values()])
  }

  /** Whether some request with this model would go to this upstream. */
  private isRouted(upstream: Upstream, model: string, team: string | null): boolean {
    return PATHS.some((path) =>
      this.router
        .findRoute(path, model, team)
        ?.targets.some((target) => target.upstream === upstream && target.model === null),
    )
  }

  /** The models of one upstream, from the cache if there are any. */
  private async modelsOf(upstream: Upstream): Promise<readonly ModelObject[]> {
    if (!upstream.listed) return []
    const { timeoutMs, freshMs, pauseMs } = this.times
    let list = this.lists.get(upstream)
    if (list === undefined) {
      list = { models: null, at: Number.NEGATIVE_INFINITY, failed: false, pending: null }
      this.lists.set(upstream, list)
    }
    const age = performance.now() - list.at
    if (age > (list.failed ? pauseMs : freshMs))
      list.pending ??= refresh(upstream, list, {
        key: this.router.findKey(upstream, performance.now()),
        timeoutMs,
      })
    if (list.models === null) await list.pending
    return list.models ?? []
  }
}

interface FetchOptions {
  /** Index of the upstream's key to use. */
  readonly key: number
  readonly timeoutMs: number
}

/** Requests an upstream's list. The promise is never rejected. */
async function refresh(upstream: Upstream, list: CachedList, how: FetchOptions): Promise<void> {
  const models = await fetchModels(upstream, how)
  list.pending = null
  list.at = performance.now()
  list.failed = models === null
  if (models !== null) list.models = models
}

/** @returns null if there is no usable list in time */
function fetchModels(
  upstream: Upstream,
  { key, timeoutMs }: FetchOptions,
): Promise<readonly ModelObject[] | null> {
  return new Promise<string | null>((resolve) => {
    const { listQuery } = upstream
    const { auth, address } = upstream.withKey(key)
    const headers = [...auth.headersFor('/models', false), 'accept', 'application/json']
    const fallback = auth.defaultHeaderFor('/models')
    if (fallback !== null) headers.push(...fallback)
    const path = address.build('/models', listQuery, null, false)
    const collector = new BodyCollector(timeoutMs, LIST_MAX_BYTES, resolve)
    upstream.dispatch({ method: 'GET', path, headers, body: null }, collector)
  }).then(
    (text) => (text === null ? null : parseModels(text)),
    // There is no credential for the upstream at the moment.
    () => null,
  )
}

/** The model in `/models/{id}`, which may contain slashes; null if there is none. */
export function parseModelName(path: string): string | null {
  if (!path.startsWith('/models/')) return null
  const segment = path.slice('/models/'.length)
  // Invalid percent-encoding is taken literally.
  return decodePercent(segment) ?? segment
}
