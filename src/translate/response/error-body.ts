import type { BodyApi } from '../../api/apis.js'
import { isObject, type JsonObject, parseJson, stringOr } from '../../json/values.js'
import { type ChatError, createChatError } from './chat-errors.js'
import { formatError } from './error-bodies.js'

/** In characters. A longer text is no message. */
const LONGEST_MESSAGE = 1000

/** Phrases of errors for prompts that are too long, of vendors and of servers for local models. */
const TOO_LONG = [
  /\bprompt is too long\b/i,
  /\binput is too long for (?:the )?requested model\b/i,
  /\bmaximum context length\b/i,
  /\bmaximum prompt length is\b/i,
  /\bexceeds? (?:the )?(?:available |maximum |model'?s? )*context\b/i,
  /\binput token count\b.{0,40}\bexceeds the maximum number of tokens\b/i,
  /\binput exceeds the context window\b/i,
]

/**
 * Reads the body of an error response (status 400 and above): the forms of OpenAI, Anthropic and Gemini, those of
 * common servers and gateways, and what is no JSON: a short text is the message, of a page in HTML its title.
 * @param contentType null if there is none
 * @param status decides the type of an error that has none
 * @returns `code` is `context_length_exceeded` where the message says so, whatever the upstream calls it
 */
export function readErrorBody(body: Buffer, contentType: string | null, status: number): ChatError {
  const text = body.toString('utf8').trim()
  const error = findErrorObject(parseJson(text)) ?? { message: readMessage(text, contentType) }
  const read = createChatError({ ...error, message: stringOr(error.message, '') || describe(status) })
  const isTyped =
    typeof error.status === 'string' || (typeof error.type === 'string' && error.type !== 'error')
  const type = isTyped ? read.type : typeOf(status)
  return { ...read, type, code: isTooLong(read, status) ? 'context_length_exceeded' : read.code }
}

/** The object with the message, in any form; null if there is none. */
function findErrorObject(parsed: unknown): JsonObject | null {
  const body: unknown = Array.isArray(parsed) ? parsed[0] : parsed
  if (typeof body === 'string' && body !== '') return { message: body }
  if (!isObject(body)) return null
  const { error, errors, detail } = body
  if (isObject(error)) return typeof error.message === 'string' ? error : { ...body, ...error }
  if (typeof error === 'string') return { ...body, message: stringOr(body.message, '') || error }
  if (typeof body.message === 'string') return body
  if (typeof body.Message === 'string') return { message: body.Message }
  // FastAPI, and so many servers for local models.
  if (typeof detail === 'string') return { ...body, message: detail }
  const list: unknown = Array.isArray(errors) ? errors[0] : Array.isArray(detail) ? detail[0] : null
  if (typeof list === 'string') return { message: list }
  if (isObject(list)) return { message: stringOr(list.message, '') || stringOr(list.msg, '') }
  return null
}

/** The message of a body that is no JSON, or no error; '' if it has none. */
function readMessage(text: string, contentType: string | null): string {
  if (/^\s*[[{]/.test(text)) return ''
  const isPage = /html/i.test(contentType ?? '') || /^<(?:!doctype|html|head|body|\?xml|!--)/i.test(text)
  if (!isPage) return text.length <= LONGEST_MESSAGE && !/<\/?[a-z]/i.test(text) ? tidy(text) : ''
  const title = /<title[^>]{0,200}>([^<]{0,1000})/i.exec(text)?.[1] ?? ''
  return tidy(decodeEntities(title)).slice(0, LONGEST_MESSAGE)
}

/** On one line, without control characters. */
function tidy(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, ' ').trim()
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  '#39': "'",
  nbsp: ' ',
}

function decodeEntities(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (entity, name: string) => ENTITIES[name] ?? entity)
}

function describe(status: number): string {
  return `The upstream answered with status ${status} and without an error message.`
}

/** As OpenAI's API names errors. */
function typeOf(status: number): string {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

/** Rate limits speak of tokens and limits too, but have a status of their own. */
function isTooLong({ message, type, code }: ChatError, status: number): boolean {
  if (code === 'context_length_exceeded' || type === 'exceed_context_size_error') return true
  return (
    (status === 400 || status === 413 || status === 422) && TOO_LONG.some((phrase) => phrase.test(message))
  )
}

/**
 * Converts the body of an error response to the form of the API that the client reads.
 * @returns the same bytes if a client of chat completions or Responses gets an error of OpenAI's form already
 */
export function convertErrorBody(body: Buffer, reads: BodyApi, status: number): Buffer {
  const text = body.toString('utf8')
  const json = findStreamedError(text) ?? text
  const read = readErrorBody(Buffer.from(json), null, status)
  if (reads === 'messages') return formatError(read, reads, status)
  const parsed = parseJson(json)
  const response: unknown = Array.isArray(parsed) ? parsed[0] : parsed
  if (!isObject(response) || !isObject(response.error)) return formatError(read, reads, status)
  const { type: _, ...rest } = response
  const { error } = response
  if (response.type !== 'error' && json === text && response === parsed && isSame(error, read)) return body
  return Buffer.from(JSON.stringify({ ...rest, error: { ...error, ...read } }))
}

/** The first data of an event stream: some servers send their errors as one, whatever the status. */
function findStreamedError(text: string): string | null {
  return /^(?:(?:event|id|retry):[^\n]*\r?\n)*data: ?([^\r\n]*)/.exec(text.trimStart())?.[1] ?? null
}

function isSame(error: JsonObject, read: ChatError): boolean {
  return Object.entries(read).every(([member, value]) => error[member] === value)
}
