import { OPEN_BRACE } from '../../json/bytes.js'
import type { ObjectEdits } from '../../json/object-edits.js'
import { equalsText, findMember, findString, readText, sliceText, type Value } from '../../json/outline.js'
import { wrapInput } from './input-decoder.js'

// Cursor reads a call of a custom tool as a call of a function whose arguments are the text (see
// `ChunkWriter.openCall`), and sends it back like that in later turns. Where the tool goes out as a function, its
// earlier calls must have JSON arguments too: servers that parse the arguments of earlier turns refuse anything else.

/** What a history's calls are wrapped for. */
export interface WrapContext {
  readonly body: Buffer
  /** Names of the custom tools that go out as functions. */
  readonly wrapped: ReadonlySet<string>
  readonly target: { readonly traits: { readonly customTools: boolean } }
}

/**
 * Fits a call in a message of a chat: arguments that are a text are wrapped, and so are calls of type `custom`, which
 * an upstream that has custom tools may have made earlier in the conversation. Arguments that are an object become the
 * text that they have to be, and so do empty ones, which servers that parse them refuse.
 */
export function wrapChatCall({ body, wrapped, target }: WrapContext, call: Value, edits: ObjectEdits): void {
  if (equalsText(body, findMember(call, 'type'), 'custom')) {
    if (!target.traits.customTools) wrapCustomCall(body, call, edits)
    return
  }
  const made = findMember(call, 'function')
  const args = findMember(made, 'arguments')
  const isWrapped = isCallOf(body, made, wrapped)
  if (args !== null && !isWrapped && equalsText(body, args, '')) edits.replace(args, '"{}"')
  else wrapArguments(body, args, isWrapped, edits)
}

/** @param isWrapped the arguments are the text of a custom tool */
export function wrapArguments(
  body: Buffer,
  args: Value | null,
  isWrapped: boolean,
  edits: ObjectEdits,
): void {
  if (args === null) return
  if (body[args.start] === OPEN_BRACE) {
    edits.replace(args, JSON.stringify(sliceText(body, args)))
    return
  }
  const text = isWrapped ? readText(body, args, Number.POSITIVE_INFINITY) : null
  if (text === null) return
  const input = wrapInput(text)
  if (input !== text) edits.replace(args, JSON.stringify(input))
}

function wrapCustomCall(body: Buffer, call: Value, edits: ObjectEdits): void {
  const custom = findMember(call, 'custom')
  const input = findMember(custom, 'input')
  if (custom === null || input === null || findString(body, input) === null) return
  edits.replace(findMember(call, 'type') as Value, '"function"')
  renameKey(call, custom, 'function', edits)
  renameKey(custom, input, 'arguments', edits)
  edits.replace(input, wrapText(body, input))
}

/** The arguments of the function, as a JSON string, for the text of a custom tool. */
export function wrapText(body: Buffer, input: Value): string {
  // The text is copied as JSON, and so may have what is no valid string.
  const text = readText(body, input, Number.POSITIVE_INFINITY)
  return JSON.stringify(
    text === null ? `{"input":${sliceText(body, input)}}` : JSON.stringify({ input: text }),
  )
}

/** Renames the member of an object that has this value. */
export function renameKey(object: Value, value: Value, to: string, edits: ObjectEdits): void {
  for (const { keyStart, keyEnd, value: each } of object.members ?? [])
    if (each === value) edits.within([{ start: keyStart, end: keyEnd, text: JSON.stringify(to) }])
}

/** Wraps a call in a Messages body: an input that is a text becomes an object, as Messages requires one. */
export function wrapMessagesCall({ body, wrapped }: WrapContext, block: Value, edits: ObjectEdits): void {
  const input = findMember(block, 'input')
  if (input === null || !isCallOf(body, block, wrapped)) return
  const text = readText(body, input, Number.POSITIVE_INFINITY)
  if (text !== null) edits.replace(input, wrapInput(text))
}

/** Whether a call, or what names its function, calls one of these tools. */
export function isCallOf(body: Buffer, call: Value | null, tools: ReadonlySet<string>): boolean {
  const name = tools.size === 0 ? null : readText(body, findMember(call, 'name'))
  return name !== null && tools.has(name)
}
