import { findQueryModel, parseModelPath, replacePathModel } from '../api/api-of-path.js'
import { hasDocumentedLinks } from '../api/link-fields.js'
import { type FlatHeaderList, type FlatHeaders, findHeader, removeHeader } from '../http/flat-headers.js'
import { filterRequestHeaders } from '../http/request-headers.js'
import type { ResponseFacts } from '../http/response-headers.js'
import { createModelEdit, createRequiredModelEdit, createUsageEdit, type Edit } from '../json/edits.js'
import { sortEdits } from '../json/object-edits.js'
import type { Peek } from '../json/peek.js'
import { ENCODED_RESPONSE } from '../routing/outcome.js'
import type { OutboundRequest } from '../translate/conversation-request.js'
import { chainTranslations } from '../translate/response/chain.js'
import { hasUsageField, UsageStripper } from '../translate/response/strip-usage.js'
import type { CreateTranslation, Translation } from '../translate/translation.js'
import { placePassthroughCredential } from './passthrough-auth.js'
import type { Upstream } from './upstream.js'
import { replaceModel } from './url.js'

/** A client's request, as far as it matters for the request to the upstream. */
export interface ClientRequest {
  readonly method: string
  /** Behind the version. */
  readonly path: string
  /** With its `?`, or empty. */
  readonly query: string
  /** Name, value, name, value. */
  readonly rawHeaders: FlatHeaders
  /** The fields that were found in the body; null if there is no body. */
  readonly found: Peek | null
  /** The model, if the path named it (Azure's deployments); else null. */
  readonly deployment: string | null
  /** Replaces the client's request; null if it is sent as it came. */
  readonly outbound: Pick<OutboundRequest, 'edits' | 'translate' | 'readable' | 'foreign'> | null
}

/** Where a request goes. */
export interface Destination {
  readonly upstream: Upstream
  /** Replaces the client's model; null leaves the body as it is. */
  readonly model: string | null
}

/** A request to an upstream: the client's request, except for these parts. */
export interface UpstreamRequest {
  /** With its query. It may contain a credential: keep it out of logs and errors. */
  readonly path: string
  /** Name, value, name, value; without a `content-length`. */
  readonly headers: FlatHeaderList
  /** Changes of the body, in their order. */
  readonly edits: readonly Edit[]
  /** Translates the response for the client; null if no response needs it. */
  readonly translate: CreateTranslation | null
}

/**
 * Builds the request to one upstream. A pure function, called again for each attempt.
 * @param passthrough the client's own credential is sent
 */
export function buildUpstreamRequest(
  request: ClientRequest,
  { upstream, model }: Destination,
  passthrough: boolean,
): UpstreamRequest {
  const { found, deployment, outbound } = request
  const usageEdit = createAddedUsageEdit(request, upstream)
  const edits: Edit[] = outbound === null ? [] : [...outbound.edits]
  const modelEdit = found === null ? null : createNameEdit(found, nameInBody(request, model), deployment)
  if (modelEdit !== null) edits.push(modelEdit)
  if (usageEdit !== null) edits.push(usageEdit)
  const modelName = model ?? deployment ?? found?.model?.value ?? null
  return {
    path: upstream.address.build(
      nameInPath(request, model),
      nameInQuery(request, model),
      modelName,
      passthrough,
    ),
    headers: buildHeaders(
      request,
      upstream,
      passthrough,
      usageEdit !== null || outbound?.readable === true || hasDocumentedLinks(request.path),
    ),
    edits: edits.length > 1 ? sortEdits(edits) : edits,
    translate: composeTranslation(outbound, usageEdit !== null),
  }
}

/** The edit that asks for usage, if only the relay wants it. */
function createAddedUsageEdit(
  { method, path, found, outbound }: ClientRequest,
  upstream: Upstream,
): Edit | null {
  if (found === null || outbound?.foreign === true || !upstream.asksUsage(method, path)) return null
  return createUsageEdit(found)
}

/** The path with the model's name at the upstream, if it is one of Gemini's: these name the model in the path alone. */
function nameInPath({ path, outbound }: ClientRequest, model: string | null): string {
  return model === null || outbound !== null ? path : replacePathModel(path, model)
}

/** The name for the body. Gemini's bodies name the model as a resource, beside the path: `models/NAME`. */
function nameInBody({ path, found }: ClientRequest, model: string | null): string | null {
  const isResource = found?.model?.value.startsWith('models/') === true && parseModelPath(path) !== null
  return model === null || !isResource ? model : `models/${model}`
}

/** The same for a query that names the model. */
function nameInQuery({ path, query }: ClientRequest, model: string | null): string {
  const named = model === null ? null : findQueryModel(path, query)
  return named === null || named === model || model === null ? query : replaceModel(query, model)
}

function createNameEdit(found: Peek, model: string | null, deployment: string | null): Edit | null {
  if (deployment !== null) return createRequiredModelEdit(found, model ?? deployment)
  return model === null ? null : createModelEdit(found, model)
}

/** @param readable the response must not be compressed, as it will be changed */
function buildHeaders(
  { path, rawHeaders }: ClientRequest,
  { auth }: Upstream,
  passthrough: boolean,
  readable: boolean,
): string[] {
  const needed = auth.headersFor(path, passthrough)
  const added = readable ? withoutCompression(needed) : needed
  const headers = filterRequestHeaders(rawHeaders, added, passthrough)
  if (passthrough) placePassthroughCredential(headers, auth.passthroughSchemeFor(path))
  const fallback = auth.defaultHeaderFor(path)
  if (fallback !== null && findHeader(rawHeaders, fallback[0]) === undefined) headers.push(...fallback)
  return headers
}

function withoutCompression(needed: readonly string[]): string[] {
  const added = [...needed]
  removeHeader(added, 'accept-encoding')
  added.push('accept-encoding', 'identity')
  return added
}

/** @param stripUsage only the relay asked for usage, so the client must not get it */
function composeTranslation(
  outbound: ClientRequest['outbound'],
  stripUsage: boolean,
): CreateTranslation | null {
  const translate = outbound?.translate ?? null
  if (stripUsage)
    return translate === null ? createUsageStripper : chainTranslations(createUsageStripper, translate)
  return translate !== null && outbound?.foreign === true ? rejectCompressed(translate) : translate
}

function createUsageStripper(status: number, facts: ResponseFacts): Translation | null {
  return hasUsageField(status, facts) ? new UsageStripper() : null
}

/** Throws on a compressed response: untranslated, it would be of no use to the client. */
function rejectCompressed(translate: CreateTranslation): CreateTranslation {
  return (status, facts) => {
    if (status === 200 && facts.encoding !== null)
      throw Object.assign(new Error('the response is compressed'), { code: ENCODED_RESPONSE })
    return translate(status, facts)
  }
}
