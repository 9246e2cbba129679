import { type Api, type AuthScheme, type PathStyle, PRESETS, type PresetName } from '../api/presets.js'
import { readAuthorities } from './authorities.js'
import { findOtherBasePaths, resolveBaseUrl } from './base-url.js'
import type { CloudConfig } from './cloud-config.js'
import { isLoopback } from './listen.js'
import { type ProxyConfig, resolveProxy } from './proxy.js'
import { type ConfigFile, createPresetEntry, type Timeouts, type UpstreamEntry } from './schema.js'
import type { Secrets } from './secrets.js'
import { findSection, isMadeAddress, resolveCloud } from './upstream-clouds.js'
import { readApiKey, readHeaders } from './upstream-credentials.js'
import { listKeys, readUpstreamKeys, type UpstreamKey } from './upstream-keys.js'

/** The timeouts that an upstream can override. Milliseconds. */
export type UpstreamTimeouts = Pick<
  Timeouts,
  'connectMs' | 'firstByteMs' | 'idleMs' | 'upstreamKeepAliveMs' | 'upstreamReuseMs' | 'upstreamAckMs'
>

/** One upstream, with its preset applied and its secrets read. */
export interface UpstreamConfig {
  readonly name: string
  readonly preset: PresetName | null
  /** Scheme, host and port: `https://api.openai.com`. */
  readonly origin: string
  /** Prefix of the path of a relayed request: `/v1`, or empty. Never ends in a slash. */
  readonly basePath: string
  readonly paths: PathStyle
  /** Paths that have another base path, as pairs of path and base path. */
  readonly otherBasePaths: readonly (readonly [string, string])[]
  /** Whether its list of models is what can be requested. */
  readonly listsModels: boolean
  /** With `keys`, the first of them. */
  readonly apiKey: string | null
  /** A credential that the relay makes or fetches itself, in place of a key; null for none. */
  readonly cloud: CloudConfig | null
  /** Several credentials that take turns; null for one or none. */
  readonly keys: readonly UpstreamKey[] | null
  readonly auth: AuthScheme
  /** Where a client's own credential goes. Null if neither config nor preset says it: it stays where it is. */
  readonly passthroughAuth: AuthScheme | null
  /** Name of the URL parameter that carries the credential, with `auth` `query`. */
  readonly keyParameter: string
  /** Extra headers as name, value, name, value; names in lower case. */
  readonly headers: readonly string[]
  /** Its key and the secrets in its headers. No client may see them. */
  readonly secrets: readonly string[]
  /** URL parameters of each request as name, value, name, value. */
  readonly query: readonly string[]
  /** Null: all. */
  readonly apis: readonly Api[] | null
  /** Null: only the relay's own limit applies. */
  readonly maxConcurrentRequests: number | null
  /** The general ones, overridden by its own. */
  readonly timeouts: UpstreamTimeouts
  /** Certificate authorities to trust, PEM; null for the well-known ones. */
  readonly ca: string | null
  /** The file that they come from; null if there is none. */
  readonly caFile: string | null
  readonly servername: string | null
  readonly proxy: ProxyConfig | null
  /** What a price file has before its models; null for what the preset or the host tells. */
  readonly priceProvider: string | null
  readonly requestUsage: boolean
  /** Whether WebSockets are opened to it. */
  readonly websockets: boolean
  readonly warm: boolean
}

/** An upstream that has only an address and no WebSockets, such as the relay's own demo. */
export function createUpstreamConfig(name: string, origin: string, timeouts: Timeouts): UpstreamConfig {
  return {
    name,
    preset: null,
    origin,
    basePath: '/v1',
    paths: 'plain',
    otherBasePaths: [],
    listsModels: true,
    apiKey: null,
    cloud: null,
    keys: null,
    auth: 'none',
    passthroughAuth: null,
    keyParameter: 'key',
    headers: [],
    secrets: [],
    query: [],
    apis: null,
    maxConcurrentRequests: null,
    timeouts: resolveUpstreamTimeouts(timeouts),
    ca: null,
    caFile: null,
    servername: null,
    proxy: null,
    priceProvider: null,
    requestUsage: false,
    websockets: false,
    warm: true,
  }
}

/** The upstreams of a start without a config file: one for each provider key in the environment. */
export function createEntriesFromEnv(env: Secrets['env']): NonNullable<ConfigFile['upstreams']> {
  const entries: NonNullable<ConfigFile['upstreams']> = {}
  if (env.OPENAI_API_KEY?.trim()) entries.openai = createPresetEntry('openai')
  if (env.ANTHROPIC_API_KEY?.trim()) entries.anthropic = createPresetEntry('anthropic')
  return entries
}

