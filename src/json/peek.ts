/**
 * What the relay has to know of a JSON prompt, found in its bytes: the prompt is neither decoded, parsed nor
 * copied. For every valid JSON text the answers are those that `JSON.parse` would give (the last of doubled
 * keys wins, escaped keys count); for anything else, whatever was found before it went wrong. Broken JSON is the
 * upstream's matter.
 */
export interface Peek {
  /** Behind the brace that opens the object; -1 if there is none. */
  opened: number
  /** The top-level `model`, null if there is none or it is not a string. */
  model: string | null
  /** Where the value of `model` stands in the bytes, quotes included; -1 if there is none. */
  modelStart: number
  modelEnd: number
  /** The top-level `stream`, null if there is none or it is neither true nor false. */
  stream: boolean | null
  /** Where its value ends; -1 if there is none. */
  streamEnd: number
  /** `max_completion_tokens`, or else `max_tokens`; null if there is neither, or it is no count (-1 is none: llama.cpp's for no end). */
  maxTokens: number | null
  /** There are `tools` or `functions`, even if none is in them. */
  tools: boolean
  /** The value of `stream_options` and where it stands; null if there is none. Of one that is absurdly long, no text. */
  streamOptions: { readonly start: number; readonly end: number; readonly text: string } | null
  /** Where the string that is the top-level `prompt` stands, quotes included; -1 if it is no string, or there are two. */
  promptStart: number
  promptEnd: number
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const SPACE = 0x20

/** Longest key and value looked into; no client writes `model` with more bytes than this, escapes and all. */
const LONGEST = 1024

const NOTHING = Buffer.alloc(0)

/** What the next byte belongs to. */
const BEFORE_OBJECT = 0
const BEFORE_KEY = 1
const IN_KEY = 2
const AT_COLON = 3
const BEFORE_VALUE = 4
const IN_STRING = 5
const IN_LITERAL = 6
const IN_NESTED = 7
const IN_NESTED_STRING = 8
const AFTER_VALUE = 9
const OVER = 10

/**
 * Looks at a body while it comes, piece by piece, however it is cut. O(n) over all pieces, with strings, which are most
 * of a prompt, skipped by memchr; what it keeps of a piece is at most a key or value that goes on in the next.
 */
export class Peeker {
  readonly found: Peek
  private state: number
  /** Objects and arrays that are open within the value. */
  private depth: number
  /** The last piece ended with a backslash that escapes what comes next. */
  private escaped: boolean
  /** Where the piece stands in the body. */
  private base: number
  /** Where the key or value that is being read began in the body, and its bytes that were in earlier pieces. */
  private start: number
  private carried: Buffer
  private key: Key | null
  /** `max_completion_tokens` and `max_tokens`, as `maxTokens`. */
  private newerMax: number | null
  private olderMax: number | null
  private readonly tools: { tools: boolean; functions: boolean }
  private prompts: number

  constructor() {
    this.found = {
      opened: -1,
      model: null,
      modelStart: -1,
      modelEnd: -1,
      stream: null,
      streamEnd: -1,
      maxTokens: null,
      tools: false,
      streamOptions: null,
      promptStart: -1,
      promptEnd: -1,
    }
    this.state = BEFORE_OBJECT
    this.depth = 0
    this.escaped = false
    this.base = 0
    this.start = 0
    this.carried = NOTHING
    this.key = null
    this.newerMax = null
    this.olderMax = null
    this.tools = { tools: false, functions: false }
    this.prompts = 0
  }

