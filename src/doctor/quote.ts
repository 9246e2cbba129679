import { KEY_PATTERN } from '../access/key.js'
import { type Answer, decodeBody, findHeader } from './wire.js'

const LONGEST = 240
const ANY_KEY = new RegExp(KEY_PATTERN, 'g')

/**
 * Makes a text of others fit to be shown: on one line, without what a terminal would act upon, and without the key, of
 * which some APIs repeat the beginning and the end with asterisks between.
 */
export function cleanText(text: string, key: string): string {
  let plain = key === '' ? text : text.replaceAll(key, '[key]')
  plain = plain.replace(ANY_KEY, '[key]').replace(/[^\s"'`]*\*{3,}[^\s"'`,.]*/g, '[key]')
  // Control characters, and those that turn the direction of writing.
  return plain.replace(/[\s\p{C}]+/gu, ' ').trim()
}

/** What the body of an answer is: an error as OpenAI's API has it, other JSON, a page of a proxy's, text, or nothing. */
export type BodyKind = 'error' | 'json' | 'page' | 'text' | 'empty'

export function detectBodyKind(answer: Answer): BodyKind {
  const text = decodeBody(answer).trim()
  if (text === '') return 'empty'
  const value = parseBody(answer)
  if (value !== undefined) return errorMessage(value) === null ? 'json' : 'error'
  const type = findHeader(answer, 'content-type') ?? ''
  return /html/i.test(type) || /^<(?:!doctype|html)/i.test(text) ? 'page' : 'text'
}

/** Undefined if it is no JSON. */
export function parseBody(answer: Answer): unknown {
  try {
    return JSON.parse(decodeBody(answer)) as unknown
  } catch {
    return undefined
  }
}

/** `error.message`, which clients show; null if there is none. */
function errorMessage(value: unknown): string | null {
  const error = readField(value, 'error')
  const message = readField(error, 'message')
  return typeof message === 'string' && message !== '' ? message : null
}

export function readField(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined
}

/** The status, and what the body says: `401: No API key was sent.` */
export function quoteBody(answer: Answer, key: string): string {
  return `${answer.status}${saidBy(answer, key)}`
}

function saidBy(answer: Answer, key: string): string {
  const text = decodeBody(answer)
  switch (detectBodyKind(answer)) {
    case 'empty':
      return ' without a body'
    case 'error':
      return `: ${cut(cleanText(errorMessage(parseBody(answer)) ?? '', key))}`
    case 'page': {
      const title = /<title>([^<]*)<\/title>/i.exec(text)?.[1] ?? /<h1>([^<]*)<\/h1>/i.exec(text)?.[1] ?? ''
      const named = cleanText(title, key)
      return named === '' ? ', an HTML page' : `, an HTML page ("${cut(named)}")`
    }
    default:
      return `: ${cut(cleanText(text.slice(0, 8 * LONGEST), key))}`
  }
}

function cut(text: string): string {
  return text.length <= LONGEST ? text.replace(/\.$/, '') : `${text.slice(0, LONGEST).trimEnd()}...`
}
