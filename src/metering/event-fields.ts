import { isObject, type Json, objects } from '../json/values.js'
import type { Sighting } from './response-stats.js'

/**
 * What the events of each API say (chat completions, completions, Responses, Anthropic Messages, llama.cpp's own), told
 * apart by their fields and not by the path: upstreams mix them, and every field may be missing, null or of another type.
 */

const END_TYPES = new Set(['message_stop', 'response.completed', 'response.incomplete', 'response.failed'])

/** Kinds of an output item that call a tool (Responses API). */
const CALL_ITEM = /_call$/

/** Takes down what one event of a stream says. @param event parsed JSON, of any shape */
export function readEvent(event: unknown, seen: Sighting): void {
  seen.ended = false
  if (Array.isArray(event)) {
    // Gemini answers with its error in an array.
    for (const one of event) readEvent(one, seen)
    return
  }
  if (!isObject(event)) {
    seen.odd++
    return
  }
  const { type } = event
  let bytes = 0
  if (Array.isArray(event.choices)) {
    for (const choice of event.choices) if (isObject(choice)) bytes += readChoice(choice, seen)
  }
  if (typeof type === 'string') {
    bytes += readTyped(type, event, seen)
    if (END_TYPES.has(type)) seen.ended = true
  } else if (event.choices === undefined) {
    bytes += seen.addText(event.content)
    // llama.cpp's own API has no other end mark.
    if (event.stop === true) seen.ended = true
  }
  readCommon(event, seen)
  if (bytes > 0) seen.addDeltas(1, bytes)
}

/** Takes down what a whole answer says, of a request without `stream`. */
export function readAnswer(answer: unknown, seen: Sighting): void {
  if (Array.isArray(answer)) {
    for (const one of answer) if (isObject(one)) readCommon(one, seen)
    return
  }
  if (!isObject(answer)) {
    seen.odd++
    return
  }
  readCommon(answer, seen)
  const { usage } = seen
  seen.counted = usage !== null && usage.prompt !== null && usage.completion !== null
  let bytes = seen.addText(answer.content)
  for (const choice of objects(answer.choices)) bytes += readChoice(choice, seen)
  for (const block of objects(answer.content)) {
    bytes += seen.addText(block.text) + seen.addText(block.thinking)
    if (block.type === 'tool_use') {
      seen.addToolCall()
      bytes += seen.addText(JSON.stringify(block.input))
    }
  }
  for (const item of objects(answer.output)) {
    if (typeof item.type === 'string' && CALL_ITEM.test(item.type)) {
      seen.addToolCall()
      bytes += seen.addText(item.arguments) + seen.addText(item.input)
    }
    for (const part of objects(item.content)) bytes += seen.addText(part.text)
  }
  if (answer.object === 'response') readStatus(answer, seen)
  if (typeof answer.stop_reason === 'string') seen.addFinish(answer.stop_reason)
  if (bytes > 0) seen.addDeltas(1, bytes)
}

/** Of a stream's `delta` or an answer's `message`. @returns bytes of text in it */
function readChoice(choice: Json, seen: Sighting): number {
  // Some upstreams say "" until they have a reason.
  if (typeof choice.finish_reason === 'string' && choice.finish_reason !== '')
    seen.addFinish(choice.finish_reason)
  let bytes = seen.addText(choice.text)
  const delta = isObject(choice.delta) ? choice.delta : choice.message
  if (!isObject(delta)) return bytes
  bytes += seen.addText(delta.content) + seen.addText(delta.refusal)
  // Two names of one thing; an upstream that sends both sends the same text.
  bytes += seen.addText(delta.reasoning_content) || seen.addText(delta.reasoning)
  for (const call of objects(delta.tool_calls)) {
    const made = isObject(call.function) ? call.function : isObject(call.custom) ? call.custom : null
    if (made === null) continue
    if (typeof made.name === 'string' && made.name !== '') seen.addToolCall()
    bytes += seen.addText(made.arguments) + seen.addText(made.input)
  }
  return bytes
}

/** Responses and Messages name their events. @returns bytes of text */
function readTyped(type: string, event: Json, seen: Sighting): number {
  const { delta } = event
  switch (type) {
    case 'content_block_start':
      if (isObject(event.content_block) && event.content_block.type === 'tool_use') seen.addToolCall()
      return 0
    case 'content_block_delta':
      return isObject(delta)
        ? seen.addText(delta.text) + seen.addText(delta.thinking) + seen.addText(delta.partial_json)
        : 0
    case 'message_delta':
      if (isObject(delta) && typeof delta.stop_reason === 'string') seen.addFinish(delta.stop_reason)
      return 0
    case 'response.output_item.added':
      if (isObject(event.item) && typeof event.item.type === 'string' && CALL_ITEM.test(event.item.type))
        seen.addToolCall()
      return 0
    case 'error':
      // Flat in the specification, nested on the wire.
      if (!isObject(event.error)) seen.addError(nameOf(event))
      return 0
    default:
      return type.endsWith('.delta') ? seen.addText(delta) : 0
  }
}

