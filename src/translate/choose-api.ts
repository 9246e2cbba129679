import { type BodyApi, CONVERSATION_APIS, type ConversationApi, speaksApi } from '../api/apis.js'
import type { ModelTraits } from '../api/model-traits.js'
import type { Api } from '../api/presets.js'

/**
 * Chooses the API by which a model is asked: the one that its traits name, else the one that the body is written for,
 * else another one that the upstream has, chat completions first.
 * @param apis of the upstream; null for all but `gemini`, which only an upstream that names it has
 * @returns null if the upstream has no API for conversations
 */
export function chooseApi(
  body: BodyApi,
  apis: readonly Api[] | null,
  { api }: Pick<ModelTraits, 'api'>,
): ConversationApi | null {
  if (api !== null && speaksApi(apis, api)) return api
  if (speaksApi(apis, body)) return body
  return CONVERSATION_APIS.find((each) => speaksApi(apis, each)) ?? null
}
