import { filterObjects, isObject, type JsonObject, readCount } from '../json/values.js'
import type { ResponseStats } from './response-stats.js'

/**
 * What the events of each API say (chat completions, completions, Responses, Anthropic Messages, llama.cpp's own), told
 * apart by their fields and not by the path: upstreams mix them, and every field may be missing, null or of another type.
 */

const END_TYPES = new Set(['message_stop', 'response.completed', 'response.incomplete', 'response.failed'])

/** Kinds of an output item that call a tool (Responses API). */
const CALL_ITEM = /_call$/

/** Takes down what one event of a stream says. @param event parsed JSON, of any shape */
export function readEvent(event: unknown, stats: ResponseStats): void {
  stats.ended = false
  if (Array.isArray(event)) {
    // Gemini answers with its error in an array.
    for (const one of event) readEvent(one, stats)
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
  }
  if (typeof type === 'string') {
    bytes += readTyped(type, event, stats)
    if (END_TYPES.has(type)) stats.ended = true
  } else if (event.choices === undefined) {
    bytes += stats.addText(event.content)
    // llama.cpp's own API has no other end mark.
    if (event.stop === true) stats.ended = true
  }
  readCommon(event, stats)
  if (bytes > 0) stats.addDeltas(1, bytes)
}

/** Takes down what a whole answer says, of a request without `stream`. */
export function readResponse(answer: unknown, stats: ResponseStats): void {
  if (Array.isArray(answer)) {
    for (const one of answer) if (isObject(one)) readCommon(one, stats)
    return
  }
  if (!isObject(answer)) {
    stats.unparsed++
    return
  }
  readCommon(answer, stats)
  const { usage } = stats
  stats.skipEstimate = usage !== null && usage.prompt !== null && usage.completion !== null
  let bytes = stats.addText(answer.content)
  for (const choice of filterObjects(answer.choices)) bytes += readChoice(choice, stats)
  for (const block of filterObjects(answer.content)) {
    bytes += stats.addText(block.text) + stats.addText(block.thinking)
    if (block.type === 'tool_use') {
      stats.addToolCall()
      bytes += stats.addText(JSON.stringify(block.input))
    }
  }
  for (const item of filterObjects(answer.output)) {
    if (typeof item.type === 'string' && CALL_ITEM.test(item.type)) {
      stats.addToolCall()
      bytes += stats.addText(item.arguments) + stats.addText(item.input)
    }
    for (const part of filterObjects(item.content)) bytes += stats.addText(part.text)
  }
  if (answer.object === 'response') readStatus(answer, stats)
  if (typeof answer.stop_reason === 'string') stats.addFinish(answer.stop_reason)
  if (bytes > 0) stats.addDeltas(1, bytes)
}

/** Of a stream's `delta` or an answer's `message`. @returns bytes of text in it */
function readChoice(choice: JsonObject, stats: ResponseStats): number {
  // Some upstreams say "" until they have a reason.
  if (typeof choice.finish_reason === 'string' && choice.finish_reason !== '')
    stats.addFinish(choice.finish_reason)
  let bytes = stats.addText(choice.text)
  const delta = isObject(choice.delta) ? choice.delta : choice.message
  if (!isObject(delta)) return bytes
  bytes += stats.addText(delta.content) + stats.addText(delta.refusal)
  // Two names of one thing; an upstream that sends both sends the same text.
  bytes += stats.addText(delta.reasoning_content) || stats.addText(delta.reasoning)
  for (const call of filterObjects(delta.tool_calls)) {
    const made = isObject(call.function) ? call.function : isObject(call.custom) ? call.custom : null
    if (made === null) continue
    if (typeof made.name === 'string' && made.name !== '') stats.addToolCall()
    bytes += stats.addText(made.arguments) + stats.addText(made.input)
  }
  return bytes
}

/** Responses and Messages name their events. @returns bytes of text */
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
      if (isObject(delta) && typeof delta.stop_reason === 'string') stats.addFinish(delta.stop_reason)
      return 0
    case 'response.output_item.added':
      if (isObject(event.item) && typeof event.item.type === 'string' && CALL_ITEM.test(event.item.type))
        stats.addToolCall()
      return 0
    case 'error':
      // Flat in the specification, nested on the wire.
      if (!isObject(event.error)) stats.addError(nameOf(event))
      return 0
    default:
      return type.endsWith('.delta') ? stats.addText(delta) : 0
  }
}

