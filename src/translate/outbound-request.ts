import type { Shape } from '../api/apis.js'
import type { Capabilities } from '../api/capabilities.js'
import type { Edit } from '../json/edits.js'
import { type Peek, peek } from '../json/peek.js'
import { nativeRequest } from './request/native-request.js'
import type { Asked } from './request/request-outline.js'
import { customsOf, toChat } from './request/to-chat.js'
import { streamOfWhole } from './response/completion-to-stream.js'
import { type AnswerFacts, answerTranslation } from './response/select.js'
import type { Translate } from './translation.js'

/** What is sent on in place of a request. */
export interface Errand {
  readonly shape: Shape
  /** Behind the version. */
  readonly path: string
  /** The body. */
  readonly pieces: readonly Buffer[]
  readonly found: Peek
  /** @param chat what the upstream's chat completions take */
  termsFor(chat: Capabilities): Terms
  /** How the client wants the answer. */
  readonly asked: Pick<Asked, 'stream' | 'includeUsage'>
  /** Of which it is a part: it is to meet the same target as the rest. Null if it does not say. */
  readonly conversation: string | null
}

/** How it goes to an upstream, which may take less than the next one. */
export interface Terms {
  /** What is changed of the body, in their order. */
  readonly edits: readonly Edit[]
  /** Null if the answer goes on as it is. Holds on to nothing of the request. */
  readonly translate: Translate | null
  /** The answer is to come uncompressed: much of it, or all, is to be changed. */
  readonly readable: boolean
  /** The answer is another API's, of which nothing can go on as it is: a stream of it has its usage as the client asks for it. */
  readonly foreign: boolean
}

/** A body on its way to the API that it is written for: only what that refuses is changed. */
export function nativeErrand(shape: Shape, body: Buffer, model: string | null): Errand {
  const { path, edits, stream, includeUsage, conversation, wrapped } = nativeRequest(shape, body)
  const asked = { stream, includeUsage }
  const common = { shape, path, pieces: [body], found: peek(body), asked, conversation }
  if (shape === 'chat') return { ...common, termsFor: (chat) => chatTerms(body, chat, asked) }
  const translate = back({ from: shape, stream, includeUsage, model, wrapped })
  const terms = { edits, translate, readable: true, foreign: true }
  return { ...common, termsFor: () => terms }
}

/** The same where there is no such API: all of it said in the words of chat completions. */
export function translatedErrand({ shape, asked, conversation }: Errand, body: Buffer): Errand {
  const customs = customsOf(body)
  const chat = toChat(shape, body, customs)
  return {
    ...{ shape, path: '/chat/completions', pieces: [chat], found: peek(chat), asked, conversation },
    // Of what was translated, what one or the other does not take.
    termsFor: (capabilities) => chatTerms(chat, capabilities, asked, customs),
  }
}

/** @param customs names of custom tools that are functions in the body already */
function chatTerms(
  body: Buffer,
  capabilities: Capabilities,
  asked: Errand['asked'],
  customs: readonly string[] = [],
): Terms {
  const { edits, wrapped } = nativeRequest('chat', body, { capabilities })
  const all = customs.length === 0 ? wrapped : [...customs, ...wrapped]
  const { stream, includeUsage } = asked
  if (all.length > 0) {
    const translate = back({ from: 'chat', stream, includeUsage, model: null, wrapped: all })
    return { edits, translate, readable: true, foreign: false }
  }
  return { edits, translate: stream ? streamOfWhole(includeUsage) : null, readable: false, foreign: false }
}

/** By itself, as it lasts as long as the answer, and what stands beside it would too. */
function back(asked: Omit<AnswerFacts, 'status' | 'eventStream'>): Translate {
  return (status, { eventStream, encoding }) =>
    encoding === null ? answerTranslation({ ...asked, status, eventStream }) : null
}
