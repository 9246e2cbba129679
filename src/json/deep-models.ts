import { BOM, CLOSE_BRACE, CLOSE_BRACKET, COLON, OPEN_BRACE, OPEN_BRACKET, QUOTE } from './bytes.js'
import { isLikeModel } from './model-copies.js'
import { findEvery, type Member, parseOutline } from './outline.js'
import { decodeString, findLiteralEnd, findStringEnd, skipSpace } from './scanner.js'

/**
 * Collects the models that JSON names at any level down to a depth, each as often as it is there: null for one that is
 * no text. Linear in the length of the body.
 * @param body known to be one JSON object
 * @param depth of objects and lists; 1 is the top level
 */
export function collectModels(body: Buffer, depth: number): (string | null)[] {
  const models: (string | null)[] = []
  let level = 0
  for (let at = 0; at < body.length; ) {
    const byte = body[at]
    if (byte !== QUOTE) {
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) level++
      else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) level--
      at++
      continue
    }
    const end = findStringEnd(body, at + 1)
    if (end === -1) return models
    const colon = skipSpace(body, end)
    if (level <= depth && body[colon] === COLON && isLikeModel(body.subarray(at, end))) {
      const start = skipSpace(body, colon + 1)
      const model = readName(body, start)
      if (model !== undefined) models.push(model)
    }
    at = end
  }
  return models
}

/** What JSON has outside of its strings: structure, space, numbers, and the letters of true, false and null. */
const PLAIN: ReadonlySet<number> = new Set(Buffer.from('{}[]:, \t\r\n0123456789+-.eEtrufalsn'))

/**
 * Whether nothing stands outside of the strings of a body that only some readers take for JSON: a comment, a key
 * without quotes or with single ones. Linear in the length of the body.
 * @param body known to be one JSON object, as far as its own level shows
 */
export function hasOnlyJson(body: Buffer): boolean {
  for (let at = 0; at < body.length; at++) {
    const byte = body[at] as number
    if (byte === QUOTE) {
      const end = findStringEnd(body, at + 1)
      if (end === -1) return false
      at = end - 1
    } else if (!PLAIN.has(byte) && !(at < BOM.length && byte === BOM[at])) return false
  }
  return true
}

/** @returns undefined for an object, as in the schema of a tool, and for JSON's null */
function readName(body: Buffer, start: number): string | null | undefined {
  const byte = body[start]
  if (byte === OPEN_BRACE) return undefined
  if (byte === QUOTE) return decodeString(body, start, findStringEnd(body, start + 1))
  const end = findLiteralEnd(body, start)
  return body.toString('latin1', start, end === -1 ? start : end) === 'null' ? undefined : null
}

const SESSION = findEvery({ session: findEvery() })

/** Collects the models that a body names at its top level and in its `session`, as `collectModels` does. */
export function collectSessionModels(body: Buffer): (string | null)[] {
  const models: (string | null)[] = []
  const take = ({ keyStart, keyEnd, value }: Member): void => {
    const model = isLikeModel(body.subarray(keyStart, keyEnd)) ? readName(body, value.start) : undefined
    if (model !== undefined) models.push(model)
  }
  for (const member of parseOutline(body, SESSION)?.members ?? []) {
    take(member)
    if (member.key === 'session') for (const inner of member.value.members ?? []) take(inner)
  }
  return models
}
