/** The APIs whose request bodies Cursor sends to `/chat/completions`: it does not adapt the path to the body. */
export type BodyApi = 'chat' | 'responses' | 'messages'

/** The APIs that a conversation with a model can be sent by. `gemini` is Gemini's native API (`generateContent`). */
export type ConversationApi = BodyApi | 'gemini'

/** All of `ConversationApi`. */
export const CONVERSATION_APIS: readonly ConversationApi[] = ['chat', 'responses', 'messages', 'gemini']
