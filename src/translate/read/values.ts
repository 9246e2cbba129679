import { KeyTable } from '../../json/key-table.js'
import { findMember, findString, isEmptyValue, readText, sliceText, type Value } from '../../json/outline.js'
import type { Json, JsonString } from '../conversation.js'

/** The JSON text of a member; null if it is missing or `null`. */
export function copyMember(body: Buffer, object: Value | null, key: string): Json | null {
  return copyValue(body, findMember(object, key))
}

/** The JSON text of a value; null if it is missing or `null`. */
export function copyValue(body: Buffer, value: Value | null): Json | null {
  return value === null || isEmptyValue(body, value) ? null : sliceText(body, value)
}

/** The JSON text of a member that is a string; null if it is none. */
export function copyString(body: Buffer, object: Value | null, key: string): JsonString | null {
  const value = findString(body, findMember(object, key))
  return value === null ? null : sliceText(body, value)
}

/** The text of a member, however long; null if it is no string. */
export function readMember(body: Buffer, object: Value | null, key: string): string | null {
  return readText(body, findMember(object, key), Number.POSITIVE_INFINITY)
}

/** Whether a value is `true`, by its first letter. */
export function isTrue(body: Buffer, value: Value | null): boolean {
  return value !== null && body[value.start] === 0x74
}

/** Whether a value is `false`, by its first letter. */
export function isFalse(body: Buffer, value: Value | null): boolean {
  return value !== null && body[value.start] === 0x66
}

/** Whether a value is a number, by its first byte. */
export function isNumber(body: Buffer, value: Value | null): boolean {
  if (value === null) return false
  const byte = body[value.start] as number
  return byte === 0x2d || (byte >= 0x30 && byte <= 0x39)
}

/** Longer types are no types. */
const LONGEST_TYPE = 64

/** A `type`, for the name of something that is left out: `unknown` if there is none that can be shown. */
export function nameType(body: Buffer, object: Value | null): string {
  return readText(body, findMember(object, 'type'), LONGEST_TYPE) ?? 'unknown'
}

/** Roles and types that nearly all messages and parts have: they are compared as bytes, and not decoded. */
const WORDS = new KeyTable(
  Object.fromEntries(
    [
      ...['user', 'assistant', 'system', 'developer', 'tool', 'message', 'function'],
      ...[
        'text',
        'input_text',
        'output_text',
        'image_url',
        'input_image',
        'image',
        'tool_use',
        'tool_result',
      ],
      ...['thinking', 'function_call', 'function_call_output', 'custom_tool_call', 'custom_tool_call_output'],
      'reasoning',
    ].map((word) => [word, word]),
  ),
)

/** The text of a role or a type; null if it is no string, or too long for one. */
export function readWord(body: Buffer, value: Value | null): string | null {
  if (value === null || findString(body, value) === null) return null
  return WORDS.find(body, value.start + 1, value.end - 1)?.value ?? readText(body, value)
}
