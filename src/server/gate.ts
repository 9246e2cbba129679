import { isAtOrBelow } from '../api/api-of-path.js'
import type { ErrorCode } from '../api/errors.js'
import { findPathModel } from '../api/model-paths.js'
import { findModelUse, isAmbiguousPath, type ModelUse, namesModel } from '../api/model-use.js'
import { readQueryModel } from '../api/query-model.js'
import type { RequestFacts } from '../exchange/request-facts.js'
import { readFormModels } from '../http/form-data.js'
import { collectModels, collectSessionModels, hasOnlyJson } from '../json/deep-models.js'
import type { Peek } from '../json/peek.js'
import type { BodyFlaw } from '../relay/body-reader.js'

/** Why a request is refused whose model decides, or whose path does. */
export interface GateRefusal {
  readonly code: ErrorCode
  readonly message: string
  /** The field that it is about. */
  readonly param: string | null
  /** Name of the limit rule that refuses it; not there for none. */
  readonly rule?: string
}

/** What the gate looks at, of a request. */
export type GateRequest = Pick<RequestFacts, 'method' | 'path' | 'query' | 'deployment' | 'model'>

/** What the gate looks at, of a body. */
export interface GateBody {
  readonly isComplete: boolean
  readonly peeked: Pick<Peek, 'model' | 'modelCopies' | 'isWhole' | 'formBoundary'>
  /** Why the body cannot be read; null if nothing hinders it. */
  readonly flaw: BodyFlaw | null
  /** To be called only when the body is complete. */
  join(): Buffer
}

/** What a request has to do with a model. */
export function findUse({ method, path, query }: Pick<GateRequest, 'method' | 'path' | 'query'>): ModelUse {
  const isQuery = query !== '' && method === 'POST' && isAtOrBelow(path, '/realtime')
  return isQuery && readQueryModel(query).model !== null ? 'query' : findModelUse(method, path)
}

/**
 * The model that decides about a request; null if it names none, or if its path has nothing to do with models.
 * @param use of the method and the path
 */
export function findNamedModel(request: GateRequest, body: GateBody | null, use: ModelUse): string | null {
  const { deployment, method, path, model } = request
  if (deployment !== null) return deployment
  if (use === 'unknown') return model
  if (!namesModel(use)) return null
  if (use === 'path') return findPathModel(method, path) ?? model
  if (use !== 'deep') return model
  return model ?? findLeadingModels(path, body)[0] ?? findDeepModels(path, body)[0] ?? null
}

/** Levels at which a body names the models that run. Below them there are prompts. */
const BATCH_DEPTH = 4
const SESSION_DEPTH = 8

/** The models that a body names below its top level; empty before it is complete. */
export function findDeepModels(path: string, body: GateBody | null): readonly (string | null)[] {
  return collectAll(body, path.startsWith('/messages/') ? BATCH_DEPTH : SESSION_DEPTH)
}

/** Those of them that decide where a request goes. A session has others besides, such as one that transcribes. */
export function findLeadingModels(path: string, body: GateBody | null): readonly (string | null)[] {
  if (path.startsWith('/messages/')) return findDeepModels(path, body)
  const text = findJson(body)
  return text === null ? [] : collectSessionModels(text)
}

/**
 * Methods of Gemini's whose requests are in a list or in a member, and name the model once more, with the level at
 * which they do (ai.google.dev, API reference). Below it there are prompts.
 */
const WRAPPED: readonly (readonly [RegExp, number])[] = [
  [/(?::|%3a)countTokens$/i, 2],
  [/(?::|%3a)batchEmbedContents$/i, 3],
  [/(?::|%3a)(?:batchGenerateContent|asyncBatchEmbedContent)$/i, 7],
]

function findWrappedDepth(path: string): number {
  return WRAPPED.find(([method]) => method.test(path))?.[1] ?? 0
}

/** Whether a body names models below its top level, so that all of it has to be there. */
export function mayNameDeep(use: ModelUse, path: string): boolean {
  return use === 'deep' || use === 'query' || (use === 'path' && findWrappedDepth(path) > 0)
}

function collectAll(body: GateBody | null, depth: number): readonly (string | null)[] {
  const text = findJson(body)
  return text === null ? [] : collectModels(text, depth)
}

/** Whether all readers find the same models below the top level. */
function isReadable(body: GateBody, use: ModelUse, path: string): boolean {
  const text = mayNameDeep(use, path) ? findJson(body) : null
  return text === null || hasOnlyJson(text)
}

/** The JSON object that a complete body is, or that a form has as its `session`; null if there is none. */
function findJson(body: GateBody | null): Buffer | null {
  if (body === null || !body.isComplete || !body.peeked.isWhole) return null
  const text = body.join()
  const { formBoundary } = body.peeked
  if (formBoundary === null) return text
  const [session] = readFormModels(text, formBoundary).sessions
  return session === undefined ? null : text.subarray(session.start, session.end)
}

/**
 * The one place that says what is ambiguous: a request that another reader may take for another model or another path
 * than the relay does, or whose model cannot be read at all. It matters only where a rule depends on it.
 * @param body null if there is none
 * @param use of the method and the path
 * @returns null if all readers agree, as far as the body has arrived
 */
