import type { Errand } from '../dialects/errand.js'
import { inOrder } from '../dialects/object-edits.js'
import { headerValue, removeHeader, requestHeaders } from '../http/headers.js'
import type { Peek } from '../http/peek.js'
import { type Edit, ensuredModelEdit, modelEdit, usageEdit } from '../http/splice.js'
import { placeOwnCredential } from './own-credential.js'
import type { Target } from './router.js'

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
  readonly errand: Pick<Errand, 'editsFor' | 'foreign'> | null
}

/** How a request goes to an upstream: all of it as it came but for these. */
export interface Outgoing {
  /** With its query. It may have a credential in it: neither for logs nor for errors. */
  readonly path: string
  /** Name, value, name, value; without a length. */
  readonly headers: string[]
  /** Of the body, in their order. */
  readonly edits: readonly Edit[]
  /** One of them asks for a usage chunk that the client does not know of. */
  readonly usageUnasked: boolean
}

/** @param passthrough the client's own credential goes through */
export function outgoing(incoming: Incoming, target: Target, passthrough: boolean): Outgoing {
  const { method, path, query, rawHeaders, found, deployment, errand } = incoming
  const { upstream, model } = target
  const edits: Edit[] = errand === null ? [] : [...errand.editsFor(upstream.chat)]
  // A stream that is made of another API's has its usage as it is asked for.
  const translated = errand?.foreign === true
  const renaming = found === null ? null : nameEdit(found, model, deployment)
  if (renaming !== null) edits.push(renaming)
  const asking = found !== null && !translated && upstream.asksUsage(method, path) ? usageEdit(found) : null
  if (asking !== null) edits.push(asking)
  const ordered = edits.length > 1 ? inOrder(edits) : edits

  const needed = upstream.headersFor(path, passthrough)
  const added = asking === null && !translated ? needed : uncompressed(needed)
  const headers = requestHeaders(rawHeaders, added, passthrough)
  if (passthrough) placeOwnCredential(headers, upstream.ownAuthFor(path))
  const fallback = upstream.defaultHeaderFor(path)
  if (fallback !== null && headerValue(rawHeaders, fallback[0]) === undefined) headers.push(...fallback)
  const address = upstream.addressOf(path, query, model ?? deployment ?? found?.model ?? null, passthrough)
  return { path: address, headers, edits: ordered, usageUnasked: asking !== null }
}

function nameEdit(found: Peek, model: string | null, deployment: string | null): Edit | null {
  if (deployment !== null) return ensuredModelEdit(found, model ?? deployment)
  return model === null ? null : modelEdit(found, model)
}

/** Nothing can be changed in what is compressed. */
function uncompressed(needed: readonly string[]): string[] {
  const added = [...needed]
  removeHeader(added, 'accept-encoding')
  added.push('accept-encoding', 'identity')
  return added
}