/** What an entry needs to be resolved. */
export interface UpstreamContext {
  readonly secrets: Secrets
  readonly timeouts: Timeouts
  /** Whether WebSockets are opened to upstreams that do not say. */
  readonly websockets: boolean
  /** Clients bring credentials of their own. */
  readonly passthrough: boolean
  /** Warnings are appended here. */
  readonly warnings: string[]
}

/**
 * Resolves an entry of `upstreams`.
 * @returns null if it has no valid address; then the problem has been reported
 */
export function resolveUpstream(
  name: string,
  entry: UpstreamEntry,
  context: UpstreamContext,
): UpstreamConfig | null {
  const { secrets } = context
  const path = `upstreams.${name}`
  const preset = entry.preset === undefined ? null : PRESETS[entry.preset]
  const passthroughAuth = entry.auth ?? preset?.auth ?? null
  const { headers, secrets: headerSecrets } = readHeaders(entry, preset, path, context)
  const section = findSection(entry)
  // A key in the environment is not meant where the config says where tokens come from.
  const usualAuth = passthroughAuth ?? 'bearer'
  const hasToken = section === 'google' || section === 'entra'
  const keys = readUpstreamKeys(entry.keys, usualAuth, path, secrets)
  if (keys !== null && entry.apiKey !== undefined)
    secrets.report(`${path}.apiKey`, 'and keys are both there; move it into keys')
  const isKeyless = keys === null && hasToken && entry.apiKey === undefined
  const apiKey =
    keys?.[0]?.credential ?? (isKeyless ? null : readApiKey(entry, preset, usualAuth, path, context))
  const cloud = resolveCloud(entry, path, apiKey !== null, context)
  const auth = authWith(cloud.credential, usualAuth)
  if (cloud.credential !== null && entry.auth !== undefined && entry.auth !== auth)
    secrets.report(`${path}.auth`, `is decided by ${cloud.credential.kind}; leave it out`)
  const base = resolveBaseUrl(entry, preset, cloud.address)
  // The settings that the address is made from have been reported.
  if (typeof base === 'string' && !(cloud.address === null && isMadeAddress(entry)))
    secrets.report(`${path}.baseUrl`, base)
  const ca = entry.tls.caFile === undefined ? null : readAuthorities(entry.tls.caFile, path, secrets)
  if (typeof base === 'string') return null
  const hasCredential = apiKey !== null || cloud.credential !== null
  if (hasCredential && base.origin.startsWith('http:') && !isLoopback(new URL(base.origin).hostname)) {
    context.warnings.push(`${path}.baseUrl: the credential goes to ${base.origin} unencrypted; use https://`)
  }
  const { keyParameter, requestUsage, warm } = entry
  return {
    name,
    preset: entry.preset ?? null,
    ...base,
    paths: preset?.paths ?? 'plain',
    otherBasePaths: findOtherBasePaths(preset, base.basePath, cloud.address),
    listsModels: preset?.listed ?? true,
    apiKey,
    cloud: cloud.credential,
    keys,
    auth,
    passthroughAuth,
    keyParameter,
    headers,
    secrets: [...listKeys({ keys, apiKey }), ...headerSecrets],
    query: Object.entries({ ...preset?.query, ...entry.query }).flat(),
    apis: entry.apis ?? preset?.apis ?? null,
    maxConcurrentRequests: entry.limits.maxConcurrentRequests ?? null,
    timeouts: resolveUpstreamTimeouts(context.timeouts, entry.timeouts),
    ca,
    caFile: entry.tls.caFile === undefined ? null : secrets.locate(entry.tls.caFile),
    servername: entry.tls.servername ?? null,
    proxy: resolveProxy(entry.proxy, base.origin, path, secrets),
    priceProvider: entry.priceProvider ?? null,
    requestUsage,
    // A handshake would have to be signed.
    websockets: cloud.credential?.kind === 'aws' ? false : (entry.websockets ?? context.websockets),
    warm,
  }
}

/** A token is a bearer token; a signature is made when the request is complete. */
function authWith(cloud: CloudConfig | null, usual: AuthScheme): AuthScheme {
  if (cloud === null) return usual
  return cloud.kind === 'aws' ? 'none' : 'bearer'
}

/** Picks the timeouts of upstreams from the general ones. @param own take precedence */
export function resolveUpstreamTimeouts(
  general: UpstreamTimeouts,
  own: UpstreamEntry['timeouts'] = {},
): UpstreamTimeouts {
  return {
    connectMs: own.connectMs ?? general.connectMs,
    firstByteMs: own.firstByteMs ?? general.firstByteMs,
    idleMs: own.idleMs ?? general.idleMs,
    upstreamKeepAliveMs: general.upstreamKeepAliveMs,
    upstreamReuseMs: general.upstreamReuseMs,
    upstreamAckMs: general.upstreamAckMs,
  }
}
