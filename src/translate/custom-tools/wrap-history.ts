import type { ObjectEdits } from '../../json/object-edits.js'
import {
  equalsText,
  findMember,
  findOnly,
  parseOutline,
  readElements,
  readText,
  type Value,
  WHOLE,
} from '../../json/outline.js'
import { isObject, type JsonObject } from '../../json/values.js'
import { filterMessages } from '../request/request-outline.js'
import { wrapInput } from './input-decoder.js'

// Cursor reads a call of a custom tool as a call of a function whose arguments are the text (see
// `ChunkWriter.openCall`), and sends it back like that in later turns. Where the tool goes out as a function, its
// earlier calls must have JSON arguments too: servers that parse the arguments of earlier turns refuse anything else.

const CHAT_CALLS = readElements(
  findOnly({
    ...{ type: WHOLE, custom: findOnly({ input: WHOLE }) },
    function: findOnly({ name: WHOLE, arguments: WHOLE }),
  }),
)
const MESSAGES_BLOCKS = readElements(findOnly({ type: WHOLE, name: WHOLE, input: WHOLE }))

/**
 * Wraps calls in the messages of a chat: arguments that are a text, and calls of type `custom`, which an upstream that
 * has custom tools may have made earlier in the conversation.
 * @param tools names of the wrapped tools
 */
export function wrapChatCalls(
  body: Buffer,
  messages: Value | null,
  edits: ObjectEdits,
  tools: readonly string[],
): void {
  for (const message of filterMessages(body, messages, 'chat')) {
    const calls = findMember(message, 'tool_calls')
    const found = calls === null ? null : parseOutline(body, CHAT_CALLS, calls.start)
    for (const call of found?.elements ?? []) {
      if (equalsText(body, findMember(call, 'type'), 'custom')) {
        wrapCustomCall(body, call, edits)
        continue
      }
      const made = findMember(call, 'function')
      const args = findMember(made, 'arguments')
      const text = readText(body, args, Number.POSITIVE_INFINITY)
      if (args === null || text === null || !isCallOf(body, made, tools)) continue
      const input = wrapInput(text)
      if (input !== text) edits.replace(args, JSON.stringify(input))
    }
  }
}

function wrapCustomCall(body: Buffer, call: Value, edits: ObjectEdits): void {
  const custom = findMember(call, 'custom')
  const input = findMember(custom, 'input')
  const text = readText(body, input, Number.POSITIVE_INFINITY)
  if (custom === null || input === null || text === null) return
  edits.replace(findMember(call, 'type') as Value, '"function"')
  renameKey(call, custom, 'function', edits)
  renameKey(custom, input, 'arguments', edits)
  edits.replace(input, JSON.stringify(JSON.stringify({ input: text })))
}

function renameKey(object: Value, value: Value, to: string, edits: ObjectEdits): void {
  for (const { keyStart, keyEnd, value: each } of object.members ?? [])
    if (each === value) edits.within([{ start: keyStart, end: keyEnd, text: JSON.stringify(to) }])
}

/**
 * Wraps calls in a Messages body: an input that is a text becomes an object, as Messages requires one.
 * @param tools names of the wrapped tools
 */
export function wrapMessagesCalls(
  body: Buffer,
  messages: Value | null,
  edits: ObjectEdits,
  tools: readonly string[],
): void {
  for (const message of filterMessages(body, messages, 'block')) {
    const content = findMember(message, 'content')
    const found = content === null ? null : parseOutline(body, MESSAGES_BLOCKS, content.start)
    for (const block of found?.elements ?? []) {
      const input = findMember(block, 'input')
      if (!equalsText(body, findMember(block, 'type'), 'tool_use') || !isCallOf(body, block, tools)) continue
      const text = readText(body, input, Number.POSITIVE_INFINITY)
      if (input !== null && text !== null) edits.replace(input, wrapInput(text))
    }
  }
}

/**
 * Wraps calls in one parsed message of a chat.
 * @returns the same message if it has no calls, or if there are no wrapped tools
 */
export function wrapCalls(message: JsonObject, tools: readonly string[]): JsonObject {
  if (tools.length === 0 || !Array.isArray(message.tool_calls)) return message
  return { ...message, tool_calls: message.tool_calls.map((call) => wrapCall(call, tools)) }
}

function wrapCall(call: unknown, tools: readonly string[]): unknown {
  if (!isObject(call) || !isObject(call.function)) return call
  const { name, arguments: args } = call.function
  if (typeof name !== 'string' || typeof args !== 'string' || !tools.includes(name)) return call
  return { ...call, function: { ...call.function, arguments: wrapInput(args) } }
}

function isCallOf(body: Buffer, call: Value | null, tools: readonly string[]): boolean {
  const name = readText(body, findMember(call, 'name'))
  return name !== null && tools.includes(name)
}
