import { filterObjects, isObject, type JsonObject, readCount } from '../json/values.js'
import { readGemini, readGeminiUsage } from './gemini-fields.js'
import type { ResponseStats } from './response-stats.js'

/**
 * Reads the fields of events and responses of all APIs: chat completions, completions, Responses, Anthropic Messages,
 * Gemini's (`gemini-fields.ts`) and llama.cpp's own. The API is recognised by the fields, not by the path, because
 * upstreams mix them. Every field may be missing, null or of another type.
 */

const END_TYPES = new Set(['message_stop', 'response.completed', 'response.incomplete', 'response.failed'])

/** Types of output items that call a tool (Responses API): `function_call`, `web_search_call`, ... */
const CALL_ITEM = /_call$/

/** Adds what one event of a stream says to `stats`. @param event parsed JSON of any type */
export function readEvent(event: unknown, stats: ResponseStats): void {
  stats.ended = false
  if (Array.isArray(event)) {
    // Gemini sends its error in an array.
    for (const element of event) readEvent(element, stats)
    return
  }
  if (!isObject(event)) {
    stats.unparsed++
    return
  }
  const { type } = event
  let bytes = 0
  if (Array.isArray(event.choices)) {
    for (const choice of event.choices) if (isObject(choice)) bytes += readChoice(choice, stats)
  } else if (isGemini(event)) {
    bytes += readGemini(event, stats)
  }
  if (typeof type === 'string') {
    bytes += readTyped(type, event, stats)
    if (END_TYPES.has(type)) stats.ended = true
  } else if (event.choices === undefined) {
    bytes += stats.addText(event.content)
    // The only end mark of llama.cpp's own API.
    if (event.stop === true) stats.ended = true
  }
  readCommon(event, stats)
  if (bytes > 0) stats.addDeltas(1, bytes)
}

/**
 * Adds what the whole response to a request without `stream` says to `stats`.
 * @param response parsed JSON of any type
 */
export function readResponse(response: unknown, stats: ResponseStats): void {
  if (Array.isArray(response)) {
    // Gemini sends its errors in an array, and a stream without `alt=sse` as one.
    let bytes = 0
    for (const element of response) {
      if (!isObject(element)) continue
      readCommon(element, stats)
      if (isGemini(element)) bytes += readGemini(element, stats)
    }
    if (bytes > 0) stats.addDeltas(1, bytes)
    return
  }
  if (!isObject(response)) {
    stats.unparsed++
    return
  }
  readCommon(response, stats)
  const { usage } = stats
  stats.skipEstimate = usage !== null && usage.prompt !== null && usage.completion !== null
  let bytes = stats.addText(response.content)
  if (isGemini(response)) bytes += readGemini(response, stats)
  for (const choice of filterObjects(response.choices)) bytes += readChoice(choice, stats)
  for (const block of filterObjects(response.content)) {
    bytes += stats.addText(block.text) + stats.addText(block.thinking)
    if (block.type === 'tool_use') {
      stats.addToolCall()
      bytes += stats.addText(JSON.stringify(block.input))
    }
  }
  for (const item of filterObjects(response.output)) {
    if (typeof item.type === 'string' && CALL_ITEM.test(item.type)) {
      stats.addToolCall()
      bytes += stats.addText(item.arguments) + stats.addText(item.input)
    }
    for (const part of filterObjects(item.content)) bytes += stats.addText(part.text)
  }
  if (response.object === 'response') readStatus(response, stats)
  if (typeof response.stop_reason === 'string') stats.setFinishReason(response.stop_reason)
  if (bytes > 0) stats.addDeltas(1, bytes)
}

function isGemini({ candidates, promptFeedback }: JsonObject): boolean {
  return candidates !== undefined || promptFeedback !== undefined
}

/** Reads one of `choices`: its `delta` in a stream, else its `message`. @returns UTF-8 bytes of its text */
function readChoice(choice: JsonObject, stats: ResponseStats): number {
  // Some upstreams send "" until they have a reason.
  if (typeof choice.finish_reason === 'string' && choice.finish_reason !== '')
    stats.setFinishReason(choice.finish_reason)
  let bytes = stats.addText(choice.text)
  const delta = isObject(choice.delta) ? choice.delta : choice.message
  if (!isObject(delta)) return bytes
  bytes += stats.addText(delta.content) + stats.addText(delta.refusal)
  // Two names for the same text. An upstream that sends both sends it twice.
  bytes += stats.addText(delta.reasoning_content) || stats.addText(delta.reasoning)
  for (const call of filterObjects(delta.tool_calls)) {
    const tool = isObject(call.function) ? call.function : isObject(call.custom) ? call.custom : null
    if (tool === null) continue
    if (typeof tool.name === 'string' && tool.name !== '') stats.addToolCall()
    bytes += stats.addText(tool.arguments) + stats.addText(tool.input)
  }
  return bytes
}

