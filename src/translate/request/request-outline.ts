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

/** Ids of calls that are longer than this many bytes may be too long. */
export const LONGEST_CALL_ID = 64

/**
 * What to look out for while a conversation is stepped over; only where one was seen is it gone through, message by message.
 * Most never are: they are as they should be, and they are nearly all of a body.
 */
const MARKS = {
  block: [{ text: 'tool_use' }, { text: 'tool_result' }, { text: 'source' }],
  system: [{ text: 'system' }, { text: 'developer' }],
  chat: [{ text: 'tool' }, { text: 'function' }, { text: 'tool_calls' }],
  call: [{ text: 'function_call' }],
  longId: [{ text: 'call_id', aheadOf: LONGEST_CALL_ID }],
}

const CONVERSATION = captureMarks(Object.values(MARKS).flat())

/** All that is ever asked about a request on its way to the API that it is written for. */
const REQUEST = findEvery({
  messages: CONVERSATION,
  input: CONVERSATION,
  tools: TOOLS,
  response_format: findEvery({ json_schema: findEvery() }),
  ...Object.fromEntries(
    ['metadata', 'stream_options', 'reasoning', 'text', 'thinking'].map((key) => [key, findEvery()]),
  ),
})

/** Messages of both APIs, and items of Responses' `input`. */
const MESSAGES = readElements(
  findOnly({
    ...{ role: WHOLE, content: readElements(findOnly({ type: WHOLE, source: WHOLE })) },
    ...{ tool_calls: WHOLE, call_id: WHOLE, type: WHOLE, name: WHOLE, arguments: WHOLE },
  }),
)

/** Of bodies that were looked into: the same one is asked about its shape, and then once for each upstream that is tried. */
const known = new WeakMap<Buffer, { readonly request: Value | null }>()

/** Where its parts stand; null if the body is no JSON object. The body is not to be changed afterwards. */
export function parseRequestOutline(body: Buffer): Value | null {
  const before = known.get(body)
  if (before !== undefined) return before.request
  const found = parseOutline(body, REQUEST)
  const request = found?.members ? found : null
  known.set(body, { request })
  return request
}

/** The messages, or items of `input`, if there may be such a thing among them; none if there is not. */
export function filterMessages(
  body: Buffer,
  conversation: Value | null,
  mark: keyof typeof MARKS,
): readonly Value[] {
  if (conversation === null || (conversation.seen & BITS[mark]) === 0) return []
  return parseOutline(body, MESSAGES, conversation.start)?.elements ?? []
}

const BITS = Object.fromEntries(
  Object.entries(MARKS).map(([mark, { length }], n, all) => {
    const before = all.slice(0, n).reduce((sum, [, marks]) => sum + marks.length, 0)
    return [mark, ((1 << length) - 1) << before]
  }),
) as Record<keyof typeof MARKS, number>

/** What a request says of its answer, and where it belongs, in whatever shape it is. */
export interface RequestMeta {
  /** It wants a stream. */
  readonly stream: boolean
  /** A chat client that wants a usage chunk at the end of it. */
  readonly includeUsage: boolean
  /**
   * The conversation that it is a part of, as Cursor says in `metadata.cursorConversationId`: the one thing that tells which
   * requests share a prompt, as `user` is the same for all of a person's.
   */
  readonly conversation: string | null
}

export function readRequestMeta(body: Buffer, request: Value | null): RequestMeta {
  const usage = findMember(findMember(request, 'stream_options'), 'include_usage')
  return {
    stream: isTrue(body, findMember(request, 'stream')),
    includeUsage: isTrue(body, usage),
    conversation: readText(body, findMember(findMember(request, 'metadata'), 'cursorConversationId'), 256),
  }
}

function isTrue(body: Buffer, value: Value | null): boolean {
  return value !== null && body[value.start] === 0x74
}

export function isFalse(body: Buffer, value: Value | null): boolean {
  return value !== null && body[value.start] === 0x66
}
