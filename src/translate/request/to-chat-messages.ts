import { isObject, type JsonObject } from '../../json/values.js'
import { wrapInput } from '../custom-tools/input-decoder.js'
import { wrapCalls } from '../custom-tools/wrap-history.js'
import { ChatMessages, type Part } from './chat-messages.js'
import { asFields, asList, asString } from './fields.js'

/**
 * What of a Messages body chat completions say in other words; its tools aside.
 * @param customs names of tools that take a text, of whose calls the arguments are to be JSON
 */
export function convertMessages(request: JsonObject, customs: readonly string[] = []): JsonObject {
  const userId = asFields(request.metadata).user_id
  const format = asFields(asFields(request.output_config).format)
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

function messagesOf(request: JsonObject, customs: readonly string[]): readonly unknown[] {
  const messages = new ChatMessages()
  messages.say('system', partsOf(request.system))
  for (const message of asList(request.messages))
    if (isObject(message)) addMessage(messages, message, customs)
  return messages.all()
}

function addMessage(messages: ChatMessages, message: JsonObject, customs: readonly string[]): void {
  const { role, content } = message
  if (role === 'tool' || Array.isArray(message.tool_calls)) {
    messages.keep(wrapCalls(message, customs))
  } else if (role === 'system' || role === 'developer') {
    messages.say('system', partsOf(content))
  } else if (role === 'assistant') {
    messages.say('assistant', partsOf(content))
    for (const block of asList(content).map(asFields)) {
      if (block.type !== 'tool_use') continue
      const { input } = block
      const name = asString(block.name)
      const isText = typeof input === 'string' && customs.includes(name)
      messages.call(asString(block.id), name, isText ? wrapInput(input) : JSON.stringify(input ?? {}))
    }
  } else {
    // Ahead of what the user says in the same message: results have to stand right behind their calls.
    for (const block of asList(content).map(asFields)) {
      if (block.type === 'tool_result') messages.result(asString(block.tool_use_id), partsOf(block.content))
    }
    messages.say('user', partsOf(content))
  }
}

function partsOf(content: unknown): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return asList(content).flatMap((block) => partOf(asFields(block)) ?? [])
}

function partOf(block: JsonObject): Part | null {
  const source = asFields(block.source)
  switch (block.type) {
    case 'text':
      return block.text === '' ? null : { type: 'text', text: asString(block.text) }
    case 'image': {
      const url = urlOf(source)
      return url === null ? null : { type: 'image_url', image_url: { url } }
    }
    case 'document': {
      if (source.type === 'text') return { type: 'text', text: asString(source.data) }
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

function urlOf(source: JsonObject): string | null {
  if (source.type === 'base64') return dataUrl(source)
  return source.type === 'url' && typeof source.url === 'string' ? source.url : null
}

function dataUrl(source: JsonObject): string {
  return `data:${asString(source.media_type)};base64,${asString(source.data)}`
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
function effortOf(request: JsonObject): unknown {
  const told = EFFORTS.get(asFields(request.output_config).effort) ?? request.reasoning_effort
  if (told !== undefined && told !== null) return told
  const { type, budget_tokens: budget } = asFields(request.thinking)
  if (type !== 'enabled' || typeof budget !== 'number') return undefined
  if (budget < 4_096) return 'low'
  return budget < 16_384 ? 'medium' : 'high'
}
