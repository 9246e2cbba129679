import { createPrivateKey } from 'node:crypto'
import { isObject, type JsonObject, parseJson } from '../json/values.js'
import {
  type CloudAddress,
  type CloudPlace,
  fromUrl,
  type GoogleSource,
  proxyTo,
  type ResolvedCloud,
} from './cloud-config.js'
import type { SecretRef, UpstreamEntry } from './schema.js'
import { StandInSecrets } from './secrets.js'

const GOOGLE_METADATA = 'http://metadata.google.internal'
const GOOGLE_TOKENS = 'https://oauth2.googleapis.com/token'

/** Resolves `google` of an entry. */
export function resolveGoogle(entry: UpstreamEntry, place: CloudPlace): ResolvedCloud {
  const { secrets, path, env, passthrough, hasKey } = place
  const settings = entry.google ?? {}
  const hasOther = hasKey || passthrough
  const file = hasOther || settings.source === 'instance' ? null : readGoogleFile(settings, place)
  const source = hasOther ? null : findGoogleSource(settings, file, place)
  const project =
    settings.project ??
    env('GOOGLE_CLOUD_PROJECT') ??
    textOf(file?.project_id) ??
    // The key that names it is not read.
    (secrets instanceof StandInSecrets ? 'project' : null)
  const location = settings.location ?? env('GOOGLE_CLOUD_LOCATION') ?? 'global'
  // A file that cannot be read has been reported.
  const isUnread = !hasOther && settings.source !== 'instance' && file === null
  if (entry.preset === 'vertex' && project === null && !isUnread)
    secrets.report(`${path}.google.project`, 'is missing; give the id of the project that pays')
  const address = entry.preset === 'vertex' && project !== null ? buildVertexAddress(project, location) : null
  if (source === null) {
    if (isUnread && findGoogleRef(settings, env) === null)
      secrets.report(
        `${path}.google.credentials`,
        'is missing; name a file: {"file": "PATH"}, or set GOOGLE_APPLICATION_CREDENTIALS, or give the source "instance" for the service account of this machine',
      )
    return { credential: null, address }
  }
  const proxy = source.from === 'instance' ? null : proxyTo(entry, source.url, place)
  return { credential: { kind: 'google', source, proxy }, address }
}

/**
 * Models of Google and of others have paths of their own, and chat completions another one. The project and the
 * location of a client's path are left out where the request comes in, and are these here.
 */
function buildVertexAddress(project: string, location: string): CloudAddress {
  const place = `/projects/${project}/locations/${location}`
  return {
    baseUrl: `https://${vertexHostOf(location)}/v1${place}/endpoints/openapi`,
    otherBasePaths: [
      ['/publishers', `/v1${place}`],
      // Google's own clients ask for this version, which has what v1 has and more.
      ['/models', `/v1beta1${place}/publishers/google`],
    ],
  }
}

function vertexHostOf(location: string): string {
  if (location === 'global') return 'aiplatform.googleapis.com'
  return location === 'us' || location === 'eu'
    ? `aiplatform.${location}.rep.googleapis.com`
    : `${location}-aiplatform.googleapis.com`
}

type GoogleSettings = NonNullable<UpstreamEntry['google']>

function findGoogleRef({ credentials }: GoogleSettings, env: CloudPlace['env']): SecretRef | null {
  const named = env('GOOGLE_APPLICATION_CREDENTIALS')
  return credentials ?? (named === null ? null : { file: named })
}

/** @returns null if there is none, or there is a problem with it */
function readGoogleFile(settings: GoogleSettings, { secrets, path, env }: CloudPlace): JsonObject | null {
  const ref = findGoogleRef(settings, env)
  if (ref === null) return null
  const where = `${path}.google.credentials`
  const text = secrets.readDocument(ref, where)
  if (text === null) return null
  const value = parseJson(text)
  if (isObject(value)) return value
  secrets.report(where, 'is no JSON; name the file that Google has issued')
  return null
}

function findGoogleSource(
  { source, tokenUrl }: GoogleSettings,
  file: JsonObject | null,
  place: CloudPlace,
): GoogleSource | null {
  const { secrets, path, env } = place
  if (source === 'instance') {
    const host = env('GCE_METADATA_HOST')
    const usual = host === null ? GOOGLE_METADATA : `http://${host}`
    return fromUrl(tokenUrl ?? usual, `${path}.google.tokenUrl`, place, (url) => ({ from: 'instance', url }))
  }
  if (file === null) return null
  const where = `${path}.google.credentials`
  if (file.type === 'authorized_user') {
    const clientId = textOf(file.client_id)
    const clientSecret = textOf(file.client_secret)
    const refreshToken = textOf(file.refresh_token)
    if (clientId !== null && clientSecret !== null && refreshToken !== null)
      return fromUrl(tokenUrl ?? GOOGLE_TOKENS, `${path}.google.tokenUrl`, place, (url) => ({
        from: 'user',
        url,
        clientId,
        clientSecret,
        refreshToken,
      }))
  } else if (file.type === 'service_account') {
    const email = textOf(file.client_email)
    const privateKey = textOf(file.private_key)
    const url = tokenUrl ?? textOf(file.token_uri) ?? GOOGLE_TOKENS
    if (privateKey !== null && !isPrivateKey(privateKey)) {
      secrets.report(where, 'has a private_key that cannot be read; issue another key')
      return null
    }
    if (email !== null && privateKey !== null)
      return fromUrl(url, `${path}.google.tokenUrl`, place, (tokens) => ({
        from: 'service-account',
        url: tokens,
        email,
        keyId: textOf(file.private_key_id),
        privateKey,
      }))
  }
  secrets.report(
    where,
    'is no key of a service account, nor what gcloud auth application-default login writes',
  )
  return null
}

function isPrivateKey(text: string): boolean {
  try {
    return createPrivateKey(text).asymmetricKeyType === 'rsa'
  } catch {
    return false
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
