import type { ObjectEdits } from '../../json/object-edits.js'
import { each, isText, memberOf, only, outline, textOf, type Value, WHOLE } from '../../json/outline.js'
import { isObject, type Json } from '../../json/values.js'
import { messagesWith } from '../request/request-outline.js'
import { wrapped } from './input-decoder.js'

// Cursor has a call of a custom tool as one of a function whose arguments are the text (see `ChunkWriter.openCall`), and sends
// it back so in the turns that follow. Where the tool went out as a function, so has the call to: a server that reads the
// arguments of earlier turns as JSON refuses anything else.

const CHAT_CALLS = each(
  only({
    ...{ type: WHOLE, custom: only({ input: WHOLE }) },
    function: only({ name: WHOLE, arguments: WHOLE }),
  }),
)
const MESSAGES_BLOCKS = each(only({ type: WHOLE, name: WHOLE, input: WHOLE }))

/**
 * In the messages of a chat: arguments that are a text, and calls of custom tools, as an upstream that has these may have made.
 * @param tools names of those that are wrapped
 */
export function wrapChatCalls(
  body: Buffer,
  messages: Value | null,
  edits: ObjectEdits,
  tools: readonly string[],
): void {
  for (const message of messagesWith(body, messages, 'chat')) {
    const calls = memberOf(message, 'tool_calls')
    const found = calls === null ? null : outline(body, CHAT_CALLS, calls.start)
    for (const call of found?.elements ?? []) {
      if (isText(body, memberOf(call, 'type'), 'custom')) {
        wrapCustomCall(body, call, edits)
        continue
      }
      const made = memberOf(call, 'function')
      const args = memberOf(made, 'arguments')
      const text = textOf(body, args, Number.POSITIVE_INFINITY)
      if (args === null || text === null || !isOf(body, made, tools)) continue
      const input = wrapped(text)
      if (input !== text) edits.replace(args, JSON.stringify(input))
    }
  }
}

function wrapCustomCall(body: Buffer, call: Value, edits: ObjectEdits): void {
  const custom = memberOf(call, 'custom')
  const input = memberOf(custom, 'input')
  const text = textOf(body, input, Number.POSITIVE_INFINITY)
  if (custom === null || input === null || text === null) return
  edits.replace(memberOf(call, 'type') as Value, '"function"')
  renameKey(call, custom, 'function', edits)
  renameKey(custom, input, 'arguments', edits)
  edits.replace(input, JSON.stringify(JSON.stringify({ input: text })))
}

function renameKey(object: Value, value: Value, to: string, edits: ObjectEdits): void {
  for (const { keyStart, keyEnd, value: each } of object.members ?? [])
    if (each === value) edits.within([{ start: keyStart, end: keyEnd, text: JSON.stringify(to) }])
}

/** In the messages of Messages: inputs that are a text, as they have to be objects there. */
export function wrapMessagesCalls(
  body: Buffer,
  messages: Value | null,
  edits: ObjectEdits,
  tools: readonly string[],
): void {
  for (const message of messagesWith(body, messages, 'block')) {
    const content = memberOf(message, 'content')
    const found = content === null ? null : outline(body, MESSAGES_BLOCKS, content.start)
    for (const block of found?.elements ?? []) {
      const input = memberOf(block, 'input')
      if (!isText(body, memberOf(block, 'type'), 'tool_use') || !isOf(body, block, tools)) continue
      const text = textOf(body, input, Number.POSITIVE_INFINITY)
      if (input !== null && text !== null) edits.replace(input, wrapped(text))
    }
  }
}

/** In one message of a chat, as a value. */
export function withWrappedCalls(message: Json, tools: readonly string[]): Json {
  if (tools.length === 0 || !Array.isArray(message.tool_calls)) return message
  return { ...message, tool_calls: message.tool_calls.map((call) => withWrappedArguments(call, tools)) }
}

function withWrappedArguments(call: unknown, tools: readonly string[]): unknown {
  if (!isObject(call) || !isObject(call.function)) return call
  const { name, arguments: args } = call.function
  if (typeof name !== 'string' || typeof args !== 'string' || !tools.includes(name)) return call
  return { ...call, function: { ...call.function, arguments: wrapped(args) } }
}

function isOf(body: Buffer, call: Value | null, tools: readonly string[]): boolean {
  const name = textOf(body, memberOf(call, 'name'))
  return name !== null && tools.includes(name)
}
