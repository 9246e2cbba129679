/** The error format that a caller of this path reads: Anthropic's on the Messages API, OpenAI's elsewhere. */
export type Dialect = 'openai' | 'anthropic'

export function dialectOf(path: string): Dialect {
  return path === '/messages' || path.startsWith('/messages/') ? 'anthropic' : 'openai'
}
