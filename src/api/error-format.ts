import { findCloudApi } from './cloud-paths.js'

/** Whose error format a client reads. */
export type ErrorFormat = 'openai' | 'anthropic' | 'bedrock'

/**
 * The error format for a path: Anthropic's on the Messages API, Bedrock's on its paths, OpenAI's elsewhere.
 * @param path after the version: `/messages`
 */
export function errorFormatOf(path: string): ErrorFormat {
  if (path === '/messages' || path.startsWith('/messages/')) return 'anthropic'
  return findCloudApi(path) === 'bedrock' ? 'bedrock' : 'openai'
}
