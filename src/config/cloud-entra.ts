import {
  type CloudPlace,
  type EntraSource,
  fromUrl,
  NO_CLOUD,
  proxyTo,
  type ResolvedCloud,
  readRequired,
} from './cloud-config.js'
import type { UpstreamEntry } from './schema.js'

/** Resolves `entra` of an entry. */
export function resolveEntra(entry: UpstreamEntry, place: CloudPlace): ResolvedCloud {
  const settings = entry.entra
  const { secrets, path, env, passthrough } = place
  if (settings === undefined || passthrough) return NO_CLOUD
  if (place.hasKey) {
    secrets.report(`${path}.entra`, 'and a key are both there; keep one')
    return NO_CLOUD
  }
  const hasSecret = settings.clientSecret !== undefined || env('AZURE_CLIENT_SECRET') !== null
  const from = settings.source ?? guessEntraSource(hasSecret, env)
  const source = readEntraSource(from, settings, place)
  if (source === null) return NO_CLOUD
  const isDirect = source.from === 'instance' || source.from === 'app-service'
  const proxy = isDirect ? null : proxyTo(entry, source.url, place)
  return { credential: { kind: 'entra', scope: settings.scope, source, proxy }, address: null }
}

type EntraSettings = NonNullable<UpstreamEntry['entra']>

function guessEntraSource(hasSecret: boolean, env: CloudPlace['env']): EntraSource['from'] {
  if (hasSecret) return 'secret'
  if (env('AZURE_FEDERATED_TOKEN_FILE') !== null) return 'web-identity'
  return env('IDENTITY_ENDPOINT') === null ? 'instance' : 'app-service'
}

function readEntraSource(
  from: EntraSource['from'],
  settings: EntraSettings,
  place: CloudPlace,
): EntraSource | null {
  const { secrets, path, env } = place
  const where = `${path}.entra.tokenUrl`
  const source = `${path}.entra.source`
  const clientId = settings.clientId ?? env('AZURE_CLIENT_ID')
  if (from === 'instance')
    return fromUrl(settings.tokenUrl ?? IMDS, where, place, (url) => ({ from, url, clientId }))
  if (from === 'app-service') {
    const endpoint = settings.tokenUrl ?? readRequired('IDENTITY_ENDPOINT', source, place)
    const header = readRequired('IDENTITY_HEADER', source, place)
    if (endpoint === null || header === null) return null
    return fromUrl(endpoint, where, place, (url) => ({ from, url, header, clientId }))
  }
  const tenant = settings.tenant ?? env('AZURE_TENANT_ID')
  if (tenant === null) secrets.report(`${path}.entra.tenant`, 'is missing; give it, or set AZURE_TENANT_ID')
  if (clientId === null)
    secrets.report(`${path}.entra.clientId`, 'is missing; give it, or set AZURE_CLIENT_ID')
  if (tenant === null || clientId === null) return null
  const authority = env('AZURE_AUTHORITY_HOST') ?? 'https://login.microsoftonline.com'
  const url = settings.tokenUrl ?? `${authority.replace(/\/+$/, '')}/${tenant}/oauth2/v2.0/token`
  if (from === 'web-identity') {
    const tokenFile = readRequired('AZURE_FEDERATED_TOKEN_FILE', source, place)
    if (tokenFile === null) return null
    return fromUrl(url, where, place, (tokens) => ({ from, url: tokens, clientId, tokenFile }))
  }
  const ref = settings.clientSecret ?? { env: 'AZURE_CLIENT_SECRET' }
  const clientSecret = secrets.read(ref, `${path}.entra.clientSecret`)
  return fromUrl(url, where, place, (tokens) => ({ from, url: tokens, clientId, clientSecret }))
}

const IMDS = 'http://169.254.169.254/metadata/identity/oauth2/token'
