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
import { type Cooldowns, CredentialHealth, type RefusalKind } from './credential-health.js'
import { compileGlobs, isAllowed } from './glob.js'
import { HedgeBudget } from './hedge.js'
import { KeyRotation } from './key-rotation.js'
import { type BalancedTarget, type Balancer, LoadBalancer } from './load-balancer.js'
import { MissingModels } from './missing-models.js'
import type { Endpoint, Route, Target } from './route.js'
import { type RoutesByApi, RouteTable } from './route-table.js'

/** Called when the circuit breaker of a target has changed its state. @param name `Target.name` */
export type OnTargetStateChange = (name: string, ...change: Parameters<OnBreakerChange>) => void

/** What becomes of an account of the relay that an upstream refuses, and who is told. */
export interface AccountRules {
  /** For how long a refused credential rests. */
  readonly cooldowns: Cooldowns
  /** @param name `upstream` or `upstream#key` @param why null: it is served again */
  onCredential(name: string, why: RefusalKind | null): void
  /** @param target `Target.name` @param model that its account lacks */
  onMissingModel(target: string, model: string): void
}

const NO_RULES: AccountRules = {
  cooldowns: { credential: 60_000, quota: 300_000 },
  onCredential() {},
  onMissingModel() {},
}

/** The health of one target, for probes and metrics. */
export interface TargetSnapshot extends BreakerSnapshot {
  /** Why its upstream does not serve it; null if it does. */
  readonly refused: RefusalKind | 'model' | null
}

interface Alias<E extends Endpoint> {
  readonly teams: readonly RegExp[] | null
  readonly routes: RoutesByApi<E>
}

interface TargetHealth<E extends Endpoint> {
  readonly upstream: E
  readonly breaker: CircuitBreaker
  readonly credential: CredentialHealth
  readonly missing: MissingModels
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
  /** By upstream and key. */
  private readonly credentials: Map<string, { readonly upstream: E; readonly health: CredentialHealth }>
  private readonly onStateChange: OnTargetStateChange
  private readonly accounts: AccountRules
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
    accounts: AccountRules = NO_RULES,
  ) {
    const byName = new Map(upstreams.map((upstream) => [upstream.name, upstream]))
    const create = (destination: DestinationConfig, alias: string | null, entry: string): RoutesByApi<E> => {
      const targets = destination.targets.flatMap((target) =>
        this.createTargets(target, byName, alias, before),
      )
      return createRoutes(destination, targets, entry)
    }
    this.upstreams = upstreams
    this.hasTranslatedRoutes = [...config.aliases, ...config.routes].some(({ translate }) => translate)
    this.selective = upstreams.some(({ apis }) => apis !== null)
    this.targetsByKey = new Map()
    this.health = new Map()
    this.credentials = new Map()
    this.onStateChange = onStateChange
    this.accounts = accounts
    this.direct = new Map()
    this.aliases = config.aliases.map((alias) => alias.name)
    this.byAlias = new Map(
      config.aliases.map((alias) => [
        alias.name,
        { teams: compileGlobs(alias.teams), routes: create(alias, alias.name, `models.${alias.name}`) },
      ]),
    )
    this.table = new RouteTable(config.routes, (route) =>
      create(route, null, `routes[${config.routes.indexOf(route)}]`),
    )
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
    const targets = this.createTargets(entry, new Map([[name, upstream]]), null, null)
    const [route = null] = createRoutes({ ...DIRECT, targets: [entry] }, targets, null).slice(OTHER_API)
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
    const targets = this.byAlias.get(alias)?.routes[OTHER_API]?.targets ?? []
    return [...new Set(targets.map(({ place }) => place))]
  }

  /** The aliases that a team may use, in the order of the config. */
  listAliases(team: string | null): readonly string[] {
    return this.aliases.filter((name) => isAllowed(this.byAlias.get(name)?.teams ?? null, team))
  }

  /** The health of each target, by the target's name. @param now `performance.now()` */
  snapshotTargets(now: number): ReadonlyMap<string, TargetSnapshot> {
    const snapshots = new Map<string, TargetSnapshot>()
    for (const [name, { breaker, credential, missing }] of this.health) {
      const snapshot = breaker.snapshot(now)
      const missingMs = missing.coolingMs(now)
      const coolingMs = Math.max(snapshot.cooling_ms, credential.coolingUntil - now, missingMs)
      const refused = credential.refused ?? (missingMs > 0 ? 'model' : null)
      snapshots.set(name, { ...snapshot, cooling_ms: coolingMs, refused })
    }
    return snapshots
  }

  /** Finds a key of an upstream that is not at rest, for requests of the relay's own. @returns its index */
  findKey(upstream: E, now: number): number {
    const keys = upstream.keys?.map((_, key) => key) ?? []
    const served = (key: number): boolean =>
      this.credentials.get(nameCredential(upstream, key))?.health.allows(now) !== false
    return keys.find(served) ?? 0
  }

  /** Creates the targets of an entry, one for each key of its upstream, or finds those of an equal entry. */
  private createTargets(
    entry: TargetConfig,
    byName: ReadonlyMap<string, E>,
    alias: string | null,
    before: Router<E> | null,
  ): Target<E>[] {
    const upstream = byName.get(entry.upstream)
    if (upstream === undefined) throw new Error(`no upstream named ${entry.upstream}`)
    const model = entry.model === alias ? null : entry.model
    const keys = upstream.keys?.map((_, key) => key) ?? [0]
    return keys.map((key) => this.createTarget(upstream, key, model, entry.weight, before))
  }

  private createTarget(
    upstream: E,
    key: number,
    model: string | null,
    weight: number,
    before: Router<E> | null,
  ): Target<E> {
    const suffix = model === null ? '' : `/${model}`
    const name = nameCredential(upstream, key) + suffix
    const id = `${name} ${weight}`
    const known = this.targetsByKey.get(id)
    if (known !== undefined) return known
    const { breaker, credential, missing } = this.createHealth(name, upstream, key, before)
    const place = upstream.name + suffix
    const keyName = upstream.keys?.[key]?.name ?? null
    const target = { breaker, credential, missing, upstream, key, keyName, model, weight, name, place }
    this.targetsByKey.set(id, target)
    return target
  }

  /** Creates the health of a target, or finds what this router or the one before already has. */
  private createHealth(name: string, upstream: E, key: number, before: Router<E> | null): TargetHealth<E> {
    const known = this.health.get(name)
    if (known !== undefined) return known
    const credential = this.createCredential(nameCredential(upstream, key), upstream, before)
    const earlier = before?.health.get(name)
    const health =
      earlier?.upstream === upstream
        ? earlier
        : {
            upstream,
            breaker: new CircuitBreaker(BREAKER_DEFAULTS, (...change) => this.onStateChange(name, ...change)),
            credential,
            missing: new MissingModels((model) => this.accounts.onMissingModel(name, model)),
          }
    this.health.set(name, health)
    return health
  }

  private createCredential(name: string, upstream: E, before: Router<E> | null): CredentialHealth {
    const known = this.credentials.get(name)
    if (known !== undefined) return known.health
    const earlier = before?.credentials.get(name)
    const health =
      earlier?.upstream === upstream
        ? earlier.health
        : new CredentialHealth(this.accounts.cooldowns, (why) => this.accounts.onCredential(name, why))
    this.credentials.set(name, { upstream, health })
    return health
  }
}

