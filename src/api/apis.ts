import type { Api } from './presets.js'

/** The APIs whose request bodies Cursor sends to `/chat/completions`: it does not adapt the path to the body. */
export type BodyApi = 'chat' | 'responses' | 'messages'

/** The endpoints of these APIs, behind the version. */
export const BODY_PATHS = {
  chat: '/chat/completions',
  responses: '/responses',
  messages: '/messages',
} as const satisfies Record<BodyApi, string>

/** The API whose conversations are posted to this path; null for any other path. */
export function findBodyApi(path: string): BodyApi | null {
  switch (path) {
    case BODY_PATHS.chat:
      return 'chat'
    case BODY_PATHS.responses:
      return 'responses'
    case BODY_PATHS.messages:
      return 'messages'
    default:
      return null
  }
}

/** The APIs that a conversation with a model can be sent by. `gemini` is Gemini's native API (`generateContent`). */
export type ConversationApi = BodyApi | 'gemini'

/** All of `ConversationApi`, in the order of preference where nothing else decides. */
export const CONVERSATION_APIS: readonly ConversationApi[] = ['chat', 'responses', 'messages', 'gemini']

/**
 * Whether an upstream can be asked by this API.
 * @param apis of the upstream; null for all but `gemini`, which only an upstream that names it has
 */
export function speaksApi(apis: readonly Api[] | null, api: ConversationApi): boolean {
  return apis === null ? api !== 'gemini' : (apis as readonly string[]).includes(api)
}

/** Whether an upstream with these APIs has one for conversations. */
export function hasConversationApi(apis: readonly Api[] | null): boolean {
  return CONVERSATION_APIS.some((each) => speaksApi(apis, each))
}
