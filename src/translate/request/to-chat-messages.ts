import { isObject, type Json } from '../../json/values.js'
import { wrapped } from '../custom-tools/input-decoder.js'
import { withWrappedCalls } from '../custom-tools/wrap-history.js'
import { ChatMessages, type Part } from './chat-messages.js'
import { fieldsOf, listOf, stringOf } from './fields.js'

/**
 * What of a Messages body chat completions say in other words; its tools aside.
 * @param customs names of tools that take a text, of whose calls the arguments are to be JSON
 */
export function fromMessages(request: Json, customs: readonly string[] = []): Json {
  const userId = fieldsOf(request.metadata).user_id
  const format = fieldsOf(fieldsOf(request.output_config).format)
  return {
    messages: messagesOf(request, customs),
    max_tokens: request.max_tokens ?? request.max_completion_tokens ?? undefined,
    stop: request.stop_sequences ?? request.stop ?? undefined,
    ...(typeof userId === 'string' && { user: userId }),
    reasoning_effort: effortOf(request),
    response_format:
      format.type === 'json_schema'
        ? { type: 'json_schema', json_schema: { name: 'answer', schema: format.schema } }
        : (request.response_format ?? undefined),
  }
}

function messagesOf(request: Json, customs: readonly string[]): readonly unknown[] {
  const messages = new ChatMessages()
  messages.say('system', partsOf(request.system))
  for (const message of listOf(request.messages))
    if (isObject(message)) addMessage(messages, message, customs)
  return messages.all()
}

function addMessage(messages: ChatMessages, message: Json, customs: readonly string[]): void {
  const { role, content } = message
  if (role === 'tool' || Array.isArray(message.tool_calls)) {
    messages.keep(withWrappedCalls(message, customs))
  } else if (role === 'system' || role === 'developer') {
    messages.say('system', partsOf(content))
  } else if (role === 'assistant') {
    messages.say('assistant', partsOf(content))
    for (const block of listOf(content).map(fieldsOf)) {
      if (block.type !== 'tool_use') continue
      const { input } = block
      const name = stringOf(block.name)
      const isText = typeof input === 'string' && customs.includes(name)
      messages.call(stringOf(block.id), name, isText ? wrapped(input) : JSON.stringify(input ?? {}))
    }
  } else {
    // Ahead of what the user says in the same message: results have to stand right behind their calls.
    for (const block of listOf(content).map(fieldsOf)) {
      if (block.type === 'tool_result') messages.result(stringOf(block.tool_use_id), partsOf(block.content))
    }
    messages.say('user', partsOf(content))
  }
}

function partsOf(content: unknown): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return listOf(content).flatMap((block) => partOf(fieldsOf(block)) ?? [])
}

function partOf(block: Json): Part | null {
  const source = fieldsOf(block.source)
  switch (block.type) {
    case 'text':
      return block.text === '' ? null : { type: 'text', text: stringOf(block.text) }
    case 'image': {
      const url = urlOf(source)
      return url === null ? null : { type: 'image_url', image_url: { url } }
    }
    case 'document': {
      if (source.type === 'text') return { type: 'text', text: stringOf(source.data) }
      if (source.type !== 'base64') return null
      const filename = typeof block.title === 'string' ? block.title : 'document.pdf'
      return { type: 'file', file: { filename, file_data: dataUrl(source) } }
    }
    // Parts as a chat has them.
    case 'image_url':
      return block as unknown as Part
    default:
      return null
  }
}

function urlOf(source: Json): string | null {
  if (source.type === 'base64') return dataUrl(source)
  return source.type === 'url' && typeof source.url === 'string' ? source.url : null
}

function dataUrl(source: Json): string {
  return `data:${stringOf(source.media_type)};base64,${stringOf(source.data)}`
}

/** Efforts that are taken wherever there are efforts; Claude's further ones are the most of these. */
const EFFORTS: ReadonlyMap<unknown, string> = new Map([
  ['low', 'low'],
  ['medium', 'medium'],
  ['high', 'high'],
  ['xhigh', 'high'],
  ['max', 'high'],
])

/** An effort that was told, or about what a budget for thinking stands for. */
function effortOf(request: Json): unknown {
  const told = EFFORTS.get(fieldsOf(request.output_config).effort) ?? request.reasoning_effort
  if (told !== undefined && told !== null) return told
  const { type, budget_tokens: budget } = fieldsOf(request.thinking)
  if (type !== 'enabled' || typeof budget !== 'number') return undefined
  if (budget < 4_096) return 'low'
  return budget < 16_384 ? 'medium' : 'high'
}
