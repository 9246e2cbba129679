import { each, every, memberOf, only, outline, textOf, type Value, WHOLE } from './outline.js'

/** A content block, an item of Responses or a part of a chat message: what tells them apart. */
const BLOCK = only({ type: WHOLE, source: WHOLE })

/** Messages of both APIs, and items of Responses' `input`. */
const MESSAGES = each(
  only({
    ...{ role: WHOLE, type: WHOLE, content: each(BLOCK) },
    ...{ tool_calls: WHOLE, function_call: WHOLE, call_id: WHOLE },
  }),
)

const TOOLS = each(every({ function: every(), custom: every() }))

/** All that is ever asked about a request on its way to the API that it is written for. */
const REQUEST = every({
  messages: MESSAGES,
  input: MESSAGES,
  tools: TOOLS,
  response_format: every({ json_schema: every() }),
  ...Object.fromEntries(
    ['metadata', 'stream_options', 'reasoning', 'text', 'thinking'].map((key) => [key, every()]),
  ),
})

/** Where its parts stand; null if the body is no JSON object. */
export function outlineOf(body: Buffer): Value | null {
  const request = outline(body, REQUEST)
  return request?.members ? request : null
}

/** What a request says of its answer, and where it belongs, in whatever shape it is. */
export interface Asked {
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

export function askedIn(body: Buffer, request: Value | null): Asked {
  const usage = memberOf(memberOf(request, 'stream_options'), 'include_usage')
  return {
    stream: isTrue(body, memberOf(request, 'stream')),
    includeUsage: isTrue(body, usage),
    conversation: textOf(body, memberOf(memberOf(request, 'metadata'), 'cursorConversationId'), 256),
  }
}

export function isTrue(body: Buffer, value: Value | null): boolean {
  return value !== null && body[value.start] === 0x74
}

export function isFalse(body: Buffer, value: Value | null): boolean {
  return value !== null && body[value.start] === 0x66
}
