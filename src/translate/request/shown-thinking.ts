import type { BodyApi } from '../../api/apis.js'
import { applyEdits } from '../../json/edits.js'
import { ArrayEdits, ObjectEdits } from '../../json/object-edits.js'
import { equalsText, findMember, findString, type Value } from '../../json/outline.js'
import { parseRequestOutline } from './request-outline.js'

/**
 * Removes the thinking that the relay has shown as text (`cursor.thinking: think_tags`) from the answers that Cursor
 * sends back: the model would take it for something that it has said. It is what `ChunkWriter` writes, at the beginning
 * of a message of the assistant's: `<think>`, the thinking, `</think>` and two line ends. Nothing else is changed, and
 * the same message always becomes the same.
 * @returns the same buffer if there is none
 */
export function removeShownThinking(api: BodyApi, body: Buffer): Buffer {
  const request = parseRequestOutline(body)
  const list = findMember(request, api === 'responses' ? 'input' : 'messages')
  if (request === null || !list?.elements) return body
  const edits = new ObjectEdits(request)
  const items = new ArrayEdits(list)
  for (const [n, item] of list.elements.entries()) {
    if (!equalsText(body, findMember(item, 'role'), 'assistant')) continue
    const text = findFirstText(body, findMember(item, 'content'))
    if (text === null) continue
    const end = findThinkingEnd(body, text.value)
    if (end === null) continue
    const { start } = text.value
    if (end < text.value.end - 1) edits.within([{ start: start + 1, end, text: '' }])
    else if (!removeAll(api, item, text, edits)) items.cut(n)
  }
  edits.within(items.edits())
  const changes = edits.edits()
  return changes.length === 0 ? body : Buffer.concat(applyEdits([body], changes))
}

/** The text that a message begins with. */
interface FirstText {
  readonly value: Value
  /** The list of parts that has it as its first one; null if the content is the text. */
  readonly parts: Value | null
}

function findFirstText(body: Buffer, content: Value | null): FirstText | null {
  const own = findString(body, content)
  if (own !== null) return { value: own, parts: null }
  const value = findString(body, findMember(content?.elements?.[0] ?? null, 'text'))
  return value === null ? null : { value, parts: content }
}

/**
 * Writes a message that was thinking alone as Cursor writes one that has no text.
 * @returns false if nothing is left of the message
 */
function removeAll(api: BodyApi, item: Value, { value, parts }: FirstText, edits: ObjectEdits): boolean {
  // What is done about empty texts keeps their cache marks.
  if (api === 'messages') {
    edits.replace(value, '""')
    return true
  }
  if (parts !== null && (parts.elements?.length ?? 0) > 1) {
    const within = new ArrayEdits(parts)
    within.cut(0)
    edits.within(within.edits())
    return true
  }
  // Calls are items of their own in Responses.
  if (api === 'responses') return false
  const hasCalls =
    (findMember(item, 'tool_calls')?.elements?.length ?? 0) > 0 ||
    findMember(item, 'function_call')?.members != null
  edits.replace(findMember(item, 'content') as Value, hasCalls ? 'null' : '""')
  return true
}

// JSON writers may escape these letters.
const LESS = String.raw`(?:<|\\u003[cC])`
const GREATER = String.raw`(?:>|\\u003[eE])`
const OPENED = new RegExp(`^${LESS}think${GREATER}`)
/** The end of the thinking, or any other escaped character: its letters are none of the end's. */
const CLOSED_OR_ESCAPE = new RegExp(String.raw`(${LESS}\\?\/think${GREATER})|\\.`, 'g')
/** In bytes. */
const LONGEST_OPENED = 32
/** Cursor may cut white space off at the end of a text. */
const REST = /^(?:\\n\\n|(?:\\[nrt]| )*$)/

/**
 * Finds where the thinking ends that a text begins with.
 * @returns the index of the first byte behind it; null if the text does not begin with it
 */
function findThinkingEnd(body: Buffer, { start, end }: Value): number | null {
  const first = start + 1
  const opened = OPENED.exec(body.toString('latin1', first, Math.min(first + LONGEST_OPENED, end - 1)))
  if (opened === null) return null
  const text = body.toString('latin1', first, end - 1)
  CLOSED_OR_ESCAPE.lastIndex = opened[0].length
  for (let found = CLOSED_OR_ESCAPE.exec(text); found !== null; found = CLOSED_OR_ESCAPE.exec(text)) {
    if (found[1] === undefined) continue
    const at = CLOSED_OR_ESCAPE.lastIndex
    const rest = REST.exec(text.slice(at, at + LONGEST_REST))
    if (rest !== null && (rest[0].startsWith('\\n\\n') || at + rest[0].length === text.length))
      return first + at + rest[0].length
  }
  return null
}

/** In characters. */
const LONGEST_REST = 16
