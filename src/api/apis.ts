/** The APIs that a body on `/chat/completions` may be written for. */
export type BodyApi = 'chat' | 'responses' | 'messages'
