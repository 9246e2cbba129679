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
  if (isAtOrBelow(path, '/api')) return OLLAMA_PATH.test(path) ? OLLAMA : OTHER_API
  if (path.endsWith('/embeddings')) return EMBEDDINGS
  if (path.startsWith('/models/') && GEMINI_METHOD.test(path)) return GEMINI
  if (isAtOrBelow(path, '/v1beta') || isAtOrBelow(path, '/upload/v1beta')) return GEMINI
  if (COHERE_PATH.test(path)) return COHERE
  const cloud = findCloudApi(path)
  return cloud === null ? OTHER_API : APIS.indexOf(cloud)
}

const CHAT = APIS.indexOf('chat')
const COMPLETIONS = APIS.indexOf('completions')
const RESPONSES = APIS.indexOf('responses')
const MESSAGES = APIS.indexOf('messages')
const EMBEDDINGS = APIS.indexOf('embeddings')
const GEMINI = APIS.indexOf('gemini')
const OLLAMA = APIS.indexOf('ollama')
const COHERE = APIS.indexOf('cohere')

/**
 * Gemini's methods of a model, behind a colon (ai.google.dev, API reference, models). Some clients encode the colon.
 * Other names behind a colon are no methods: OpenAI's fine-tuned models have colons in their names.
 */
const GEMINI_METHOD =
  /(?::|%3a)(?:(?:stream|batch)?GenerateContent|countTokens|(?:(?:async)?Batch)?EmbedContents?|predict|predictLongRunning)$/i

/** Ollama's own API, as far as it reads and generates (docs/api.md). Whoever changes its models does it there. */
const OLLAMA_PATH = /^\/api\/(?:chat|generate|embed|embeddings|tags|show|ps|version)$/

/** Version 2 of Cohere's API (docs.cohere.com, API reference), which vLLM has as well. */
const COHERE_PATH = /^\/v2\/(?:chat|embed|rerank)$/

/** The methods of Gemini's that make nothing that is kept, and the calls of Ollama's and Cohere's own APIs. */
const MODEL_CALL =
  /^\/models\/.+(?::|%3a)(?:(?:stream)?GenerateContent|countTokens|(?:batch)?EmbedContents?|predict)$|^\/api\/(?:chat|generate|embed|embeddings|show)$|^\/v2\/(?:chat|embed|rerank)$/i

/**
 * Whether a POST to a path of Gemini's, Ollama's or Cohere's own API only asks a model, so that it costs tokens and
 * changes nothing.
 * @param path after the version
 */
export function onlyAsksModel(path: string): boolean {
  return MODEL_CALL.test(path)
}

/** The model in a path of Gemini's: `/models/MODEL:generateContent`. A name may have slashes. */
const GEMINI_MODEL = /^\/models\/(.+)((?::|%3a)\w+)$/i

/** A path of Gemini's in its parts. */
export interface ModelPath {
  readonly model: string
  /** With its colon, as it came: `:generateContent`. */
  readonly method: string
}

/**
 * Finds the model that a path of Gemini's own API names.
 * @param path after the version
 * @returns null for any other path, and if the percent-encoding is broken
 */
export function parseModelPath(path: string): ModelPath | null {
  if (!path.startsWith('/models/') || !GEMINI_METHOD.test(path)) return null
  const [, model = '', method = ''] = GEMINI_MODEL.exec(path) ?? []
  try {
    return { model: decodeURIComponent(model), method }
  } catch {
    return null
  }
}

/** Puts another model into a path of Gemini's; any other path stays as it is. */
export function replacePathModel(path: string, model: string): string {
  const parsed = parseModelPath(path)
  if (parsed === null || parsed.model === model) return path
  return `/models/${model.split('/').map(encodeURIComponent).join('/')}${parsed.method}`
}

/**
 * The model that the query of a Realtime request names. The body of one may be a session description (SDP), which names
 * none.
 * @param query with its `?`, or empty
 */
export function findQueryModel(path: string, query: string): string | null {
  return query !== '' && isAtOrBelow(path, '/realtime') ? new URLSearchParams(query).get('model') : null
}

/**
 * Whether a request on this path asks for a stream if its body says nothing of it; null if the body alone says it.
 * Gemini's paths say it themselves (`streamGenerateContent`), and Ollama streams unless it is told not to.
 */
export function streamsByItself(path: string): boolean | null {
  if (path === '/api/chat' || path === '/api/generate') return true
  return path.startsWith('/models/') && STREAM_METHOD.test(path) ? true : null
}

const STREAM_METHOD = /(?::|%3a)streamGenerateContent$/i

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