export function findDoubt(request: GateRequest, body: GateBody | null, use: ModelUse): GateRefusal | null {
  const { method, path, query } = request
  if (isAmbiguousPath(method, path)) return AMBIGUOUS_PATH
  if (!namesModel(use) && use !== 'unknown') return null
  const inQuery = query === '' ? null : findQueryDoubt(request, body)
  if (inQuery !== null) return inQuery
  // No API names a deployment ahead of such a path, and what follows it names a model of its own.
  if (request.deployment !== null && (use === 'path' || use === 'deep')) return COPIES
  if (body === null) return null
  if (body.flaw !== null) return DOUBT_OF_FLAW[body.flaw]
  if (use === 'query') return findSessionDoubt(request, body, use)
  if (body.isComplete && !(body.peeked.isWhole && isReadable(body, use, path))) return UNREADABLE
  // Each copy at the top level of the body is replaced by the model of the path.
  if (request.deployment !== null) return null
  if (!hasOneReading(body)) return COPIES
  return use === 'path' ? findPathDoubt(request, body) : null
}

function findQueryDoubt(
  { query, deployment, model }: GateRequest,
  body: GateBody | null,
): GateRefusal | null {
  const named = readQueryModel(query)
  if (named.isAmbiguous || named.hasDeployment) return QUERY
  if (named.model === null) return null
  const other = deployment ?? model
  return other === named.model || (other === null && body === null) ? null : QUERY
}

/** Beside a query that names the model, a body describes a media session (RFC 8866), or names the same model. */
function findSessionDoubt({ path, query }: GateRequest, body: GateBody, use: ModelUse): GateRefusal | null {
  if (!body.isComplete || body.join().subarray(0, 2).toString('latin1') === 'v=') return null
  if (!(body.peeked.isWhole && isReadable(body, use, path))) return UNREADABLE
  const { model } = readQueryModel(query)
  const models = findDeepModels(path, body)
  return hasOneReading(body) && models.every((each) => each === model) ? null : QUERY
}

function findPathDoubt({ method, path }: GateRequest, body: GateBody): GateRefusal | null {
  const inPath = findPathModel(method, path)
  // Google's own clients write the resource name, `models/NAME`.
  const isSame = (name: string | null): boolean => name === inPath || name === `models/${inPath}`
  const inBody = body.peeked.model
  if (inBody !== null && !isSame(inBody.value)) return COPIES
  const depth = findWrappedDepth(path)
  return depth === 0 || collectAll(body, depth).every(isSame) ? null : COPIES
}

/** Whether the first, the last and any other copy of the model are one name, which every reader takes for the same. */
function hasOneReading({ peeked: { model, modelCopies } }: GateBody): boolean {
  if (model === null ? modelCopies.length > 0 : !isPlainName(model.value)) return false
  return modelCopies.every(({ value }) => value === model?.value)
}

/** A name has no control characters, and nothing that is no Unicode: servers drop or replace these. */
function isPlainName(name: string): boolean {
  return !/[\p{Cc}\p{Cs}\ufffd]/u.test(name)
}

/** Also where a rule depends on the path alone. */
export const AMBIGUOUS_PATH: GateRefusal = {
  code: 'ambiguous_request',
  message:
    'The path has escapes, parameters or capital letters that a server may read as another path, and a rule of this relay depends on it. Write it as the API documents it, such as /v1/chat/completions.',
  param: null,
}

const QUERY: GateRefusal = {
  code: 'ambiguous_request',
  message:
    'The query names a model more than once, in another way than model=NAME, or another one than the body. Name one model, once.',
  param: 'model',
}

const COPIES: GateRefusal = {
  code: 'ambiguous_request',
  message:
    'The request names its model more than once, with another spelling of the key, or not as a text, and a rule of this relay depends on it. Name one model, once, as "model": "NAME".',
  param: 'model',
}

/** Of a body that names several models below its top level. */
export const MIXED: GateRefusal = {
  code: 'ambiguous_request',
  message:
    'The request names several models, and the rules of this relay do not send all of them to the same place. Send a request for each.',
  param: 'model',
}

const UNREADABLE: GateRefusal = {
  code: 'unreadable_body',
  message:
    'The body is not one JSON object in UTF-8, or not a complete form, so that its model cannot be read, and a rule of this relay depends on the model. Send valid JSON in UTF-8.',
  param: null,
}

const DOUBT_OF_FLAW: Readonly<Record<BodyFlaw, GateRefusal>> = {
  unknown_coding: {
    code: 'unsupported_body',
    message:
      'The content-encoding of the body is one that this relay does not decode, or has several codings, and a rule of this relay depends on the model. Send the body plain, or with one of gzip, br and deflate.',
    param: null,
  },
  unclear_type: {
    code: 'unsupported_body',
    message:
      'The content-type of the body is one that this relay cannot read, and a rule of this relay depends on the model. Send application/json in UTF-8, or multipart/form-data with one boundary.',
    param: null,
  },
  broken: {
    code: 'unreadable_body',
    message:
      'The body is not encoded as its content-encoding says, and a rule of this relay depends on the model. Send it plain, or encode it again.',
    param: null,
  },
  too_long: {
    code: 'body_too_large',
    message:
      'The decoded body is larger than this relay reads, and a rule of this relay depends on the model. Send less, or raise limits.bodyBytes.',
    param: null,
  },
  too_dense: {
    code: 'body_too_large',
    message:
      'The body becomes too many times longer when it is decoded, and a rule of this relay depends on the model. Send it plain, or raise limits.bodyRatio.',
    param: null,
  },
}

/** A path cannot be sent without a part of it, as other parameters can. */
export const KEY_IN_PATH =
  'The path contains a key of this relay, which must not reach an upstream. Send the key as Authorization: Bearer.'
