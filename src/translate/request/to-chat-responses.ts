import { asArray, asObject, isObject, type JsonObject, stringOr } from '../../json/values.js'
import { wrapInput } from '../custom-tools/input-decoder.js'
import { wrapCalls } from '../custom-tools/wrap-history.js'
import { ChatMessages, type Part } from './chat-messages.js'

/**
 * The members of a Responses body that chat completions have under other names, but for the tools.
 * @param customs names of the custom tools: they become functions, so the arguments of their calls become JSON
 */
export function convertResponsesInput(request: JsonObject, customs: readonly string[] = []): JsonObject {
  return {
    messages: convertConversation(request, customs),
    max_tokens: request.max_output_tokens ?? request.max_completion_tokens ?? request.max_tokens ?? undefined,
    stop: request.stop ?? undefined,
    top_logprobs: request.top_logprobs ?? undefined,
    logprobs: asArray(request.include).includes('message.output_text.logprobs') ? true : undefined,
    reasoning_effort: asObject(request.reasoning).effort ?? request.reasoning_effort ?? undefined,
    response_format: convertFormat(request),
  }
}

function convertConversation(request: JsonObject, customs: readonly string[]): readonly unknown[] {
  const messages = new ChatMessages()
  const { instructions, input } = request
  messages.addTurn('system', convertParts(instructions))
  if (typeof input === 'string') messages.addTurn('user', convertParts(input))
  for (const item of asArray(input)) if (isObject(item)) addItem(messages, item, customs)
  return messages.build()
}

/** Items of other types (reasoning, built-in tools, references) have no counterpart in a chat. */
function addItem(messages: ChatMessages, item: JsonObject, customs: readonly string[]): void {
  const id = stringOr(item.call_id, '')
  const name = stringOr(item.name, '')
  switch (item.type ?? 'message') {
    case 'message':
      addMessage(messages, item, customs)
      break
    case 'function_call':
      messages.addCall(id, name, convertArguments(item, customs.includes(name)))
      break
    case 'custom_tool_call':
      messages.addCall(id, name, JSON.stringify({ input: stringOr(item.input, '') }))
      break
    case 'function_call_output':
    case 'custom_tool_call_output':
      messages.addResult(id, convertParts(item.output))
      break
  }
}

function convertArguments(call: JsonObject, custom: boolean): string {
  const args = stringOr(call.arguments, '')
  return custom ? wrapInput(args) : args || '{}'
}

function addMessage(messages: ChatMessages, item: JsonObject, customs: readonly string[]): void {
  const { role, content } = item
  if (role === 'tool' || Array.isArray(item.tool_calls)) messages.addMessage(wrapCalls(item, customs))
  else if (role === 'system' || role === 'developer') messages.addTurn('system', convertParts(content))
  else messages.addTurn(role === 'assistant' ? 'assistant' : 'user', convertParts(content))
}

function convertParts(content: unknown): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return asArray(content).flatMap((part) => convertPart(asObject(part)) ?? [])
}

function convertPart(part: JsonObject): Part | null {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return { type: 'text', text: stringOr(part.text, '') }
    case 'refusal':
      return { type: 'text', text: stringOr(part.refusal, '') }
    case 'input_image':
      return typeof part.image_url === 'string' ? createImagePart(part.image_url, part.detail) : null
    case 'image_url':
      return part as unknown as Part
    case 'input_file': {
      const file = Object.entries({
        ...{ file_data: part.file_data, file_id: part.file_id, filename: part.filename },
      }).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
      const found = file.some(([key]) => key !== 'filename')
      return found ? { type: 'file', file: Object.fromEntries(file) } : null
    }
    case 'input_audio':
      return { type: 'input_audio', input_audio: part.input_audio }
    default:
      return null
  }
}

/** The details that chat completions know. */
const DETAILS: readonly unknown[] = ['low', 'high', 'auto']

function createImagePart(url: string, detail: unknown): Part {
  return {
    type: 'image_url',
    image_url: DETAILS.includes(detail) ? { url, detail: detail as string } : { url },
  }
}

function convertFormat(request: JsonObject): unknown {
  const format = asObject(request.text).format
  if (!isObject(format)) return request.response_format ?? undefined
  const { type, ...schema } = format
  if (type === 'text') return undefined
  return type === 'json_schema' ? { type, json_schema: schema } : format
}
