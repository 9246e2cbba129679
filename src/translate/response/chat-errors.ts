import { isObject, type JsonObject, parseJson, stringOr } from '../../json/values.js'

/** The error object of OpenAI's APIs: each error has all four members (openai-openapi, `Error`). */
export interface ChatError {
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string | number | null
}

const MEMBERS = ['message', 'type', 'param', 'code']

/**
 * Converts an error object of any of the APIs, Gemini's too.
 * @param error null if the upstream did not say what went wrong
 */
export function createChatError(error: JsonObject | null): ChatError {
  const { message, type, param, code, status } = error ?? {}
  return {
    message: stringOr(message, 'The upstream reported an error without a message.'),
    // In a flat error event, `type` is the event's own type. Gemini calls the type `status`.
    type: typeof type === 'string' && type !== 'error' ? type : stringOr(status, 'server_error'),
    param: stringOr(param, null),
    code: typeof code === 'string' || typeof code === 'number' ? code : null,
  }
}

/**
 * Converts the body of an error response to OpenAI's form: from Anthropic's form, from Gemini's list, and from errors
 * that lack some of the members. Further members stay.
 * @returns the same bytes if the body is in OpenAI's form already, or in an unknown one
 */
export function translateError(body: Buffer): Buffer {
  const parsed = parseJson(body.toString('utf8'))
  const response: unknown = Array.isArray(parsed) && parsed.length > 0 ? parsed[0] : parsed
  if (!isObject(response) || !isObject(response.error)) return body
  const { error } = response
  if (typeof error.message !== 'string') return body
  const { type: _, ...rest } = response
  if (response === parsed && response.type !== 'error' && MEMBERS.every((member) => member in error))
    return body
  return Buffer.from(JSON.stringify({ ...rest, error: { ...error, ...createChatError(error) } }))
}
