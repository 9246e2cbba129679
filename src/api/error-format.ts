/** The error format that a caller of this path reads: Anthropic's on the Messages API, OpenAI's elsewhere. */
export type ErrorFormat = 'openai' | 'anthropic'

export function errorFormatOf(path: string): ErrorFormat {
  return path === '/messages' || path.startsWith('/messages/') ? 'anthropic' : 'openai'
}
