import { findHeader, type RawHeaders } from '../http/flat-headers.js'
import { asObject, filterObjects, isObject, type JsonObject, parseJson } from '../json/values.js'
import { findDelayMs, parseDurationMs } from './delay-text.js'

/** What the error of an upstream says, in whatever form the vendor has it. */
export interface ErrorFacts {
  /** Its types, codes and reasons, in lower case, the most telling first. */
  readonly words: readonly string[]
  readonly message: string
  /** Milliseconds until the upstream wants to be asked again; null if it does not say. */
  readonly delayMs: number | null
}

/** The rest of a longer message says nothing new, and may repeat a prompt. */
const MESSAGE_MAX = 2_000

/** Words are codes: a longer one is a sentence. */
const WORD_MAX = 80

/** No upstream means more than a month. */
const DELAY_MAX_MS = 31 * 86_400_000

/** AWS tells the type in a header, and the message alone in the body. */
const TYPE_HEADER = 'x-amzn-errortype'

/**
 * Reads an error response.
 * @param body null if it is not complete
 * @param wallMs Unix time in milliseconds, for the times in it
 * @returns null if neither head nor body say anything that can be read
 */
export function readErrorResponse(raw: RawHeaders, body: Buffer | null, wallMs: number): ErrorFacts | null {
  const facts = body === null ? null : readErrorBody(body, wallMs)
  // ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/
  const type = (findHeader(raw, TYPE_HEADER) ?? '').split(':', 1)[0]?.trim().toLowerCase() ?? ''
  if (type === '' || type.length > WORD_MAX) return facts
  if (facts === null) return { words: [type], message: '', delayMs: null }
  return { ...facts, words: [type, ...facts.words] }
}

/**
 * Reads the body of an error response.
 * @param wallMs Unix time in milliseconds, for the times in it
 * @returns null if it is no JSON
 */
export function readErrorBody(body: Buffer, wallMs: number): ErrorFacts | null {
  const value = parseJson(body.toString('utf8'))
  // Gemini sends a list with one error where a stream was asked for that is no event stream.
  const [first] = Array.isArray(value) ? value : [value]
  return isObject(first) ? readErrorFacts(first, wallMs) : null
}

/**
 * Reads an object that reports an error: a body, or the data of an event. The error is a member (`error`, or `error` of
 * `response`), or the object itself.
 */
export function readErrorFacts(object: JsonObject, wallMs: number): ErrorFacts {
  const outer = isObject(object.response) ? object.response : object
  const error = isObject(outer.error) ? outer.error : outer
  const metadata = asObject(error.metadata)
  const details = filterObjects(error.details)
  const words: string[] = []
  for (const each of [error, asObject(error.innererror), ...details, metadata, outer]) addWords(words, each)
  const message = firstText(error.message, outer.error, outer.message, outer.detail, outer.Message)
  const text = message.slice(0, MESSAGE_MAX)
  const told = readDelay(error) ?? readDelay(outer) ?? readDelay(metadata)
  const ms = told ?? findRetryInfo(details) ?? readReset(metadata, wallMs) ?? findDelayMs(text, wallMs)
  return { words, message: text, delayMs: ms !== null && ms >= 0 ? Math.min(ms, DELAY_MAX_MS) : null }
}

const WORD_FIELDS = ['type', 'code', 'status', 'reason', '__type', 'error_code', 'error_type', 'errorCode']

function addWords(words: string[], object: JsonObject): void {
  for (const field of WORD_FIELDS) {
    const value = object[field]
    if (typeof value !== 'string' && typeof value !== 'number') continue
    const word = String(value).toLowerCase()
    // AWS: com.amazonaws...#AccessDeniedException. The `@type` of Google's details is no word.
    const short = word.slice(word.lastIndexOf('#') + 1)
    if (short !== '' && short.length <= WORD_MAX && short !== 'error' && !words.includes(short))
      words.push(short)
  }
}

function firstText(...values: readonly unknown[]): string {
  for (const value of values) if (typeof value === 'string') return value
  return ''
}

/** Members of an error that say when to ask again. */
function readDelay(object: JsonObject): number | null {
  for (const [field, unit] of [
    ['retry_after_ms', 1],
    ['retry_after_seconds', 1_000],
    ['retry_after', 1_000],
    ['retryAfter', 1_000],
  ] as const) {
    const value = object[field]
    const number = typeof value === 'string' && value !== '' ? Number(value) : value
    if (typeof number === 'number' && number >= 0 && Number.isFinite(number)) return Math.round(number * unit)
  }
  return null
}

/** Google's `RetryInfo` (google.rpc, error_details.proto): `{"retryDelay": "34s"}`. */
function findRetryInfo(details: readonly JsonObject[]): number | null {
  for (const { retryDelay } of details) {
    if (typeof retryDelay === 'string') return parseDurationMs(retryDelay)
    if (isObject(retryDelay)) return Math.round(Number(retryDelay.seconds ?? 0) * 1_000)
  }
  return null
}

/** OpenRouter repeats the headers of its provider: the reset is Unix time in milliseconds. */
function readReset(metadata: JsonObject, wallMs: number): number | null {
  const at = Number(asObject(metadata.headers)['X-RateLimit-Reset'] ?? Number.NaN)
  return Number.isFinite(at) && at > wallMs ? Math.round(at - wallMs) : null
}
