import { type ProxyConfig, resolveProxy } from './proxy.js'
import type { UpstreamEntry } from './schema.js'
import type { Secrets } from './secrets.js'

/** Where the access keys of AWS come from. */
export type AwsSource =
  | {
      readonly from: 'keys'
      readonly accessKeyId: string
      readonly secretAccessKey: string
      readonly sessionToken: string | null
    }
  | {
      readonly from: 'container'
      readonly url: string
      /** Sent as `authorization`; read from the file each time if there is one. */
      readonly token: string | null
      readonly tokenFile: string | null
    }
  | { readonly from: 'instance'; readonly url: string }
  | {
      readonly from: 'web-identity'
      readonly url: string
      readonly roleArn: string
      readonly sessionName: string
      readonly tokenFile: string
    }

/** Where the tokens of Google come from. */
export type GoogleSource =
  | {
      readonly from: 'service-account'
      readonly url: string
      readonly email: string
      readonly keyId: string | null
      /** PEM. */
      readonly privateKey: string
    }
  | {
      readonly from: 'user'
      readonly url: string
      readonly clientId: string
      readonly clientSecret: string
      readonly refreshToken: string
    }
  | { readonly from: 'instance'; readonly url: string }

/** Where the tokens of Entra ID come from. */
export type EntraSource =
  | {
      readonly from: 'secret'
      readonly url: string
      readonly clientId: string
      readonly clientSecret: string
    }
  | {
      readonly from: 'web-identity'
      readonly url: string
      readonly clientId: string
      readonly tokenFile: string
    }
  | {
      readonly from: 'app-service'
      readonly url: string
      readonly header: string
      readonly clientId: string | null
    }
  | { readonly from: 'instance'; readonly url: string; readonly clientId: string | null }

/** A credential that the relay makes or fetches itself. */
export type CloudConfig = (
  | { readonly kind: 'aws'; readonly region: string; readonly source: AwsSource }
  | { readonly kind: 'google'; readonly source: GoogleSource }
  | { readonly kind: 'entra'; readonly scope: string; readonly source: EntraSource }
) & {
  /** On the way to the token endpoint; null for none. */
  readonly proxy: ProxyConfig | null
}

/** What the settings of a cloud say: the credential, and where the upstream is. */
export interface ResolvedCloud {
  /** Null if the relay has none of its own: clients bring theirs, or there is a key instead. */
  readonly credential: CloudConfig | null
  /** Null: nothing is known of it. */
  readonly address: CloudAddress | null
}

/** Where a preset of a cloud is. */
export interface CloudAddress {
  readonly baseUrl: string
  /** Paths that have another base path, as pairs of path and base path. */
  readonly otherBasePaths: readonly (readonly [string, string])[]
}

/** An upstream without any of it. */
export const NO_CLOUD: ResolvedCloud = { credential: null, address: null }

/** Where the settings of a cloud are read. */
export interface CloudPlace {
  readonly secrets: Secrets
  /** Of the entry. */
  readonly path: string
  /** Clients bring credentials of their own. */
  readonly passthrough: boolean
  /** The entry has a key that stays the same, so that it needs no other credential. */
  readonly hasKey: boolean
  /** A variable of the environment; null if it is not set. */
  readonly env: (name: string) => string | null
}

/** Reads a variable of the environment that a source cannot do without. @param where the setting that needs it */
export function readRequired(variable: string, where: string, { env, secrets }: CloudPlace): string | null {
  const value = env(variable)
  if (value === null) secrets.report(where, `needs the environment variable ${variable}, which is not set`)
  return value
}

/** Checks the URL of an endpoint. @returns null if there is a problem with it */
export function fromUrl<T>(
  text: string,
  where: string,
  { secrets }: CloudPlace,
  create: (url: string) => T,
): T | null {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    secrets.report(where, 'must be a URL with http:// or https://')
    return null
  }
  return create(text)
}

/** The proxy on the way to an endpoint; null for none. */
export function proxyTo(
  entry: UpstreamEntry,
  url: string,
  { path, secrets }: CloudPlace,
): ProxyConfig | null {
  return resolveProxy(entry.proxy, new URL(url).origin, path, secrets)
}
