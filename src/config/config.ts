import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { dirname, resolve } from 'node:path'
import { ConfigError, describeIssues, type Problem } from './problems.js'
import { type ConfigFile, configSchema, type Limits, type SecretRef, type Timeouts } from './schema.js'

/** How a credential is sent to an upstream. */
export type AuthScheme = 'bearer' | 'x-api-key' | 'api-key' | 'anthropic'

export interface UpstreamConfig {
  readonly name: string
  /** Scheme, host and port: `https://api.openai.com`. */
  readonly origin: string
  /** What the path of a relayed request is put behind: `/v1`, or empty. Never ends in a slash. */
  readonly basePath: string
  readonly apiKey: string | null
  readonly auth: AuthScheme
  /** Extra headers as name, value, name, value; names in lower case. */
  readonly headers: readonly string[]
  readonly askUsage: boolean
  readonly warm: boolean
}

export interface RouteConfig {
  /** Patterns with `*`; null matches anything. */
  readonly paths: readonly string[] | null
  readonly models: readonly string[] | null
  readonly upstream: string
}

export interface AliasConfig {
  readonly name: string
  readonly upstream: string
  readonly model: string
}

export interface Config {
  /** The file it came from, null when it was made from defaults and the environment. */
  readonly file: string | null
  readonly listen: ListenAddress
  readonly keys: { readonly mode: 'keys' | 'passthrough' | 'off'; readonly file: string }
  /** Empty when no provider is configured: the demo upstream is to be started. */
  readonly upstreams: readonly UpstreamConfig[]
  readonly routes: readonly RouteConfig[]
  readonly aliases: readonly AliasConfig[]
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly ledger: Readonly<ConfigFile['ledger']>
  readonly cache: Readonly<ConfigFile['cache']>
  readonly log: Readonly<ConfigFile['log']>
}

export interface ListenAddress {
  readonly host: string
  readonly port: number
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
  const { file, parsed, label } = readConfigFile(source)
  const folder = file === null ? source.cwd : dirname(file)
  const problems: Problem[] = []

  const listen = parseListen(source.listen ?? parsed.listen)
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

  const upstreams: UpstreamConfig[] = []
  for (const [name, entry] of Object.entries(parsed.upstreams ?? fromEnvironment(source.env))) {
    const path = `upstreams.${name}`
    const base = parseBaseUrl(entry.baseUrl)
    if (typeof base === 'string') problems.push({ path: `${path}.baseUrl`, message: base })
    const headers: string[] = []
    for (const [header, value] of Object.entries(entry.headers)) {
      const text = typeof value === 'string' ? value : secret(value, `${path}.headers.${header}`)
      if (/[^\t\x20-\x7e\x80-\xff]/.test(text))
        problems.push({
          path: `${path}.headers.${header}`,
          message: 'has a character that no header can carry',
        })
      headers.push(header.toLowerCase(), text)
    }
    const apiKey = entry.apiKey === undefined ? null : secret(entry.apiKey, `${path}.apiKey`)
    if (typeof base !== 'string') {
      const { auth, askUsage, warm } = entry
      upstreams.push({ name, ...base, apiKey, auth, headers, askUsage, warm })
    }
  }
  if (parsed.upstreams !== undefined && Object.keys(parsed.upstreams).length === 0) {
    problems.push({ path: 'upstreams', message: 'needs at least one entry, or leave it out' })
  }

  const names = Object.keys(parsed.upstreams ?? fromEnvironment(source.env))
  const known = (name: string, path: string): void => {
    if (!names.includes(name)) {
      problems.push({ path, message: `no such upstream; there is ${names.join(', ') || 'none'}` })
    }
  }
  parsed.routes?.forEach((route, i) => {
    known(route.upstream, `routes[${i}].upstream`)
  })
  for (const [name, alias] of Object.entries(parsed.models)) known(alias.upstream, `models.${name}.upstream`)

  if (listen === null || problems.length > 0) throw new ConfigError(label, problems)

  const { prices } = parsed.ledger
  return freeze({
    file,
    listen,
    keys: { mode: parsed.keys.mode, file: resolve(folder, parsed.keys.file) },
    upstreams,
    routes: parsed.routes?.map(toRoute) ?? defaultRoutes(names),
    aliases: Object.entries(parsed.models).map(([name, alias]) => ({ name, ...alias })),
    cache: parsed.cache,
    limits: parsed.limits,
    timeouts: parsed.timeouts,
    ledger: {
      ...parsed.ledger,
      folder: resolve(folder, parsed.ledger.folder),
      prices: typeof prices === 'string' ? resolve(folder, prices) : prices,
    },
    log: parsed.log,
  })

