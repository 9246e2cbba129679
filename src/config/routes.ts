import type { ConfigFile, Destination } from './schema.js'
import type { Secrets } from './secrets.js'
import type { UpstreamConfig } from './upstreams.js'

export interface TargetConfig {
  readonly upstream: string
  /** The name that the upstream knows the model by; null for the client's own. */
  readonly model: string | null
  readonly weight: number
}

/** Which target is asked first. */
export type Strategy = 'order' | 'weight' | 'latency'

export interface DestinationConfig {
  /** One at least. */
  readonly targets: readonly TargetConfig[]
  readonly strategy: Strategy
  /** Null: where that is safe. */
  readonly failover: boolean | null
  readonly firstTokenMs: number | null
  readonly hedge: boolean
}

/** Patterns with `*`; null matches anything. */
export interface RouteConfig extends DestinationConfig {
  readonly paths: readonly string[] | null
  readonly models: readonly string[] | null
  readonly teams: readonly string[] | null
}

export interface AliasConfig extends DestinationConfig {
  readonly name: string
  readonly teams: readonly string[] | null
}

/** Everything that no other route takes, to one upstream. */
export function createRouteConfig(upstream: string): RouteConfig {
  return { paths: null, models: null, teams: null, ...toOne(upstream) }
}

function toOne(upstream: string): DestinationConfig {
  return {
    targets: [{ upstream, model: null, weight: 1 }],
    strategy: 'order',
    failover: null,
    firstTokenMs: null,
    hedge: false,
  }
}

/**
 * Routes where the file has none. Anthropic answers Claude's names on both of its APIs (Messages, and chat
 * completions on its OpenAI-compatible endpoint) and nobody else's.
 */
export function createDefaultRoutes(upstreams: readonly UpstreamConfig[]): RouteConfig[] {
  const routes: RouteConfig[] = []
  const claude = upstreams.find(({ name, preset }) => name === 'anthropic' || preset === 'anthropic')?.name
  if (claude !== undefined) {
    routes.push({ ...createRouteConfig(claude), paths: ['/messages', '/messages/*'] })
    routes.push({ ...createRouteConfig(claude), models: ['claude-*'] })
  }
  const first = upstreams[0]
  if (first !== undefined) routes.push(createRouteConfig(first.name))
  return routes
}

/** @param known names of upstreams */
export function resolveRoutes(
  routes: NonNullable<ConfigFile['routes']>,
  known: readonly string[],
  problems: Secrets,
): RouteConfig[] {
  return routes.map((route, i) => ({
    paths: toList(route.path),
    models: toList(route.model),
    teams: toList(route.team),
    ...resolveDestination(route, null, `routes[${i}]`, known, problems),
  }))
}

export function resolveAliases(
  models: ConfigFile['models'],
  known: readonly string[],
  problems: Secrets,
): AliasConfig[] {
  return Object.entries(models).map(([name, alias]) => {
    const path = /^[\w$-]+$/.test(name) ? `models.${name}` : `models[${JSON.stringify(name)}]`
    if (alias.model !== undefined && alias.targets !== undefined) {
      problems.tell(
        `${path}.model`,
        'belongs into each of the targets: {"upstream": "NAME", "model": "NAME"}',
      )
    }
    return {
      name,
      teams: toList(alias.team),
      ...resolveDestination(alias, alias.model ?? null, path, known, problems),
    }
  })
}

function resolveDestination(
  given: Destination,
  model: string | null,
  path: string,
  known: readonly string[],
  problems: Secrets,
): DestinationConfig {
  const { upstream, strategy, failover, firstTokenMs, hedge } = given
  const check = (name: string, where: string): void => {
    if (!known.includes(name))
      problems.tell(where, `no such upstream; there is ${known.join(', ') || 'none'}`)
  }
  let targets: TargetConfig[] = []
  if (given.targets !== undefined) {
    if (upstream !== undefined)
      problems.tell(`${path}.upstream`, 'cannot stand beside targets; leave one out')
    given.targets.forEach((target, i) => {
      check(target.upstream, `${path}.targets[${i}].upstream`)
      const same = (other: typeof target): boolean =>
        other.upstream === target.upstream && other.model === target.model
      if (given.targets?.findIndex(same) !== i)
        problems.tell(`${path}.targets[${i}]`, 'is there already; give one of them the weight of both')
    })
    targets = given.targets.map((target) => ({ ...target, model: target.model ?? null }))
  } else if (upstream === undefined) {
    problems.tell(`${path}.upstream`, 'is missing; name one, or several as targets: [{"upstream": "NAME"}]')
  } else {
    check(upstream, `${path}.upstream`)
    targets = [{ upstream, model, weight: 1 }]
  }
  return { targets, strategy, failover: failover ?? null, firstTokenMs: firstTokenMs ?? null, hedge }
}

/**
 * Words of Cursor's own models. Names with these it treats in ways of its own: some never reach the relay, and in agent mode
 * the body is another.
 */
const CURSORS_OWN = /gpt|claude|gemini|^o[1-9](?:$|-)/i

/** What is likely to surprise, and no reason not to start. */
export function findRouteWarnings(
  upstreams: readonly UpstreamConfig[],
  routes: readonly RouteConfig[],
  aliases: readonly AliasConfig[],
): string[] {
  const warnings: string[] = []
  for (const { name } of aliases) {
    if (!CURSORS_OWN.test(name)) continue
    warnings.push(
      `models.${name}: Cursor treats names with gpt, claude, gemini or o1 to o9 as its own, and may never ask the relay for it; choose one without, such as team-fast`,
    )
  }
  const used = new Set([...routes, ...aliases].flatMap(({ targets }) => targets.map((each) => each.upstream)))
  for (const { name } of upstreams) {
    if (!used.has(name)) warnings.push(`upstreams.${name}: no route and no model leads to it`)
  }
  return warnings
}

function toList(patterns: string | string[] | undefined): string[] | null {
  if (patterns === undefined) return null
  return typeof patterns === 'string' ? [patterns] : patterns
}
