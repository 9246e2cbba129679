import type { BodyApi } from '../../api/apis.js'
import { findMember } from '../../json/outline.js'
import { asObject, isObject, type JsonObject } from '../../json/values.js'
import { parseRequestOutline } from './request-outline.js'
import { convertMessages } from './to-chat-messages.js'
import { convertResponsesInput } from './to-chat-responses.js'
import { translateToolChoice } from './tool-choice.js'
import { listCustomNames, listToolTexts } from './tools.js'

/**
 * Translates a whole request to chat completions, for upstreams that have nothing else: messages, images, files, tools
 * with their calls and results, reasoning effort, response formats, limits and sampling. The same history always gives
 * the same bytes, so that the upstream's prompt cache recognizes it.
 *
 * These are lost, as chat completions have no field for them, or only one that OpenAI alone supports:
 * - from both APIs: built-in tools (web search, code interpreter, computer use, MCP) with their calls and results;
 *   grammars of custom tools, which stay as a hint only (each custom tool becomes a function with one string,
 *   `input`); `store`, `metadata` (but for the user's id), `service_tier`, `safety_identifier`; reasoning of earlier
 *   turns;
 * - from Responses: `previous_response_id`, `conversation`, stored prompts and references to items, as only OpenAI has
 *   what they refer to; encrypted reasoning and summaries, `include`, `truncation`, `background`, `text.verbosity`,
 *   `prompt_cache_key` and `prompt_cache_retention`; files by URL, images by id. Messages of a developer become
 *   messages of the system;
 * - from Messages: `cache_control` (the upstream's own caching works, marks do not); thinking with its signatures,
 *   whose budget becomes an effort; `top_k`, citations, `is_error` of a result, `container`, `context_management`.
 *
 * Images in a tool result become a message of the user's behind the results, as a tool's message has text only.
 *
 * @param customs the names of the custom tools in the body
 * @returns the same bytes if the body is unreadable, or is a chat already
 */
export function translateToChat(
  api: BodyApi,
  body: Buffer,
  customs: readonly string[] = findCustomTools(body),
): Buffer {
  if (api === 'chat') return body
  try {
    const request: unknown = JSON.parse(body.toString())
    if (!isObject(request)) return body
    const members =
      api === 'responses' ? convertResponsesInput(request, customs) : convertMessages(request, customs)
    return Buffer.from(JSON.stringify({ ...keepCommon(request), ...members, ...convertTools(request, body) }))
  } catch {
    // The body is not JSON, or is nested too deep for JSON.stringify.
    return body
  }
}

/** The names of the custom tools in a body; all of them become functions. */
export function findCustomTools(body: Buffer): readonly string[] {
  return listCustomNames(body, findMember(parseRequestOutline(body), 'tools'))
}

/** Members that all three APIs have under the same name, where they have them. */
const COMMON = [
  'model',
  'temperature',
  'top_p',
  'stream',
  'user',
  'seed',
  'frequency_penalty',
  'presence_penalty',
]

function keepCommon(request: JsonObject): JsonObject {
  const kept: Record<string, unknown> = {}
  for (const key of COMMON) if (request[key] !== undefined && request[key] !== null) kept[key] = request[key]
  if (request.stream === true && asObject(request.stream_options).include_usage === true) {
    kept.stream_options = { include_usage: true }
  }
  return kept
}

/** Without tools, chat completions allow neither a choice nor `parallel_tool_calls`. */
function convertTools(request: JsonObject, body: Buffer): JsonObject {
  const tools = findMember(parseRequestOutline(body), 'tools')
  const texts = listToolTexts(body, tools, { form: 'nested', customs: false })
  if (texts.length === 0) return {}
  const choice = request.tool_choice
  const parallel = asObject(choice).disable_parallel_tool_use === true ? false : request.parallel_tool_calls
  return {
    tools: JSON.parse(`[${texts.join(',')}]`),
    tool_choice: translateToolChoice(choice, { form: 'nested', customs: new Set() }),
    parallel_tool_calls: typeof parallel === 'boolean' ? parallel : undefined,
  }
}
