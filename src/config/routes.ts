import type { Api } from '../api/presets.js'
import { describeUnknownUpstream } from './problems.js'
import type { ConfigFile, Destination } from './schema.js'
import { toList } from './schema-values.js'
import type { Secrets } from './secrets.js'
import { formatPath } from './setting-path.js'
import type { UpstreamConfig } from './upstreams.js'

/** One of the upstreams that a request may go to. */
export interface TargetConfig {
  /** Name of the upstream. */
  readonly upstream: string
  /** The model name that the upstream gets; null for the client's own. */
  readonly model: string | null
  /** Share of the requests, with the strategy `weight`. */
  readonly weight: number
}

/** Which target is tried first: the first in the list, a random one by weight, or the recently fastest. */
export type Strategy = 'order' | 'weight' | 'latency'

/** Where requests go, and how a target is picked. */
export interface DestinationConfig {
  /** One at least. */
  readonly targets: readonly TargetConfig[]
  readonly strategy: Strategy
  /** Null: where a second attempt is safe. */
  readonly failover: boolean | null
  /** A stream without a token after this many milliseconds goes to the next target; null for never. */
  readonly firstTokenMs: number | null
  readonly hedge: boolean
  /** Whether requests on `/v1` are translated to an API that the target has. */
  readonly translate: boolean
}

/** A route. Paths, models and teams are patterns with `*`; null matches anything. */
export interface RouteConfig extends DestinationConfig {
  readonly paths: readonly string[] | null
  readonly models: readonly string[] | null
  readonly teams: readonly string[] | null
}

/** A model name of the user's own. */
export interface AliasConfig extends DestinationConfig {
  readonly name: string
  /** Patterns of the teams that can use it; null for any. */
  readonly teams: readonly string[] | null
}

/** A route that takes every request and has one upstream. */
export function createRouteConfig(upstream: string): RouteConfig {
  return { paths: null, models: null, teams: null, ...createDestination(upstream) }
}

function createDestination(upstream: string): DestinationConfig {
  return {
    targets: [{ upstream, model: null, weight: 1 }],
    strategy: 'order',
    failover: null,
    firstTokenMs: null,
    hedge: false,
    translate: false,
  }
}

/**
 * The routes of a config without routes. Claude models go to Anthropic by both of its APIs: Messages, and chat
 * completions on its OpenAI-compatible endpoint. It has no other models. An upstream that names an API with paths of
 * its own gets these.
 */
export function createDefaultRoutes(upstreams: readonly UpstreamConfig[]): RouteConfig[] {
  const routes: RouteConfig[] = []
  const claude = upstreams.find(({ name, preset }) => name === 'anthropic' || preset === 'anthropic')?.name
  if (claude !== undefined) {
    routes.push({ ...createRouteConfig(claude), paths: ['/messages', '/messages/*'] })
    routes.push({ ...createRouteConfig(claude), models: ['claude-*'] })
  }
  for (const { name, apis, preset } of upstreams.slice(1))
    for (const [api, paths] of OWN_PATHS)
      if (apis?.includes(api) ?? preset === api)
        routes.push({ ...createRouteConfig(name), paths: [...paths] })
  const first = upstreams[0]
  if (first !== undefined) routes.push(createRouteConfig(first.name))
  return routes
}

/** APIs whose paths no other API has. */
const OWN_PATHS: readonly (readonly [Api, readonly string[]])[] = [
  ['gemini', ['/models/*:*', '/v1beta/*', '/upload/v1beta/*']],
  ['ollama', ['/api/*']],
  ['cohere', ['/v2/*']],
]

/** Resolves the routes of a config. @param known names of upstreams */
export function resolveRoutes(
  routes: NonNullable<ConfigFile['routes']>,
  known: readonly string[],
  secrets: Secrets,
): RouteConfig[] {
  return routes.map((route, i) => ({
    paths: toList(route.path),
    models: toList(route.model),
    teams: toList(route.team),
    ...resolveDestination(route, null, `routes[${i}]`, known, secrets),
  }))
}

/** Resolves the model names of a config. @param known names of upstreams */
export function resolveAliases(
  models: ConfigFile['models'],
  known: readonly string[],
  secrets: Secrets,
): AliasConfig[] {
  return Object.entries(models).map(([name, alias]) => {
    const path = formatPath(['models', name])
    if (alias.model !== undefined && alias.targets !== undefined) {
      secrets.report(`${path}.model`, 'belongs in each of the targets: {"upstream": "NAME", "model": "NAME"}')
    }
    return {
      name,
      teams: toList(alias.team),
      ...resolveDestination(alias, alias.model ?? null, path, known, secrets),
    }
  })
}

function resolveDestination(
  given: Destination,
  model: string | null,
  path: string,
  known: readonly string[],
  secrets: Secrets,
): DestinationConfig {
  const { upstream, strategy, failover, firstTokenMs, hedge, translate } = given
  const check = (name: string, where: string): void => {
    if (!known.includes(name)) secrets.report(where, describeUnknownUpstream(name, known))
  }
  let targets: TargetConfig[] = []
  if (given.targets !== undefined) {
    if (upstream !== undefined) secrets.report(`${path}.upstream`, 'and targets are both there; remove one')
    given.targets.forEach((target, i) => {
      check(target.upstream, `${path}.targets[${i}].upstream`)
      const same = (other: typeof target): boolean =>
        other.upstream === target.upstream && other.model === target.model
      if (given.targets?.findIndex(same) !== i)
        secrets.report(`${path}.targets[${i}]`, 'is in the list already; keep one, with the weight of both')
    })
    targets = given.targets.map((target) => ({ ...target, model: target.model ?? null }))
  } else if (upstream === undefined) {
    secrets.report(`${path}.upstream`, 'is missing; name one, or several as targets: [{"upstream": "NAME"}]')
  } else {
    check(upstream, `${path}.upstream`)
    targets = [{ upstream, model, weight: 1 }]
  }
  const when = { failover: failover ?? null, firstTokenMs: firstTokenMs ?? null }
  return { targets, strategy, ...when, hedge, translate }
}

/**
 * Words in the names of Cursor's own models. Cursor treats a name with one of them differently: some never reach the
 * relay, and agent mode sends another body.
 */
const CURSOR_MODEL = /gpt|claude|gemini|^o[1-9](?:$|-)/i

/** Finds settings that are likely to surprise, but are no error. @returns one line for each */
export function findRouteWarnings(
  upstreams: readonly UpstreamConfig[],
  routes: readonly RouteConfig[],
  aliases: readonly AliasConfig[],
): string[] {
  const warnings: string[] = []
  for (const { name } of aliases) {
    if (!CURSOR_MODEL.test(name)) continue
    warnings.push(
      `${formatPath(['models', name])}: Cursor treats names with gpt, claude, gemini or o1 to o9 as its own models and may never send them to the relay; choose a name without these, such as team-fast`,
    )
  }
  const used = new Set([...routes, ...aliases].flatMap(({ targets }) => targets.map((each) => each.upstream)))
  for (const { name } of upstreams) {
    if (!used.has(name)) warnings.push(`upstreams.${name}: no route and no model uses it`)
  }
  return warnings
}
