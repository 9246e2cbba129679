import type { Mark } from '../../json/mark-scanner.js'
import {
  captureMarks,
  findEvery,
  findMember,
  findOnly,
  parseOutline,
  readElements,
  readText,
  type Value,
  WHOLE,
} from '../../json/outline.js'

const TOOLS = readElements(findEvery({ function: findEvery(), custom: findEvery() }))

/** In bytes: longer ids of tool calls may be too long for Responses. */
export const LONGEST_CALL_ID = 64

/** Strings to watch for while a conversation is skipped. */
const WATCHED = {
  tool_use: { text: 'tool_use' },
  tool_result: { text: 'tool_result' },
  source: { text: 'source' },
  system: { text: 'system' },
  developer: { text: 'developer' },
  tool: { text: 'tool' },
  function: { text: 'function' },
  tool_calls: { text: 'tool_calls' },
  tool_call_id: { text: 'tool_call_id' },
  function_call: { text: 'function_call' },
  function_call_output: { text: 'function_call_output' },
  custom_tool_call: { text: 'custom_tool_call' },
  custom_tool_call_output: { text: 'custom_tool_call_output' },
  call_id: { text: 'call_id', aheadOf: LONGEST_CALL_ID },
  id: { text: 'id' },
  image_url: { text: 'image_url' },
  input_image: { text: 'input_image' },
  input_text: { text: 'input_text' },
  output_text: { text: 'output_text' },
  text: { text: 'text', aheadOfBlank: true },
  content: { text: 'content', aheadOfBlank: true },
  type: { text: 'type', aheadOfText: 'text' },
} as const satisfies Record<string, Mark>

type Watched = keyof typeof WATCHED

/**
 * What a conversation may have. Only one that has some of it is parsed, message by message: the others need no change,
 * and messages are nearly all of a body.
 */
const MARKS = {
  /** Calls and results of Messages, or images and documents with a source. */
  block: ['tool_use', 'tool_result', 'source'],
  /** Calls and results of Messages. */
  use: ['tool_use', 'tool_result'],
  system: ['system', 'developer'],
  /** Calls and results of chat completions. */
  chat: ['tool', 'function', 'tool_calls'],
  toolCalls: ['tool_calls'],
  toolCallId: ['tool_call_id'],
  /** Calls and results of Responses. */
  call: ['function_call', 'function_call_output', 'custom_tool_call', 'custom_tool_call_output'],
  longId: ['call_id'],
  id: ['id'],
  /** A text of nothing but white space, as a part or as a whole content. */
  blank: ['text', 'content'],
  /** Parts of other APIs among those of Messages. */
  messagesPart: ['image_url', 'input_image', 'input_text', 'output_text'],
  /** Parts of chat completions among those of Responses. */
  responsesPart: ['image_url', 'type'],
} as const satisfies Record<string, readonly Watched[]>

/** Something that a conversation may have. */
export type ConversationMark = keyof typeof MARKS

const CONVERSATION = captureMarks(Object.values(WATCHED))

/** Every member that any function here reads, so that one pass over the body serves all of them. */
const REQUEST = findEvery({
  messages: CONVERSATION,
  input: CONVERSATION,
  tools: TOOLS,
  response_format: findEvery({ json_schema: findEvery() }),
  system: readElements(findOnly({ type: WHOLE, text: WHOLE, cache_control: WHOLE })),
  include: readElements(WHOLE),
  ...Object.fromEntries(
    ['metadata', 'stream_options', 'reasoning', 'text', 'thinking', 'output_config'].map((key) => [
      key,
      findEvery(),
    ]),
  ),
})

const IMAGE_URL = findOnly({ url: WHOLE, detail: WHOLE })
const RESULT_PART = findOnly({
  ...{ type: WHOLE, text: WHOLE, cache_control: WHOLE },
  ...{ image_url: IMAGE_URL, detail: WHOLE },
})
const PART = findOnly({
  ...{ type: WHOLE, text: WHOLE, cache_control: WHOLE, source: WHOLE },
  ...{ image_url: IMAGE_URL, detail: WHOLE },
  ...{ id: WHOLE, name: WHOLE, input: WHOLE, tool_use_id: WHOLE, content: readElements(RESULT_PART) },
})
const CALL = findOnly({
  ...{ id: WHOLE, type: WHOLE, extra_content: WHOLE },
  ...{
    function: findOnly({ name: WHOLE, arguments: WHOLE }),
    custom: findOnly({ name: WHOLE, input: WHOLE }),
  },
})

