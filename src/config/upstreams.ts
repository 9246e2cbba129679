import { X509Certificate } from 'node:crypto'
import { ALL_CAPABILITIES, type Capabilities } from '../api/capabilities.js'
import {
  type Api,
  type AuthScheme,
  type PathStyle,
  PRESET_NAMES,
  PRESETS,
  type Preset,
  type PresetName,
} from '../api/presets.js'
import { isLoopback } from './listen.js'
import { findProxyVariable, type ProxyConfig, parseProxy } from './proxy.js'
import type { HeaderValue, Timeouts, UpstreamEntry } from './schema.js'
import type { Secrets } from './secrets.js'

/** Those that are of an upstream: it may have its own. */
export type UpstreamTimeouts = Pick<Timeouts, 'connectMs' | 'firstByteMs' | 'idleMs' | 'upstreamKeepAliveMs'>

export interface UpstreamConfig {
  readonly name: string
  readonly preset: PresetName | null
  /** Scheme, host and port: `https://api.openai.com`. */
  readonly origin: string
  /** What the path of a relayed request is put behind: `/v1`, or empty. Never ends in a slash. */
  readonly basePath: string
  readonly paths: PathStyle
  /** What is found behind another base path, by how the path begins. */
  readonly elsewhere: readonly (readonly [string, string])[]
  /** Its list of models has what can be asked for. */
  readonly listed: boolean
  /** Of what Cursor mixes into chats, what it takes as it is. */
  readonly chat: Capabilities
  readonly apiKey: string | null
  readonly auth: AuthScheme
  /** Where it looks for a credential of a client's own; null if nothing is said of that, and it is left where it is. */
  readonly ownAuth: AuthScheme | null
  /** With `auth` `query`: the name of the parameter. */
  readonly keyParameter: string
  /** Extra headers as name, value, name, value; names in lower case. */
  readonly headers: readonly string[]
  /** What it is sent by reference, and no client is to be told: its key, and headers. */
  readonly secrets: readonly string[]
  /** Parameters of each request, as name, value, name, value. */
  readonly query: readonly string[]
  /** Null: all. */
  readonly apis: readonly Api[] | null
  /** Requests in flight beyond which it is busy; null for no bound but the relay's. */
  readonly maxConcurrentRequests: number | null
  /** The general ones, with its own in their place. */
  readonly timeouts: UpstreamTimeouts
  /** PEM of the authorities that its certificate may come from; null for the well-known ones. */
  readonly ca: string | null
  readonly servername: string | null
  readonly proxy: ProxyConfig | null
  readonly requestUsage: boolean
  readonly warm: boolean
}

/** An upstream that has nothing but an address, such as the relay's own demo. */
export function createUpstreamConfig(name: string, origin: string, timeouts: Timeouts): UpstreamConfig {
  return {
    name,
    preset: null,
    origin,
    basePath: '/v1',
    paths: 'plain',
    elsewhere: [],
    chat: ALL_CAPABILITIES,
    listed: true,
    apiKey: null,
    auth: 'none',
    ownAuth: null,
    keyParameter: 'key',
    headers: [],
    secrets: [],
    query: [],
    apis: null,
    maxConcurrentRequests: null,
    timeouts: resolveUpstreamTimeouts(timeouts),
    ca: null,
    servername: null,
    proxy: null,
    requestUsage: false,
    warm: true,
  }
}

export interface UpstreamContext {
  readonly secrets: Secrets
  readonly timeouts: Timeouts
  /** Clients bring credentials of their own. */
  readonly passthrough: boolean
  readonly warnings: string[]
}

/**
 * What an entry of the config comes to.
 * @returns null if it has no address; the problem has been told
 */
