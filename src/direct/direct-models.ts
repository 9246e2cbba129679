import { isDeepStrictEqual } from 'node:util'
import { findApiIndex, includesApi } from '../api/api-of-path.js'
import type { Config } from '../config/config.js'
import type { DestinationConfig, RouteConfig } from '../config/routes.js'
import { compileGlobs, isAllowed, matchesAny } from '../routing/glob.js'

/** Which models a front may ask the direct upstream for. It is never more than the routes of the relay allow. */
export interface DirectModels {
  /** What the client sends, and the name that the upstream gets. Compared as a whole, before all else. */
  readonly aliases: readonly (readonly [name: string, model: string])[]
  /** Patterns (`*` matches anything) of models that only the relay can serve. They count more than `models`. */
  readonly through: readonly string[]
  /** Patterns of the other models that may be asked for; null for all. */
  readonly models: readonly string[] | null
}

/** All that a front may let through. */
export interface DirectScope extends DirectModels {
  /** `POST /v1/chat/completions`. All others work only through the relay. */
  readonly paths: readonly string[]
}

/** What the routes are made of. */
export type RoutesSource = Pick<Config, 'aliases' | 'routes' | 'upstreams' | 'listModels'>

/**
 * Paths that ask a model and keep nothing that another team must not see. Stored objects, files and batches are not
 * among them: the relay knows whose they are, the provider does not.
 */
const PATHS = ['/chat/completions', '/responses', '/completions', '/embeddings']

/**
 * Finds the paths and models for the keys of a team. Routes that differ from path to path cannot be written as one
 * list: then it has only the paths that are routed as the first one is.
 * @param direct name of the upstream @param team null: routes and models that are for some teams only do not count
 */
export function findDirectScope(source: RoutesSource, direct: string, team: string | null): DirectScope {
  const apis = new Map(source.upstreams.map(({ name, apis }) => [name, apis]))
  let scope: DirectModels | null = null
  const paths: string[] = []
  for (const path of PATHS) {
    const api = findApiIndex(path)
    const speaks = (upstream: string): boolean => includesApi(apis.get(upstream) ?? null, api)
    if (!speaks(direct)) continue
    const found = findModels(source, direct, team, path, speaks)
    if (found.aliases.length === 0 && found.models?.length === 0) continue
    if (scope !== null && !isDeepStrictEqual(scope, found)) continue
    scope = found
    paths.push(`POST /v1${path}`)
  }
  if (scope === null) return { aliases: [], through: [], models: [], paths }
  // Otherwise the relay lists its own names, and a client would see all models of the account.
  if (source.aliases.length === 0 || source.listModels === 'all') paths.push('GET /v1/models')
  return { ...scope, paths }
}

function findModels(
  { aliases: own, routes }: RoutesSource,
  direct: string,
  team: string | null,
  path: string,
  speaks: (upstream: string) => boolean,
): DirectModels {
  const aliases = new Map<string, string>()
  const through: string[] = []
  for (const alias of own) {
    const target = findTarget(alias, direct)
    // The list is one for all teams.
    if (target === undefined || !isForAll(alias.teams)) through.push(alias.name)
    else aliases.set(alias.name, target.model ?? alias.name)
  }
  const models: string[] = []
  for (const route of routes) {
    const isForTeam = isForAll(route.teams) || isAllowed(compileGlobs(route.teams), team)
    if (!isForTeam || !isAllowed(compileGlobs(route.paths), path)) continue
    const target = findTarget(route, direct)
    const leadsNowhere = !route.targets.some(({ upstream }) => speaks(upstream))
    if (route.models === null) {
      // The relay goes on to the next route then.
      if (leadsNowhere) continue
      // One model in place of all cannot be written as a list.
      const isOpen = target !== undefined && target.model === null
      return { aliases: [...aliases], through, models: isOpen ? null : models }
    }
    for (const pattern of route.models) addPattern(pattern, target, { aliases, through, models })
  }
  return { aliases: [...aliases], through, models }
}

function isForAll(teams: readonly string[] | null): boolean {
  return teams === null || teams.includes('*')
}

function addPattern(
  pattern: string,
  target: RouteConfig['targets'][number] | undefined,
  { aliases, through, models }: { aliases: Map<string, string>; through: string[]; models: string[] },
): void {
  if (target === undefined) {
    through.push(pattern)
  } else if (pattern.includes('*')) {
    if (target.model === null) models.push(pattern)
    else through.push(pattern)
  } else if (!aliases.has(pattern) && !matchesAny(compileGlobs([...through, ...models]) ?? [], pattern)) {
    // Ahead of later patterns, as its route is.
    aliases.set(pattern, target.model ?? pattern)
  }
}

function findTarget(
  { targets }: DestinationConfig,
  direct: string,
): RouteConfig['targets'][number] | undefined {
  return targets.find(({ upstream }) => upstream === direct)
}