/** `upstream`, or `upstream#key` if it has several. */
function nameCredential({ name, keys }: Endpoint, key: number): string {
  return keys === null ? name : `${name}#${keys[key]?.name}`
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
  entry: string | null,
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
    const id = [...new Set(able.map(formatPlaceId))].join(',')
    const route = byId.get(id) ?? {
      id,
      entry,
      targets: able,
      strategy,
      failover,
      firstTokenMs,
      hedge,
      translate,
      balancer: createBalancer(able, strategy),
      hedges: new HedgeBudget(),
    }
    byId.set(id, route)
    routes.push(route)
  }
  return routes
}

function createBalancer(targets: readonly Target[], strategy: DestinationConfig['strategy']): Balancer {
  if (targets.every(({ upstream }) => upstream.keys === null))
    return new LoadBalancer(targets.map(toBalancedTarget), strategy, Math.random)
  const places = [...new Set(targets.map(({ place }) => place))]
  const rotated = targets.map((target) => ({
    ...toBalancedTarget(target),
    name: target.place,
    group: places.indexOf(target.place),
    keyWeight: target.upstream.keys?.[target.key]?.weight ?? 1,
  }))
  return new KeyRotation(rotated, strategy, Math.random)
}

/**
 * To the balancer, a target at its limit of concurrent requests is like an unhealthy one: it comes after the others.
 */
function toBalancedTarget({ name, weight, breaker, credential, upstream }: Target): BalancedTarget {
  return {
    name,
    weight,
    health: {
      get inFlight() {
        return breaker.inFlight
      },
      allows: (now) => credential.allows(now) && breaker.allows(now) && !upstream.full,
      expectedFirstByteMs: (now) => breaker.expectedFirstByteMs(now),
    },
  }
}

/** Like `Target.place`, but without commas. */
function formatPlaceId({ upstream, model }: Target): string {
  return model === null ? upstream.name : `${upstream.name}/${encodeURIComponent(model)}`
}
