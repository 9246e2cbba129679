import { isObjectInString, isObjectText } from '../../json/object-text.js'
import { parseJson } from '../../json/values.js'
import type { CallInput, Json, JsonString, Part, TextPart } from '../conversation.js'
import { unwrapExactInput, wrapInput } from '../custom-tools/input-decoder.js'

// Values are joined as JSON text. Nothing is parsed to be printed again, so that numbers keep their digits.

/** What stands between texts that were parts or messages of their own, as JSON text inside of a string. */
const GAP = '\\n\\n'

/** The content of a JSON string, still with its escapes. */
export function readInner(text: JsonString): string {
  return text.slice(1, -1)
}

/** One JSON string with all texts, each a paragraph of its own; `""` for none. */
export function joinTexts(texts: readonly JsonString[]): JsonString {
  return texts.length === 1 ? (texts[0] as JsonString) : `"${texts.map(readInner).join(GAP)}"`
}

/** The text parts among the parts. */
export function listTexts(parts: readonly Part[]): JsonString[] {
  return parts.filter((part): part is TextPart => part.type === 'text').map(({ text }) => text)
}

// White space as it stands in a JSON string: as it is, or escaped.
const SPACE = String.raw`(?:\s|\\[nrtbf]|\\u00(?:0[9a-dA-D]|1[c-fC-F]|20|85|[aA]0)|\\u2028|\\u2029|\\u3000)`
const BLANK = new RegExp(`^"${SPACE}*"$`)

/** Whether a text has nothing but white space. */
export function isBlank(text: JsonString): boolean {
  return BLANK.test(text)
}

/** The text without the white space at its end. */
export function trimEnd(text: JsonString): JsonString {
  const decoded = parseString(text)
  const trimmed = decoded.trimEnd()
  return trimmed === decoded ? text : JSON.stringify(trimmed)
}

/** Characters that UTF-8 does not have, and that may stand in a JSON text within strings alone. */
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/**
 * The input of a function's call as a JSON object, with the digits of its numbers as they are. Arguments that are no
 * JSON object, because a model broke them off or made an error, are kept as the text of an `arguments` member.
 */
export function formatInputObject(input: CallInput): Json {
  if (input.form === 'object') {
    if (input.object.startsWith('{')) return input.object
    return input.object === 'null' ? '{}' : `{"arguments":${input.object}}`
  }
  const text = parseJson(input.text)
  if (typeof text !== 'string' || text.trim() === '') return '{}'
  return formatObjectText(text) ?? `{"arguments":${input.text}}`
}

/** The text of a JSON object as it can be sent; null if it is no JSON object. */
function formatObjectText(text: string): Json | null {
  return isObjectText(text) ? text.replace(LONE_SURROGATE, escapeCharacter) : null
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16)}`
}

/**
 * The input of a function's call as the JSON string that chat completions and Responses have. Arguments that are no
 * JSON object are kept in one, as servers that parse the arguments of earlier turns refuse anything else.
 */
export function formatInputText(input: CallInput): JsonString {
  if (input.form === 'text' && isObjectInString(input.text)) return input.text
  return JSON.stringify(formatInputObject(input))
}

function parseString(text: JsonString): string {
  const parsed = parseJson(text)
  return typeof parsed === 'string' ? parsed : ''
}

/** The input of a custom tool's call as its free text. */
export function formatCustomText(input: CallInput): JsonString {
  if (input.form === 'text') {
    const text = parseString(input.text)
    const free = unwrapExactInput(text)
    return free === text ? input.text : JSON.stringify(free)
  }
  const free = unwrapExactInput(input.object)
  return JSON.stringify(free)
}

/** The input of a custom tool's call as the object of the function that stands in for the tool. */
export function formatWrappedObject(input: CallInput): Json {
  if (input.form === 'object') return formatInputObject(input)
  const text = parseString(input.text)
  // Arguments that a model wrapped itself may have escape sequences that JSON does not.
  return formatObjectText(wrapInput(text)) ?? JSON.stringify({ input: unwrapExactInput(text) })
}

/**
 * An array of JSON values. The texts are appended to each other, which copies nothing until the whole body is copied
 * into its bytes: `join` would copy a prompt once for each level of nesting.
 */
export function formatArray(values: readonly Json[]): Json {
  let text = '['
  for (const [n, value] of values.entries()) text += n === 0 ? value : `,${value}`
  return `${text}]`
}
