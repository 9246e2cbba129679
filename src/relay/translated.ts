import { formatErrorBody } from '../api/errors.js'
import { type ResponseFacts, removeEntityHeaders, setEventStreamType } from '../http/response-headers.js'
import { EMPTY } from '../lib/bytes.js'
import type { Translation } from '../translate/translation.js'
import type { Attempt } from './attempt.js'

/**
 * What changes an answer on its way; null if nothing does.
 * @param headers that go on to the client; made those of what comes of it
 * @throws if it cannot be changed, and has to be
 */
export function createTranslation(
  { translate }: Attempt,
  status: number,
  facts: ResponseFacts,
  headers: string[],
): Translation | null {
  const translation = translate?.(status, facts) ?? null
  if (translation === null) return null
  removeEntityHeaders(headers)
  if (translation.makesStream === true) setEventStreamType(headers)
  return translation
}

/** Whether more of an answer is held than may be. @param most `limits.transformBufferBytes` */
export function holdsTooMuch(translation: Translation | null, most: number): translation is Translation {
  return translation !== null && (translation.bytesHeld ?? 0) > most
}

/** The head has gone: what was to be the answer, or goes on with it, tells of the error. No other call follows. */
export function writeTooLongError(translation: Translation, requestId: string): Buffer {
  return translation.abort?.(formatErrorBody('answer_too_long', 'openai', requestId)) ?? EMPTY
}
