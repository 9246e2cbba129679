/** Whose error format a client reads. */
export type ErrorFormat = 'openai' | 'anthropic'

/**
 * The error format for a path: Anthropic's on the Messages API, OpenAI's elsewhere.
 * @param path after the version: `/messages`
 */
export function errorFormatOf(path: string): ErrorFormat {
  return path === '/messages' || path.startsWith('/messages/') ? 'anthropic' : 'openai'
}
