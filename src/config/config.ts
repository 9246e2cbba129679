import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { ModelRule } from '../api/model-table.js'
import { type AdminConfig, resolveAdmin } from './admin.js'
import { type ConfigSource, DEFAULT_FILE, readConfigFile } from './config-file.js'
import { type DirectConfig, resolveDirect } from './direct.js'
import { type LimitRulesConfig, resolveLimits } from './limit-rules.js'
import { findLimitDoubts } from './limit-warnings.js'
import {
  findReusePortFlaw,
  isLoopback,
  type ListenAddress,
  type ListenConfig,
  type ListenPlace,
  parseListenAddress,
  type TlsFiles,
} from './listen.js'
import { resolveModelRules } from './model-rules.js'
import { ConfigError, type Problem } from './problems.js'
import { trimPublicUrl } from './public-url.js'
import {
  type AliasConfig,
  createDefaultRoutes,
  findRouteWarnings,
  type RouteConfig,
  resolveAliases,
  resolveRoutes,
} from './routes.js'
import type { ConfigFile, Limits, Timeouts } from './schema.js'
import { Secrets, StandInSecrets } from './secrets.js'
import { limitDrainTime } from './stop-timeout.js'
import { createEntriesFromEnv, resolveUpstream, type UpstreamConfig } from './upstreams.js'
import { countWorkers } from './workers.js'

export type { ConfigSource } from './config-file.js'

/** All settings, checked and resolved: paths are absolute, secrets are read. Frozen. */
export interface Config {
  /** The file it came from; null if it was made from defaults and the environment. */
  readonly file: string | null
  readonly listen: ListenConfig
  /** Processes that serve requests; 1: this process does so by itself. */
  readonly workers: number
  readonly keys: {
    readonly mode: 'keys' | 'passthrough' | 'off'
    readonly file: string
    readonly cutStreams: boolean
  }
  /** Empty when no provider is configured: then the demo upstream is started. */
  readonly upstreams: readonly UpstreamConfig[]
  readonly routes: readonly RouteConfig[]
  readonly aliases: readonly AliasConfig[]
  /** What models want, before what the built-in table says. */
  readonly modelRules: readonly ModelRule[]
  readonly listModels: ConfigFile['listModels']
  readonly cursor: Readonly<ConfigFile['cursor']>
  /** By which clients reach the relay, without a slash or `/v1` at its end; null if the request tells it. */
  readonly publicUrl: string | null
  /** Addresses and networks of proxies in front, whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[]
  readonly limits: Omit<Limits, 'rules' | 'unpriced' | 'alerts'>
  readonly limitRules: LimitRulesConfig
  readonly timeouts: Timeouts
  readonly ledger: Readonly<ConfigFile['ledger']>
  readonly stored: Readonly<ConfigFile['stored']>
  readonly cache: Readonly<ConfigFile['cache']>
  readonly direct: DirectConfig
  readonly log: Readonly<ConfigFile['log']>
  /** `listen` is null if there are no metrics. */
  readonly metrics: { readonly listen: ListenPlace | null; readonly hosts: readonly string[] }
  readonly admin: AdminConfig
  /** Settings that are likely to surprise, for the log: one line each, which begins with the path in the file. */
  readonly warnings: readonly string[]
}

/**
 * Reads, checks and resolves the configuration.
 * @throws ConfigError with every problem that was found, each by its path in the file
 */
export function loadConfig(source: ConfigSource): Config {
  return resolveConfig(source, Secrets)
}

/**
 * Reads a config for a relay that calls no provider: every secret is a stand-in, so that none has to be set. Without
 * `upstreams` and without a provider's key in the environment, all providers that such a key would give are there.
 * @throws ConfigError
 */
export function loadConfigWithoutSecrets(source: ConfigSource): Config {
  const config = resolveConfig(source, StandInSecrets)
  if (config.upstreams.length > 0) return config
  const env = { ...source.env, OPENAI_API_KEY: 'stand-in', ANTHROPIC_API_KEY: 'stand-in' }
  return resolveConfig({ ...source, env }, StandInSecrets)
}

