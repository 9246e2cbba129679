import { messagesToChat, responsesToChat } from './completion.js'
import { errorToChat } from './errors.js'
import { Gathering } from './gathering.js'
import { MessagesTranslation } from './messages.js'
import { ResponsesTranslation } from './responses.js'
import type { Shape } from './shape.js'
import type { Translation } from './translation.js'
import { UnwrappedCalls, unwrappedCompletion } from './unwrapped.js'

/** What decides how an answer is turned back into a chat completion. */
export interface AnswerFacts {
  /** Whose API the upstream speaks on the path that was asked. */
  readonly from: Shape
  readonly status: number
  readonly eventStream: boolean
  /** The client asked for a chunk with the usage. */
  readonly includeUsage: boolean
  /** The model that was asked for: what the client is told if the upstream names none. */
  readonly model: string | null
  /** Names of the custom tools that went out as functions; none if it is not there. */
  readonly wrapped?: readonly string[]
}

/** With pictures in it, and the longest that Anthropic and OpenAI write. */
const LONGEST_ANSWER = 64 * 1024 * 1024
const LONGEST_ERROR = 1024 * 1024

/**
 * What makes a chat completion of an answer with this head, or of one the chat completion that the client is to have; null if
 * it goes on as it is. The answer must not be compressed.
 * What comes has another length, and still has `text/event-stream` or JSON for a content type.
 */
export function answerTranslation(facts: AnswerFacts): Translation | null {
  const { from, status, eventStream } = facts
  if (status >= 400) {
    return eventStream || from === 'chat' ? null : new Gathering(errorToChat, LONGEST_ERROR)
  }
  if (status !== 200 || (from === 'chat' && !facts.wrapped?.length)) return null
  if (eventStream) return streamTranslation(facts)
  return new Gathering(
    (body) => wholeAnswer(body, facts),
    LONGEST_ANSWER,
    () => streamTranslation(facts),
  )
}

function streamTranslation({ from, includeUsage, model, wrapped = [] }: AnswerFacts): Translation {
  if (from === 'responses') return new ResponsesTranslation(includeUsage, model)
  return from === 'messages'
    ? new MessagesTranslation(includeUsage, model, wrapped)
    : new UnwrappedCalls(wrapped)
}

function wholeAnswer(body: Buffer, { from, model, wrapped = [] }: AnswerFacts): Buffer {
  if (from === 'responses') return responsesToChat(body, model)
  return from === 'messages' ? messagesToChat(body, model, wrapped) : unwrappedCompletion(body, wrapped)
}
