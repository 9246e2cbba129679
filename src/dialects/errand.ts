import { type Peek, peek } from '../http/peek.js'
import type { Edit } from '../http/splice.js'
import { answerTranslation } from './answer.js'
import { type Capabilities, nativeRequest } from './native.js'
import type { Shape } from './shape.js'
import { toChat } from './to-chat.js'
import type { Translate } from './translation.js'
import { streamOfWhole } from './unstreamed.js'

/** What is sent on in place of a request, and what becomes of its answer. */
export interface Errand {
  readonly shape: Shape
  /** Behind the version. */
  readonly path: string
  /** The body. */
  readonly pieces: readonly Buffer[]
  readonly found: Peek
  /** What is changed of it, in their order. @param chat what the upstream's chat completions take */
  editsFor(chat: Capabilities): readonly Edit[]
  /** Null if the answer goes on as it is. */
  readonly translate: Translate | null
  /** The answer is another API's, of which nothing can go on as it is. */
  readonly foreign: boolean
  /** What `translate` is where the answer is a chat's. */
  readonly ofChat: Translate | null
  /** Of which it is a part: it is to meet the same target as the rest. Null if it does not say. */
  readonly conversation: string | null
}

/** A body on its way to the API that it is written for: only what that refuses is changed. */
export function nativeErrand(shape: Shape, body: Buffer, model: string | null): Errand {
  const { path, edits, stream, includeUsage, conversation } = nativeRequest(shape, body)
  const editsFor = (capabilities: Capabilities): readonly Edit[] =>
    shape === 'chat' ? nativeRequest(shape, body, { capabilities }).edits : edits
  const ofChat = stream ? streamOfWhole(includeUsage) : null
  const foreign = shape !== 'chat'
  const translate: Translate | null =
    shape === 'chat'
      ? ofChat
      : (status, { eventStream, encoding }) =>
          encoding === null
            ? answerTranslation({ from: shape, status, eventStream, stream, includeUsage, model })
            : null
  const common = { shape, path, pieces: [body], found: peek(body), conversation }
  return { ...common, editsFor, translate, foreign, ofChat }
}

/** The same where there is no such API: all of it said in the words of chat completions. */
export function translatedErrand({ shape, conversation, ofChat }: Errand, body: Buffer): Errand {
  const chat = toChat(shape, body)
  return {
    ...{ shape, path: '/chat/completions', pieces: [chat], found: peek(chat) },
    // Of what was translated, what one or the other does not take.
    ...{ editsFor: (capabilities) => nativeRequest('chat', chat, { capabilities }).edits },
    ...{ translate: ofChat, foreign: false, ofChat, conversation },
  }
}
