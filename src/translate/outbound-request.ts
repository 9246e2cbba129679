import type { BodyApi } from '../api/apis.js'
import type { OutboundRequest } from './translator.js'
import { CHAT_TRANSLATORS, NATIVE_TRANSLATORS } from './translators.js'

/**
 * The request for an upstream that speaks the API that the body is written for.
 * @param api of the body, from `detectBodyApi`
 * @param model what the client calls the model
 */
export function createNativeRequest(api: BodyApi, body: Buffer, model: string | null): OutboundRequest {
  return NATIVE_TRANSLATORS[api].prepareRequest(body, model)
}

/** The request for an upstream that has chat completions only: the whole body is translated. */
export function createTranslatedRequest(
  { api }: Pick<OutboundRequest, 'api'>,
  body: Buffer,
): OutboundRequest {
  return CHAT_TRANSLATORS[api].prepareRequest(body, null)
}
