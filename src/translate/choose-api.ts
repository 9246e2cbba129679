import type { BodyApi, ConversationApi } from '../api/apis.js'
import type { ModelTraits } from '../api/model-traits.js'
import type { Api } from '../api/presets.js'

/** Where a body goes whose own API the upstream does not have: chat completions first, as most is known of them. */
const PREFERENCE: readonly ConversationApi[] = ['chat', 'responses', 'messages', 'gemini']

/**
 * Chooses the API by which a model is asked: the one that its traits name, else the one that the body is written for,
 * else another one that the upstream has.
 * @param apis of the upstream; null for all but `gemini`, which only an upstream that names it has
 * @returns null if the upstream has no API for conversations
 */
export function chooseApi(
  body: BodyApi,
  apis: readonly Api[] | null,
  { api }: Pick<ModelTraits, 'api'>,
): ConversationApi | null {
  if (api !== null && hasApi(apis, api)) return api
  if (hasApi(apis, body)) return body
  return PREFERENCE.find((each) => hasApi(apis, each)) ?? null
}

/** Whether an upstream with these APIs can be asked by one of them for an answer in a conversation. */
export function hasConversationApi(apis: readonly Api[] | null): boolean {
  return PREFERENCE.some((each) => hasApi(apis, each))
}

function hasApi(apis: readonly Api[] | null, api: ConversationApi): boolean {
  return apis === null ? api !== 'gemini' : (apis as readonly string[]).includes(api)
}
