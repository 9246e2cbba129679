import { isObject, type JsonObject } from '../../json/values.js'
import { wrapInput } from '../custom-tools/input-decoder.js'
import { wrapCalls } from '../custom-tools/wrap-history.js'
import { ChatMessages, type Part } from './chat-messages.js'
import { asFields, asList, asString } from './fields.js'

/**
 * What of a Responses body chat completions say in other words; its tools aside.
 * @param customs names of tools that take a text, of whose calls the arguments are to be JSON
 */
export function convertResponsesInput(request: JsonObject, customs: readonly string[] = []): JsonObject {
  return {
    messages: messagesOf(request, customs),
    max_tokens: request.max_output_tokens ?? request.max_completion_tokens ?? request.max_tokens ?? undefined,
    stop: request.stop ?? undefined,
    top_logprobs: request.top_logprobs ?? undefined,
    logprobs: asList(request.include).includes('message.output_text.logprobs') ? true : undefined,
    reasoning_effort: asFields(request.reasoning).effort ?? request.reasoning_effort ?? undefined,
    response_format: formatOf(request),
  }
}

function messagesOf(request: JsonObject, customs: readonly string[]): readonly unknown[] {
  const messages = new ChatMessages()
  const { instructions, input } = request
  messages.say('system', partsOf(instructions))
  if (typeof input === 'string') messages.say('user', partsOf(input))
  for (const item of asList(input)) if (isObject(item)) addItem(messages, item, customs)
  return messages.all()
}

/** Items of other types (reasoning, built-in tools, references) have no place in a chat. */
function addItem(messages: ChatMessages, item: JsonObject, customs: readonly string[]): void {
  const id = asString(item.call_id)
  const name = asString(item.name)
  switch (item.type ?? 'message') {
    case 'message':
      addMessage(messages, item, customs)
      break
    case 'function_call':
      messages.call(id, name, argumentsOf(item, customs.includes(name)))
      break
    case 'custom_tool_call':
      messages.call(id, name, JSON.stringify({ input: asString(item.input) }))
      break
    case 'function_call_output':
    case 'custom_tool_call_output':
      messages.result(id, partsOf(item.output))
      break
  }
}

function argumentsOf(call: JsonObject, custom: boolean): string {
  const args = asString(call.arguments)
  return custom ? wrapInput(args) : args || '{}'
}

function addMessage(messages: ChatMessages, item: JsonObject, customs: readonly string[]): void {
  const { role, content } = item
  if (role === 'tool' || Array.isArray(item.tool_calls)) messages.keep(wrapCalls(item, customs))
  else if (role === 'system' || role === 'developer') messages.say('system', partsOf(content))
  else messages.say(role === 'assistant' ? 'assistant' : 'user', partsOf(content))
}

function partsOf(content: unknown): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return asList(content).flatMap((part) => partOf(asFields(part)) ?? [])
}

function partOf(part: JsonObject): Part | null {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return { type: 'text', text: asString(part.text) }
    case 'refusal':
      return { type: 'text', text: asString(part.refusal) }
    case 'input_image':
      return typeof part.image_url === 'string' ? imagePart(part.image_url, part.detail) : null
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

/** Chat completions have no detail but these. */
const DETAILS: readonly unknown[] = ['low', 'high', 'auto']

function imagePart(url: string, detail: unknown): Part {
  return {
    type: 'image_url',
    image_url: DETAILS.includes(detail) ? { url, detail: detail as string } : { url },
  }
}

function formatOf(request: JsonObject): unknown {
  const format = asFields(request.text).format
  if (!isObject(format)) return request.response_format ?? undefined
  const { type, ...schema } = format
  if (type === 'text') return undefined
  return type === 'json_schema' ? { type, json_schema: schema } : format
}
