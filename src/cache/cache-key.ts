import * as crypto from 'node:crypto'
import { joinChunks } from '../lib/bytes.js'

/** Headers of a request that an answer may depend on. */
const VARYING: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'anthropic-beta',
  'anthropic-version',
  'content-encoding',
  'content-type',
  'openai-beta',
  'openai-organization',
  'openai-project',
  // With one of these, an answer may be a part, or say that there is nothing new.
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'range',
])

/** Headers that tell nothing of who asks, and are different each time. A credential may be in any other. */
const OF_NOBODY: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'traceparent',
  'tracestate',
  'transfer-encoding',
  'x-request-id',
  'x-stainless-retry-count',
  'x-thinwire-cache',
])

/** What makes two requests the same. */
export interface CacheKeyParts {
  /** Who may share: a key's id, a team, or empty for all. Null where clients are known by what they send alone. */
  readonly scope: string | null
  /** The targets to which it may go, and the model's names there. */
  readonly route: string
  readonly path: string
  readonly query: string
  readonly rawHeaders: readonly string[]
  /** As it came. */
  readonly body: readonly Buffer[]
}

/** Where something stands in a body. */
export interface Span {
  readonly start: number
  readonly end: number
}

/**
 * A request is another one if a byte of its body is: another temperature is another question.
 * @param prompt told apart in the key (`stemOf`), so that each byte is still hashed once
 */
export function buildCacheKey(identity: CacheKeyParts, prompt: Span | null = null): string {
  const { route, path, query, rawHeaders, body } = identity
  // A line end is in none of these.
  const head = `${identity.scope ?? callerOf(rawHeaders)}\n${route}\n${path}\n${query}\n${varyingOf(rawHeaders)}`
  const whole = joinChunks(body)
  if (prompt === null) return `${head}\n${sha256(whole)}`
  const { start, end } = prompt
  return `${head}\n${start} ${around(whole, prompt)}\n${sha256(whole.subarray(start, end))}`
}

/** What stands around a prompt: as it is while it is short, as a hash has its cost before the first byte (bench `hits`). */
function around(whole: Buffer, { start, end }: Span): string {
  if (whole.length - (end - start) <= MOST_AROUND) {
    return whole.toString('latin1', 0, start) + whole.toString('latin1', end)
  }
  return sha256(Buffer.concat([whole.subarray(0, start), whole.subarray(end)]))
}

const MOST_AROUND = 256

/** What a key says of all but the prompt: requests with the same stem differ in nothing else. */
export function prefixKeyOf(key: string): string {
  return key.slice(0, key.lastIndexOf('\n'))
}

/** All of them, in their order: a header may come in several lines. */
function varyingOf(rawHeaders: readonly string[]): string {
  let text = ''
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const lower = (rawHeaders[i] as string).toLowerCase()
    if (VARYING.has(lower)) text += `${lower}:${rawHeaders[i + 1]}\r`
  }
  return text
}

/** Whoever sends the same headers. Only their hash is kept. */
function callerOf(rawHeaders: readonly string[]): string {
  let text = ''
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const lower = (rawHeaders[i] as string).toLowerCase()
    if (!OF_NOBODY.has(lower)) text += `${lower}:${rawHeaders[i + 1]}\n`
  }
  return sha256(text)
}

function sha256(data: string | Buffer): string {
  return crypto.hash('sha256', data, 'base64')
}