/** What may stand in any event, and in an answer. */
function readCommon(event: Json, seen: Sighting): void {
  if (event.error !== undefined && event.error !== null) {
    seen.addError(isObject(event.error) ? nameOf(event.error) : 'error')
  }
  if (typeof event.model === 'string' && event.model !== '') seen.model = event.model
  const { x_groq: groq, message, response } = event
  // What both tell, usage tells last.
  if (event.timings !== undefined || (event.choices === undefined && event.type === undefined))
    readLlama(event, seen)
  readUsage(event.usage, seen)
  if (isObject(groq)) {
    readUsage(groq.usage, seen)
    if (groq.error !== undefined && groq.error !== null) seen.addError('error')
  }
  if (isObject(message)) {
    readUsage(message.usage, seen)
    // Anthropic begins with a token or so of the answer.
    if (isObject(message.usage)) seen.provisional = true
    if (typeof message.model === 'string') seen.model = message.model
  }
  if (isObject(response)) {
    readUsage(response.usage, seen)
    if (typeof response.model === 'string') seen.model = response.model
    if (isObject(response.error)) seen.addError(nameOf(response.error))
    readStatus(response, seen)
  }
}

/**
 * llama.cpp's counts, which it tells with or without usage (server README, `/completion`). An editor that asks for single fields
 * gets them by their paths: `timings/prompt_n`.
 */
function readLlama(event: Json, seen: Sighting): void {
  const { timings, stop_type: reason } = event
  const nested = isObject(timings)
  const timing = (name: string): number | null => count(nested ? timings[name] : event[`timings/${name}`])
  const cached = timing('cache_n')
  const fresh = timing('prompt_n')
  // Older ones do not tell what they had; among single fields it may only not have been asked for.
  const processed = fresh === null || (cached === null && !nested) ? null : fresh + (cached ?? 0)
  const prompt = count(event.tokens_evaluated) ?? processed
  const completion = count(event.tokens_predicted) ?? timing('predicted_n')
  if (prompt !== null || completion !== null)
    seen.addUsage({ prompt, cached, cacheWritten: null, completion, reasoning: null })
  if (typeof reason === 'string' && reason !== '' && reason !== 'none') seen.addFinish(reason)
}

function readStatus(response: Json, seen: Sighting): void {
  const { status, incomplete_details: details } = response
  if (typeof status !== 'string' || status === 'in_progress' || status === 'queued') return
  seen.addFinish(isObject(details) && typeof details.reason === 'string' ? details.reason : status)
}

/** In the words of any of the APIs: `prompt_tokens` or `input_tokens`, their details or Anthropic's cache fields. */
export function readUsage(usage: unknown, seen: Sighting): void {
  if (!isObject(usage)) return
  const input = count(usage.input_tokens)
  const fromCache = count(usage.cache_read_input_tokens)
  const toCache = count(usage.cache_creation_input_tokens)
  const promptDetails = usage.prompt_tokens_details ?? usage.input_tokens_details
  const completionDetails = usage.completion_tokens_details ?? usage.output_tokens_details
  // Anthropic's may tell the one again and leave out the others, which then are as they were.
  const before = isObject(promptDetails) ? null : seen.usage
  const cached = (fromCache ?? before?.cached ?? 0) + (toCache ?? before?.cacheWritten ?? 0)
  seen.addUsage({
    prompt: count(usage.prompt_tokens) ?? (input === null ? null : input + cached),
    cached:
      (isObject(promptDetails) ? count(promptDetails.cached_tokens) : null) ??
      fromCache ??
      count(usage.prompt_cache_hit_tokens),
    cacheWritten: toCache ?? (isObject(promptDetails) ? count(promptDetails.cache_write_tokens) : null),
    completion: count(usage.completion_tokens) ?? count(usage.output_tokens),
    reasoning: isObject(completionDetails) ? count(completionDetails.reasoning_tokens) : null,
  })
}

function nameOf(error: Json): string {
  const name = error.code ?? error.type
  return typeof name === 'string' || typeof name === 'number' ? String(name).slice(0, 100) : 'error'
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}