/** What may stand in any event, and in an answer. */
function readCommon(event: JsonObject, stats: ResponseStats): void {
  if (event.error !== undefined && event.error !== null) {
    stats.addError(isObject(event.error) ? nameOf(event.error) : 'error')
  }
  if (typeof event.model === 'string' && event.model !== '') stats.model = event.model
  const { x_groq: groq, message, response } = event
  // What both tell, usage tells last.
  if (event.timings !== undefined || (event.choices === undefined && event.type === undefined))
    readLlama(event, stats)
  readUsage(event.usage, stats)
  if (isObject(groq)) {
    readUsage(groq.usage, stats)
    if (groq.error !== undefined && groq.error !== null) stats.addError('error')
  }
  if (isObject(message)) {
    readUsage(message.usage, stats)
    // Anthropic begins with a token or so of the answer.
    if (isObject(message.usage)) stats.usageIsPartial = true
    if (typeof message.model === 'string') stats.model = message.model
  }
  if (isObject(response)) {
    readUsage(response.usage, stats)
    if (typeof response.model === 'string') stats.model = response.model
    if (isObject(response.error)) stats.addError(nameOf(response.error))
    readStatus(response, stats)
  }
}

/**
 * llama.cpp's counts, which it tells with or without usage (server README, `/completion`). An editor that asks for single fields
 * gets them by their paths: `timings/prompt_n`.
 */
function readLlama(event: JsonObject, stats: ResponseStats): void {
  const { timings, stop_type: reason } = event
  const nested = isObject(timings)
  const timing = (name: string): number | null => readCount(nested ? timings[name] : event[`timings/${name}`])
  const cached = timing('cache_n')
  const fresh = timing('prompt_n')
  // Older ones do not tell what they had; among single fields it may only not have been asked for.
  const processed = fresh === null || (cached === null && !nested) ? null : fresh + (cached ?? 0)
  const prompt = readCount(event.tokens_evaluated) ?? processed
  const completion = readCount(event.tokens_predicted) ?? timing('predicted_n')
  if (prompt !== null || completion !== null)
    stats.addUsage({ prompt, cached, cacheWritten: null, completion, reasoning: null })
  if (typeof reason === 'string' && reason !== '' && reason !== 'none') stats.addFinish(reason)
}

function readStatus(response: JsonObject, stats: ResponseStats): void {
  const { status, incomplete_details: details } = response
  if (typeof status !== 'string' || status === 'in_progress' || status === 'queued') return
  stats.addFinish(isObject(details) && typeof details.reason === 'string' ? details.reason : status)
}

/** In the words of any of the APIs: `prompt_tokens` or `input_tokens`, their details or Anthropic's cache fields. */
export function readUsage(usage: unknown, stats: ResponseStats): void {
  if (!isObject(usage)) return
  const input = readCount(usage.input_tokens)
  const fromCache = readCount(usage.cache_read_input_tokens)
  const toCache = readCount(usage.cache_creation_input_tokens)
  const promptDetails = usage.prompt_tokens_details ?? usage.input_tokens_details
  const completionDetails = usage.completion_tokens_details ?? usage.output_tokens_details
  // Anthropic's may tell the one again and leave out the others, which then are as they were.
  const before = isObject(promptDetails) ? null : stats.usage
  const cached = (fromCache ?? before?.cached ?? 0) + (toCache ?? before?.cacheWritten ?? 0)
  stats.addUsage({
    prompt: readCount(usage.prompt_tokens) ?? (input === null ? null : input + cached),
    cached:
      (isObject(promptDetails) ? readCount(promptDetails.cached_tokens) : null) ??
      fromCache ??
      readCount(usage.prompt_cache_hit_tokens),
    cacheWritten: toCache ?? (isObject(promptDetails) ? readCount(promptDetails.cache_write_tokens) : null),
    completion: readCount(usage.completion_tokens) ?? readCount(usage.output_tokens),
    reasoning: isObject(completionDetails) ? readCount(completionDetails.reasoning_tokens) : null,
  })
}

function nameOf(error: JsonObject): string {
  const name = error.code ?? error.type
  return typeof name === 'string' || typeof name === 'number' ? String(name).slice(0, 100) : 'error'
}
