import { findEvery, findString, parseOutline, readText, sliceText, type Value } from '../../json/outline.js'
import type { JsonString } from '../conversation.js'
import { unwrapExactInput } from '../custom-tools/input-decoder.js'

/**
 * The text of a custom tool from its call as a function, as Cursor sends it back: the text itself, or `{"input":TEXT}`
 * as a text or as an object. Any other object is the text: no tool takes it for a valid input.
 * @returns null if there is no input
 */
export function readCustomInput(body: Buffer, value: Value | null): JsonString | null {
  if (value === null) return null
  const json = sliceText(body, value)
  if (findString(body, value)) return unwrap(body, value, json)
  if (json === 'null') return null
  const members = json.startsWith('{') ? (parseOutline(body, ANY_OBJECT, value.start)?.members ?? []) : []
  const only = members.length === 1 && members[0]?.key === 'input' ? findString(body, members[0].value) : null
  return only === null ? JSON.stringify(json) : sliceText(body, only)
}

/** Most texts are patches, which need not be decoded to see that they are not wrapped. */
function unwrap(body: Buffer, value: Value, json: JsonString): JsonString {
  if (!WRAPPED.test(json)) return json
  const text = readText(body, value, Number.POSITIVE_INFINITY)
  if (text === null) return json
  const unwrapped = unwrapExactInput(text)
  return unwrapped === text ? json : JSON.stringify(unwrapped)
}

const WRAPPED = /^"(?:\s|\\[nrt])*(?:\{|\\u007b)/i
const ANY_OBJECT = findEvery()
