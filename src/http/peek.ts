/**
 * What the relay has to know of a JSON prompt, found in its bytes: the prompt is neither decoded, parsed nor
 * copied. For every valid JSON text the answers are those that `JSON.parse` would give (the last of doubled
 * keys wins, escaped keys count); for anything else, whatever was found before it went wrong. Broken JSON is the
 * upstream's matter.
 */
export interface Peek {
  /** The top-level `model`, null if there is none or it is not a string. */
  model: string | null
  /** Where the value of `model` stands in the bytes, quotes included; -1 if there is none. */
  modelStart: number
  modelEnd: number
  /** The top-level `stream`, null if there is none or it is neither true nor false. */
  stream: boolean | null
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const SPACE = 0x20

/** Longest key and value looked into; no client writes `model` with more bytes than this, escapes and all. */
const LONGEST = 1024

/** One pass over the body. O(n), with strings, which are most of a prompt, skipped by memchr. */
export function peek(body: Buffer): Peek {
  const found: Peek = { model: null, modelStart: -1, modelEnd: -1, stream: null }
  const length = body.length
  let i = skipSpace(body, 0)
  if (body[i] !== OPEN_BRACE) return found
  i++
  while (i < length) {
    i = skipSpace(body, i)
    if (body[i] !== QUOTE) return found
    const keyStart = i
    i = stringEnd(body, i)
    if (i === -1) return found
    const key = keyAt(body, keyStart, i)
    i = skipSpace(body, i)
    // The colon.
    i = skipSpace(body, i + 1)
    const valueStart = i
    i = valueEnd(body, i)
    if (i === -1) return found
    if (key === 'model') {
      const text = body[valueStart] === QUOTE ? decode(body, valueStart, i) : null
      found.model = text
      found.modelStart = text === null ? -1 : valueStart
      found.modelEnd = text === null ? -1 : i
    } else if (key === 'stream') {
      found.stream = literalAt(body, valueStart, i)
    }
    i = skipSpace(body, i)
    if (body[i] !== COMMA) return found
    i++
  }
  return found
}

/**
 * The body with another model name in place of its own; every other byte stays as it was, so that the upstream's
 * prompt cache still knows the prompt. The body itself is not changed.
 */
export function spliceModel(body: Buffer, at: Peek, model: string): Buffer {
  if (at.modelStart === -1) return body
  return Buffer.concat([
    body.subarray(0, at.modelStart),
    Buffer.from(JSON.stringify(model)),
    body.subarray(at.modelEnd),
  ])
}

function skipSpace(body: Buffer, from: number): number {
  let i = from
  // All four of JSON's whitespace bytes are at or below a space, and nothing else that may stand here is.
  while (i < body.length && (body[i] as number) <= SPACE) i++
  return i
}

/** Index after the closing quote of the string that opens at `open`; -1 if it does not close. */
function stringEnd(body: Buffer, open: number): number {
  let i = open + 1
  // Keys and short values end within a few bytes, less than what a call into memchr costs.
  const near = Math.min(i + 24, body.length)
  for (; i < near; i++) {
    const byte = body[i]
    if (byte === QUOTE) return i + 1
    if (byte === BACKSLASH) i++
  }
  // An escape may have stepped over the end of the near part: i is then where the next character begins.
  for (;;) {
    const quote = body.indexOf(QUOTE, i)
    if (quote === -1) return -1
    let slash = quote - 1
    while (slash >= i && body[slash] === BACKSLASH) slash--
    if (((quote - 1 - slash) & 1) === 0) return quote + 1
    i = quote + 1
  }
}

/** Index after the value that begins at `from`; -1 if the body ends first. */
function valueEnd(body: Buffer, from: number): number {
  const first = body[from]
  if (first === QUOTE) return stringEnd(body, from)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return nestedEnd(body, from)
  for (let i = from; i < body.length; i++) {
    const byte = body[i] as number
    if (byte === COMMA || byte === CLOSE_BRACE || byte <= SPACE) return i
  }
  return -1
}

function nestedEnd(body: Buffer, from: number): number {
  let depth = 0
  for (let i = from; i < body.length; i++) {
    const byte = body[i]
    if (byte === QUOTE) {
      i = stringEnd(body, i) - 1
      if (i < 0) return -1
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth++
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--
      if (depth === 0) return i + 1
    }
  }
  return -1
}

/** `model` or `stream` if that is what the key says, else null; other keys are not decoded. */
function keyAt(body: Buffer, start: number, end: number): 'model' | 'stream' | null {
  const length = end - start - 2
  if (length === 5 && body[start + 1] === 0x6d)
    return body.toString('latin1', start + 1, end - 1) === 'model' ? 'model' : null
  if (length === 6 && body[start + 1] === 0x73) {
    return body.toString('latin1', start + 1, end - 1) === 'stream' ? 'stream' : null
  }
  // Neither word can be written in more than 36 bytes, each letter as \u00XX.
  if (length < 7 || length > 36 || !body.subarray(start, end).includes(BACKSLASH)) return null
  const key = decode(body, start, end)
  return key === 'model' || key === 'stream' ? key : null
}

/** The text of a JSON string at `start` to `end`, quotes included; null if it is not one, or absurdly long. */
function decode(body: Buffer, start: number, end: number): string | null {
  if (end - start > LONGEST) return null
  try {
    const text: unknown = JSON.parse(body.toString('utf8', start, end))
    return typeof text === 'string' ? text : null
  } catch {
    // Not JSON (a raw control character, a bad escape): the upstream will say so.
    return null
  }
}

function literalAt(body: Buffer, start: number, end: number): boolean | null {
  const length = end - start
  if (length === 4 && body.toString('latin1', start, end) === 'true') return true
  if (length === 5 && body.toString('latin1', start, end) === 'false') return false
  return null
}
