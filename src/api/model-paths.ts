import { decodePercent } from '../lib/percent.js'

/**
 * The one place that knows which paths name the model that runs, and in which forms: Gemini's, Bedrock's and Vertex'.
 * What routes, checks, records and rewrites a path asks here, so that all of it takes the same model from it.
 */

/** A path that names a model, in its parts. */
export interface ModelPath {
  readonly api: 'gemini' | 'bedrock' | 'vertex'
  /** Of the model at Vertex, such as `anthropic`; else empty. */
  readonly publisher: string
  /** Decoded. Gemini's may have slashes. */
  readonly model: string
  /** Decoded, without the colon or the slash in front. */
  readonly method: string
  /** What stands in front of the model and behind it, as it came. */
  readonly before: string
  readonly after: string
}

/** No other path is taken apart: most are told by one letter. */
const MAY_NAME = /^\/(?:model|tunedModels\/|publishers\/|projects\/|v\d)/

const LETTER_M = 0x6d
const LETTER_P = 0x70
const LETTER_T = 0x74
const LETTER_V = 0x76

/** `/models/MODEL:METHOD` (ai.google.dev, API reference). Some clients encode the colon. */
const GEMINI = /^((?:\/v\d\w*)?\/(?:models|tunedModels)\/)(.+)((?::|%3[aA])([a-zA-Z]+))$/

/** `/model/MODEL/METHOD` (API reference, Amazon Bedrock Runtime). */
const BEDROCK = /^(\/model\/)([^/]+)(\/([^/]+))$/

/** `/publishers/PUBLISHER/models/MODEL:METHOD` (reference, Vertex AI), or behind a place of any other form. */
const VERTEX = /^((?:\/v\d\w*)?\/(?:publishers\/([^/]+)|projects\/.+)\/models\/)([^/]+)$/
const VERTEX_NAME = /^(.+):([a-zA-Z]+)$/s

const BEDROCK_METHOD = /^[a-zA-Z-]+$/

/**
 * Takes a path apart as that of a call. Where the method of HTTP is a read, the same path may be that of an object:
 * OpenAI's fine-tuned models have colons in their names.
 * @param path after the version, as `parseRequestTarget` returns it
 * @returns null if it has none of the forms, or if its percent-encoding is broken
 */
export function parseModelPath(path: string): ModelPath | null {
  // The letter rules out most paths, without a pattern.
  const letter = path.charCodeAt(1)
  if (letter !== LETTER_M && letter !== LETTER_P && letter !== LETTER_T && letter !== LETTER_V) return null
  if (!MAY_NAME.test(path)) return null
  return path.startsWith('/model/') ? parseBedrock(path) : (parseGemini(path) ?? parseVertex(path))
}

function parseGemini(path: string): ModelPath | null {
  const [, before = '', segments = '', after = '', method = ''] = GEMINI.exec(path) ?? []
  const model = segments === '' ? null : decodePercent(segments)
  return model === null ? null : { api: 'gemini', publisher: '', model, method, before, after }
}

function parseBedrock(path: string): ModelPath | null {
  const [, before = '', segment = '', after = '', last = ''] = BEDROCK.exec(path) ?? []
  const model = segment === '' ? null : decodePercent(segment)
  const method = decodePercent(last) ?? ''
  if (model === null || !BEDROCK_METHOD.test(method)) return null
  return { api: 'bedrock', publisher: '', model, method, before, after }
}

function parseVertex(path: string): ModelPath | null {
  const [, before = '', publisher = '', segment = ''] = VERTEX.exec(path) ?? []
  const [, model, method] = VERTEX_NAME.exec(decodePercent(segment) ?? '') ?? []
  if (model === undefined || method === undefined) return null
  return { api: 'vertex', publisher, model, method, before, after: `:${method}` }
}

/** Claude's tokens are counted at Vertex as if by a model of this name, for the model that the body names. */
const COUNT_TOKENS = 'count-tokens'

