import { formatErrorBody } from '../api/error-response.js'
import {
  type ResponseFacts,
  removeEntityHeaders,
  setEventStreamType,
  setHeader,
} from '../http/response-headers.js'
import type { Translation } from '../translate/translation.js'
import type { Attempt } from './attempt.js'

/**
 * Creates the translation of a response, and adapts the headers to the translated body and to the relay's address.
 * @param headers the headers for the client, which are changed
 * @returns null if the response passes unchanged
 * @throws if the response must be translated and cannot be
 */
export function createTranslation(
  { translate, links }: Attempt,
  status: number,
  facts: ResponseFacts,
  headers: string[],
): Translation | null {
  // A 200 to a generation has no URLs.
  if (links !== null && (status !== 200 || links.isOpen)) links.rewriteHeaders(headers)
  const translation = translate?.(status, facts) ?? null
  if (translation === null) return null
  removeEntityHeaders(headers)
  if (translation.makes === 'stream') setEventStreamType(headers)
  else if (translation.makes === 'json') setHeader(headers, 'content-type', 'application/json')
  return translation
}

/** Whether a translation holds more than it may. @param limit `limits.transformBufferBytes` */
export function holdsTooMuch(translation: Translation | null, limit: number): translation is Translation {
  return translation !== null && translation.bytesHeld > limit
}

/**
 * Ends a translation that holds too much.
 * @returns the error in the form of the response, whose head has been sent already
 */
export function writeTooLongError(translation: Translation, requestId: string): Buffer {
  return translation.abort(formatErrorBody('answer_too_long', 'openai', requestId))
}
