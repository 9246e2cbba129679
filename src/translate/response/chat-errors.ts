import { isObject, type JsonObject, parseJson, stringOr } from '../../json/values.js'

/** All four are there in each error of OpenAI's (openai-openapi, `Error`). */
export interface ChatError {
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string | number | null
}

const FIELDS = ['message', 'type', 'param', 'code']

/** @param error of any of the APIs; null for one that did not say what went wrong */
export function createChatError(error: JsonObject | null): ChatError {
  const { message, type, param, code, status } = error ?? {}
  return {
    message: stringOr(message, 'The upstream reported an error and did not say which.'),
    // Of the flat form the type is that of the event; Gemini calls its type a status.
    type: typeof type === 'string' && type !== 'error' ? type : stringOr(status, 'server_error'),
    param: stringOr(param, null),
    code: typeof code === 'string' || typeof code === 'number' ? code : null,
  }
}

/**
 * The body of an answer with an error's status, in OpenAI's form: from Anthropic's, from Gemini's list, and from those that
 * leave out some of the fields. What more an error tells stays in it.
 * @returns the same bytes if they are in that form, or in none of these
 */
export function translateError(body: Buffer): Buffer {
  const parsed = parseJson(body.toString('utf8'))
  const answer: unknown = Array.isArray(parsed) && parsed.length > 0 ? parsed[0] : parsed
  if (!isObject(answer) || !isObject(answer.error)) return body
  const { error } = answer
  if (typeof error.message !== 'string') return body
  const { type: _, ...rest } = answer
  if (answer === parsed && answer.type !== 'error' && FIELDS.every((field) => field in error)) return body
  return Buffer.from(JSON.stringify({ ...rest, error: { ...error, ...createChatError(error) } }))
}
