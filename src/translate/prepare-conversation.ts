import { BODY_PATHS, type BodyApi, type ConversationApi } from '../api/apis.js'
import { findMember } from '../json/outline.js'
import { peekFields, peekMembers } from '../json/peek.js'
import type { Conversation } from './conversation.js'
import type {
  ConversationOptions,
  ConversationRequest,
  FieldRefusal,
  OutboundRequest,
  TranslationTarget,
} from './conversation-request.js'
import { readChat } from './read/chat.js'
import { readMessages } from './read/messages.js'
import { findRefusal } from './read/refusals.js'
import { readResponses } from './read/responses.js'
import { createCallIds, createChatCallIds, LONGEST_CHAT_CALL_ID } from './repair/call-ids.js'
import { repairOrder, separateIds } from './repair/items.js'
import { renameTools } from './repair/tool-names.js'
import { hashBeginning } from './request/beginning.js'
import { addChatThinking } from './request/native-chat-history.js'
import { buildNativeRequest } from './request/native-request.js'
import { parseRequestOutline, type RequestMeta, readRequestMeta } from './request/request-outline.js'
import { createChatObserver, createResponseTranslation } from './response/select.js'
import type { ThoughtMemory } from './thinking/thought-memory.js'
import type { ThoughtSink } from './thinking/thought-sink.js'
import { writeChat } from './write/chat.js'
import { writeGemini } from './write/gemini.js'
import { writeMessages } from './write/messages.js'
import { writeResponses } from './write/responses.js'

const READERS = { chat: readChat, responses: readResponses, messages: readMessages } as const

const WRITERS = {
  chat: writeChat,
  responses: writeResponses,
  messages: writeMessages,
  gemini: writeGemini,
} as const

/**
 * Prepares a conversation for any target.
 * @param api that the body is written for
 * @param body complete; it must not be changed afterwards, as its outline is remembered
 */
export function prepareConversation(
  api: BodyApi,
  body: Buffer,
  options: ConversationOptions,
): ConversationRequest {
  return new PreparedConversation(api, body, options)
}

class PreparedConversation implements ConversationRequest {
  readonly api: BodyApi
  readonly reads: BodyApi
  readonly modelName: string | null
  private readonly meta: Pick<RequestMeta, 'stream' | 'includeUsage'>
  private readonly conversationId: string | null
  private readonly body: Buffer
  private readonly options: ConversationOptions
  /** Read when a target of another API needs it; null if the body cannot be read. */
  private content: Conversation | null | undefined

  constructor(api: BodyApi, body: Buffer, options: ConversationOptions) {
    const { conversation, ...meta } = readRequestMeta(body, parseRequestOutline(body))
    this.api = api
    this.reads = options.reads
    this.modelName = options.modelName
    this.meta = meta
    this.conversationId = conversation
    this.body = body
    this.options = options
    this.content = undefined
  }

  /** A chat that grows keeps its beginning: it stands for the id that only some clients send. */
  get conversation(): string | null {
    return this.conversationId ?? (hashBeginning(this.body) || null)
  }

  whenReady(): Promise<void> | null {
    return this.options.thoughts?.whenReady() ?? null
  }

  findRefusal(to: ConversationApi): FieldRefusal | null {
    if (to === this.api) return null
    const content = this.read()
    return content === null ? null : findRefusal(content, to)
  }

  requestFor(target: TranslationTarget): OutboundRequest {
    const content = target.api === this.api ? null : this.read()
    // A body that cannot be read goes as it came: the upstream reports the mistake.
    return content === null ? this.forward(target) : this.translate(content, target)
  }

  private read(): Conversation | null {
    if (this.content === undefined) {
      const read = READERS[this.api](this.body)
      // Clients of Responses and Messages get the usage unasked.
      const includeUsage = read?.includeUsage === true || this.reads !== 'chat'
      this.content = read === null ? null : { ...read, includeUsage, items: repairOrder(read.items) }
    }
    return this.content
  }

