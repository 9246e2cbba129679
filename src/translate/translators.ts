import type { BodyApi } from '../api/apis.js'
import { ALL_CAPABILITIES, type Capabilities } from '../api/capabilities.js'
import { peekFields } from '../json/peek.js'
import type { NativeTarget } from './request/native-context.js'
import { buildNativeRequest } from './request/native-request.js'
import { parseRequestOutline, readRequestMeta } from './request/request-outline.js'
import { findCustomTools, translateToChat } from './request/to-chat.js'
import { createCompletionToStream } from './response/completion-to-stream.js'
import { type ResponseContext, selectTranslation } from './response/select.js'
import type { CreateTranslation } from './translation.js'
import type { OutboundRequest, Translator, UpstreamRewrite } from './translator.js'

/** A body goes to the API that it is written for: only what that API refuses is changed. */
export const NATIVE_TRANSLATORS: Readonly<Record<BodyApi, Translator>> = {
  chat: { from: 'chat', to: 'chat', prepareRequest: prepareChat },
  responses: createNativeTranslator('responses'),
  messages: createNativeTranslator('messages'),
}

/** A body goes to an upstream that has chat completions and nothing else. */
export const CHAT_TRANSLATORS: Readonly<Record<BodyApi, Translator>> = {
  chat: NATIVE_TRANSLATORS.chat,
  responses: createChatTranslator('responses'),
  messages: createChatTranslator('messages'),
}

/** The translator of a pair of APIs; null if there is none. */
export function findTranslator(from: BodyApi, to: BodyApi): Translator | null {
  if (from === to) return NATIVE_TRANSLATORS[from]
  return to === 'chat' ? CHAT_TRANSLATORS[from] : null
}

function prepareChat(body: Buffer): OutboundRequest {
  const { conversation, ...meta } = readRequestMeta(body, parseRequestOutline(body))
  return {
    ...{
      api: 'chat',
      path: '/chat/completions',
      pieces: [body],
      peeked: peekFields(body),
      meta,
      conversation,
    },
    rewriteFor: (capabilities) => rewriteChat(body, capabilities, meta),
  }
}

function createNativeTranslator(api: Exclude<BodyApi, 'chat'>): Translator {
  return {
    ...{ from: api, to: api },
    prepareRequest: (body, model) => {
      const { path, edits, stream, includeUsage, conversation, wrapped } = buildNativeRequest(
        api,
        body,
        createDefaultTarget(ALL_CAPABILITIES),
      )
      const translate = createResponseTranslation({ from: api, stream, includeUsage, model, wrapped })
      const rewrite = { edits, translate, readable: true, foreign: true }
      const meta = { stream, includeUsage }
      return {
        ...{ api, path, pieces: [body], peeked: peekFields(body), meta, conversation },
        rewriteFor: () => rewrite,
      }
    },
  }
}

function createChatTranslator(api: Exclude<BodyApi, 'chat'>): Translator {
  return {
    ...{ from: api, to: 'chat' },
    prepareRequest: (body) => {
      const { conversation, ...meta } = readRequestMeta(body, parseRequestOutline(body))
      const customs = findCustomTools(body)
      const chat = translateToChat(api, body, customs)
      return {
        ...{ api, path: '/chat/completions', pieces: [chat], peeked: peekFields(chat), meta, conversation },
        rewriteFor: (capabilities) => rewriteChat(chat, capabilities, meta, customs),
      }
    },
  }
}

/** @param customs names of custom tools that the body has as functions already */
function rewriteChat(
  body: Buffer,
  capabilities: Capabilities,
  { stream, includeUsage }: OutboundRequest['meta'],
  customs: readonly string[] = [],
): UpstreamRewrite {
  const { edits, wrapped } = buildNativeRequest('chat', body, createDefaultTarget(capabilities))
  const all = customs.length === 0 ? wrapped : [...customs, ...wrapped]
  const hasTools = peekFields(body).tools
  if (all.length > 0 || hasTools) {
    const translate = createResponseTranslation({
      ...{ from: 'chat', stream, includeUsage, model: null, wrapped: all, hasTools },
    })
    return { edits, translate, readable: true, foreign: false }
  }
  const translate = stream ? createCompletionToStream(includeUsage) : null
  return { edits, translate, readable: false, foreign: false }
}

/** A function of its own, so that the closure does not keep the request body alive while the response streams. */
function createResponseTranslation(
  request: Omit<ResponseContext, 'status' | 'eventStream'>,
): CreateTranslation {
  return (status, { eventStream, encoding }) =>
    encoding === null ? selectTranslation({ ...request, status, eventStream }) : null
}

/** A target of which only the capabilities of its chat completions are known. */
export function createDefaultTarget({ customTools, reasoning }: Capabilities): NativeTarget {
  return {
    traits: {
      ...{ api: null, refuses: [], efforts: null, maxOutputTokens: null, callIds: 'any' },
      ...{ customTools, reasoningObject: reasoning, chatThinking: 'none', thinking: 'budget' },
      limitField: customTools ? 'max_completion_tokens' : 'max_tokens',
    },
    ...{ upstream: '', effort: null, thoughts: null },
  }
}
