import type { AuthScheme } from '../api/presets.js'
import type { UpstreamConfig } from '../config/upstreams.js'
import { CREDENTIAL_HEADERS } from '../http/request-headers.js'
import type { TokenAccess } from './cloud-access.js'

/** Anthropic requires a version (API reference, Versioning): this one is sent if the client sent none. */
const ANTHROPIC_VERSION: readonly [string, string] = Object.freeze(['anthropic-version', '2023-06-01'])

/** The headers by which one upstream recognises its caller, and where it expects a client's own credential. */
export class UpstreamAuth {
  private readonly config: Pick<UpstreamConfig, 'auth' | 'headers'>
  private readonly headers: readonly string[]
  /** For paths where the upstream takes its key as a bearer token. */
  private readonly bearerHeaders: readonly string[]
  private readonly passthroughScheme: AuthScheme | null
  /** Null if the credential stays the same. */
  private readonly access: TokenAccess | null
  /** The headers with the token that was there last. */
  private tokenHeaders: readonly string[]
  private lastToken: string | null

  /** @param access gives the token of each moment; null if the config has the credential */
  constructor(config: UpstreamConfig, access: TokenAccess | null = null) {
    this.config = config
    this.access = access
    this.tokenHeaders = []
    this.lastToken = null
    this.headers = [...config.headers, ...buildCredential(config, config.auth)]
    this.bearerHeaders = [...config.headers, ...buildCredential(config, 'bearer')]
    // If the config sets a credential header itself, clients do not authenticate at this upstream.
    const setsCredential = config.headers.some((name, i) => i % 2 === 0 && CREDENTIAL_HEADERS.includes(name))
    this.passthroughScheme = setsCredential ? null : config.passthroughAuth
  }

  /**
   * The headers that this upstream needs, as name, value, name, value; names in lower case.
   * @param path behind the version
   * @param passthrough the client's own credential is sent, so ours is not added
   * @throws with the code CREDENTIAL_MISSING if there is no valid token at the moment
   */
  headersFor(path: string, passthrough: boolean): readonly string[] {
    if (passthrough) return this.config.headers
    if (this.access !== null) return this.addToken(this.access.takeToken())
    return schemeFor(path, this.config.auth) === 'bearer' ? this.bearerHeaders : this.headers
  }

  private addToken(token: string): readonly string[] {
    if (token !== this.lastToken) {
      this.tokenHeaders = [...this.config.headers, 'authorization', `Bearer ${token}`]
      this.lastToken = token
    }
    return this.tokenHeaders
  }

  /** The scheme in which a client's own credential is expected; null if unknown. */
  passthroughSchemeFor(path: string): AuthScheme | null {
    return this.passthroughScheme === null ? null : schemeFor(path, this.passthroughScheme)
  }

  /** A header, as name and value, that is added only if the client sent none of this name; null if there is none. */
  defaultHeaderFor(path: string): readonly [string, string] | null {
    return this.config.auth !== 'anthropic' || path.startsWith('/chat/') ? null : ANTHROPIC_VERSION
  }
}

/** Anthropic takes keys in a header of its own, except at its OpenAI-compatible paths. */
function schemeFor(path: string, scheme: AuthScheme): AuthScheme {
  return scheme === 'anthropic' && path.startsWith('/chat/') ? 'bearer' : scheme
}

/** The credential as one header; empty if there is none, or if it goes into the query. */
function buildCredential({ apiKey }: UpstreamConfig, scheme: AuthScheme): string[] {
  if (apiKey === null) return []
  switch (scheme) {
    case 'bearer':
      return ['authorization', `Bearer ${apiKey}`]
    case 'api-key':
      return ['api-key', apiKey]
    case 'x-api-key':
    case 'anthropic':
      return ['x-api-key', apiKey]
    case 'x-goog-api-key':
      return ['x-goog-api-key', apiKey]
    case 'query':
    case 'none':
      return []
  }
}