  /** The body goes to the API that it is written for: only what that API or its model refuses is changed. */
  private forward(target: TranslationTarget): OutboundRequest {
    const { api, body, options } = this
    const request = parseRequestOutline(body)
    const peeked = request === null ? peekFields(body) : peekMembers(body, request)
    const base = { path: BODY_PATHS[api], query: null, pieces: [body], peeked }
    if (!options.isCursor) return { ...base, ...this.replay(target), foreign: false, dropped: [] }
    const { traits, upstream, model } = target
    const { effort, thoughts } = options
    const native = { traits, upstream, model, effort, thoughts }
    const { edits, dropped, wrapped, clients } = buildNativeRequest(api, body, native)
    const context = this.responseContext(target, wrapped, clients)
    const translate = createResponseTranslation(context)
    const foreign = api !== this.reads
    return { ...base, edits, translate, readable: foreign || context.hasTools, foreign, dropped }
  }

  /**
   * Of a client that is not Cursor, a body that stays in its API keeps its bytes. Where chat completions want the
   * thinking of earlier turns back, which few clients send, it is put in, and that of the answer is kept.
   */
  private replay(target: TranslationTarget): Pick<OutboundRequest, 'edits' | 'translate' | 'readable'> {
    const { api, body, hasTools } = this
    const { effort, thoughts } = this.options
    if (api !== 'chat' || target.traits.chatThinking === 'none' || thoughts === null)
      return { edits: [], translate: null, readable: false }
    const edits = addChatThinking(body, { ...target, effort, thoughts })
    const translate = hasTools ? createChatObserver(createThoughtSink(thoughts, target)) : null
    return { edits, translate, readable: hasTools }
  }

  private translate(content: Conversation, target: TranslationTarget): OutboundRequest {
    const { thoughts, effort } = this.options
    const kind = target.traits.callIds
    const callIds =
      target.api === 'chat' ? createChatCallIds(kind) : createCallIds(kind, LONGEST_CHAT_CALL_ID)
    const items = separateIds(content.items, target.api === 'chat' ? 'turn' : 'conversation')
    const { conversation, clients } = renameTools({ ...content, items }, target.api, target.traits)
    const written = WRITERS[target.api](conversation, target, { thoughts, effort, callIds })
    const { path, query, body, peeked, dropped } = written
    const wrapped = written.wrapped.map((name) => clients.get(name) ?? name)
    return {
      ...{ path, query, pieces: [body], peeked, edits: [], dropped },
      translate: createResponseTranslation(this.responseContext(target, wrapped, clients)),
      ...{ readable: true, foreign: target.api !== this.reads },
    }
  }

  private get hasTools(): boolean {
    const request = parseRequestOutline(this.body)
    return (
      (findMember(request, 'tools')?.elements?.length ?? 0) > 0 || findMember(request, 'functions') !== null
    )
  }

  /** Everything that decides how a response of this API is read. Nothing in it keeps the body alive. */
  private responseContext(
    target: TranslationTarget,
    wrapped: readonly string[],
    clients: ReadonlyMap<string, string>,
  ) {
    const { reads, meta, options, hasTools } = this
    const { model, showThinking, thoughts } = options
    return {
      ...{ from: target.api, reads, ...meta, model, showThinking, wrapped, clients, hasTools },
      // Thinking is wanted back beside tool calls alone.
      thoughts: thoughts === null || !hasTools ? null : createThoughtSink(thoughts, target),
    }
  }
}

/** Keeps what an upstream thought, under the calls that it made. */
function createThoughtSink(memory: ThoughtMemory, { upstream, model, api }: TranslationTarget): ThoughtSink {
  const recorder = memory.openRecorder()
  return {
    remember(callIds, json) {
      for (const id of callIds) recorder.remember(id, { upstream, model, api, json })
    },
  }
}