  push(piece: Buffer): void {
    const { length } = piece
    let i = 0
    while (i < length) {
      switch (this.state) {
        case BEFORE_OBJECT:
          i = skipSpace(piece, i)
          if (i === length) break
          this.state = piece[i++] === OPEN_BRACE ? BEFORE_KEY : OVER
          if (this.state === BEFORE_KEY) this.found.opened = this.base + i
          break
        case BEFORE_KEY:
          i = skipSpace(piece, i)
          if (i === length) break
          this.state = piece[i] === QUOTE ? IN_KEY : OVER
          this.start = this.base + i++
          break
        case IN_KEY: {
          const end = this.stringEnd(piece, i)
          if (end !== -1) {
            this.key = keyOf(this.token(piece, end))
            this.state = AT_COLON
          }
          i = end === -1 ? length : end
          break
        }
        case AT_COLON:
          i = skipSpace(piece, i)
          if (i < length) this.state = piece[i++] === COLON ? BEFORE_VALUE : OVER
          break
        case BEFORE_VALUE:
          i = skipSpace(piece, i)
          if (i === length) break
          this.start = this.base + i
          if (piece[i] === QUOTE) this.state = IN_STRING
          else if (piece[i] === OPEN_BRACE || piece[i] === OPEN_BRACKET) this.state = IN_NESTED
          else {
            this.state = IN_LITERAL
            break
          }
          this.depth = 1
          i++
          break
        case IN_STRING: {
          const end = this.stringEnd(piece, i)
          if (end !== -1) this.take(piece, end)
          i = end === -1 ? length : end
          break
        }
        case IN_LITERAL: {
          const end = literalEnd(piece, i)
          if (end !== -1) this.take(piece, end)
          i = end === -1 ? length : end
          break
        }
        case IN_NESTED:
          i = this.nested(piece, i)
          break
        case IN_NESTED_STRING: {
          const end = this.stringEnd(piece, i)
          if (end !== -1) this.state = IN_NESTED
          i = end === -1 ? length : end
          break
        }
        case AFTER_VALUE:
          i = skipSpace(piece, i)
          if (i < length) this.state = piece[i++] === COMMA ? BEFORE_KEY : OVER
          break
        default:
          i = length
      }
    }
    if (
      this.state === IN_KEY ||
      ((this.state === IN_STRING || this.state === IN_LITERAL) &&
        this.key !== null &&
        this.key !== 'prompt') ||
      ((this.state === IN_NESTED || this.state === IN_NESTED_STRING) && this.key === 'stream_options')
    ) {
      this.carry(piece)
    }
    this.base += length
  }

  /** A value has ended. */
  private take(piece: Buffer, end: number): void {
    const isString = this.state === IN_STRING
    this.state = AFTER_VALUE
    if (this.key === null) return
    if (this.key === 'prompt') {
      this.prompts++
      const only = isString && this.prompts === 1
      this.found.promptStart = only ? this.start : -1
      this.found.promptEnd = only ? this.base + end : -1
      return
    }
    const token = this.token(piece, end)
    if (this.key === 'stream') {
      this.found.stream = literalOf(token)
      this.found.streamEnd = this.base + end
      return
    }
    if (this.key === 'tools' || this.key === 'functions') {
      this.tools[this.key] = token.toString('latin1') !== 'null'
      this.found.tools = this.tools.tools || this.tools.functions
      return
    }
    if (this.key === 'max_tokens' || this.key === 'max_completion_tokens') {
      const most = countOf(token)
      if (this.key === 'max_tokens') this.olderMax = most
      else this.newerMax = most
      this.found.maxTokens = this.newerMax ?? this.olderMax
      return
    }
    if (this.key === 'stream_options') {
      this.found.streamOptions = { start: this.start, end: this.base + end, text: token.toString('utf8') }
      return
    }
    const model = token[0] === QUOTE ? decode(token) : null
    this.found.model = model
    this.found.modelStart = model === null ? -1 : this.start
    this.found.modelEnd = model === null ? -1 : this.base + end
  }

  /** Goes through nested values until the outermost ends; strings are skipped as wholes. */
  private nested(piece: Buffer, from: number): number {
    let { depth } = this
    for (let i = from; i < piece.length; i++) {
      const byte = piece[i]
      if (byte === QUOTE) {
        const end = this.stringEnd(piece, i + 1)
        if (end === -1) {
          this.state = IN_NESTED_STRING
          break
        }
        i = end - 1
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        depth++
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        depth--
        if (depth === 0) {
          // Of others, nobody asks for more than that there was one.
          if (this.key !== 'stream_options') this.start = this.base + i
          this.take(piece, i + 1)
          return i + 1
        }
      }
    }
    this.depth = depth
    return piece.length
  }