function resolveConfig(source: ConfigSource, Reader: typeof Secrets): Config {
  const { file, parsed, label, warnings } = readConfigFile(source)
  const folder = file === null ? source.cwd : dirname(file)
  const problems: Problem[] = []
  const address = resolveListen(source, parsed, problems)
  const metrics = {
    listen: placeMetrics(source, resolveMetricsListen(parsed, problems)),
    hosts: parsed.metrics.hosts,
  }
  const known = Reader === StandInSecrets ? withoutKeys(parsed) : parsed
  const secrets = new Reader(source.env, folder, problems)
  const tls = resolveTls(parsed, secrets)
  const admin = resolveAdmin(
    parsed,
    { listen: ownPlace(address), 'metrics.listen': ownPlace(metrics.listen) },
    secrets,
  )
  const destinations = resolveDestinations(known, secrets)
  const { limits, limitRules } = resolveLimits(parsed.limits, secrets)
  const doubts = findLimitDoubts(limitRules, limits, parsed.keys.mode)
  problems.push(...doubts.problems)
  const timeouts = limitDrainTime(parsed.timeouts, source.env, problems)
  if (address === null || problems.length > 0) throw new ConfigError(label, problems)
  const { keys, listModels, trustedProxies, cursor, cache, stored, log } = parsed
  return freeze({
    file,
    listen: { ...address, tls },
    workers: countWorkers(parsed.workers),
    keys: { ...keys, file: resolve(folder, keys.file) },
    ...destinations,
    listModels,
    publicUrl: parsed.publicUrl === undefined ? null : trimPublicUrl(parsed.publicUrl),
    trustedProxies,
    cursor,
    cache,
    limits,
    limitRules,
    timeouts,
    stored,
    log,
    metrics,
    admin,
    ledger: resolveLedger(parsed, folder),
    warnings: [...warnings, ...destinations.warnings, ...doubts.warnings],
  })
}

/** The config file that is read: the one that was named, or the default one; null if there is none. */
export function locateConfigFile({ file, cwd }: Pick<ConfigSource, 'file' | 'cwd'>): string | null {
  return file ?? (existsSync(resolve(cwd, DEFAULT_FILE)) ? DEFAULT_FILE : null)
}

/** Where the keys are. Both are absolute paths. */
export interface KeyFileLocation {
  readonly file: string
  /** The config file that says so; null if there is none, and the key file is the default one of the current folder. */
  readonly configFile: string | null
}

/**
 * Finds the key file. Secrets are not resolved: `thinwire keys` does not need them.
 * @throws ConfigError
 */
export function locateKeyFile(source: ConfigSource): KeyFileLocation {
  const { file: configFile, parsed } = readConfigFile(source)
  const folder = configFile === null ? source.cwd : dirname(configFile)
  return { file: resolve(folder, parsed.keys.file), configFile }
}

/**
 * Finds the folders of the usage ledger, the fallback last, without the secrets likewise.
 * @throws ConfigError
 */
export function locateLedger(source: ConfigSource): string[] {
  const { file, parsed } = readConfigFile(source)
  const { folder, fallbackFolder } = parsed.ledger
  const folders = fallbackFolder === null ? [folder] : [folder, fallbackFolder]
  return folders.map((each) => resolve(file === null ? source.cwd : dirname(file), each))
}

/**
 * Reads the settings of the usage ledger, without the secrets likewise.
 * @throws ConfigError
 */
export function loadLedgerConfig(source: ConfigSource): Config['ledger'] {
  const { file, parsed } = readConfigFile(source)
  return resolveLedger(parsed, file === null ? source.cwd : dirname(file))
}

/**
 * Finds the setting of the prices, without the secrets likewise: the absolute path of a file, or whether there are
 * built-in prices.
 * @throws ConfigError
 */
export function locatePrices(source: ConfigSource): string | boolean {
  const { file, parsed } = readConfigFile(source)
  return resolveLedger(parsed, file === null ? source.cwd : dirname(file)).prices
}

/**
 * Finds the address for metrics, without the secrets likewise; null if there is none.
 * @throws ConfigError
 */
export function locateMetrics(source: ConfigSource): {
  readonly listen: ListenAddress | null
  readonly configFile: string | null
} {
  const { file, parsed, label } = readConfigFile(source)
  const problems: Problem[] = []
  const listen = resolveMetricsListen(parsed, problems)
  if (problems.length > 0) throw new ConfigError(label, problems)
  return { listen, configFile: file }
}

/** Where requests go, as far as it can be told without the secrets. */
export type DestinationsConfig = Pick<
  Config,
  'upstreams' | 'routes' | 'aliases' | 'modelRules' | 'direct' | 'warnings'
>

/**
 * Resolves upstreams, routes and models. Secrets are not read, so that none is needed: every credential is a stand-in.
 * @throws ConfigError
 */
export function loadDestinations(source: ConfigSource): DestinationsConfig {
  const { file, parsed, label } = readConfigFile(source)
  const problems: Problem[] = []
  const folder = file === null ? source.cwd : dirname(file)
  const destinations = resolveDestinations(
    withoutKeys(parsed),
    new StandInSecrets(source.env, folder, problems),
  )
  if (problems.length > 0) throw new ConfigError(label, problems)
  return destinations
}

