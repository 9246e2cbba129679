import type { BodyApi } from '../../../src/api/apis.js'
import type { Conversation, Item, Part } from '../../../src/translate/conversation.js'
import { readChat } from '../../../src/translate/read/chat.js'
import { readMessages } from '../../../src/translate/read/messages.js'
import { readResponses } from '../../../src/translate/read/responses.js'

export const READERS = { chat: readChat, responses: readResponses, messages: readMessages }
export const APIS: readonly BodyApi[] = ['chat', 'responses', 'messages']

/** Reads a body that is a JSON text, or a value. */
export function read(api: BodyApi, body: object | string): Conversation {
  const conversation = READERS[api](Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)))
  if (conversation === null) throw new Error('the body is no object')
  return conversation
}

/** Reads the messages or items of one body. */
export function readItems(api: BodyApi, list: unknown, fields: object = {}): readonly Item[] {
  return read(api, { ...fields, [api === 'responses' ? 'input' : 'messages']: list }).items
}

/** Parts in short: texts as they are, `!` ahead of refusals, other parts by their types, and marks behind all. */
export function showParts(parts: readonly Part[]): string {
  return parts
    .map((part) => {
      const mark = part.cache === null ? '' : '*'
      if (part.type === 'text') return `${part.isRefusal ? '!' : ''}${JSON.parse(part.text)}${mark}`
      if (part.type === 'audio') return `<audio ${part.format}>${mark}`
      const { source } = part
      const where =
        source.kind === 'base64'
          ? `${source.mediaType} ${JSON.parse(source.data)}`
          : JSON.parse(source.kind === 'url' ? source.url : source.kind === 'id' ? source.id : source.text)
      return `<${part.type} ${source.kind} ${where}>${mark}`
    })
    .join('|')
}

/** Items in short, for tables. */
export function show(items: readonly Item[]): string[] {
  return items.map((item) => {
    switch (item.kind) {
      case 'message':
        return `${item.role}: ${showParts(item.parts)}`
      case 'call': {
        const input = item.input.form === 'text' ? JSON.parse(item.input.text) : `=${item.input.object}`
        return `${item.isCustom ? 'custom' : 'call'} ${item.id} ${item.name}(${input})`
      }
      case 'result':
        return `result ${item.id}${item.isError ? ' failed' : ''}: ${showParts(item.parts)}${item.cache === null ? '' : '*'}`
      default:
        return `thinking ${item.api} ${item.json}`
    }
  })
}
