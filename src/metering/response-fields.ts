import { filterObjects, isObject, type JsonObject, stringOr } from '../json/values.js'
import { isSearch, readChoice, readContent, readErrorName, readMessage, textOf } from './answer-text.js'
import { readConverseResponse } from './converse-fields.js'
import { isGemini, readGemini } from './gemini-fields.js'
import type { ResponseStats } from './response-stats.js'
import { readUsage } from './usage-places.js'

/** Types of output items that call a tool (Responses API): `function_call`, `web_search_call`, ... */
export const CALL_ITEM = /_call$/

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
  let bytes = isGemini(response) ? readGemini(response, stats) : 0
  for (const choice of filterObjects(response.choices)) bytes += readChoice(choice, stats)
  bytes += readContent(response.content, stats)
  for (const block of filterObjects(response.content)) bytes += readBlock(block, stats)
  bytes += readItems(response.output, stats)
  bytes += readConverseResponse(response, stats)
  // Ollama's own API, and Cohere's.
  if (isObject(response.message)) bytes += readMessage(response.message, stats)
  bytes += stats.addText(response.response) + stats.addText(response.thinking)
  if (response.object === 'response') readStatus(response, stats)
  for (const reason of [response.stop_reason, response.finish_reason, response.done_reason])
    if (typeof reason === 'string' && reason !== '') stats.setFinishReason(reason)
  if (bytes > 0) stats.addDeltas(1, bytes)
}

/** Reads a block of Anthropic's that is no text. @returns UTF-8 bytes of its text */
function readBlock({ type, name, input }: JsonObject, stats: ResponseStats): number {
  if (!stringOr(type, '').endsWith('tool_use')) return 0
  stats.addToolCall(stringOr(name, ''))
  return stats.addText(textOf(input))
}

/** Reads the output of the Responses API. @returns UTF-8 bytes of its text */
function readItems(output: unknown, stats: ResponseStats): number {
  let bytes = 0
  for (const item of filterObjects(output)) {
    if (CALL_ITEM.test(stringOr(item.type, ''))) {
      stats.addToolCall(stringOr(item.name, ''))
      bytes += stats.addText(item.arguments) + stats.addText(item.input)
    }
    bytes += readContent(item.content, stats)
  }
  stats.takeSearches(filterObjects(output).filter(isSearch).length)
  return bytes
}

/** Reads the fields that any event and any response may have. */
export function readCommon(event: JsonObject, stats: ResponseStats): void {
  const { error, model, service_tier: tier, x_groq: groq, message, response, stop_type: reason } = event
  if (error !== undefined && error !== null) stats.setError(readErrorName(error))
  if (typeof model === 'string' && model !== '') stats.setModel(model)
  if (typeof tier === 'string') stats.setTier(tier)
  stats.object.read(event)
  readUsage(event, stats)
  if (isObject(groq) && groq.error !== undefined && groq.error !== null) stats.setError('error')
  if (isObject(message) && typeof message.model === 'string') stats.setModel(message.model)
  if (isObject(response)) readCreated(response, stats)
  // llama.cpp's own API.
  if (typeof reason === 'string' && reason !== '' && reason !== 'none') stats.setFinishReason(reason)
}

/** Reads the response in an event of the Responses API. */
function readCreated(response: JsonObject, stats: ResponseStats): void {
  const { model, service_tier: tier, error, output } = response
  if (typeof model === 'string') stats.setModel(model)
  if (typeof tier === 'string') stats.setTier(tier)
  stats.object.read(response)
  if (isObject(error)) stats.setError(readErrorName(error))
  stats.takeSearches(filterObjects(output).filter(isSearch).length)
  readStatus(response, stats)
}

function readStatus(response: JsonObject, stats: ResponseStats): void {
  const { status, incomplete_details: details } = response
  if (typeof status !== 'string' || status === 'in_progress' || status === 'queued') return
  if (status === 'failed' && stats.error === null) stats.setError(status)
  stats.setFinishReason(isObject(details) && typeof details.reason === 'string' ? details.reason : status)
}