  function secret(ref: SecretRef, path: string): string {
    const value = readSecret(ref, source.env, folder)
    if ('problem' in value) {
      problems.push({ path, message: value.problem })
      return ''
    }
    return value.text
  }
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

function readConfigFile(source: ConfigSource): { file: string | null; parsed: ConfigFile; label: string } {
  const file = resolve(source.cwd, source.file ?? DEFAULT_FILE)
  const label = source.file ?? DEFAULT_FILE
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' && source.file === undefined)
      return { file: null, parsed: configSchema.parse({}), label: 'config' }
    throw new ConfigError(label, [{ path: '', message: `cannot be read (${code ?? 'unknown error'})` }])
  }
  let json: unknown
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new ConfigError(label, [{ path: '', message: describeSyntaxError(text, error as Error) }])
  }
  const result = configSchema.safeParse(json)
  if (!result.success) throw new ConfigError(label, describeIssues(result.error.issues))
  return { file, parsed: result.data, label }
}

/** V8 gives an offset for most syntax errors; a line and column is what an editor can jump to. */
function describeSyntaxError(text: string, error: Error): string {
  const position = /at position (\d+)/.exec(error.message)?.[1]
  // V8 quotes the text around the mistake, and that may be a secret that was pasted there: not repeated.
  if (position === undefined) return 'is not JSON; look for a missing quote, comma or brace'
  const before = text.slice(0, Number(position)).split('\n')
  return `is not JSON, at line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
}

/** `HOST:PORT`, `[IPV6]:PORT` or `:PORT`; null if it is none of these. */
export function parseListen(text: string): ListenAddress | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text)
  if (match === null) return null
  const port = Number(match[3])
  if (port > 65535 || (match[1] !== undefined && !isIPv6(match[1]))) return null
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** Origin and path of a base URL, or a sentence that says what is wrong with it. */
function parseBaseUrl(text: string): { origin: string; basePath: string } | string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return 'must be a URL with http:// or https://, such as https://api.openai.com/v1'
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must begin with https:// or http://'
  if (url.username !== '' || url.password !== '') return 'must not hold a user or password; use apiKey'
  if (url.search !== '' || url.hash !== '') return 'must end with its path, with no ? or #'
  return { origin: url.origin, basePath: url.pathname.replace(/\/+$/, '') }
}

function readSecret(
  ref: SecretRef,
  env: ConfigSource['env'],
  folder: string,
): { text: string } | { problem: string } {
  let text: string
  let from: string
  if ('env' in ref) {
    from = `the environment variable ${ref.env}`
    text = env[ref.env]?.trim() ?? ''
    if (text === '') return { problem: `${from} is not set` }
  } else {
    from = `the file ${ref.file}`
    try {
      text = readFileSync(resolve(folder, ref.file), 'utf8').trim()
    } catch (error) {
      return {
        problem: `${from} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
      }
    }
    if (text === '') return { problem: `${from} is empty` }
  }
  // A key with a line break or a space in it is two keys, or a key and a comment; an upstream would answer 401.
  if (/[^\x21-\x7e]/.test(text)) return { problem: `${from} holds more than a key: one line without spaces` }
  return { text }
}

/** The upstreams of a start without a config file: one for each provider key in the environment. */
function fromEnvironment(env: ConfigSource['env']): NonNullable<ConfigFile['upstreams']> {
  const upstreams: NonNullable<ConfigFile['upstreams']> = {}
  if (env.OPENAI_API_KEY?.trim()) {
    upstreams.openai = {
      baseUrl: 'https://api.openai.com/v1',
      apiKey: { env: 'OPENAI_API_KEY' },
      auth: 'bearer',
      headers: {},
      askUsage: false,
      warm: true,
    }
  }
  if (env.ANTHROPIC_API_KEY?.trim()) {
    upstreams.anthropic = {
      baseUrl: 'https://api.anthropic.com/v1',
      apiKey: { env: 'ANTHROPIC_API_KEY' },
      auth: 'anthropic',
      headers: {},
      askUsage: false,
      warm: true,
    }
  }
  return upstreams
}

/**
 * Routes where the file has none. Anthropic answers Claude's names on both of its APIs (Messages, and chat
 * completions on its OpenAI-compatible endpoint) and nobody else's.
 */
function defaultRoutes(names: readonly string[]): RouteConfig[] {
  const routes: RouteConfig[] = []
  if (names.includes('anthropic')) {
    routes.push({ paths: ['/messages', '/messages/*'], models: null, upstream: 'anthropic' })
    routes.push({ paths: null, models: ['claude-*'], upstream: 'anthropic' })
  }
  const first = names[0]
  if (first !== undefined) routes.push({ paths: null, models: null, upstream: first })
  return routes
}

function toRoute(route: NonNullable<ConfigFile['routes']>[number]): RouteConfig {
  return { paths: toList(route.path), models: toList(route.model), upstream: route.upstream }
}

function toList(patterns: string | string[] | undefined): string[] | null {
  if (patterns === undefined) return null
  return typeof patterns === 'string' ? [patterns] : patterns
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) freeze(inner)
  return Object.freeze(value)
}
