import { headerValue, type ResponseFacts, removeHeader, requestHeaders } from '../http/headers.js'
import { type Edit, ensuredModelEdit, modelEdit, usageEdit } from '../json/edits.js'
import { inOrder } from '../json/object-edits.js'
import type { Peek } from '../json/peek.js'
import { COMPRESSED } from '../routing/retry-policy.js'
import type { Target } from '../routing/router.js'
import type { Errand, Terms } from '../translate/outbound-request.js'
import { chained } from '../translate/response/chain.js'
import { mayHaveUsage, UnaskedUsage } from '../translate/response/strip-usage.js'
import type { Translate, Translation } from '../translate/translation.js'
import { placeOwnCredential } from './passthrough-auth.js'

/** What a client asks, so far as it matters for what is sent on. */
export interface Incoming {
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
  readonly errand: Pick<Errand, 'termsFor'> | null
}

/** How a request goes to an upstream: all of it as it came but for these. */
export interface Outgoing {
  /** With its query. It may have a credential in it: neither for logs nor for errors. */
  readonly path: string
  /** Name, value, name, value; without a length. */
  readonly headers: string[]
  /** Of the body, in their order. */
  readonly edits: readonly Edit[]
  /** What makes an answer one to the request as it came; null if each is one. */
  readonly translate: Translate | null
}

/** @param passthrough the client's own credential goes through */
export function outgoing(incoming: Incoming, target: Target, passthrough: boolean): Outgoing {
  const { method, path, query, rawHeaders, found, deployment, errand } = incoming
  const { upstream, model } = target
  const terms = errand === null ? null : errand.termsFor(upstream.chat)
  const edits: Edit[] = terms === null ? [] : [...terms.edits]
  const renaming = found === null ? null : nameEdit(found, model, deployment)
  if (renaming !== null) edits.push(renaming)
  const asks = terms?.foreign !== true && upstream.asksUsage(method, path)
  const asking = found !== null && asks ? usageEdit(found) : null
  if (asking !== null) edits.push(asking)
  const ordered = edits.length > 1 ? inOrder(edits) : edits

  const needed = upstream.headersFor(path, passthrough)
  const translate = translateFor(terms, asking !== null)
  const added = asking !== null || terms?.readable === true ? uncompressed(needed) : needed
  const headers = requestHeaders(rawHeaders, added, passthrough)
  if (passthrough) placeOwnCredential(headers, upstream.ownAuthFor(path))
  const fallback = upstream.defaultHeaderFor(path)
  if (fallback !== null && headerValue(rawHeaders, fallback[0]) === undefined) headers.push(...fallback)
  const address = upstream.addressOf(path, query, model ?? deployment ?? found?.model ?? null, passthrough)
  return { path: address, headers, edits: ordered, translate }
}

function nameEdit(found: Peek, model: string | null, deployment: string | null): Edit | null {
  if (deployment !== null) return ensuredModelEdit(found, model ?? deployment)
  return model === null ? null : modelEdit(found, model)
}

function translateFor(terms: Terms | null, usageUnasked: boolean): Translate | null {
  const translate = terms?.translate ?? null
  if (usageUnasked) return translate === null ? withoutUsage : chained(withoutUsage, translate)
  return translate !== null && terms?.foreign === true ? readable(translate) : translate
}

/** Takes out the usage that only the relay has asked for. */
function withoutUsage(status: number, facts: ResponseFacts): Translation | null {
  return mayHaveUsage(status, facts) ? new UnaskedUsage() : null
}

/** @returns what throws if an answer cannot be changed that has to be, so that the client does not get it as it is */
function readable(translate: Translate): Translate {
  return (status, facts) => {
    if (status === 200 && facts.encoding !== null)
      throw Object.assign(new Error('the answer is compressed'), { code: COMPRESSED })
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
