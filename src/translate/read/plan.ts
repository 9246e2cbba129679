import { findEvery, findOnly, type Plan, readElements, WHOLE } from '../../json/outline.js'

/** Plans a list of such elements, or one element that stands alone where a list is usual. */
function planOneOrMany(element: Plan): Plan {
  return { ...element, elements: element }
}

/** What is read of a part that stands within a part of a tool's result. */
const INNERMOST = planOneOrMany(findOnly({ type: WHOLE, text: WHOLE }))

/** The members of a part of a message, in all APIs. */
const PART_MEMBERS = {
  type: WHOLE,
  cache_control: WHOLE,
  text: WHOLE,
  refusal: WHOLE,
  image_url: findOnly({ url: WHOLE, detail: WHOLE }),
  detail: WHOLE,
  file: findOnly({ file_data: WHOLE, file_id: WHOLE, filename: WHOLE }),
  file_data: WHOLE,
  file_id: WHOLE,
  file_url: WHOLE,
  filename: WHOLE,
  input_audio: findOnly({ data: WHOLE, format: WHOLE }),
  source: findOnly({
    type: WHOLE,
    media_type: WHOLE,
    data: WHOLE,
    url: WHOLE,
    file_id: WHOLE,
    content: INNERMOST,
  }),
  title: WHOLE,
}

const RESULT_CONTENT = planOneOrMany(findOnly({ ...PART_MEMBERS, content: INNERMOST }))

/** A content: a text, a list of parts, or a part. */
export const CONTENT = planOneOrMany(
  findOnly({
    ...PART_MEMBERS,
    content: RESULT_CONTENT,
    id: WHOLE,
    name: WHOLE,
    input: WHOLE,
    tool_use_id: WHOLE,
    is_error: WHOLE,
    thinking: WHOLE,
    data: WHOLE,
  }),
)

const CALL_MEMBERS = findOnly({ name: WHOLE, arguments: WHOLE, input: WHOLE })

/** The conversation: messages of chat completions and of Messages, items of Responses. */
const CONVERSATION = readElements(
  findEvery({
    role: WHOLE,
    type: WHOLE,
    name: WHOLE,
    content: CONTENT,
    cache_control: WHOLE,
    refusal: WHOLE,
    reasoning_content: WHOLE,
    reasoning: WHOLE,
    tool_call_id: WHOLE,
    is_error: WHOLE,
    tool_calls: readElements(
      findOnly({
        type: WHOLE,
        id: WHOLE,
        function: CALL_MEMBERS,
        custom: CALL_MEMBERS,
        extra_content: WHOLE,
      }),
    ),
    function_call: CALL_MEMBERS,
    id: WHOLE,
    call_id: WHOLE,
    arguments: WHOLE,
    input: WHOLE,
    output: CONTENT,
    // Their keys need no decoding, as they are in the table.
    status: WHOLE,
    summary: WHOLE,
    encrypted_content: WHOLE,
  }),
)

const TOOL_MEMBERS = {
  name: WHOLE,
  description: WHOLE,
  parameters: WHOLE,
  input_schema: WHOLE,
  strict: WHOLE,
  format: findOnly({
    syntax: WHOLE,
    definition: WHOLE,
    grammar: findOnly({ syntax: WHOLE, definition: WHOLE }),
  }),
}

const TOOL = findEvery({
  ...TOOL_MEMBERS,
  type: WHOLE,
  cache_control: WHOLE,
  function: findEvery(TOOL_MEMBERS),
  custom: findEvery(TOOL_MEMBERS),
})

const FORMAT_MEMBERS = { name: WHOLE, description: WHOLE, schema: WHOLE, strict: WHOLE }
const FORMAT = findEvery({ type: WHOLE, ...FORMAT_MEMBERS, json_schema: findEvery(FORMAT_MEMBERS) })

/**
 * All that the readers look at, and all that is changed in a body that goes to its own API, so that one pass over the
 * body serves everyone. The places of messages and their parts cost no more than a search for what they may have:
 * strings are stepped over in both.
 */
export const REQUEST: Plan = findEvery({
  messages: CONVERSATION,
  system: CONTENT,
  instructions: CONTENT,
  input: CONVERSATION,
  tools: readElements(TOOL),
  functions: readElements(TOOL),
  response_format: FORMAT,
  output_format: FORMAT,
  text: findEvery({ format: FORMAT, verbosity: WHOLE }),
  output_config: findEvery({ format: FORMAT, effort: WHOLE }),
  reasoning: findEvery({ effort: WHOLE, enabled: WHOLE, max_tokens: WHOLE }),
  thinking: findEvery({ type: WHOLE, budget_tokens: WHOLE }),
  stream_options: findEvery({ include_usage: WHOLE }),
  metadata: findEvery({ user_id: WHOLE }),
  stop: readElements(WHOLE),
  stop_sequences: readElements(WHOLE),
  include: readElements(WHOLE),
})
