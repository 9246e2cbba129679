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

/**
 * Strings to watch for while a conversation is skipped. Only a conversation that has one of them is parsed, message
 * by message. Most have none: their messages need no change, and they are nearly all of a body.
 */
const MARKS = {
  block: [{ text: 'tool_use' }, { text: 'tool_result' }, { text: 'source' }],
  system: [{ text: 'system' }, { text: 'developer' }],
  chat: [{ text: 'tool' }, { text: 'function' }, { text: 'tool_calls' }],
  call: [{ text: 'function_call' }],
  longId: [{ text: 'call_id', aheadOf: LONGEST_CALL_ID }],
}

const CONVERSATION = captureMarks(Object.values(MARKS).flat())

/** Every member that any function here reads, so that one pass over the body serves all of them. */
const REQUEST = findEvery({
  messages: CONVERSATION,
  input: CONVERSATION,
  tools: TOOLS,
  response_format: findEvery({ json_schema: findEvery() }),
  ...Object.fromEntries(
    ['metadata', 'stream_options', 'reasoning', 'text', 'thinking'].map((key) => [key, findEvery()]),
  ),
})

/** Messages of chat completions and of Messages, and items of Responses' `input`. */
const MESSAGES = readElements(
  findOnly({
    ...{ role: WHOLE, content: readElements(findOnly({ type: WHOLE, source: WHOLE })) },
    ...{ tool_calls: WHOLE, call_id: WHOLE, type: WHOLE, name: WHOLE, arguments: WHOLE },
  }),
)

/** One body is needed once to detect its API, and then once for each upstream that is tried. */
const outlines = new WeakMap<Buffer, { readonly request: Value | null }>()

/**
 * The places of a request's members; null if the body is not a JSON object. The result is remembered for the buffer,
 * so the body must not be changed afterwards.
 */
export function parseRequestOutline(body: Buffer): Value | null {
  const known = outlines.get(body)
  if (known !== undefined) return known.request
  const outline = parseOutline(body, REQUEST)
  const request = outline?.members ? outline : null
  outlines.set(body, { request })
  return request
}

/**
 * The messages, or the items of `input`: all of them if the mark occurred anywhere among them, else none.
 * @param conversation the value of `messages` or `input`
 */
export function filterMessages(
  body: Buffer,
  conversation: Value | null,
  mark: keyof typeof MARKS,
): readonly Value[] {
  if (conversation === null || (conversation.seen & BITS[mark]) === 0) return []
  return parseOutline(body, MESSAGES, conversation.start)?.elements ?? []
}

/** `Value.seen` has a bit for each string, in the order of `MARKS`. */
const BITS = Object.fromEntries(
  Object.entries(MARKS).map(([mark, { length }], n, all) => {
    const before = all.slice(0, n).reduce((sum, [, marks]) => sum + marks.length, 0)
    return [mark, ((1 << length) - 1) << before]
  }),
) as Record<keyof typeof MARKS, number>

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
