import type { BodyApi, ConversationApi } from '../api/apis.js'
import type { ModelTraits } from '../api/model-traits.js'
import type { Edit } from '../json/edits.js'
import type { Peek } from '../json/peek.js'
import type { ThoughtMemory } from './thinking/thought-memory.js'
import type { CreateTranslation } from './translation.js'

/** One target of a request, as far as translation is concerned. */
export interface TranslationTarget {
  /** The API by which it is asked: see `chooseApi`. */
  readonly api: ConversationApi
  readonly traits: ModelTraits
  /** The model's name there; null if it is the client's. */
  readonly model: string | null
  /** Name of the upstream: thinking goes back only to where it came from. */
  readonly upstream: string
}

/** A field of the request that cannot be carried to an API, and must not be dropped in silence. */
export interface FieldRefusal {
  /** The field's name in the client's body. */
  readonly param: string
  /** For the client: what cannot be done, and what to change. */
  readonly message: string
}

/**
 * A client's conversation that may go to any target, in that target's API:
 *
 * | step | how often | result |
 * | --- | --- | --- |
 * | `prepareConversation` | once per request | a `ConversationRequest` |
 * | `requestFor` | **for each attempt** | the body for one target, and how its response is read |
 * | `OutboundRequest.translate` | once per response | a `Translation`, which changes it chunk by chunk |
 *
 * All but the `Translation` are free of state, and no step changes its input. `requestFor` is idempotent: a retry, a
 * failover and a hedge that runs at the same time each get the same bytes for the same target, and the prompt cache of
 * the upstream recognizes the prompt.
 */
export interface ConversationRequest {
  /** The API that the client's body is written for. */
  readonly api: BodyApi
  /** The API that the client reads: chat completions for Cursor, whatever its body is. */
  readonly reads: BodyApi
  /** The name that a target without a model of its own gets; null: the client's own, as it stands in the body. */
  readonly modelName: string | null
  /** The conversation that the request belongs to: all its requests prefer one target. Null if it is unknown. */
  readonly conversation: string | null
  /** See `ThoughtMemory`: the request is not written before. */
  whenReady(): Promise<void> | null
  /** Why the request cannot go to a target that is asked by this API; null if it can. */
  findRefusal(to: ConversationApi): FieldRefusal | null
  /** The request for one target. Called for each attempt; idempotent. */
  requestFor(target: TranslationTarget): OutboundRequest
}

/** What one target gets in place of the client's request. */
export interface OutboundRequest {
  /** The endpoint, behind the version: `/chat/completions`, `/models/NAME:generateContent` and the like. */
  readonly path: string
  /** The query in place of the client's, with its `?`; null: the client's. */
  readonly query: string | null
  /** The body, without `edits`. */
  readonly pieces: readonly Buffer[]
  /** Where the model and other fields stand in `pieces`. */
  readonly peeked: Peek
  /** Changes to `pieces`, in ascending order. */
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
  /** Names of the client's fields that were left out, as the target does not have them or its model refuses them. */
  readonly dropped: readonly string[]
}

/** What a request brings to its translation besides its body. */
export interface ConversationOptions {
  /** The API that the client reads. */
  readonly reads: BodyApi
  /** It came by Cursor's own route: what Cursor mixes into bodies is put right, also where their API stays. */
  readonly isCursor: boolean
  /** The model's name for the client, for responses that have none; null if it names none. */
  readonly model: string | null
  /** See `ConversationRequest`. */
  readonly modelName: string | null
  /** The effort that the client chose by the model's name (`team-fast-high`); null if it did not. */
  readonly effort: string | null
  /** How thinking is shown to Cursor. */
  readonly showThinking: ShownThinking
  /** The thinking of earlier turns of this team; null: none is kept. */
  readonly thoughts: ThoughtMemory | null
}

/** How thinking is shown to a client of chat completions: in `reasoning_content`, as `<think>` text, or not at all. */
export type ShownThinking = 'reasoning_content' | 'think_tags' | 'none'