/** A config of which no key of an upstream is missing. */
function withoutKeys(parsed: ConfigFile): ConfigFile {
  return { ...parsed, keys: { ...parsed.keys, mode: 'passthrough' } }
}

/** @returns null if there is a problem with it */
function resolveListen(source: ConfigSource, parsed: ConfigFile, problems: Problem[]): ListenPlace | null {
  const isText = typeof parsed.listen === 'string'
  const inFile = typeof parsed.listen === 'string' ? { address: parsed.listen } : parsed.listen
  const listen = parseListenAddress(source.listen ?? inFile.address)
  const fd = source.sockets?.relay
  if (listen === null) {
    const setting = isText ? 'listen' : 'listen.address'
    const path = source.listen === undefined ? setting : '--listen'
    problems.push({ path, message: 'must be HOST:PORT, such as 127.0.0.1:4000 or [::1]:4000' })
  } else if (fd === undefined && parsed.keys.mode === 'off' && !isLoopback(listen.host)) {
    // The address of a socket that was handed over is known when the relay listens.
    problems.push({
      path: 'keys.mode',
      message: `off would let anyone who reaches ${listen.host} use your upstreams; listen on 127.0.0.1, or use "keys"`,
    })
  }
  if (listen === null) return null
  if (fd !== undefined) return { ...listen, fd, isTakenOver: source.sockets?.isTakenOver === true }
  if (!('reusePort' in inFile) || !inFile.reusePort) return listen
  const flaw = findReusePortFlaw(process.versions.node, countWorkers(parsed.workers))
  if (flaw !== null) problems.push({ path: 'listen.reusePort', message: flaw })
  return { ...listen, reusePort: true }
}

/** @returns null for a socket that was handed over: its real address is not known yet */
function ownPlace(place: ListenPlace | null): ListenPlace | null {
  return place?.fd === undefined ? place : null
}

/** A socket for metrics turns them on. */
function placeMetrics({ sockets }: ConfigSource, address: ListenAddress | null): ListenPlace | null {
  const fd = sockets?.metrics
  return fd === undefined ? address : { ...(address ?? { host: '127.0.0.1', port: 0 }), fd }
}

/** The files themselves are read by whoever listens: they may change while the relay runs. */
function resolveTls({ listen }: ConfigFile, secrets: Secrets): TlsFiles | null {
  if (typeof listen === 'string' || listen.tls === undefined) return null
  const { cert, key, passphrase } = listen.tls
  return {
    cert: secrets.locate(cert),
    key: secrets.locate(key),
    passphrase: passphrase === undefined ? null : secrets.readDocument(passphrase, 'listen.tls.passphrase'),
  }
}

/** @returns null if there are no metrics, or there is a problem with the address */
function resolveMetricsListen({ metrics }: ConfigFile, problems: Problem[]): ListenAddress | null {
  if (metrics.listen === null) return null
  const listen = parseListenAddress(metrics.listen)
  if (listen === null)
    problems.push({ path: 'metrics.listen', message: 'must be HOST:PORT, such as 127.0.0.1:9464' })
  return listen
}

function resolveDestinations(parsed: ConfigFile, secrets: Secrets): DestinationsConfig {
  const warnings: string[] = []
  const passthrough = parsed.keys.mode === 'passthrough'
  const { timeouts, websockets } = parsed
  const context = { secrets, timeouts, websockets, passthrough, warnings }
  const entries = parsed.upstreams ?? createEntriesFromEnv(secrets.env)
  const names = Object.keys(entries)
  if (parsed.upstreams !== undefined && names.length === 0)
    secrets.report('upstreams', 'needs at least one entry, or leave it out')
  const upstreams = Object.entries(entries).flatMap(([name, entry]) => {
    const upstream = resolveUpstream(name, entry, context)
    return upstream === null ? [] : [upstream]
  })
  const routes =
    parsed.routes === undefined
      ? createDefaultRoutes(upstreams)
      : resolveRoutes(parsed.routes, names, secrets)
  const aliases = resolveAliases(parsed.models, names, secrets)
  const modelRules = resolveModelRules(parsed.modelTraits, names, secrets)
  warnings.push(...findRouteWarnings(upstreams, routes, aliases))
  const direct = resolveDirect(parsed.direct, upstreams, names, secrets)
  return { upstreams, routes, aliases, modelRules, direct, warnings }
}

function resolveLedger({ ledger }: ConfigFile, folder: string): Config['ledger'] {
  const { prices, fallbackFolder } = ledger
  return {
    ...ledger,
    folder: resolve(folder, ledger.folder),
    fallbackFolder: fallbackFolder === null ? null : resolve(folder, fallbackFolder),
    prices: typeof prices === 'string' ? resolve(folder, prices) : prices,
  }
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) freeze(inner)
  return Object.freeze(value)
}