/** Whether what stands in the place of the model is none. */
function isPlaceholder({ api, model }: ModelPath): boolean {
  return api === 'vertex' && model === COUNT_TOKENS
}

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])

/** Whether a request of this method of HTTP runs no model, whatever its path. */
export function isRead(httpMethod: string): boolean {
  return READS.has(httpMethod)
}

/** The model that the path of a request names; null if it names none. @param httpMethod such as `POST` */
export function findPathModel(httpMethod: string, path: string): string | null {
  const parsed = isRead(httpMethod) ? null : parseModelPath(path)
  return parsed === null || isPlaceholder(parsed) ? null : parsed.model
}

/** Puts another model into the path of a request; a path that names none stays as it is. */
export function replacePathModel(httpMethod: string, path: string, model: string): string {
  const parsed = isRead(httpMethod) ? null : parseModelPath(path)
  if (parsed === null || parsed.model === model || isPlaceholder(parsed)) return path
  return `${parsed.before}${encodeModel(parsed.api, model)}${parsed.after}`
}

/** Writes a path of Bedrock or Vertex. Google's own models have the same paths as in Gemini's own API. */
export function formatModelPath(
  api: 'bedrock' | 'vertex',
  publisher: string,
  model: string,
  method: string,
): string {
  const name = encodeModel(api, model)
  if (api === 'bedrock') return `/model/${name}/${method}`
  return publisher === 'google'
    ? `/models/${name}:${method}`
    : `/publishers/${publisher}/models/${name}:${method}`
}

/** A slash in a name is a part of one segment, but at Gemini, where the name may have several. */
function encodeModel(api: ModelPath['api'], model: string): string {
  return api === 'gemini' ? model.split('/').map(encodeURIComponent).join('/') : encodeURIComponent(model)
}

/**
 * What a method of a model does:
 * - `answer`: it generates tokens
 * - `stream`: the same, and its path alone asks for a stream
 * - `embed`, `count`, `predict`: it costs little or nothing, and changes nothing
 * - `keep`: it makes something that is kept
 */
export type ModelCall = 'answer' | 'stream' | 'embed' | 'count' | 'predict' | 'keep'

/** The documented methods; those of Gemini in lower case, as servers do not agree on their letters. */
const CALLS: Readonly<Record<ModelPath['api'], ReadonlyMap<string, ModelCall>>> = {
  gemini: new Map([
    ['generatecontent', 'answer'],
    ['streamgeneratecontent', 'stream'],
    ['batchgeneratecontent', 'keep'],
    ['counttokens', 'count'],
    ['embedcontent', 'embed'],
    ['embedcontents', 'embed'],
    ['batchembedcontent', 'embed'],
    ['batchembedcontents', 'embed'],
    ['asyncbatchembedcontent', 'keep'],
    ['asyncbatchembedcontents', 'keep'],
    ['predict', 'predict'],
    ['predictlongrunning', 'keep'],
  ]),
  bedrock: new Map([
    ['invoke', 'answer'],
    ['invoke-with-response-stream', 'stream'],
    ['converse', 'answer'],
    ['converse-stream', 'stream'],
    ['count-tokens', 'count'],
  ]),
  vertex: new Map([
    ['rawPredict', 'answer'],
    ['streamRawPredict', 'stream'],
  ]),
}

/** What the path of a call does; null if it has none of the forms, or a method that is not known here. */
export function findModelCall(path: string): ModelCall | null {
  const parsed = parseModelPath(path)
  return parsed === null ? null : findCall(parsed)
}

/** The API of the path of a call, if it has the method; else null. */
export function findModelApi(path: string): ModelPath['api'] | null {
  const parsed = parseModelPath(path)
  return parsed === null || findCall(parsed) === null ? null : parsed.api
}

function findCall(parsed: ModelPath): ModelCall | null {
  const { api, publisher, method } = parsed
  // Only the models of publishers have these methods.
  if (api === 'vertex' && publisher === '') return null
  if (isPlaceholder(parsed)) return 'count'
  return CALLS[api].get(api === 'gemini' ? method.toLowerCase() : method) ?? null
}
