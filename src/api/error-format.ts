import { findApiIndex } from './api-of-path.js'
import { APIS } from './presets.js'

/** Whose error format a client reads. */
export const ERROR_FORMATS = ['openai', 'anthropic', 'gemini', 'ollama', 'cohere', 'bedrock'] as const
/** One of `ERROR_FORMATS`. */
export type ErrorFormat = (typeof ERROR_FORMATS)[number]

/** By the index of the API of a path; OpenAI's elsewhere. */
const BY_API: readonly (ErrorFormat | undefined)[] = APIS.map((api) => {
  if (api === 'messages') return 'anthropic'
  return ERROR_FORMATS.find((format) => format === api)
})

/**
 * The error format for a path: that of its API, and OpenAI's where that has none of its own.
 * @param path after the version: `/messages`
 */
export function errorFormatOf(path: string): ErrorFormat {
  return BY_API[findApiIndex(path)] ?? 'openai'
}
