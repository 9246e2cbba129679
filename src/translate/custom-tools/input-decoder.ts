import { parseJson } from '../../json/values.js'

/** In characters. A text that is not found within so many is not looked for any more. */
const LONGEST_HELD = 1024 * 1024

/**
 * Names under which models write the text of a tool: `input` is the name in the schema that they get, and `patch` is
 * what they were trained on. The text leaves while it arrives. A text under another name leaves once all arguments have
 * arrived, if it is the only one.
 */
const TEXT_NAMES: ReadonlySet<string> = new Set(['input', 'patch'])

const SPECIAL = /["\\]/g
const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|["\\/bfnrt])/y
const PARTIAL_ESCAPE = /\\(?:u[0-9a-fA-F]{0,3})?$/y
const UNESCAPED: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/** What comes next in the arguments. */
type State =
  | 'object'
  | 'first-key'
  | 'key'
  | 'in-key'
  | 'colon'
  | 'value'
  | 'in-value'
  | 'after'
  | 'closed'
  | 'other'

/**
 * Decodes the text of a custom tool's call from the arguments of the function that stands in for it,
 * `{"input":"..."}`, part by part. The decoder holds back the object around the text, an incomplete escape sequence,
 * and the first half of a surrogate pair. Other members of the object, such as an explanation, are left out.
 *
 * Arguments in any other form pass unchanged. If the form turns out to be another only behind the text (something
 * follows the object), the text has left already. Then the rest passes unchanged, from the closing quote on: only the
 * opening is lost, and no tool takes the result for a valid input. Invalid escape sequences and control characters,
 * which some models write, count as text.
 */
export class InputDecoder {
  private state: State
  /** Arrived, not returned yet, and perhaps to be returned unchanged. */
  private held: string
  /** The first half of a surrogate pair, or ''. */
  private half: string
  /** The position in the current part. */
  private at: number
  /** Where the current key or value of a member began in `held`. */
  private start: number
  /** Open brackets within a value that is stepped over. */
  private depth: number
  private isInString: boolean
  private isEscaped: boolean
  /** The text is under this key; '' as long as none is known to be. */
  private name: string
  private key: string
  private isInText: boolean
  /** The text was found, and has left as far as it has arrived. */
  private hasLeft: boolean
  private members: number
  /** The string of a member under another name, as JSON; null if there is none, or there are several. */
  private candidate: string | null
  private strings: number

  constructor() {
    this.state = 'object'
    this.held = ''
    this.half = ''
    this.at = 0
    this.start = 0
    this.depth = 0
    this.isInString = false
    this.isEscaped = false
    this.name = ''
    this.key = ''
    this.isInText = false
    this.hasLeft = false
    this.members = 0
    this.candidate = null
    this.strings = 0
  }

  /** The arguments so far are a complete object, and the text in it was found. */
  get isComplete(): boolean {
    return this.state === 'closed' && this.hasLeft
  }

  /** They are complete, and have the text under `input` and nothing else. */
  get isExact(): boolean {
    return this.isComplete && this.members === 1 && this.name === 'input'
  }

  /** `flush` would return something: what stands behind the text does not count. */
  get hasRest(): boolean {
    return this.half !== '' || (this.held !== '' && (!this.hasLeft || this.isInText))
  }

  /** @param part of the arguments @returns the text that it adds */
  push(part: string): string {
    this.at = 0
    let text = ''
    while (this.at < part.length) {
      if (this.state === 'other') {
        text += this.takeHeld() + part.slice(this.at)
        break
      }
      if (this.isInText) text += this.readText(part)
      else if (this.state === 'in-key' || this.state === 'in-value') text += this.stepInside(part)
      else text += this.stepBetween(part.charAt(this.at))
      if (this.held.length > LONGEST_HELD && !this.hasLeft) this.state = 'other'
    }
    return text
  }

  /** Ends arguments that are cut short. @returns the held characters, unchanged */
  flush(): string {
    if (!this.hasRest) return ''
    if (this.held !== '') this.state = 'other'
    const rest = this.half + this.takeHeld()
    this.half = ''
    return rest
  }

  /** Keeps a part ahead of the text, or a bounded one behind it. */
  private hold(part: string): void {
    if (!this.hasLeft) this.held += part
    else if (this.held.length < LONGEST_REST) this.held += part.slice(0, LONGEST_REST)
  }

  /** Takes a character between two tokens, or the first one of a token. @returns text that it completes */
  private stepBetween(character: string): string {
    const { state } = this
    if (isSpace(character)) {
      if (!this.hasLeft || this.held.length < LONGEST_SPACE) this.held += character
      this.at++
      return ''
    }
    if (state === 'value') return this.beginValue(character)
    const next = findNext(state, character)
    if (next === null) {
      this.state = 'other'
      return ''
    }
    this.hold(character)
    this.at++
    this.state = next
    if (next === 'in-key') this.start = this.held.length - 1
    return next === 'closed' ? this.endObject() : ''
  }

  private beginValue(character: string): string {
    this.members++
    this.depth = 0
    const isText = character === '"' && !this.hasLeft && TEXT_NAMES.has(this.key)
    this.isInString = false
    this.isEscaped = false
    this.state = 'in-value'
    this.start = this.held.length
    if (!isText) return ''
    this.name = this.key
    this.isInText = true
    this.hasLeft = true
    this.held = ''
    this.at++
    return ''
  }

  /** Steps over a key, or a value that is not the text. */
  private stepInside(part: string): string {
    const from = this.at
    const isKey = this.state === 'in-key'
    for (; this.at < part.length; this.at++) {
      const character = part.charAt(this.at)
      if (this.isEscaped) this.isEscaped = false
      else if (this.isInString || isKey) {
        if (character === '\\') this.isEscaped = true
        else if (character === '"') {
          this.isInString = false
          if (isKey || this.depth === 0) return this.endInside(part, from, this.at + 1)
        }
      } else if (character === '"') this.isInString = true
      else if (character === '{' || character === '[') this.depth++
      else if (character === '}' || character === ']') {
        if (this.depth === 0) return this.endInside(part, from, this.at)
        this.depth--
        if (this.depth === 0) return this.endInside(part, from, this.at + 1)
      } else if (this.depth === 0 && (character === ',' || isSpace(character))) {
        return this.endInside(part, from, this.at)
      }
    }
    this.hold(part.slice(from))
    return ''
  }

  private endInside(part: string, from: number, end: number): string {
    this.hold(part.slice(from, end))
    this.at = end
    const wasKey = this.state === 'in-key'
    this.state = wasKey ? 'colon' : 'after'
    if (this.hasLeft) return ''
    const token = this.held.slice(this.start)
    if (wasKey) {
      const key = parseJson(token)
      this.key = typeof key === 'string' ? key : ''
      return ''
    }
    if (token === '') this.state = 'other'
    else if (token.startsWith('"')) {
      this.strings++
      this.candidate = this.strings === 1 ? token : null
    }
    return ''
  }

  /** @returns the only string of the object, if no member has a name that is known */
  private endObject(): string {
    if (this.hasLeft || this.candidate === null) return ''
    const decoder = new InputDecoder()
    const text = decoder.push(`{"input":${this.candidate}}`) + decoder.flush()
    this.hasLeft = true
    this.candidate = null
    this.held = ''
    return text
  }

  private readText(part: string): string {
    const rest = this.half + this.takeHeld() + part.slice(this.at)
    const before = rest.length - (part.length - this.at)
    this.half = ''
    let at = 0
    let text = ''
    for (;;) {
      SPECIAL.lastIndex = at
      const end = SPECIAL.exec(rest)?.index ?? rest.length
      text += rest.slice(at, end)
      at = end
      if (end === rest.length) break
      if (rest[end] === '"') {
        this.at += end + 1 - before
        this.held = '"'
        this.isInText = false
        this.state = 'after'
        return text
      }
      ESCAPE.lastIndex = end
      const sequence = ESCAPE.exec(rest)
      PARTIAL_ESCAPE.lastIndex = end
      if (sequence === null && PARTIAL_ESCAPE.test(rest)) {
        this.held = rest.slice(end)
        break
      }
      text += sequence === null ? '\\' : decodeEscape(sequence)
      at += sequence?.[0].length ?? 1
    }
    this.at = part.length
    const last = text.charCodeAt(text.length - 1)
    if (last < 0xd800 || last > 0xdbff) return text
    // JSON.stringify would write each half as an escape sequence, and not every client joins two of them.
    this.half = text.slice(-1)
    return text.slice(0, -1)
  }

  private takeHeld(): string {
    const { held } = this
    this.held = ''
    return held
  }
}

/** In characters: what is kept of the arguments behind the text, for the case that they are no object. */
const LONGEST_REST = 16 * 1024
/** White space may go on without end, so less of it is kept. */
const LONGEST_SPACE = 1024

/** The state behind a character between two tokens; null if it cannot stand there. */
function findNext(state: State, character: string): State | null {
  switch (state) {
    case 'object':
      return character === '{' ? 'first-key' : null
    case 'first-key':
      if (character === '}') return 'closed'
      return character === '"' ? 'in-key' : null
    case 'key':
      return character === '"' ? 'in-key' : null
    case 'colon':
      return character === ':' ? 'value' : null
    case 'after':
      if (character === '}') return 'closed'
      return character === ',' ? 'key' : null
    default:
      return null
  }
}

/** The text in complete arguments; the same arguments if they have another form. */
export function unwrapInput(args: string): string {
  const decoder = new InputDecoder()
  const text = decoder.push(args)
  return decoder.isComplete ? text : args
}

/** The text of arguments that are exactly `{"input":TEXT}`; the same arguments if they are anything else. */
export function unwrapExactInput(args: string): string {
  const decoder = new InputDecoder()
  const text = decoder.push(args)
  return decoder.isExact ? text : args
}

/** The arguments of the function for the text of a custom tool; the same text if it is wrapped already. */
export function wrapInput(text: string): string {
  const decoder = new InputDecoder()
  decoder.push(text)
  return decoder.isExact ? text : JSON.stringify({ input: text })
}

function decodeEscape([sequence, hex]: RegExpExecArray): string {
  if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
  const character = sequence[1] as string
  return UNESCAPED[character] ?? character
}

/** White space in JSON (RFC 8259, 2). */
function isSpace(character: string): boolean {
  return character === ' ' || character === '\n' || character === '\r' || character === '\t'
}
