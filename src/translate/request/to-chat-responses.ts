import { isObject, type Json } from '../../json/values.js'
import { wrapped } from '../custom-tools/input-decoder.js'
import { withWrappedCalls } from '../custom-tools/wrap-history.js'
import { ChatMessages, type Part } from './chat-messages.js'
import { fieldsOf, listOf, stringOf } from './fields.js'

/**
 * What of a Responses body chat completions say in other words; its tools aside.
 * @param customs names of tools that take a text, of whose calls the arguments are to be JSON
 */
export function fromResponses(request: Json, customs: readonly string[] = []): Json {
  return {
    messages: messagesOf(request, customs),
    max_tokens: request.max_output_tokens ?? request.max_completion_tokens ?? request.max_tokens ?? undefined,
    stop: request.stop ?? undefined,
    top_logprobs: request.top_logprobs ?? undefined,
    logprobs: listOf(request.include).includes('message.output_text.logprobs') ? true : undefined,
    reasoning_effort: fieldsOf(request.reasoning).effort ?? request.reasoning_effort ?? undefined,
    response_format: formatOf(request),
  }
}

function messagesOf(request: Json, customs: readonly string[]): readonly unknown[] {
  const messages = new ChatMessages()
  const { instructions, input } = request
  messages.say('system', partsOf(instructions))
  if (typeof input === 'string') messages.say('user', partsOf(input))
  for (const item of listOf(input)) if (isObject(item)) addItem(messages, item, customs)
  return messages.all()
}

/** Items of other types (reasoning, built-in tools, references) have no place in a chat. */
function addItem(messages: ChatMessages, item: Json, customs: readonly string[]): void {
  const id = stringOf(item.call_id)
  const name = stringOf(item.name)
  switch (item.type ?? 'message') {
    case 'message':
      addMessage(messages, item, customs)
      break
    case 'function_call':
      messages.call(id, name, argumentsOf(item, customs.includes(name)))
      break
    case 'custom_tool_call':
      messages.call(id, name, JSON.stringify({ input: stringOf(item.input) }))
      break
    case 'function_call_output':
    case 'custom_tool_call_output':
      messages.result(id, partsOf(item.output))
      break
  }
}

function argumentsOf(call: Json, custom: boolean): string {
  const args = stringOf(call.arguments)
  return custom ? wrapped(args) : args || '{}'
}

function addMessage(messages: ChatMessages, item: Json, customs: readonly string[]): void {
  const { role, content } = item
  if (role === 'tool' || Array.isArray(item.tool_calls)) messages.keep(withWrappedCalls(item, customs))
  else if (role === 'system' || role === 'developer') messages.say('system', partsOf(content))
  else messages.say(role === 'assistant' ? 'assistant' : 'user', partsOf(content))
}

function partsOf(content: unknown): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return listOf(content).flatMap((part) => partOf(fieldsOf(part)) ?? [])
}

function partOf(part: Json): Part | null {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return { type: 'text', text: stringOf(part.text) }
    case 'refusal':
      return { type: 'text', text: stringOf(part.refusal) }
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

function formatOf(request: Json): unknown {
  const format = fieldsOf(request.text).format
  if (!isObject(format)) return request.response_format ?? undefined
  const { type, ...schema } = format
  if (type === 'text') return undefined
  return type === 'json_schema' ? { type, json_schema: schema } : format
}
