import { filterObjects, isObject, type JsonObject, readCount, stringOr } from '../json/values.js'
import type { ResponseStats } from './response-stats.js'

/**
 * Reads the text and the tool calls of messages, whole or in deltas, in the forms of chat completions, Ollama, Mistral
 * and Cohere. Every field may be missing, null or of another type. All functions return the UTF-8 bytes of the text.
 */

/** Reads one of `choices`: its `delta` in a stream, else its `message`. */
export function readChoice(choice: JsonObject, stats: ResponseStats): number {
  const { finish_reason: reason, error } = choice
  // Some upstreams send "" until they have a reason.
  if (typeof reason === 'string' && reason !== '') stats.setFinishReason(reason)
  if (error !== undefined && error !== null) stats.setError(readErrorName(error))
  const bytes = stats.addText(choice.text)
  const delta = isObject(choice.delta) ? choice.delta : choice.message
  return isObject(delta) ? bytes + readMessage(delta, stats) : bytes
}

/** @param index of the tool call, where it stands outside of the message (Cohere) */
export function readMessage(message: JsonObject, stats: ResponseStats, index: unknown = null): number {
  let bytes = readContent(message.content, stats) + stats.addText(message.refusal)
  // Two names for the same text. An upstream that sends both sends it twice.
  bytes += stats.addText(message.reasoning_content) || stats.addText(message.reasoning)
  // Ollama's thoughts; Cohere's, ahead of its tool calls.
  bytes += stats.addText(message.thinking) + stats.addText(message.tool_plan)
  const { tool_calls: calls, function_call: legacyCall } = message
  if (Array.isArray(calls))
    for (const call of filterObjects(calls)) bytes += readCall(call, call.index, stats)
  else if (isObject(calls)) bytes += readCall(calls, index, stats)
  // What tool calls were before there could be several of them.
  if (isObject(legacyCall)) bytes += readCall({ function: legacyCall }, LEGACY_INDEX, stats)
  return bytes
}

/** No other call has it. */
const LEGACY_INDEX = -1

/** Reads text, one part or a list of parts: of text, of thoughts (Mistral has a list in them), of a refusal. */
export function readContent(content: unknown, stats: ResponseStats): number {
  if (typeof content === 'string') return stats.addText(content)
  let bytes = 0
  if (Array.isArray(content)) {
    for (const part of content) if (isObject(part)) bytes += readPart(part, stats)
  } else if (isObject(content)) bytes += readPart(content, stats)
  return bytes
}

function readPart({ text, thinking, refusal }: JsonObject, stats: ResponseStats): number {
  let bytes = stats.addText(text) + stats.addText(refusal)
  if (!Array.isArray(thinking)) return bytes + stats.addText(thinking)
  for (const part of filterObjects(thinking)) bytes += stats.addText(part.text)
  return bytes
}

function readCall(call: JsonObject, index: unknown, stats: ResponseStats): number {
  const tool = isObject(call.function) ? call.function : isObject(call.custom) ? call.custom : null
  if (tool === null) return 0
  const args = textOf(tool.arguments) + textOf(tool.input)
  stats.addCallPart({
    index: typeof index === 'number' ? index : null,
    id: stringOr(call.id, ''),
    name: stringOr(tool.name, ''),
    args,
  })
  return stats.addText(args)
}

/** The text of a call's arguments. Ollama and Gemini send them as an object, which the model wrote as text. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  return isObject(value) ? JSON.stringify(value) : ''
}

/** The code or the type of an error. @param error parsed JSON of any type but null */
export function readErrorName(error: unknown): string {
  if (!isObject(error)) return 'error'
  const name = error.code ?? error.type
  return typeof name === 'string' || typeof name === 'number' ? String(name).slice(0, 100) : 'error'
}

/** How many objects of a list are finished web searches of the Responses API. Reading a found page is none. */
export function isSearch({ type, action }: JsonObject): boolean {
  return type === 'web_search_call' && (!isObject(action) || action.type === 'search')
}

/** The number of searches that Gemini's grounding tells. */
export function countQueries(metadata: unknown): number {
  const queries = isObject(metadata) ? metadata.webSearchQueries : null
  return Array.isArray(queries) ? (readCount(queries.length) ?? 0) : 0
}
