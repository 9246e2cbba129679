import type { BodyApi } from '../api/apis.js'
import type { Capabilities } from '../api/capabilities.js'
import type { Edit } from '../json/edits.js'
import { type Peek, peekFields } from '../json/peek.js'
import { buildNativeRequest } from './request/native-request.js'
import type { RequestMeta } from './request/request-outline.js'
import { findCustomTools, translateToChat } from './request/to-chat.js'
import { createCompletionToStream } from './response/completion-to-stream.js'
import { type ResponseContext, selectTranslation } from './response/select.js'
import type { CreateTranslation } from './translation.js'

/** What is sent on in place of a request. */
export interface OutboundRequest {
  readonly api: BodyApi
  /** Behind the version. */
  readonly path: string
  /** The body. */
  readonly pieces: readonly Buffer[]
  readonly peeked: Peek
  /** @param chat what the upstream's chat completions take */
  rewriteFor(chat: Capabilities): UpstreamRewrite
  /** How the client wants the answer. */
  readonly meta: Pick<RequestMeta, 'stream' | 'includeUsage'>
  /** Of which it is a part: it is to meet the same target as the rest. Null if it does not say. */
  readonly conversation: string | null
}

/** How it goes to an upstream, which may take less than the next one. */
export interface UpstreamRewrite {
  /** What is changed of the body, in their order. */
  readonly edits: readonly Edit[]
  /** Null if the answer goes on as it is. Holds on to nothing of the request. */
  readonly translate: CreateTranslation | null
  /** The answer is to come uncompressed: much of it, or all, is to be changed. */
  readonly readable: boolean
  /** The answer is another API's, of which nothing can go on as it is: a stream of it has its usage as the client asks for it. */
  readonly foreign: boolean
}

/** A body on its way to the API that it is written for: only what that refuses is changed. */
export function createNativeRequest(api: BodyApi, body: Buffer, model: string | null): OutboundRequest {
  const { path, edits, stream, includeUsage, conversation, wrapped } = buildNativeRequest(api, body)
  const meta = { stream, includeUsage }
  const common = { api, path, pieces: [body], peeked: peekFields(body), meta, conversation }
  if (api === 'chat') return { ...common, rewriteFor: (chat) => chatTerms(body, chat, meta) }
  const translate = back({ from: api, stream, includeUsage, model, wrapped })
  const rewrite = { edits, translate, readable: true, foreign: true }
  return { ...common, rewriteFor: () => rewrite }
}

/** The same where there is no such API: all of it said in the words of chat completions. */
export function createTranslatedRequest(
  { api, meta, conversation }: OutboundRequest,
  body: Buffer,
): OutboundRequest {
  const customs = findCustomTools(body)
  const chat = translateToChat(api, body, customs)
  return {
    ...{ api, path: '/chat/completions', pieces: [chat], peeked: peekFields(chat), meta, conversation },
    // Of what was translated, what one or the other does not take.
    rewriteFor: (capabilities) => chatTerms(chat, capabilities, meta, customs),
  }
}

/** @param customs names of custom tools that are functions in the body already */
function chatTerms(
  body: Buffer,
  capabilities: Capabilities,
  asked: OutboundRequest['meta'],
  customs: readonly string[] = [],
): UpstreamRewrite {
  const { edits, wrapped } = buildNativeRequest('chat', body, { capabilities })
  const all = customs.length === 0 ? wrapped : [...customs, ...wrapped]
  const { stream, includeUsage } = asked
  if (all.length > 0) {
    const translate = back({ from: 'chat', stream, includeUsage, model: null, wrapped: all })
    return { edits, translate, readable: true, foreign: false }
  }
  return {
    edits,
    translate: stream ? createCompletionToStream(includeUsage) : null,
    readable: false,
    foreign: false,
  }
}

/** By itself, as it lasts as long as the answer, and what stands beside it would too. */
function back(asked: Omit<ResponseContext, 'status' | 'eventStream'>): CreateTranslation {
  return (status, { eventStream, encoding }) =>
    encoding === null ? selectTranslation({ ...asked, status, eventStream }) : null
}
