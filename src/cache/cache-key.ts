import * as crypto from 'node:crypto'
import { isNeverSent } from '../http/request-headers.js'
import { joinChunks } from '../lib/bytes.js'

/**
 * Request headers that reach an upstream and change no response. Whatever is not here may choose an account, a provider
 * or a feature (`openai-project`, `helicone-auth`, `x-portkey-config`, `anthropic-beta`), so that it is in the key.
 */
const HARMLESS: ReadonlySet<string> = new Set([
  // The program that asks; the API that it speaks is in the path.
  ...[
    'user-agent',
    'accept-language',
    'http-referer',
    'referer',
    'x-title',
    'x-app',
    'dnt',
    'sec-gpc',
    'priority',
  ],
  // Ids of this one request, for logs and traces.
  ...['x-request-id', 'x-client-request-id', 'x-correlation-id', 'idempotency-key'],
  ...['traceparent', 'tracestate', 'baggage', 'sentry-trace', 'b3'],
  // The relay reads them: whether it may answer from memory.
  ...['cache-control', 'pragma'],
  // Claude Code's session and subagent, for its own statistics.
  ...['x-claude-code-session-id', 'x-claude-code-agent-id'],
])

/** Beginnings of such names: what the official clients say of themselves, what browsers say, parts of traces. */
const HARMLESS_PREFIXES = ['x-stainless-', 'sec-ch-', 'x-b3-', 'x-datadog-']

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

/** All headers that may matter, in their order: a header may have several lines. */
function varyingOf(rawHeaders: readonly string[]): string {
  let text = ''
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    const known = varyingNames.get(name)
    const lower = known === undefined ? rememberName(name) : known
    if (lower !== null) text += `${lower}:${rawHeaders[i + 1]}\r`
  }
  return text
}

/** Names as clients write them, in lower case; null for those that do not matter (bench `hits`: 1 us of a key less). */
const varyingNames = new Map<string, string | null>()

/** Bounded: clients can send any names. */
const NAMES_MAX = 500
const NAME_MAX = 64

function rememberName(name: string): string | null {
  const lower = name.toLowerCase()
  const varying = isNeverSent(lower) || isHarmless(lower) ? null : lower
  if (name.length > NAME_MAX) return varying
  if (varyingNames.size >= NAMES_MAX) varyingNames.clear()
  varyingNames.set(name, varying)
  return varying
}

function isHarmless(lower: string): boolean {
  if (HARMLESS.has(lower)) return true
  for (const prefix of HARMLESS_PREFIXES) if (lower.startsWith(prefix)) return true
  return false
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