export function resolveUpstream(
  name: string,
  entry: UpstreamEntry,
  context: UpstreamContext,
): UpstreamConfig | null {
  const { secrets } = context
  const path = `upstreams.${name}`
  const preset = entry.preset === undefined ? null : PRESETS[entry.preset]
  const base = resolveBase(entry, preset)
  if (typeof base === 'string') secrets.tell(`${path}.baseUrl`, base)
  const ownAuth = entry.auth ?? preset?.auth ?? null
  const auth = ownAuth ?? 'bearer'
  const { headers, secrets: sent } = readHeaders(entry, preset, path, context)
  const apiKey = readKey(entry, preset, auth, path, context)
  const ca = entry.tls.caFile === undefined ? null : readAuthorities(entry.tls.caFile, path, secrets)
  const query = Object.entries({ ...preset?.query, ...entry.query }).flat()
  if (typeof base === 'string') return null
  const { keyParameter, requestUsage, warm } = entry
  if (apiKey !== null && base.origin.startsWith('http:') && !isLoopback(new URL(base.origin).hostname)) {
    context.warnings.push(`${path}.baseUrl: the credential goes to ${base.origin} unencrypted; use https://`)
  }
  return {
    name,
    preset: entry.preset ?? null,
    ...base,
    paths: preset?.paths ?? 'plain',
    elsewhere: elsewhereOf(preset, base.basePath),
    // Of an unknown one, as much as anyone: what is not changed is not changed wrongly.
    chat: preset?.chat ?? ALL_CAPABILITIES,
    listed: preset?.listed ?? true,
    apiKey,
    auth,
    ownAuth,
    keyParameter,
    headers,
    secrets: apiKey === null ? sent : [apiKey, ...sent],
    query,
    apis: entry.apis ?? preset?.apis ?? null,
    maxConcurrentRequests: entry.limits.maxConcurrentRequests ?? null,
    timeouts: resolveUpstreamTimeouts(context.timeouts, entry.timeouts),
    ca,
    servername: entry.tls.servername ?? null,
    proxy: resolveProxy(entry.proxy, base.origin, path, secrets),
    requestUsage,
    warm,
  }
}

interface Base {
  readonly origin: string
  readonly basePath: string
}

/** @returns a sentence that says what is wrong, if something is */
function resolveBase(entry: UpstreamEntry, preset: Preset | null): Base | string {
  const text = entry.baseUrl ?? preset?.baseUrl ?? null
  if (text === null) {
    if (preset === null) return `is missing; give a URL, or a preset: ${PRESET_NAMES.join(', ')}`
    const example =
      entry.preset === 'azure' || entry.preset === 'azure-deployments'
        ? 'https://RESOURCE.openai.azure.com'
        : `http://HOST:PORT${preset.defaultPath}`
    return `is missing; the preset ${entry.preset} needs an address, such as ${example}`
  }
  const base = parseBaseUrl(text)
  if (typeof base === 'string' || base.basePath !== '' || preset === null) return base
  return { ...base, basePath: preset.defaultPath }
}

/** Origin and path of a base URL, or a sentence that says what is wrong with it. */
function parseBaseUrl(text: string): Base | string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return 'must be a URL with http:// or https://, such as https://api.openai.com/v1'
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must begin with https:// or http://'
  if (url.username !== '' || url.password !== '') return 'must not hold a user or password; use apiKey'
  if (url.search !== '' || url.hash !== '') return 'must end with its path, with no ? or #; use query'
  return { origin: url.origin, basePath: url.pathname.replace(/\/+$/, '') }
}

/** Behind a base path of the user's own, nothing is known of others. */
function elsewhereOf(preset: Preset | null, basePath: string): readonly (readonly [string, string])[] {
  if (preset === null) return []
  const usual = preset.baseUrl === null ? preset.defaultPath : new URL(preset.baseUrl).pathname
  return basePath === usual.replace(/\/+$/, '') ? Object.entries(preset.elsewhere) : []
}

/** The part of the general ones that upstreams go by. @param own to be taken in their place */
export function resolveUpstreamTimeouts(
  general: UpstreamTimeouts,
  own: UpstreamEntry['timeouts'] = {},
): UpstreamTimeouts {
  return {
    connectMs: own.connectMs ?? general.connectMs,
    firstByteMs: own.firstByteMs ?? general.firstByteMs,
    idleMs: own.idleMs ?? general.idleMs,
    upstreamKeepAliveMs: general.upstreamKeepAliveMs,
  }
}

