import { KEY_PATTERN } from '../access/key.js'
import { decodeBody, findHeader, type HttpResponse } from './http-request.js'

const QUOTE_MAX = 240
const ANY_KEY = new RegExp(KEY_PATTERN, 'g')

/**
 * Makes text from a server safe to show: one line, without control characters, and without the key. Some APIs repeat
 * the beginning and the end of a key with asterisks between.
 */
export function cleanText(text: string, key: string): string {
  let plain = key === '' ? text : text.replaceAll(key, '[key]')
  plain = plain.replace(ANY_KEY, '[key]').replace(/[^\s"'`]*\*{3,}[^\s"'`,.]*/g, '[key]')
  // Control characters, and characters that change the direction of writing.
  return plain.replace(/[\s\p{C}]+/gu, ' ').trim()
}

/** The kind of a body: an error in OpenAI's format, other JSON, an HTML page (of a proxy), text, or nothing. */
export type BodyKind = 'error' | 'json' | 'page' | 'text' | 'empty'

/** Detects the kind of a body. */
export function detectBodyKind(response: HttpResponse): BodyKind {
  const text = decodeBody(response).trim()
  if (text === '') return 'empty'
  const value = parseBody(response)
  if (value !== undefined) return readErrorMessage(value) === null ? 'json' : 'error'
  const type = findHeader(response, 'content-type') ?? ''
  return /html/i.test(type) || /^<(?:!doctype|html)/i.test(text) ? 'page' : 'text'
}

/** Parses a body. @returns undefined if it is not JSON */
export function parseBody(response: HttpResponse): unknown {
  try {
    return JSON.parse(decodeBody(response)) as unknown
  } catch {
    return undefined
  }
}

/** Reads `error.message`, which clients show. @returns null if there is none */
function readErrorMessage(value: unknown): string | null {
  const error = readField(value, 'error')
  const message = readField(error, 'message')
  return typeof message === 'string' && message !== '' ? message : null
}

/** Reads a field of a value. @returns undefined if it is no object or has no such field */
export function readField(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined
}

/** Formats the status and the message of a body: `401: No API key was sent`. */
export function quoteBody(response: HttpResponse, key: string): string {
  return `${response.status}${describeBody(response, key)}`
}

function describeBody(response: HttpResponse, key: string): string {
  const text = decodeBody(response)
  switch (detectBodyKind(response)) {
    case 'empty':
      return ' without a body'
    case 'error':
      return `: ${shorten(cleanText(readErrorMessage(parseBody(response)) ?? '', key))}`
    case 'page': {
      const title = /<title>([^<]*)<\/title>/i.exec(text)?.[1] ?? /<h1>([^<]*)<\/h1>/i.exec(text)?.[1] ?? ''
      const named = cleanText(title, key)
      return named === '' ? ', an HTML page' : `, an HTML page ("${shorten(named)}")`
    }
    default:
      return `: ${shorten(cleanText(text.slice(0, 8 * QUOTE_MAX), key))}`
  }
}

function shorten(text: string): string {
  return text.length <= QUOTE_MAX ? text.replace(/\.$/, '') : `${text.slice(0, QUOTE_MAX).trimEnd()}...`
}
