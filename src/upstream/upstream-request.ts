import { filterRequestHeaders, findHeader, type ResponseFacts, removeHeader } from '../http/headers.js'
import { createModelEdit, createRequiredModelEdit, createUsageEdit, type Edit } from '../json/edits.js'
import { sortEdits } from '../json/object-edits.js'
import type { Peek } from '../json/peek.js'
import { ENCODED_RESPONSE } from '../routing/outcome.js'
import type { OutboundRequest, UpstreamRewrite } from '../translate/outbound-request.js'
import { chainTranslations } from '../translate/response/chain.js'
import { hasUsageField, UsageStripper } from '../translate/response/strip-usage.js'
import type { CreateTranslation, Translation } from '../translate/translation.js'
import { placePassthroughCredential } from './passthrough-auth.js'
import type { Upstream } from './upstream.js'

/** What a client asks, so far as it matters for what is sent on. */
export interface ClientRequest {
  readonly method: string
  /** Behind the version. */
  readonly path: string
  /** With its `?`, or empty. */
  readonly query: string
  /** Names and values by turns. */
  readonly rawHeaders: readonly string[]
  /** Null if it has no body. */
  readonly found: Peek | null
  /** The model, where it was told by the path; else null. */
  readonly deployment: string | null
  /** What is sent in place of it; null if it goes as it came. */
  readonly outbound: Pick<OutboundRequest, 'rewriteFor'> | null
}

/** Where a request goes. */
export interface Destination {
  readonly upstream: Upstream
  /** Replaces the client's model; null leaves the body as it is. */
  readonly model: string | null
}

/** How a request goes to an upstream: all of it as it came but for these. */
export interface UpstreamRequest {
  /** With its query. It may have a credential in it: neither for logs nor for errors. */
  readonly path: string
  /** Name, value, name, value; without a length. */
  readonly headers: string[]
  /** Of the body, in their order. */
  readonly edits: readonly Edit[]
  /** What makes an answer one to the request as it came; null if each is one. */
  readonly translate: CreateTranslation | null
}

/** @param passthrough the client's own credential goes through */
export function buildUpstreamRequest(
  incoming: ClientRequest,
  { upstream, model }: Destination,
  passthrough: boolean,
): UpstreamRequest {
  const { method, path, query, rawHeaders, found, deployment, outbound } = incoming
  const rewrite = outbound === null ? null : outbound.rewriteFor(upstream.chat)
  const edits: Edit[] = rewrite === null ? [] : [...rewrite.edits]
  const renaming = found === null ? null : nameEdit(found, model, deployment)
  if (renaming !== null) edits.push(renaming)
  const asks = rewrite?.foreign !== true && upstream.asksUsage(method, path)
  const asking = found !== null && asks ? createUsageEdit(found) : null
  if (asking !== null) edits.push(asking)
  const ordered = edits.length > 1 ? sortEdits(edits) : edits

  const needed = upstream.headersFor(path, passthrough)
  const translate = translateFor(rewrite, asking !== null)
  const added = asking !== null || rewrite?.readable === true ? uncompressed(needed) : needed
  const headers = filterRequestHeaders(rawHeaders, added, passthrough)
  if (passthrough) placePassthroughCredential(headers, upstream.ownAuthFor(path))
  const fallback = upstream.defaultHeaderFor(path)
  if (fallback !== null && findHeader(rawHeaders, fallback[0]) === undefined) headers.push(...fallback)
  const address = upstream.addressOf(path, query, model ?? deployment ?? found?.model ?? null, passthrough)
  return { path: address, headers, edits: ordered, translate }
}

function nameEdit(found: Peek, model: string | null, deployment: string | null): Edit | null {
  if (deployment !== null) return createRequiredModelEdit(found, model ?? deployment)
  return model === null ? null : createModelEdit(found, model)
}

function translateFor(rewrite: UpstreamRewrite | null, usageUnasked: boolean): CreateTranslation | null {
  const translate = rewrite?.translate ?? null
  if (usageUnasked) return translate === null ? withoutUsage : chainTranslations(withoutUsage, translate)
  return translate !== null && rewrite?.foreign === true ? readable(translate) : translate
}

/** Takes out the usage that only the relay has asked for. */
function withoutUsage(status: number, facts: ResponseFacts): Translation | null {
  return hasUsageField(status, facts) ? new UsageStripper() : null
}

/** @returns what throws if an answer cannot be changed that has to be, so that the client does not get it as it is */
function readable(translate: CreateTranslation): CreateTranslation {
  return (status, facts) => {
    if (status === 200 && facts.encoding !== null)
      throw Object.assign(new Error('the answer is compressed'), { code: ENCODED_RESPONSE })
    return translate(status, facts)
  }
}

/** Nothing can be changed in what is compressed. */
function uncompressed(needed: readonly string[]): string[] {
  const added = [...needed]
  removeHeader(added, 'accept-encoding')
  added.push('accept-encoding', 'identity')
  return added
}