/** Reads an event of the Responses or the Messages API, which has a `type`. @returns UTF-8 bytes of its text */
function readTyped(type: string, event: JsonObject, stats: ResponseStats): number {
  const { delta } = event
  switch (type) {
    case 'content_block_start':
      if (isObject(event.content_block) && event.content_block.type === 'tool_use') stats.addToolCall()
      return 0
    case 'content_block_delta':
      return isObject(delta)
        ? stats.addText(delta.text) + stats.addText(delta.thinking) + stats.addText(delta.partial_json)
        : 0
    case 'message_delta':
      if (isObject(delta) && typeof delta.stop_reason === 'string') stats.setFinishReason(delta.stop_reason)
      return 0
    case 'response.output_item.added':
      if (isObject(event.item) && typeof event.item.type === 'string' && CALL_ITEM.test(event.item.type))
        stats.addToolCall()
      return 0
    case 'error':
      // The specification has the error's fields in the event; some upstreams nest them in `error`.
      if (!isObject(event.error)) stats.setError(readErrorName(event))
      return 0
    default:
      return type.endsWith('.delta') ? stats.addText(delta) : 0
  }
}

/** Reads the fields that any event and any response may have. */
function readCommon(event: JsonObject, stats: ResponseStats): void {
  if (event.error !== undefined && event.error !== null) {
    stats.setError(isObject(event.error) ? readErrorName(event.error) : 'error')
  }
  if (typeof event.model === 'string' && event.model !== '') stats.model = event.model
  stats.object.read(event)
  const { x_groq: groq, message, response } = event
  // `usage` is read after the timings, so it counts where both have a number.
  if (event.timings !== undefined || (event.choices === undefined && event.type === undefined))
    readLlama(event, stats)
  readUsage(event.usage, stats)
  readGeminiUsage(event.usageMetadata, stats)
  if (isObject(groq)) {
    readUsage(groq.usage, stats)
    if (groq.error !== undefined && groq.error !== null) stats.setError('error')
  }
  if (isObject(message)) {
    readUsage(message.usage, stats)
    // Anthropic's first event counts about one token of the answer; the last one has the final number.
    if (isObject(message.usage)) stats.usageIsPartial = true
    if (typeof message.model === 'string') stats.model = message.model
  }
  if (isObject(response)) {
    stats.object.read(response)
    readUsage(response.usage, stats)
    if (typeof response.model === 'string') stats.model = response.model
    if (isObject(response.error)) stats.setError(readErrorName(response.error))
    readStatus(response, stats)
  }
}

/**
 * Reads llama.cpp's own counts, which it sends with or without `usage` (server README, `/completion`). A request for
 * single fields gets them under their paths: `timings/prompt_n`.
 */
function readLlama(event: JsonObject, stats: ResponseStats): void {
  const { timings, stop_type: reason } = event
  const nested = isObject(timings)
  const timing = (name: string): number | null => readCount(nested ? timings[name] : event[`timings/${name}`])
  const cached = timing('cache_n')
  const fresh = timing('prompt_n')
  // Older versions do not send `cache_n`. Among single fields it may be missing because it was not requested.
  const processed = fresh === null || (cached === null && !nested) ? null : fresh + (cached ?? 0)
  const prompt = readCount(event.tokens_evaluated) ?? processed
  const completion = readCount(event.tokens_predicted) ?? timing('predicted_n')
  if (prompt !== null || completion !== null)
    stats.mergeUsage({ prompt, cached, cacheWritten: null, completion, reasoning: null, details: null })
  if (typeof reason === 'string' && reason !== '' && reason !== 'none') stats.setFinishReason(reason)
}

function readStatus(response: JsonObject, stats: ResponseStats): void {
  const { status, incomplete_details: details } = response
  if (typeof status !== 'string' || status === 'in_progress' || status === 'queued') return
  stats.setFinishReason(isObject(details) && typeof details.reason === 'string' ? details.reason : status)
}

/** Reads a usage object with the field names of any API. @param usage parsed JSON of any type */
export function readUsage(usage: unknown, stats: ResponseStats): void {
  if (!isObject(usage)) return
  const input = readCount(usage.input_tokens)
  const fromCache = readCount(usage.cache_read_input_tokens)
  const toCache = readCount(usage.cache_creation_input_tokens)
  const promptDetails = usage.prompt_tokens_details ?? usage.input_tokens_details
  const completionDetails = usage.completion_tokens_details ?? usage.output_tokens_details
  // A later usage of Anthropic's may repeat `input_tokens` without the cache fields, which then keep their values.
  const previous = isObject(promptDetails) ? null : stats.usage
  const cached = (fromCache ?? previous?.cached ?? 0) + (toCache ?? previous?.cacheWritten ?? 0)
  stats.mergeUsage({
    prompt: readCount(usage.prompt_tokens) ?? (input === null ? null : input + cached),
    cached:
      (isObject(promptDetails) ? readCount(promptDetails.cached_tokens) : null) ??
      fromCache ??
      readCount(usage.prompt_cache_hit_tokens),
    cacheWritten: toCache ?? (isObject(promptDetails) ? readCount(promptDetails.cache_write_tokens) : null),
    completion: readCount(usage.completion_tokens) ?? readCount(usage.output_tokens),
    reasoning: isObject(completionDetails) ? readCount(completionDetails.reasoning_tokens) : null,
    details: null,
  })
}

function readErrorName(error: JsonObject): string {
  const name = error.code ?? error.type
  return typeof name === 'string' || typeof name === 'number' ? String(name).slice(0, 100) : 'error'
}
