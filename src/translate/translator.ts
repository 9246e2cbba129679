import type { BodyApi } from '../api/apis.js'
import type { Capabilities } from '../api/capabilities.js'
import type { Edit } from '../json/edits.js'
import type { Peek } from '../json/peek.js'
import type { RequestMeta } from './request/request-outline.js'
import type { CreateTranslation } from './translation.js'

/**
 * The contract of a translation from one API to another, in four steps. Each step is a value that the next one
 * comes from, and knows nothing of the steps behind it:
 *
 * | step | how often | result |
 * | --- | --- | --- |
 * | `findTranslator(from, to)` | once per request | the translator of this pair of APIs |
 * | `Translator.prepareRequest` | once per request | the body that is sent, and its path |
 * | `OutboundRequest.rewriteFor` | **for each attempt** | the edits for one upstream, and how its response is read |
 * | `UpstreamRewrite.translate` | once per response | a `Translation`, which changes it chunk by chunk |
 *
 * All but the `Translation` are free of state, and no step changes its input. So `rewriteFor` is idempotent: a
 * retry, a failover and a hedge that runs at the same time each get the same bytes for the same capabilities, and
 * the upstream's prompt cache recognizes the prompt.
 *
 * The client reads chat completions, whatever its body is written for: so it is with Cursor, the only client whose
 * requests are translated.
 */
export interface Translator {
  /** The API that the client's body is written for. */
  readonly from: BodyApi
  /** The API of the upstream's endpoint. */
  readonly to: BodyApi
  /**
   * @param body complete; it must not be changed afterwards, as its outline is remembered
   * @param model what the client calls the model: it reads this name if the upstream's response has none
   */
  prepareRequest(body: Buffer, model: string | null): OutboundRequest
}

/** A request that is sent in place of the client's, for any upstream that speaks the API. */
export interface OutboundRequest {
  /** The API that the client's body is written for. */
  readonly api: BodyApi
  /** The endpoint, behind the version: `/chat/completions`, `/responses` or `/messages`. */
  readonly path: string
  /** The body, without the edits of `rewriteFor`. */
  readonly pieces: readonly Buffer[]
  /** Where the model and other fields stand in `pieces`. */
  readonly peeked: Peek
  /** What the client's body says about the response that it wants. */
  readonly meta: Pick<RequestMeta, 'stream' | 'includeUsage'>
  /** The conversation that the request belongs to: all its requests prefer one target. Null if it is unknown. */
  readonly conversation: string | null
  /**
   * Adapts the request to one upstream. Called for each attempt; idempotent.
   * @param chat what the upstream's chat completions take; the other APIs have one form
   */
  rewriteFor(chat: Capabilities): UpstreamRewrite
}

/** What one upstream needs: changes to the request's body, and a translation of the response. */
export interface UpstreamRewrite {
  /** Changes to `OutboundRequest.pieces`, in ascending order. */
  readonly edits: readonly Edit[]
  /**
   * Null if every response passes as it is. Refers to no part of the request body, which would otherwise stay in
   * memory for as long as the response streams.
   */
  readonly translate: CreateTranslation | null
  /** The response must come uncompressed, as it is read: the request asks for that. */
  readonly readable: boolean
  /**
   * The response is in another API than the client reads, so that none of it may pass untranslated. The API gives
   * the usage unasked, and the translation hands it on if the client wants it.
   */
  readonly foreign: boolean
}
