import type { BodyApi } from '../../api/apis.js'
import { findMember } from '../../json/outline.js'
import { isObject, type JsonObject } from '../../json/values.js'
import { asFields } from './fields.js'
import { parseRequestOutline } from './request-outline.js'
import { convertMessages } from './to-chat-messages.js'
import { convertResponsesInput } from './to-chat-responses.js'
import { translateToolChoice } from './tool-choice.js'
import { listCustomNames, listToolTexts } from './tools.js'

/**
 * A whole request in the words of chat completions, for upstreams that have nothing else: messages, images, files, tools, their
 * calls and results, the effort of reasoning, formats of the answer, limits and sampling. The same history always becomes the
 * same bytes, so that the upstream's prompt cache still knows it.
 *
 * Lost, as chat completions have no word for it, or none that others than OpenAI take:
 * - of both: built-in tools (web search, code interpreter, computer use, MCP) with their calls and results; grammars of custom
 *   tools as anything but a hint (each becomes a function with one string, `input`); `store`, `metadata` (but for whose
 *   request it is), `service_tier`, `safety_identifier`; reasoning of earlier turns;
 * - of Responses: `previous_response_id`, `conversation`, stored prompts and references to items, as only OpenAI has what they
 *   stand for; encrypted reasoning and summaries, `include`, `truncation`, `background`, `text.verbosity`,
 *   `prompt_cache_key` and `prompt_cache_retention`; files by URL, images by id; a developer's messages are the system's;
 * - of Messages: `cache_control` (an upstream's own cache works, marks for it do not); thinking with its signatures, of whose
 *   budget only an effort is left; `top_k`, citations, `is_error` of a result, `container` and `context_management`.
 * Images in the result of a tool come in a message of the user's behind the results, as a tool's message has only text.
 *
 * A body that cannot be read, or is chat already, stays as it is.
 * @param customs of the body
 */
export function translateToChat(
  shape: BodyApi,
  body: Buffer,
  customs: readonly string[] = findCustomTools(body),
): Buffer {
  if (shape === 'chat') return body
  try {
    const request: unknown = JSON.parse(body.toString())
    if (!isObject(request)) return body
    const parts =
      shape === 'responses' ? convertResponsesInput(request, customs) : convertMessages(request, customs)
    return Buffer.from(JSON.stringify({ ...common(request), ...parts, ...toolParts(request, body) }))
  } catch {
    // Not JSON, or nested so deep that it cannot be written again.
    return body
  }
}

/** Names of the custom tools, all of which become functions. */
export function findCustomTools(body: Buffer): readonly string[] {
  return listCustomNames(body, findMember(parseRequestOutline(body), 'tools'))
}

/** What is called the same wherever it is taken. */
const KEPT = [
  'model',
  'temperature',
  'top_p',
  'stream',
  'user',
  'seed',
  'frequency_penalty',
  'presence_penalty',
]

function common(request: JsonObject): JsonObject {
  const kept: Record<string, unknown> = {}
  for (const key of KEPT) if (request[key] !== undefined && request[key] !== null) kept[key] = request[key]
  if (request.stream === true && asFields(request.stream_options).include_usage === true) {
    kept.stream_options = { include_usage: true }
  }
  return kept
}

/** Neither a choice nor `parallel_tool_calls` is allowed where there are no tools. */
function toolParts(request: JsonObject, body: Buffer): JsonObject {
  const outlined = findMember(parseRequestOutline(body), 'tools')
  const texts = listToolTexts(body, outlined, { form: 'nested', customs: false })
  if (texts.length === 0) return {}
  const choice = request.tool_choice
  const parallel = asFields(choice).disable_parallel_tool_use === true ? false : request.parallel_tool_calls
  return {
    tools: JSON.parse(`[${texts.join(',')}]`),
    tool_choice: translateToolChoice(choice, { form: 'nested', customs: [] }),
    parallel_tool_calls: typeof parallel === 'boolean' ? parallel : undefined,
  }
}
