import { findCloudApi } from './cloud-paths.js'
import { APIS, type Api } from './presets.js'

/**
 * Finds the API that a path belongs to.
 * @param path after the version: `/chat/completions`
 * @returns its index in `APIS`; `OTHER_API` if it belongs to none of them
 */
export function findApiIndex(path: string): number {
  if (path.endsWith('/completions')) return path.endsWith('/chat/completions') ? CHAT : COMPLETIONS
  if (isAtOrBelow(path, '/messages')) return MESSAGES
  if (isAtOrBelow(path, '/responses')) return RESPONSES
  if (path.endsWith('/embeddings')) return EMBEDDINGS
  if (path.startsWith('/models/') && GEMINI_METHOD.test(path)) return GEMINI
  const cloud = findCloudApi(path)
  return cloud === null ? OTHER_API : APIS.indexOf(cloud)
}

const CHAT = APIS.indexOf('chat')
const COMPLETIONS = APIS.indexOf('completions')
const RESPONSES = APIS.indexOf('responses')
const MESSAGES = APIS.indexOf('messages')
const EMBEDDINGS = APIS.indexOf('embeddings')
const GEMINI = APIS.indexOf('gemini')

/**
 * Gemini's methods of a model, behind a colon (ai.google.dev, API reference, models). Some clients encode the colon.
 */
const GEMINI_METHOD = /(?::|%3a)(?:generateContent|streamGenerateContent|countTokens)$/i

/** Stands for all other APIs (models, files, audio and more), which any upstream may have. */
export const OTHER_API = APIS.length

/**
 * Whether an upstream with these APIs has the API of a path.
 * @param apis null for all
 * @param index of `findApiIndex`
 */
export function includesApi(apis: readonly Api[] | null, index: number): boolean {
  return apis === null || index === OTHER_API || apis.includes(APIS[index] as Api)
}

/** Whether a path is the prefix itself, or continues it with a slash. */
export function isAtOrBelow(path: string, prefix: string): boolean {
  return (
    path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === SLASH)
  )
}

const SLASH = 0x2f
