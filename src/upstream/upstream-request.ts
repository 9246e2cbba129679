import { holdsKey } from '../access/key-traces.js'
import { dropQueryKeys } from '../access/query-key.js'
import { isAtOrBelow } from '../api/api-of-path.js'
import { hasDocumentedLinks } from '../api/link-fields.js'
import { findPathModel, replacePathModel } from '../api/model-paths.js'
import { readQueryModel } from '../api/query-model.js'
import { type FlatHeaderList, type FlatHeaders, findHeader, removeHeader } from '../http/flat-headers.js'
import { filterRequestHeaders } from '../http/request-headers.js'
import type { ResponseFacts } from '../http/response-headers.js'
import { createModelEdits, createRequiredModelEdits, createUsageEdit, type Edit } from '../json/edits.js'
import { sortEdits } from '../json/object-edits.js'
import type { Peek } from '../json/peek.js'
import { ENCODED_RESPONSE } from '../routing/outcome.js'
import type { OutboundRequest } from '../translate/conversation-request.js'
import { chainTranslations } from '../translate/response/chain.js'
import { hasUsageField, UsageStripper } from '../translate/response/strip-usage.js'
import type { CreateTranslation, Translation } from '../translate/translation.js'
import { placePassthroughCredential } from './passthrough-auth.js'
import type { Upstream } from './upstream.js'
import type { UpstreamAuth } from './upstream-auth.js'
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
  /** Index of the key to use, see `Upstream.withKey`. */
  readonly key: number
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
  { upstream, key, model }: Destination,
  passthrough: boolean,
): UpstreamRequest {
  const { found, deployment, outbound } = request
  const usageEdit = createAddedUsageEdit(request, upstream)
  const edits: Edit[] = outbound === null ? [] : [...outbound.edits]
  if (found !== null) edits.push(...createNameEdits(request, found, nameInBody(request, model)))
  if (usageEdit !== null) edits.push(usageEdit)
  const given = passthrough ? request.query : dropQueryKeys(request.query)
  const query = nameInQuery(given, model ?? deployment)
  const modelName = model ?? deployment ?? found?.model?.value ?? null
  const { address, auth } = upstream.withKey(key)
  return {
    path: address.build(nameInPath(request, model), query, modelName, passthrough),
    headers: buildHeaders(
      request,
      auth,
      passthrough,
      usageEdit !== null || outbound?.readable === true || hasDocumentedLinks(request.path),
    ),
    edits: edits.length > 1 ? sortEdits(edits) : edits,
    translate: composeTranslation(outbound, usageEdit !== null),
  }
}

/** Some clients name the model in the query, too: it is the same one there, or the request was refused. */
function nameInQuery(query: string, model: string | null): string {
  return model === null || query === '' || readQueryModel(query).model === null
    ? query
    : replaceModel(query, model)
}

/** The edit that asks for usage, if only the relay wants it. */
function createAddedUsageEdit(
  { method, path, found, outbound }: ClientRequest,
  upstream: Upstream,
): Edit | null {
  if (found === null || outbound?.foreign === true || !upstream.asksUsage(method, path)) return null
  return createUsageEdit(found)
}

/** The path with the model's name at the upstream, where it names the model (Gemini, Bedrock, Vertex). */
function nameInPath({ method, path, outbound }: ClientRequest, model: string | null): string {
  if (model === null || outbound !== null) return path
  return replacePathModel(method, path, model)
}

/** The name for the body. Gemini's bodies name the model as a resource, beside the path: `models/NAME`. */
function nameInBody({ method, path, found }: ClientRequest, model: string | null): string | null {
  const isResource =
    found?.model?.value.startsWith('models/') === true && findPathModel(method, path) !== null
  return model === null || !isResource ? model : `models/${model}`
}

function createNameEdits(
  { path, deployment }: ClientRequest,
  found: Peek,
  model: string | null,
): readonly Edit[] {
  if (deployment !== null) return createRequiredModelEdits(found, model ?? deployment)
  if (model === null) return NO_EDITS
  const { sessionModel } = found
  const edits = createModelEdits(found, model)
  // The models of sessions are the only ones below the top level that are replaced.
  if (sessionModel === null || !isAtOrBelow(path, '/realtime')) return edits
  if (found.model !== null && found.model.value !== sessionModel.value) return edits
  return [...edits, { start: sessionModel.start, end: sessionModel.end, text: JSON.stringify(model) }]
}

const NO_EDITS: readonly Edit[] = []

/** @param readable the response must not be compressed, as it will be changed */
function buildHeaders(
  { path, rawHeaders }: ClientRequest,
  auth: UpstreamAuth,
  passthrough: boolean,
  readable: boolean,
): string[] {
  const needed = auth.headersFor(path, passthrough)
  const added = readable ? withoutCompression(needed) : needed
  const headers = filterRequestHeaders(rawHeaders, added, passthrough, holdsKey)
  if (passthrough) {
    if (findHeader(headers, 'authorization')?.startsWith(AWS_SIGNATURE))
      removeHeader(headers, 'authorization')
    placePassthroughCredential(headers, auth.passthroughSchemeFor(path))
  }
  const fallback = auth.defaultHeaderFor(path)
  if (fallback !== null && findHeader(rawHeaders, fallback[0]) === undefined) headers.push(...fallback)
  return headers
}

/** A signature is valid at the host that it was made for, which is the relay. */
const AWS_SIGNATURE = 'AWS4-'

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
