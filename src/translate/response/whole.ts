import { filterObjects, isObject, type JsonObject, numberOr, parseJson, stringOr } from '../../json/values.js'
import { unwrapInput } from '../custom-tools/input-decoder.js'
import { createChatError } from './chat-errors.js'
import { type ChatUsage, readMessageUsage, readResponseUsage } from './chat-usage.js'
import { createChatId, epochSeconds } from './chunk-writer.js'
import { readMessageFinish } from './read-messages.js'
import { isCall, readResponseFinish } from './read-responses.js'
import type { FinishReason } from './response-writer.js'

/** The content of a response, gathered from its items or blocks. */
interface Content {
  readonly texts: string[]
  readonly refusals: string[]
  readonly reasoning: string[]
  readonly calls: JsonObject[]
}

/**
 * Converts a whole response to a chat completion (OpenAI API reference: The response object; The chat completion
 * object).
 * @param model the name for the completion if the upstream gives none
 * @returns the same bytes if the body is no response
 */
export function translateResponse(body: Buffer, model: string | null = null): Buffer {
  const response = parseJson(body.toString('utf8'))
  if (!isObject(response) || !(response.object === 'response' || Array.isArray(response.output))) return body
  const status = stringOr(response.status, 'completed')
  if (isObject(response.error)) return encodeJson({ error: createChatError(response.error) })
  if (status === 'failed' || status === 'cancelled') return encodeJson({ error: createChatError(null) })

  const content: Content = { texts: [], refusals: [], reasoning: [], calls: [] }
  for (const item of filterObjects(response.output)) addItem(content, item)
  return createCompletion(response, content, {
    created: numberOr(response.created_at, epochSeconds()),
    model,
    finish: readResponseFinish(response, status, content.calls.length),
    usage: readResponseUsage(response.usage),
  })
}

function addItem({ texts, refusals, reasoning, calls }: Content, item: JsonObject): void {
  if (isCall(item)) {
    const id = readCallId(item.call_id, item.id, calls.length)
    calls.push(createCall(id, stringOr(item.name, ''), readArguments(item)))
    return
  }
  let text = ''
  for (const part of filterObjects(item.summary)) reasoning.push(stringOr(part.text, ''))
  for (const part of filterObjects(item.content)) {
    if (part.type === 'refusal') refusals.push(stringOr(part.refusal, ''))
    else if (part.type === 'reasoning_text') reasoning.push(stringOr(part.text, ''))
    else text += stringOr(part.text, '')
  }
  texts.push(text)
}

/**
 * Converts a whole message to a chat completion (Anthropic API reference: Messages).
 * @param model the name for the completion if the upstream gives none
 * @param wrapped names of the custom tools that went out as functions
 * @returns the same bytes if the body is no message
 */
export function translateMessage(
  body: Buffer,
  model: string | null = null,
  wrapped: readonly string[] = [],
): Buffer {
  const message = parseJson(body.toString('utf8'))
  if (!isObject(message) || !Array.isArray(message.content)) return body
  const content: Content = { texts: [], refusals: [], reasoning: [], calls: [] }
  let text = ''
  for (const block of filterObjects(message.content)) {
    if (block.type === 'text') text += stringOr(block.text, '')
    else if (block.type === 'thinking') content.reasoning.push(stringOr(block.thinking, ''))
    else if (block.type === 'tool_use') {
      const id = stringOr(block.id, '') || `call_${content.calls.length}`
      const name = stringOr(block.name, '')
      const input = readToolInput(block.input)
      content.calls.push(createCall(id, name, wrapped.includes(name) ? unwrapInput(input) : input))
    }
  }
  content.texts.push(text)
  return createCompletion(message, content, {
    created: epochSeconds(),
    model,
    finish: readMessageFinish(message.stop_reason, content.calls.length),
    usage: readMessageUsage(message.usage),
  })
}

interface CompletionFacts {
  /** In seconds since 1970. */
  readonly created: number
  readonly model: string | null
  readonly finish: FinishReason
  readonly usage: ChatUsage | null
}

/** @param source the upstream's response, for its id and model */
function createCompletion(
  source: JsonObject,
  { texts, refusals, reasoning, calls }: Content,
  { created, model, finish, usage }: CompletionFacts,
): Buffer {
  const content = joinTexts(texts)
  const reasoningContent = joinTexts(reasoning)
  return encodeJson({
    id: stringOr(source.id, createChatId()),
    object: 'chat.completion',
    created,
    model: stringOr(source.model, '') || model || '',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: content === '' && calls.length > 0 ? null : content,
          refusal: refusals.join('') || null,
          ...(reasoningContent === '' ? {} : { reasoning_content: reasoningContent }),
          ...(calls.length === 0 ? {} : { tool_calls: calls }),
        },
        logprobs: null,
        finish_reason: finish,
      },
    ],
    ...(usage === null ? {} : { usage }),
  })
}

/** An empty line separates two texts, as in a stream. */
function joinTexts(texts: readonly string[]): string {
  return texts.filter((text) => text !== '').join('\n\n')
}

function createCall(id: string, name: string, args: string): JsonObject {
  return { id, type: 'function', function: { name, arguments: args } }
}

function encodeJson(value: JsonObject): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** The input of a `tool_use` block as JSON text; `{}` if it has none. */
function readToolInput(input: unknown): string {
  return isObject(input) ? JSON.stringify(input) : '{}'
}

/** The arguments of a call as JSON text, `{}` if it has none; of a custom tool's call, its text. */
function readArguments(call: JsonObject): string {
  if (call.type === 'custom_tool_call') return stringOr(call.input, '')
  return stringOr(call.arguments, '') || '{}'
}

/** The id of a call: `call_id`, or else `id`, or else a name with its index among the tool calls. */
function readCallId(callId: unknown, id: unknown, index: number): string {
  return stringOr(callId, '') || stringOr(id, '') || `call_${index}`
}
