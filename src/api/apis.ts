/** The APIs whose request bodies Cursor sends to `/chat/completions`: it does not adapt the path to the body. */
export type BodyApi = 'chat' | 'responses' | 'messages'
