import { asArray, asObject, isObject, type JsonObject, stringOr } from '../../json/values.js'
import { wrapInput } from '../custom-tools/input-decoder.js'
import { wrapCalls } from '../custom-tools/wrap-history.js'
import { ChatMessages, type Part } from './chat-messages.js'

/**
 * The members of a Messages body that chat completions have under other names, but for the tools.
 * @param customs names of the custom tools: they become functions, so the arguments of their calls become JSON
 */
export function convertMessages(request: JsonObject, customs: readonly string[] = []): JsonObject {
  const userId = asObject(request.metadata).user_id
  const format = asObject(asObject(request.output_config).format)
  return {
    messages: convertConversation(request, customs),
    max_tokens: request.max_tokens ?? request.max_completion_tokens ?? undefined,
    stop: request.stop_sequences ?? request.stop ?? undefined,
    ...(typeof userId === 'string' && { user: userId }),
    reasoning_effort: convertEffort(request),
    response_format:
      format.type === 'json_schema'
        ? { type: 'json_schema', json_schema: { name: 'answer', schema: format.schema } }
        : (request.response_format ?? undefined),
  }
}

function convertConversation(request: JsonObject, customs: readonly string[]): readonly unknown[] {
  const messages = new ChatMessages()
  messages.addTurn('system', convertParts(request.system))
  for (const message of asArray(request.messages))
    if (isObject(message)) addMessage(messages, message, customs)
  return messages.build()
}

function addMessage(messages: ChatMessages, message: JsonObject, customs: readonly string[]): void {
  const { role, content } = message
  if (role === 'tool' || Array.isArray(message.tool_calls)) {
    messages.addMessage(wrapCalls(message, customs))
  } else if (role === 'system' || role === 'developer') {
    messages.addTurn('system', convertParts(content))
  } else if (role === 'assistant') {
    messages.addTurn('assistant', convertParts(content))
    for (const block of asArray(content).map(asObject)) {
      if (block.type !== 'tool_use') continue
      const { input } = block
      const name = stringOr(block.name, '')
      const isText = typeof input === 'string' && customs.includes(name)
      messages.addCall(stringOr(block.id, ''), name, isText ? wrapInput(input) : JSON.stringify(input ?? {}))
    }
  } else {
    // Ahead of the user's text in the same message: results have to follow right behind their calls.
    for (const block of asArray(content).map(asObject)) {
      if (block.type === 'tool_result')
        messages.addResult(stringOr(block.tool_use_id, ''), convertParts(block.content))
    }
    messages.addTurn('user', convertParts(content))
  }
}

function convertParts(content: unknown): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return asArray(content).flatMap((block) => convertPart(asObject(block)) ?? [])
}

function convertPart(block: JsonObject): Part | null {
  const source = asObject(block.source)
  switch (block.type) {
    case 'text':
      return block.text === '' ? null : { type: 'text', text: stringOr(block.text, '') }
    case 'image': {
      const url = readUrl(source)
      return url === null ? null : { type: 'image_url', image_url: { url } }
    }
    case 'document': {
      if (source.type === 'text') return { type: 'text', text: stringOr(source.data, '') }
      if (source.type !== 'base64') return null
      const filename = typeof block.title === 'string' ? block.title : 'document.pdf'
      return { type: 'file', file: { filename, file_data: createDataUrl(source) } }
    }
    // A part of chat completions already.
    case 'image_url':
      return block as unknown as Part
    default:
      return null
  }
}

function readUrl(source: JsonObject): string | null {
  if (source.type === 'base64') return createDataUrl(source)
  return source.type === 'url' && typeof source.url === 'string' ? source.url : null
}

function createDataUrl(source: JsonObject): string {
  return `data:${stringOr(source.media_type, '')};base64,${stringOr(source.data, '')}`
}

/** Maps Claude's efforts to the three that every server with efforts knows. */
const EFFORTS: ReadonlyMap<unknown, string> = new Map([
  ['low', 'low'],
  ['medium', 'medium'],
  ['high', 'high'],
  ['xhigh', 'high'],
  ['max', 'high'],
])

/** The effort of the request, or an effort that fits its thinking budget. */
function convertEffort(request: JsonObject): unknown {
  const effort = EFFORTS.get(asObject(request.output_config).effort) ?? request.reasoning_effort
  if (effort !== undefined && effort !== null) return effort
  const { type, budget_tokens: budget } = asObject(request.thinking)
  if (type !== 'enabled' || typeof budget !== 'number') return undefined
  if (budget < 4_096) return 'low'
  return budget < 16_384 ? 'medium' : 'high'
}
