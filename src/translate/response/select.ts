import type { BodyApi, ConversationApi } from '../../api/apis.js'
import { EMPTY } from '../../lib/bytes.js'
import type { ShownThinking } from '../conversation-request.js'
import { unwrapCompletion } from '../custom-tools/unwrap-completion.js'
import { UnwrapStream } from '../custom-tools/unwrap-stream.js'
import { ChatThoughtObserver } from '../thinking/chat-thought-observer.js'
import type { ThoughtSink } from '../thinking/thought-sink.js'
import type { CreateTranslation, Translation } from '../translation.js'
import { BufferedTranslation } from './buffered.js'
import { joinTranslations } from './chain.js'
import { ChatRepairStream, repairCompletion } from './chat-repair.js'
import { createResponseWriter } from './create-writer.js'
import { convertErrorBody } from './error-body.js'
import { createStreamReader, readWholeBody } from './readers.js'
import { RenamedWriter } from './renamed-writer.js'
import type { ResponseWriter } from './response-writer.js'
import type { StreamTranslation } from './stream.js'

/** What decides, of the request and its target, how a response is read. */
export interface RequestContext {
  /** The API of the upstream's response. */
  readonly from: ConversationApi
  /** The API that the client reads. Missing: chat completions. */
  readonly reads?: BodyApi
  /** The client asked for a stream. Missing: it did not. */
  readonly stream?: boolean
  /** The client asked for a chunk with the usage. */
  readonly includeUsage: boolean
  /** The model in the client's request: the client reads this name if the response has none. */
  readonly model: string | null
  /** The client's names of the custom tools that went out as functions. Missing: none. */
  readonly wrapped?: readonly string[]
  /** By names of tools that the upstream got in place of the client's, those of the client. Missing: none. */
  readonly clients?: ReadonlyMap<string, string>
  /** The request has tools, so that a chat completion may have calls that Cursor cannot read. Missing: it has none. */
  readonly hasTools?: boolean
  /** Missing: as `reasoning_content`. */
  readonly showThinking?: ShownThinking
  /** Where thinking is kept for the next turn. Missing or null: nowhere. */
  readonly thoughts?: ThoughtSink | null
}

/** The same, with what the head of the response says. */
export interface ResponseContext extends RequestContext {
  readonly status: number
  readonly eventStream: boolean
  /** The head says JSON. Missing: it does not. */
  readonly json?: boolean
}

const NO_NAMES: ReadonlyMap<string, string> = new Map()

/** For a response that turns out to be a stream of chat completions although its head says JSON. */
const PASSES: Translation = {
  makes: null,
  bytesHeld: 0,
  push: (chunk) => chunk,
  end: () => EMPTY,
  breakOff: () => EMPTY,
  abort: (error) => Buffer.from(`data: ${error}\n\n`),
}

/** In bytes. A longer error passes as it is. */
const LONGEST_ERROR = 1024 * 1024

/**
 * Creates the choice of a translation for the responses to one request. It keeps nothing of the request's body.
 */
export function createResponseTranslation(request: RequestContext): CreateTranslation {
  return (status, { eventStream, json, encoding }) =>
    encoding === null ? selectTranslation({ ...request, status, eventStream, json }) : null
}

/** Reads the thinking of chat completions that pass byte for byte. */
export function createChatObserver(thoughts: ThoughtSink): CreateTranslation {
  return (status, { eventStream, json, encoding }) => {
    const isRead = status === 200 && encoding === null && (eventStream || json)
    return isRead ? new ChatThoughtObserver(eventStream, thoughts) : null
  }
}

/**
 * Chooses the translation that turns a response with this head into what the client reads; null if the response passes
 * as it is. A client that asked for a stream gets one, also from a whole response. The length of the body changes.
 * @param context of a response that is not compressed
 */
export function selectTranslation(context: ResponseContext): Translation | null {
  const { from, status, reads = 'chat' } = context
  if (status >= 400)
    return new BufferedTranslation((body) => convertErrorBody(body, reads, status), {
      longest: LONGEST_ERROR,
      makes: 'json',
    })
  if (status !== 200) return null
  return from === 'chat' && reads === 'chat' ? selectForChat(context) : translateFrom(context)
}

/** A chat completion for a client of chat completions: all bytes stay but those that Cursor cannot read. */
function selectForChat(context: ResponseContext): Translation | null {
  const {
    eventStream,
    json = false,
    stream = false,
    wrapped = [],
    hasTools = false,
    thoughts = null,
    showThinking = 'reasoning_content',
    clients = NO_NAMES,
  } = context
  // Nearly all servers name thinking like this: to show it in another way, the response has to be written again.
  if (showThinking !== 'reasoning_content') return translateFrom(context)
  // Some servers have streams alone, also for a client that did not ask for one.
  if (eventStream) return stream ? createChatTransform(context) : translateFrom(context)
  if (stream) {
    const asStream = (): Translation => createChatTransform(context) ?? PASSES
    return json || hasTools ? translateFrom(context, asStream) : null
  }
  const observer = thoughts === null ? null : new ChatThoughtObserver(false, thoughts)
  const changes = wrapped.length > 0 || hasTools
  const whole = changes
    ? new BufferedTranslation((body) => unwrapCompletion(repairCompletion(body, clients), wrapped), {
        asStream: () => createChatTransform(context) ?? PASSES,
      })
    : null
  // Behind the repair, as thinking is kept by the ids that the client gets.
  return joinTranslations(whole, observer)
}

function createChatTransform(context: ResponseContext): Translation | null {
  const { wrapped = [], hasTools = false, thoughts = null, clients = NO_NAMES } = context
  const observer = thoughts === null ? null : new ChatThoughtObserver(true, thoughts)
  const repair = hasTools ? new ChatRepairStream(clients) : null
  const unwrap = wrapped.length > 0 ? new UnwrapStream(wrapped) : null
  // Behind the repair, as thinking is kept by the ids that the client gets.
  return joinTranslations(joinTranslations(repair, observer), unwrap)
}

/**
 * A response in another API than the client reads, or in another form: its reader tells the client's writer.
 * @param asStream translates a body that turns out to be a stream; null: as a stream whose head says so
 */
function translateFrom(context: ResponseContext, asStream: (() => Translation) | null = null): Translation {
  const { from, eventStream, reads = 'chat', stream = false, includeUsage, model } = context
  const { wrapped = [], thoughts = null, showThinking = 'reasoning_content' } = context
  const { clients = NO_NAMES } = context
  const options = { wrapped: listUpstreams(wrapped, clients), thoughts }
  const createWriter = (): ResponseWriter => {
    const writer = createResponseWriter({ reads, stream, includeUsage, model, showThinking })
    return clients.size === 0 ? writer : new RenamedWriter(writer, clients)
  }
  const createReader = (): StreamTranslation =>
    createStreamReader(from, createWriter(), options, stream ? null : 'json')
  if (eventStream) return createReader()
  return new BufferedTranslation(
    (body) => {
      const writer = createWriter()
      readWholeBody(from, body, writer, options)
      return writer.take()
    },
    {
      makes: stream ? 'stream' : 'json',
      asStream: asStream ?? createReader,
      printError: (error) => createReader().abort(error),
    },
  )
}

/** The upstream's names of these tools. */
function listUpstreams(names: readonly string[], clients: ReadonlyMap<string, string>): readonly string[] {
  if (clients.size === 0) return names
  const upstreams = new Map([...clients].map(([upstream, client]) => [client, upstream]))
  return names.map((name) => upstreams.get(name) ?? name)
}
