import { messagesToChat, responsesToChat } from './completion.js'
import { errorToChat } from './errors.js'
import { Gathering } from './gathering.js'
import { MessagesTranslation } from './messages.js'
import { ResponsesTranslation } from './responses.js'
import type { Shape } from './shape.js'
import type { Translation } from './translation.js'
import { completionToChunks } from './unstreamed.js'

/** What decides how an answer is turned back into a chat completion. */
export interface AnswerFacts {
  /** Whose API the upstream speaks on the path that was asked. */
  readonly from: Exclude<Shape, 'chat'>
  readonly status: number
  readonly eventStream: boolean
  /** The client asked for a stream; not if it is not there. */
  readonly stream?: boolean
  /** The client asked for a chunk with the usage. */
  readonly includeUsage: boolean
  /** The model that was asked for: what the client is told if the upstream names none. */
  readonly model: string | null
}

/** A longer one is for no reader. */
const LONGEST_ERROR = 1024 * 1024

/**
 * What makes a chat completion of an answer with this head; null if it goes on as it is. The answer must not be compressed.
 * What comes has another length. Who asked for a stream gets one, also of a whole answer.
 */
export function answerTranslation(facts: AnswerFacts): Translation | null {
  const { from, status, eventStream, includeUsage, model } = facts
  if (status >= 400) return eventStream ? null : new Gathering(errorToChat, LONGEST_ERROR)
  if (status !== 200) return null
  const asStream = (): Translation =>
    from === 'responses'
      ? new ResponsesTranslation(includeUsage, model)
      : new MessagesTranslation(includeUsage, model)
  if (eventStream) return asStream()
  const convert = from === 'responses' ? responsesToChat : messagesToChat
  const { stream = false } = facts
  const whole = (body: Buffer): Buffer => convert(body, model)
  return new Gathering(
    stream ? (body) => completionToChunks(whole(body), includeUsage) : whole,
    null,
    asStream,
    stream,
  )
}