function readHeaders(
  entry: UpstreamEntry,
  preset: Preset | null,
  path: string,
  context: UpstreamContext,
): { headers: string[]; secrets: string[] } {
  const { secrets } = context
  const values = new Map<string, HeaderValue>()
  for (const [name, value] of Object.entries(preset?.headers ?? {})) {
    // A client may bring those of its own, too.
    if (!context.passthrough || secrets.env[value.env]?.trim()) values.set(name, value)
  }
  const names = new Map<string, string>()
  for (const [name, value] of Object.entries(entry.headers)) {
    values.set(name.toLowerCase(), value)
    names.set(name.toLowerCase(), name)
  }
  const headers: string[] = []
  const sent: string[] = []
  for (const [lower, value] of values) {
    const where = `${path}.headers.${names.get(lower) ?? lower}`
    const secret = typeof value === 'string' ? null : secrets.read(value, where)
    if (secret !== null) sent.push(secret)
    const text = typeof value === 'string' ? value : `${value.prefix ?? ''}${secret}`
    if (/[^\t\x20-\x7e\x80-\xff]/.test(text)) secrets.tell(where, 'has a character that no header can carry')
    headers.push(lower, text)
  }
  return { headers, secrets: sent }
}

function readKey(
  entry: UpstreamEntry,
  preset: Preset | null,
  auth: AuthScheme,
  path: string,
  context: UpstreamContext,
): string | null {
  const { secrets, passthrough } = context
  const where = `${path}.apiKey`
  if (entry.apiKey !== undefined) {
    if (auth === 'none')
      secrets.tell(where, 'is never sent with auth "none"; leave it out, or choose another auth')
    return secrets.read(entry.apiKey, where)
  }
  if (preset === null || auth === 'none') return null
  const { keyEnv } = preset
  if (keyEnv !== null && secrets.env[keyEnv]?.trim()) return secrets.read({ env: keyEnv }, where)
  if (!preset.keyless && !passthrough && keyEnv !== null) {
    secrets.tell(
      where,
      `is missing; set the environment variable ${keyEnv}, or tell where it is: {"env": "NAME"} or {"file": "PATH"}`,
    )
  }
  return null
}

function readAuthorities(file: string, path: string, secrets: Secrets): string | null {
  const where = `${path}.tls.caFile`
  const text = secrets.readFile(file, where)
  if (text === undefined) return null
  const certificates = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g)
  if (certificates === null) {
    secrets.tell(where, `the file ${file} has no certificate in it (PEM, -----BEGIN CERTIFICATE-----)`)
    return null
  }
  try {
    // tls.connect would pass over one that it cannot read, and refuse every server.
    for (const certificate of certificates) new X509Certificate(certificate)
  } catch {
    secrets.tell(where, `the file ${file} has a certificate that cannot be read`)
    return null
  }
  return certificates.join('\n')
}

function resolveProxy(
  entry: UpstreamEntry['proxy'],
  origin: string,
  path: string,
  secrets: Secrets,
): ProxyConfig | null {
  if (entry === false) return null
  const where = `${path}.proxy`
  if (entry === undefined) {
    const variable = findProxyVariable(origin, secrets.env)
    if (variable === null) return null
    const proxy = parseProxy(secrets.env[variable]?.trim() ?? '')
    if (typeof proxy !== 'string') return proxy
    secrets.tell(where, `the environment variable ${variable} ${proxy}; give a proxy here, or false for none`)
    return null
  }
  const text = typeof entry === 'string' ? entry : secrets.read(entry, where)
  if (text === '') return null
  const proxy = parseProxy(text)
  if (typeof proxy === 'string') {
    secrets.tell(where, proxy)
    return null
  }
  if (typeof entry === 'string' && proxy.authorization !== null) {
    secrets.tell(where, 'must not hold a user or password; give the whole URL by reference: {"env": "NAME"}')
    return null
  }
  return proxy
}
