import * as crypto from 'node:crypto'
import { joinChunks } from '../lib/bytes.js'

/** Request headers that a response may depend on. */
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
  // With one of these, a response may be partial, or a 304.
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'range',
])

/** Headers that do not identify the client and vary between its requests. Any other header may hold a credential. */
const NOT_IDENTIFYING: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'traceparent',
  'tracestate',
  'transfer-encoding',
  'x-request-id',
  'x-stainless-retry-count',
  'x-thinwire-cache',
])

/** The parts of a request that must be equal for a cache hit. */
export interface CacheKeyParts {
  /** Who shares responses: a key's id, a team, or empty for all. Null: clients are identified by their headers. */
  readonly scope: string | null
  /** Identifies the targets, and the models' names there. */
  readonly route: string
  readonly path: string
  readonly query: string
  readonly rawHeaders: readonly string[]
  /** The bytes as the client sent them. */
  readonly body: readonly Buffer[]
}

/** A range of bytes in a body. */
export interface Span {
  readonly start: number
  readonly end: number
}

/**
 * Builds the cache key of a request. Every byte of the body counts: another temperature gives another response.
 * @param prompt range of the prompt; it has its own part of the key (`prefixKeyOf`), so that each byte is hashed once
 */
export function buildCacheKey(identity: CacheKeyParts, prompt: Span | null = null): string {
  const { route, path, query, rawHeaders, body } = identity
  // None of these parts contains a line end.
  const head = `${identity.scope ?? callerOf(rawHeaders)}\n${route}\n${path}\n${query}\n${varyingOf(rawHeaders)}`
  const whole = joinChunks(body)
  if (prompt === null) return `${head}\n${sha256(whole)}`
  const { start, end } = prompt
  return `${head}\n${start} ${around(whole, prompt)}\n${sha256(whole.subarray(start, end))}`
}

/** The body around a prompt: unhashed while short, because a hash has a fixed cost (bench `hits`). */
function around(whole: Buffer, { start, end }: Span): string {
  if (whole.length - (end - start) <= MAX_AROUND) {
    return whole.toString('latin1', 0, start) + whole.toString('latin1', end)
  }
  return sha256(Buffer.concat([whole.subarray(0, start), whole.subarray(end)]))
}

/** Bytes up to which the body around a prompt is not hashed. */
const MAX_AROUND = 256

/** The key without its prompt: requests with equal prefix keys differ in the prompt alone. */
export function prefixKeyOf(key: string): string {
  return key.slice(0, key.lastIndexOf('\n'))
}

/** All varying headers in their order: a header may have several lines. */
function varyingOf(rawHeaders: readonly string[]): string {
  let text = ''
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const lower = (rawHeaders[i] as string).toLowerCase()
    if (VARYING.has(lower)) text += `${lower}:${rawHeaders[i + 1]}\r`
  }
  return text
}

/** Identifies a client by a hash of its headers. */
function callerOf(rawHeaders: readonly string[]): string {
  let text = ''
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const lower = (rawHeaders[i] as string).toLowerCase()
    if (!NOT_IDENTIFYING.has(lower)) text += `${lower}:${rawHeaders[i + 1]}\n`
  }
  return sha256(text)
}

function sha256(data: string | Buffer): string {
  return crypto.hash('sha256', data, 'base64')
}
