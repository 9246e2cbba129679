import { findModelApi, findModelCall } from './model-paths.js'
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
  if (isAtOrBelow(path, '/api')) return OLLAMA_PATH.test(path) ? OLLAMA : OTHER_API
  if (path.endsWith('/embeddings')) return EMBEDDINGS
  if (isAtOrBelow(path, '/v1beta') || isAtOrBelow(path, '/upload/v1beta')) return GEMINI
  if (COHERE_PATH.test(path)) return COHERE
  const named = findModelApi(path)
  return named === null ? OTHER_API : APIS.indexOf(named)
}

const CHAT = APIS.indexOf('chat')
const COMPLETIONS = APIS.indexOf('completions')
const RESPONSES = APIS.indexOf('responses')
const MESSAGES = APIS.indexOf('messages')
const EMBEDDINGS = APIS.indexOf('embeddings')
const GEMINI = APIS.indexOf('gemini')
const OLLAMA = APIS.indexOf('ollama')
const COHERE = APIS.indexOf('cohere')

/** Ollama's own API, as far as it reads and generates (docs/api.md). Whoever changes its models does it there. */
const OLLAMA_PATH = /^\/api\/(?:chat|generate|embed|embeddings|tags|show|ps|version)$/

/** Version 2 of Cohere's API (docs.cohere.com, API reference), which vLLM has as well. */
const COHERE_PATH = /^\/v2\/(?:chat|embed|rerank)$/

/** The calls of Ollama's and Cohere's own APIs. */
const OWN_CALL = /^\/api\/(?:chat|generate|embed|embeddings|show)$|^\/v2\/(?:chat|embed|rerank)$/

/**
 * Whether a POST to a path of Ollama's or Cohere's own API, or to one that names its model, only asks a model, so that
 * it costs tokens and changes nothing.
 * @param path after the version
 */
export function onlyAsksModel(path: string): boolean {
  if (OWN_CALL.test(path)) return true
  const call = findModelCall(path)
  return call !== null && call !== 'keep'
}

/**
 * Whether a request on this path asks for a stream if its body says nothing of it; null if the body alone says it.
 * Paths that name the model say it themselves (`streamGenerateContent`), and Ollama streams unless it is told not to.
 */
export function streamsByItself(path: string): boolean | null {
  if (path === '/api/chat' || path === '/api/generate') return true
  return findModelCall(path) === 'stream' ? true : null
}

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
