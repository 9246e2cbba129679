import {
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

/**
 * Every member that any function here reads, so that one pass over the body serves all of them. The places of messages
 * and their parts cost no more than a search for what they may have: strings are stepped over in both.
 */
const REQUEST = findEvery({
  messages: MESSAGES,
  input: MESSAGES,
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
