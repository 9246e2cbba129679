import { type JsonObject, stringOr } from '../../json/values.js'

/** The error object of OpenAI's APIs: each error has all four members (openai-openapi, `Error`). */
export interface ChatError {
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string | number | null
}

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