/** Messages of chat completions and of Messages, and items of Responses' `input`. */
const MESSAGES = readElements(
  findEvery({
    ...{ content: readElements(PART), output: readElements(RESULT_PART), tool_calls: readElements(CALL) },
    // Their keys need no decoding, as they are in the table.
    ...{ role: WHOLE, type: WHOLE, name: WHOLE, id: WHOLE, arguments: WHOLE, input: WHOLE, status: WHOLE },
    ...{ call_id: WHOLE, tool_call_id: WHOLE, reasoning_content: WHOLE, summary: WHOLE },
    encrypted_content: WHOLE,
  }),
)

/** What is known of a body. */
interface Outlined {
  readonly request: Value | null
  /** The elements of `messages` or `input` by the place of the array, once they were asked for. */
  readonly conversations: Map<number, Value | null>
}

/** One body is needed once to detect its API, and then once for each upstream that is tried. */
const outlines = new WeakMap<Buffer, Outlined>()

/**
 * The places of a request's members; null if the body is not a JSON object. The result is remembered for the buffer,
 * so the body must not be changed afterwards.
 */
export function parseRequestOutline(body: Buffer): Value | null {
  return outlineOf(body).request
}

function outlineOf(body: Buffer): Outlined {
  const known = outlines.get(body)
  if (known !== undefined) return known
  const outline = parseOutline(body, REQUEST)
  const outlined = { request: outline?.members ? outline : null, conversations: new Map() }
  outlines.set(body, outlined)
  return outlined
}

/**
 * The messages, or the items of `input`, as an array with its elements, if any of the marks occurred anywhere among
 * them; else null. The result is remembered for the buffer.
 * @param conversation the value of `messages` or `input`
 */
export function openConversation(
  body: Buffer,
  conversation: Value | null,
  marks: readonly ConversationMark[],
): Value | null {
  if (conversation === null || !marks.some((mark) => hasMark(conversation, mark))) return null
  const { conversations } = outlineOf(body)
  const known = conversations.get(conversation.start)
  if (known !== undefined) return known
  const parsed = parseOutline(body, MESSAGES, conversation.start)
  const opened = parsed?.elements ? parsed : null
  conversations.set(conversation.start, opened)
  return opened
}

/** Whether the mark occurred in the value of `messages` or `input`. */
export function hasMark(conversation: Value | null, mark: ConversationMark): boolean {
  return conversation !== null && (conversation.seen & BITS[mark]) !== 0
}

/**
 * The messages, or the items of `input`: all of them if the mark occurred anywhere among them, else none.
 * @param conversation the value of `messages` or `input`
 */
export function filterMessages(
  body: Buffer,
  conversation: Value | null,
  mark: ConversationMark,
): readonly Value[] {
  return openConversation(body, conversation, [mark])?.elements ?? []
}

/** `Value.seen` has a bit for each string, in the order of `WATCHED`. */
const BITS = Object.fromEntries(
  Object.entries(MARKS).map(([mark, names]) => {
    const bits = names.map((name: Watched) => 1 << Object.keys(WATCHED).indexOf(name))
    return [mark, bits.reduce((sum, bit) => sum | bit, 0)]
  }),
) as Record<ConversationMark, number>

/** What a request of any of the three APIs says about its response, and which conversation it belongs to. */
export interface RequestMeta {
  /** `stream`: the client wants an event stream. */
  readonly stream: boolean
  /** `stream_options.include_usage`: the client wants a usage chunk at the end of the stream. */
  readonly includeUsage: boolean
  /**
   * `metadata.cursorConversationId`, at most 256 bytes; null if there is none. It is the only field that says which
   * requests share a prompt: `user` is the same in all requests of a person.
   */
  readonly conversation: string | null
}

/** @param request the outline of the body; null gives the defaults, false and null */
export function readRequestMeta(body: Buffer, request: Value | null): RequestMeta {
  const usage = findMember(findMember(request, 'stream_options'), 'include_usage')
  return {
    stream: isTrue(body, findMember(request, 'stream')),
    includeUsage: isTrue(body, usage),
    conversation: readText(body, findMember(findMember(request, 'metadata'), 'cursorConversationId'), 256),
  }
}

/** Whether a value is `true`, by its first letter. */
function isTrue(body: Buffer, value: Value | null): boolean {
  return value !== null && body[value.start] === 0x74
}

/** Whether a value is `false`, by its first letter. */
export function isFalse(body: Buffer, value: Value | null): boolean {
  return value !== null && body[value.start] === 0x66
}
