import * as crypto from 'node:crypto'
import { CREDENTIAL_HEADERS, headerValue } from '../http/headers.js'

/** Headers of a request that an answer may depend on. */
const VARYING = [
  'accept',
  'accept-encoding',
  'anthropic-beta',
  'anthropic-version',
  'openai-beta',
  'openai-organization',
  'openai-project',
]

/** What makes two requests the same. */
export interface Identity {
  /** Who may share: a key's id, a team, or empty for all. Null where clients are known by what they send alone. */
  readonly scope: string | null
  readonly upstream: string
  /** The model's name as it is sent on, where that is another one. */
  readonly model: string | null
  readonly path: string
  readonly query: string
  readonly rawHeaders: readonly string[]
  /** As it came. */
  readonly body: readonly Buffer[]
}

/** A request is another one if a byte of its body is: another temperature is another question. */
export function cacheKey(identity: Identity): string {
  const { rawHeaders, body } = identity
  const parts = [
    identity.scope ?? credentialsOf(rawHeaders),
    identity.upstream,
    identity.model ?? '',
    identity.path,
    identity.query,
  ]
  for (const name of VARYING) parts.push(headerValue(rawHeaders, name) ?? '')
  const bytes = body.length === 1 ? (body[0] as Buffer) : Buffer.concat(body)
  // A line end is in none of these.
  return `${parts.join('\n')}\n${sha256(bytes)}`
}

/** Only their hash is kept. */
function credentialsOf(rawHeaders: readonly string[]): string {
  let text = ''
  for (const name of CREDENTIAL_HEADERS) text += `${headerValue(rawHeaders, name) ?? ''}\n`
  return sha256(text)
}

function sha256(data: string | Buffer): string {
  return crypto.hash('sha256', data, 'base64')
}
