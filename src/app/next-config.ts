import { isDeepStrictEqual } from 'node:util'
import { isPublicAdmin } from '../config/admin.js'
import { type Config, type ConfigSource, loadConfig } from '../config/config.js'
import { ConfigError } from '../config/problems.js'
import { resolveUpstreamTimeouts } from '../config/upstreams.js'
import type { Log } from '../observe/log.js'

/**
 * Reads the config of a running relay again. The log says what is wrong with it, and which settings need a restart.
 * @param current the config that the relay follows
 * @param useDemo gives a config without upstreams the built-in demo; null if the relay has started without it
 * @param fit makes it that of this worker
 * @returns the config to follow from now on; null if nothing changes
 */
export function readNextConfig(
  source: ConfigSource,
  current: Config,
  useDemo: ((config: Config) => Config) | null,
  log: Pick<Log, 'info' | 'warn' | 'error'>,
  fit: (config: Config) => Config = (config) => config,
): Config | null {
  const usable = readUsable(source, current, useDemo, log)
  if (usable === null) return null
  const read = fit(usable)
  const next = mergeReloadable(read, current)
  const later = findDifferences(read, next)
  if (later.length > 0) {
    const take = later.length === 1 ? 'takes' : 'take'
    log.warn({ settings: later }, `${later.join(', ')} ${take} effect after a restart`)
  }
  if (findDifferences(next, current).length === 0) {
    log.info({}, 'the config was read again: nothing else has changed')
    return null
  }
  for (const warning of next.warnings) log.warn({}, warning)
  return next
}

/** @returns null if the relay cannot follow it; the log says why */
function readUsable(
  source: ConfigSource,
  current: Config,
  useDemo: ((config: Config) => Config) | null,
  log: Pick<Log, 'info' | 'warn' | 'error'>,
): Config | null {
  const refuse = (why: string, fields: Record<string, unknown> = {}): null => {
    log.error(fields, `the config file is not used, the relay keeps its config: ${why}`)
    return null
  }
  let read: Config
  try {
    read = loadConfig(source)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return refuse(error.message.split('\n').join('; '), { problems: error.problems })
  }
  const { mode } = current.keys
  if (read.upstreams.length === 0 && useDemo === null) return refuse('it has no upstreams')
  // The demo has no prices, and its relay has read none.
  if (read.upstreams.length > 0 && useDemo !== null)
    return refuse('upstreams in place of the built-in demo need a restart')
  // The new upstreams were configured for other clients: a client of the old mode could get access that was not meant.
  if (read.keys.mode !== mode)
    return refuse(`keys.mode: a change from ${mode} to ${read.keys.mode} needs a restart`)
  return useDemo === null ? read : useDemo(read)
}

/** A reload changes where requests go, what is cached and which rules limit. All other settings wait for a restart. */
export function mergeReloadable(read: Config, current: Config): Config {
  const { upstreams, routes, aliases, modelRules, listModels, cursor, cache, direct, limitRules, warnings } =
    read
  // The page may stay at a public address although the file says otherwise now: not without a token.
  const token = read.admin.token ?? (isPublicAdmin(current.admin) ? current.admin.token : null)
  const admin = { ...current.admin, token, hosts: read.admin.hosts }
  const timeouts = { ...current.timeouts, ...resolveUpstreamTimeouts(read.timeouts) }
  return {
    ...current,
    upstreams,
    routes,
    aliases,
    modelRules,
    listModels,
    cursor,
    cache,
    direct,
    limitRules,
    timeouts,
    admin,
    warnings,
  }
}

/** Where two configs differ, as paths in the file: one setting of a section, but a list as a whole. */
function findDifferences(one: Config, other: Config): string[] {
  const paths: string[] = []
  for (const name of Object.keys(one) as (keyof Config)[]) {
    const here: unknown = one[name]
    const there: unknown = other[name]
    if (name === 'file' || name === 'warnings' || isDeepStrictEqual(here, there)) continue
    // `listen` is one text in the file.
    if (name === 'listen' || !isSection(here) || !isSection(there)) paths.push(name)
    else
      for (const key of Object.keys(here))
        if (!isDeepStrictEqual(here[key], there[key])) paths.push(`${name}.${key}`)
  }
  return paths
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
