import type { BodyApi } from '../../api/apis.js'
import { UnwrapStream, unwrapCompletion } from '../custom-tools/unwrap-stream.js'
import type { Translation } from '../translation.js'
import { BufferedTranslation } from './buffered.js'
import { translateError } from './chat-errors.js'
import { splitCompletion } from './completion-to-stream.js'
import { MessagesTranslation } from './messages-stream.js'
import { ResponsesTranslation } from './responses-stream.js'
import { translateMessage, translateResponse } from './whole.js'

/** What decides how an answer is turned back into a chat completion. */
export interface ResponseContext {
  /** Whose API the upstream speaks on the path that was asked. */
  readonly from: BodyApi
  readonly status: number
  readonly eventStream: boolean
  /** The client asked for a stream; not if it is not there. */
  readonly stream?: boolean
  /** The client asked for a chunk with the usage. */
  readonly includeUsage: boolean
  /** The model that was asked for: what the client is told if the upstream names none. */
  readonly model: string | null
  /** Names of the custom tools that went out as functions; none if it is not there. */
  readonly wrapped?: readonly string[]
}

/** A longer one is for no reader. */
const LONGEST_ERROR = 1024 * 1024

/**
/**
 * What makes a chat completion of an answer with this head, or of one the chat completion that the client is to have; null if
 * it goes on as it is. The answer must not be compressed.
 * What comes has another length. Who asked for a stream gets one, also of a whole answer.
 */
export function selectTranslation(facts: ResponseContext): Translation | null {
  const { from, status, eventStream, stream = false } = facts
  if (status >= 400) {
    return eventStream || from === 'chat' ? null : new BufferedTranslation(translateError, LONGEST_ERROR)
  }
  if (status !== 200 || (from === 'chat' && !facts.wrapped?.length)) return null
  if (eventStream) return streamTranslation(facts)
  return new BufferedTranslation(
    (body) => wholeAnswer(body, facts),
    null,
    () => streamTranslation(facts),
    stream,
  )
}

function streamTranslation({ from, includeUsage, model, wrapped = [] }: ResponseContext): Translation {
  if (from === 'responses') return new ResponsesTranslation(includeUsage, model)
  return from === 'messages'
    ? new MessagesTranslation(includeUsage, model, wrapped)
    : new UnwrapStream(wrapped)
}

function wholeAnswer(body: Buffer, facts: ResponseContext): Buffer {
  const chat = completionOf(body, facts)
  return facts.stream ? splitCompletion(chat, facts.includeUsage) : chat
}

function completionOf(body: Buffer, { from, model, wrapped = [] }: ResponseContext): Buffer {
  if (from === 'responses') return translateResponse(body, model)
  return from === 'messages' ? translateMessage(body, model, wrapped) : unwrapCompletion(body, wrapped)
}