  /** Index after the closing quote of the string that goes on at `from`; -1 if it does not close in this piece. */
  private stringEnd(piece: Buffer, from: number): number {
    let i = from
    if (this.escaped) {
      this.escaped = false
      i++
    }
    // Keys and short values end within a few bytes, less than what a call into memchr costs.
    const near = Math.min(i + 24, piece.length)
    for (; i < near; i++) {
      const byte = piece[i]
      if (byte === QUOTE) return i + 1
      if (byte === BACKSLASH) i++
    }
    // An escape may have stepped over the end of the near part: i is then where the next character begins.
    for (;;) {
      const quote = piece.indexOf(QUOTE, i)
      const end = quote === -1 ? piece.length : quote
      let slash = end - 1
      while (slash >= i && piece[slash] === BACKSLASH) slash--
      const even = ((end - 1 - slash) & 1) === 0
      if (quote === -1) {
        this.escaped = i > piece.length || !even
        return -1
      }
      if (even) return quote + 1
      i = quote + 1
    }
  }

  /** The bytes of the key or value that ends here; of one that is absurdly long, none. */
  private token(piece: Buffer, end: number): Buffer {
    const length = this.base + end - this.start
    if (length > LONGEST) return NOTHING
    if (this.start >= this.base) return piece.subarray(this.start - this.base, end)
    const token = Buffer.concat([this.carried, piece.subarray(0, end)])
    this.carried = NOTHING
    return token
  }

  private carry(piece: Buffer): void {
    const { length } = piece
    if (this.base + length - this.start > LONGEST) this.carried = NOTHING
    else if (this.start >= this.base) this.carried = Buffer.from(piece.subarray(this.start - this.base))
    else this.carried = Buffer.concat([this.carried, piece])
  }
}

/** All at once, of a body that is whole. */
export function peekFields(body: Buffer): Peek {
  const peeker = new Peeker()
  peeker.push(body)
  return peeker.found
}

function skipSpace(body: Buffer, from: number): number {
  let i = from
  // All four of JSON's whitespace bytes are at or below a space, and nothing else that may stand here is.
  while (i < body.length && (body[i] as number) <= SPACE) i++
  return i
}

/** Index after the literal that goes on at `from`; -1 if the piece ends first. */
function literalEnd(body: Buffer, from: number): number {
  for (let i = from; i < body.length; i++) {
    const byte = body[i] as number
    if (byte === COMMA || byte === CLOSE_BRACE || byte <= SPACE) return i
  }
  return -1
}

type Key =
  | 'model'
  | 'stream'
  | 'stream_options'
  | 'max_tokens'
  | 'max_completion_tokens'
  | 'tools'
  | 'functions'
  | 'prompt'

const KEYS: ReadonlyMap<string, Key> = new Map([
  ['model', 'model'],
  ['stream', 'stream'],
  ['stream_options', 'stream_options'],
  ['max_tokens', 'max_tokens'],
  ['max_completion_tokens', 'max_completion_tokens'],
  ['tools', 'tools'],
  ['functions', 'functions'],
  ['prompt', 'prompt'],
])

/** By the length of a key: whether one of these is as long. */
const LENGTHS: readonly boolean[] = Array.from({ length: 22 }, (_, length) =>
  [...KEYS.keys()].some((key) => key.length === length),
)

/** The first letters of those. */
const INITIALS = new Set([...KEYS.keys()].map((key) => key.charCodeAt(0)))

/** The key if it is one of these, quotes included, else null; hardly any other is decoded. */
function keyOf(token: Buffer): Key | null {
  const length = token.length - 2
  if (LENGTHS[length] === true && INITIALS.has(token[1] as number)) {
    const key = KEYS.get(token.toString('latin1', 1, length + 1))
    if (key !== undefined) return key
  }
  // None of them can be written in more than six bytes for each letter, as \u00XX.
  if (length < 6 || length > 126 || !token.includes(BACKSLASH)) return null
  return KEYS.get(decode(token) ?? '') ?? null
}

/** The text of a JSON string, quotes included; null if it is not one. */
function decode(token: Buffer): string | null {
  try {
    const text: unknown = JSON.parse(token.toString('utf8'))
    return typeof text === 'string' ? text : null
  } catch {
    // Not JSON (a raw control character, a bad escape): the upstream will say so.
    return null
  }
}

function countOf(token: Buffer): number | null {
  const count = token[0] === QUOTE ? -1 : Number(token.toString('latin1'))
  return token.length > 0 && Number.isSafeInteger(count) && count >= 0 ? count : null
}

function literalOf(token: Buffer): boolean | null {
  if (token.length === 4 && token.toString('latin1') === 'true') return true
  if (token.length === 5 && token.toString('latin1') === 'false') return false
  return null
}
