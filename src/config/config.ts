import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isLoopback, type ListenAddress, parseListenAddress } from './listen.js'
import { ConfigError, describeIssues, type Problem } from './problems.js'
import { renameOldSettings } from './renamed.js'
import {
  type AliasConfig,
  createDefaultRoutes,
  findRouteWarnings,
  type RouteConfig,
  resolveAliases,
  resolveRoutes,
} from './routes.js'
import { type ConfigFile, configSchema, createPresetEntry, type Limits, type Timeouts } from './schema.js'
import { Secrets } from './secrets.js'
import { resolveUpstream, type UpstreamConfig } from './upstreams.js'

export interface Config {
  /** The file it came from, null when it was made from defaults and the environment. */
  readonly file: string | null
  readonly listen: ListenAddress
  readonly keys: { readonly mode: 'keys' | 'passthrough' | 'off'; readonly file: string }
  /** Empty when no provider is configured: the demo upstream is to be started. */
  readonly upstreams: readonly UpstreamConfig[]
  readonly routes: readonly RouteConfig[]
  readonly aliases: readonly AliasConfig[]
  readonly listModels: ConfigFile['listModels']
  readonly cursor: Readonly<ConfigFile['cursor']>
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly ledger: Readonly<ConfigFile['ledger']>
  readonly cache: Readonly<ConfigFile['cache']>
  readonly log: Readonly<ConfigFile['log']>
  /** Null if nobody is told. */
  readonly metrics: { readonly listen: ListenAddress | null }
  /** What is likely to surprise, each by its path in the file; for the log. */
  readonly warnings: readonly string[]
}

export interface ConfigSource {
  /** `--config`; without it `thinwire.json` in `cwd` if there is one, else defaults. */
  readonly file?: string | undefined
  /** `--listen`, in place of the file's. */
  readonly listen?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

const DEFAULT_FILE = 'thinwire.json'

/**
 * Reads, checks and resolves the configuration.
 * @throws ConfigError with every problem found, each by its path in the file.
 */
export function loadConfig(source: ConfigSource): Config {
  const { file, parsed, label, warnings: renamed } = readConfigFile(source)
  const folder = file === null ? source.cwd : dirname(file)
  const problems: Problem[] = []

  const listen = parseListenAddress(source.listen ?? parsed.listen)
  if (listen === null) {
    const path = source.listen === undefined ? 'listen' : '--listen'
    problems.push({ path, message: 'must be HOST:PORT, such as 127.0.0.1:4000 or [::1]:4000' })
  }
  if (listen !== null && parsed.keys.mode === 'off' && !isLoopback(listen.host)) {
    problems.push({
      path: 'keys.mode',
      message: `off would let anyone who reaches ${listen.host} use your upstreams; listen on 127.0.0.1, or use "keys"`,
    })
  }

  const metricsAt = parsed.metrics.listen === null ? null : parseListenAddress(parsed.metrics.listen)
  if (metricsAt === null && parsed.metrics.listen !== null) {
    problems.push({ path: 'metrics.listen', message: 'must be HOST:PORT, such as 127.0.0.1:9464' })
  }

  const secrets = new Secrets(source.env, folder, problems)
  const warnings: string[] = [...renamed]
  const passthrough = parsed.keys.mode === 'passthrough'
  const entries = parsed.upstreams ?? fromEnvironment(source.env)
  const names = Object.keys(entries)
  const upstreams: UpstreamConfig[] = []
  for (const [name, entry] of Object.entries(entries)) {
    const context = { secrets, timeouts: parsed.timeouts, passthrough, warnings }
    const upstream = resolveUpstream(name, entry, context)
    if (upstream !== null) upstreams.push(upstream)
  }
  if (parsed.upstreams !== undefined && names.length === 0) {
    problems.push({ path: 'upstreams', message: 'needs at least one entry, or leave it out' })
  }
  const routes =
    parsed.routes === undefined
      ? createDefaultRoutes(upstreams)
      : resolveRoutes(parsed.routes, names, secrets)
  const aliases = resolveAliases(parsed.models, names, secrets)
  warnings.push(...findRouteWarnings(upstreams, routes, aliases))

  if (listen === null || problems.length > 0) throw new ConfigError(label, problems)

  const { prices } = parsed.ledger
  return freeze({
    file,
    listen,
    keys: { mode: parsed.keys.mode, file: resolve(folder, parsed.keys.file) },
    upstreams,
    routes,
    aliases,
    listModels: parsed.listModels,
    cursor: parsed.cursor,
    cache: parsed.cache,
    limits: parsed.limits,
    timeouts: parsed.timeouts,
    ledger: {
      ...parsed.ledger,
      folder: resolve(folder, parsed.ledger.folder),
      prices: typeof prices === 'string' ? resolve(folder, prices) : prices,
    },
    log: parsed.log,
    metrics: { listen: metricsAt },
    warnings,
  })
}

/**
 * Where the key file is, without resolving the secrets that `thinwire keys` has no need of.
 * @throws ConfigError
 */
export function locateKeyFile(source: ConfigSource): string {
  const { file, parsed } = readConfigFile(source)
  return resolve(file === null ? source.cwd : dirname(file), parsed.keys.file)
}

/**
 * Where the usage ledger is, likewise.
 * @throws ConfigError
 */
export function locateLedger(source: ConfigSource): string {
  const { file, parsed } = readConfigFile(source)
  return resolve(file === null ? source.cwd : dirname(file), parsed.ledger.folder)
}

interface ParsedFile {
  /** Null if there is no config file. */
  readonly file: string | null
  readonly parsed: ConfigFile
  /** The name that messages give the file. */
  readonly label: string
  readonly warnings: readonly string[]
}

function readConfigFile(source: ConfigSource): ParsedFile {
  const file = resolve(source.cwd, source.file ?? DEFAULT_FILE)
  const label = source.file ?? DEFAULT_FILE
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' && source.file === undefined)
      return { file: null, parsed: configSchema.parse({}), label: 'config', warnings: [] }
    throw new ConfigError(label, [{ path: '', message: `cannot be read (${code ?? 'unknown error'})` }])
  }
  let json: unknown
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new ConfigError(label, [{ path: '', message: describeSyntaxError(text, error as Error) }])
  }
  const renamed = renameOldSettings(json)
  const result = configSchema.safeParse(json)
  const issues = result.success ? [] : describeIssues(result.error.issues, renamed.paths)
  const problems = [...renamed.problems, ...issues]
  if (!result.success || problems.length > 0) throw new ConfigError(label, problems)
  return { file, parsed: result.data, label, warnings: renamed.warnings }
}

/** V8 gives an offset for most syntax errors; a line and column is what an editor can jump to. */
function describeSyntaxError(text: string, error: Error): string {
  const position = /at position (\d+)/.exec(error.message)?.[1]
  // V8 quotes the text around the mistake, and that may be a secret that was pasted there: not repeated.
  if (position === undefined) return 'is not JSON; look for a missing quote, comma or brace'
  const before = text.slice(0, Number(position)).split('\n')
  return `is not JSON, at line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
}

/** The upstreams of a start without a config file: one for each provider key in the environment. */
function fromEnvironment(env: ConfigSource['env']): NonNullable<ConfigFile['upstreams']> {
  const upstreams: NonNullable<ConfigFile['upstreams']> = {}
  if (env.OPENAI_API_KEY?.trim()) upstreams.openai = createPresetEntry('openai')
  if (env.ANTHROPIC_API_KEY?.trim()) upstreams.anthropic = createPresetEntry('anthropic')
  return upstreams
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) freeze(inner)
  return Object.freeze(value)
}
