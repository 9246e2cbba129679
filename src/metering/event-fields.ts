import { isObject, type JsonObject, stringOr } from '../json/values.js'
import { isSearch, readChoice, readErrorName, readMessage, textOf } from './answer-text.js'
import { isGemini, readGemini } from './gemini-fields.js'
import { CALL_ITEM, readCommon } from './response-fields.js'
import type { ResponseStats } from './response-stats.js'

/**
 * Reads the fields of stream events of all APIs: chat completions, completions, Responses, Anthropic Messages,
 * Gemini's, Cohere's, and Ollama's and llama.cpp's own. The API is recognised by the fields, not by the path, because
 * upstreams mix them. Every field may be missing, null or of another type.
 */

const END_TYPES = new Set([
  ...['message_stop', 'response.completed', 'response.incomplete', 'response.failed'],
  // Cohere.
  'message-end',
])

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
  const { errors } = stats
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
    bytes += readUntyped(event, stats)
  }
  readCommon(event, stats)
  // Nothing of the answer follows an error, whether an end mark does or not.
  if (stats.errors > errors) stats.ended = true
  if (bytes > 0) stats.addDeltas(1, bytes)
}

/** Reads an event of llama.cpp's own API or of Ollama's. @returns UTF-8 bytes of its text */
function readUntyped(event: JsonObject, stats: ResponseStats): number {
  let bytes = stats.addText(event.content)
  // Ollama's chats, and its completions.
  if (isObject(event.message)) bytes += readMessage(event.message, stats)
  bytes += stats.addText(event.response) + stats.addText(event.thinking)
  const { done_reason: reason } = event
  if (typeof reason === 'string' && reason !== '') stats.setFinishReason(reason)
  // The only end marks of the two.
  if (event.stop === true || event.done === true) stats.ended = true
  return bytes
}

/**
 * Reads an event of the Responses, the Messages or Cohere's API, which has a `type`.
 * @returns UTF-8 bytes of its text
 */
function readTyped(type: string, event: JsonObject, stats: ResponseStats): number {
  const { delta } = event
  switch (type) {
    case 'content_block_start':
      return isObject(event.content_block) ? readBlockStart(event.content_block, stats) : 0
    case 'content_block_delta':
      return isObject(delta)
        ? stats.addText(delta.text) + stats.addText(delta.thinking) + stats.addText(delta.partial_json)
        : 0
    case 'message_delta':
      if (isObject(delta) && typeof delta.stop_reason === 'string') stats.setFinishReason(delta.stop_reason)
      return 0
    case 'response.output_item.added':
      if (isObject(event.item) && CALL_ITEM.test(stringOr(event.item.type, '')))
        stats.addToolCall(stringOr(event.item.name, ''))
      return 0
    case 'response.output_item.done':
      if (isObject(event.item) && isSearch(event.item)) stats.countSearch(stringOr(event.item.id, ''))
      return 0
    case 'error':
      // The specification has the error's fields in the event; some upstreams nest them in `error`.
      if (!isObject(event.error)) stats.setError(readErrorName(event))
      return 0
    default:
      if (isObject(delta)) return COHERE_TYPE.test(type) ? readCohere(delta, event.index, stats) : 0
      return type.endsWith('.delta') ? stats.addText(delta) : 0
  }
}

/** A block begins empty, but some upstreams send a call whole. @returns UTF-8 bytes of its text */
function readBlockStart(block: JsonObject, stats: ResponseStats): number {
  const type = stringOr(block.type, '')
  if (!type.endsWith('tool_use')) return 0
  stats.addToolCall(stringOr(block.name, ''))
  return isObject(block.input) && Object.keys(block.input).length > 0 ? stats.addText(textOf(block.input)) : 0
}

const COHERE_TYPE = /^(?:message|content|tool-plan|tool-call)-(?:start|delta|end)$/

/** @returns UTF-8 bytes of its text */
function readCohere(
  { message, finish_reason: reason }: JsonObject,
  index: unknown,
  stats: ResponseStats,
): number {
  if (typeof reason === 'string') stats.setFinishReason(reason)
  return isObject(message) ? readMessage(message, stats, index) : 0
}
