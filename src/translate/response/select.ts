import type { BodyApi } from '../../api/apis.js'
import { unwrapCompletion } from '../custom-tools/unwrap-completion.js'
import { UnwrapStream } from '../custom-tools/unwrap-stream.js'
import type { Translation } from '../translation.js'
import { BufferedTranslation } from './buffered.js'
import { ChainedTranslation } from './chain.js'
import { translateError } from './chat-errors.js'
import { ChatRepairStream, repairCompletion } from './chat-repair.js'
import { splitCompletion } from './completion-to-stream.js'
import { MessagesTranslation } from './messages-stream.js'
import { ResponsesTranslation } from './responses-stream.js'
import { translateMessage, translateResponse } from './whole.js'

/** Everything that decides how a response becomes a chat completion. */
export interface ResponseContext {
  /** The API of the upstream's response. */
  readonly from: BodyApi
  readonly status: number
  readonly eventStream: boolean
  /** The client asked for a stream. Missing: it did not. */
  readonly stream?: boolean
  /** The client asked for a chunk with the usage. */
  readonly includeUsage: boolean
  /** The model in the client's request: the client reads this name if the response has none. */
  readonly model: string | null
  /** Names of the custom tools that went out as functions. Missing: none. */
  readonly wrapped?: readonly string[]
  /** The request had tools, so that chat completions may have calls to repair. Missing: only if some are wrapped. */
  readonly hasTools?: boolean
}

/** In bytes. A longer error passes as it is. */
const LONGEST_ERROR = 1024 * 1024

/**
 * Chooses the translation that turns a response with this head into the chat completion that the client reads; null if
 * the response passes as it is. A client that asked for a stream gets one, also from a whole response. The length of
 * the body changes.
 * @param context of a response that is not compressed
 */
export function selectTranslation(context: ResponseContext): Translation | null {
  const { from, status, eventStream, stream = false } = context
  if (status >= 400) {
    return eventStream || from === 'chat' ? null : new BufferedTranslation(translateError, LONGEST_ERROR)
  }
  if (status !== 200 || (from === 'chat' && !context.wrapped?.length && !context.hasTools)) return null
  if (eventStream) return createStreamTranslation(context)
  return new BufferedTranslation(
    (body) => translateWhole(body, context),
    null,
    () => createStreamTranslation(context),
    stream,
  )
}

function createStreamTranslation({ from, includeUsage, model, wrapped = [] }: ResponseContext): Translation {
  if (from === 'responses') return new ResponsesTranslation(includeUsage, model)
  if (from === 'messages') return new MessagesTranslation(includeUsage, model, wrapped)
  const repair = new ChatRepairStream()
  return wrapped.length === 0 ? repair : new ChainedTranslation(repair, new UnwrapStream(wrapped))
}

function translateWhole(body: Buffer, context: ResponseContext): Buffer {
  const completion = convertCompletion(body, context)
  return context.stream ? splitCompletion(completion, context.includeUsage) : completion
}

function convertCompletion(body: Buffer, { from, model, wrapped = [] }: ResponseContext): Buffer {
  if (from === 'responses') return translateResponse(body, model)
  return from === 'messages'
    ? translateMessage(body, model, wrapped)
    : unwrapCompletion(repairCompletion(body), wrapped)
}
