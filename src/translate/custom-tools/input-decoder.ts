/** Stands ahead of the text. */
const OPENING = '{"input":"'
/** Whether white space is allowed ahead of this character of the opening. */
const SPACE_ALLOWED: readonly boolean[] = [...OPENING].map((_, n) => n < 2 || n > 7)

/** In characters. White space may go on without end, so no more of it is kept. */
const LONGEST_HELD = 1024

const SPECIAL = /["\\]/g
const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|["\\/bfnrt])/y
const PARTIAL_ESCAPE = /\\(?:u[0-9a-fA-F]{0,3})?$/y
const UNESCAPED: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/**
 * Decodes the text of a custom tool's call from the arguments of the function that stands in for it,
 * `{"input":"..."}`, part by part. The decoder holds back the object around the text, an incomplete escape sequence,
 * and the first half of a surrogate pair.
 *
 * Arguments in any other form pass unchanged. If the form turns out to be another only behind the text (there is a
 * second member, or something behind the object), the text has left already. Then the rest passes unchanged, from the
 * closing quote on: only the opening is lost, and no tool takes the result for a valid input. Invalid escape
 * sequences and control characters, which some models write, count as text.
 */
export class InputDecoder {
  private state: 'opening' | 'text' | 'closing' | 'closed' | 'other'
  /** Characters of `OPENING` that have arrived. */
  private matched: number
  /** Arrived, not returned yet, and perhaps to be returned unchanged. */
  private held: string
  /** The first half of a surrogate pair, or ''. */
  private half: string
  /** The position in the current part. */
  private at: number

  constructor() {
    this.state = 'opening'
    this.matched = 0
    this.held = ''
    this.half = ''
    this.at = 0
  }

  /** The arguments so far are a complete object with this one string. */
  get isComplete(): boolean {
    return this.state === 'closed'
  }

  /** `flush` would return something: the object behind the text does not count. */
  get hasRest(): boolean {
    return this.half !== '' || (this.held !== '' && (this.state === 'opening' || this.state === 'text'))
  }

  /** @param part of the arguments @returns the text that it adds */
  push(part: string): string {
    this.at = 0
    if (this.state === 'opening') this.readOpening(part)
    if (this.state === 'opening') return ''
    if (this.state === 'other') return this.takeHeld() + part.slice(this.at)
    if (this.state !== 'text') return this.readClosing(part)
    const rest = this.half + this.takeHeld() + part.slice(this.at)
    this.half = ''
    this.at = 0
    const text = this.readText(rest)
    // The text has ended in this part.
    return this.held.startsWith('"') ? text + this.readClosing(rest) : text
  }

  /** Ends arguments that are cut short. @returns the held characters, unchanged */
  flush(): string {
    if (!this.hasRest) return ''
    if (this.held !== '') this.state = 'other'
    const rest = this.half + this.takeHeld()
    this.half = ''
    return rest
  }

  private readOpening(part: string): void {
    for (; this.at < part.length; this.at++) {
      const character = part[this.at] as string
      if (character === OPENING[this.matched]) {
        this.held += character
        if (++this.matched < OPENING.length) continue
        this.at++
        this.held = ''
        this.state = 'text'
        return
      }
      if (!isSpace(character) || SPACE_ALLOWED[this.matched] !== true) {
        this.state = 'other'
        return
      }
      this.holdSpace(character)
    }
  }

  private readText(part: string): string {
    let text = ''
    for (;;) {
      SPECIAL.lastIndex = this.at
      const end = SPECIAL.exec(part)?.index ?? part.length
      text += part.slice(this.at, end)
      this.at = end
      if (end === part.length) break
      if (part[end] === '"') {
        this.at++
        this.held = '"'
        this.state = 'closing'
        return text
      }
      ESCAPE.lastIndex = end
      const sequence = ESCAPE.exec(part)
      PARTIAL_ESCAPE.lastIndex = end
      if (sequence === null && PARTIAL_ESCAPE.test(part)) {
        this.held = part.slice(end)
        break
      }
      text += sequence === null ? '\\' : decodeEscape(sequence)
      this.at += sequence?.[0].length ?? 1
    }
    const last = text.charCodeAt(text.length - 1)
    if (last < 0xd800 || last > 0xdbff) return text
    // JSON.stringify would write each half as an escape sequence, and not every client joins two of them.
    this.half = text.slice(-1)
    return text.slice(0, -1)
  }

  /** @returns '' as long as the object ends as expected, else all that was held and the rest of the part */
  private readClosing(part: string): string {
    for (; this.at < part.length; this.at++) {
      const character = part[this.at] as string
      if (character === '}' && this.state === 'closing') {
        this.held += character
        this.state = 'closed'
      } else if (isSpace(character)) this.holdSpace(character)
      else {
        this.state = 'other'
        return this.takeHeld() + part.slice(this.at)
      }
    }
    return ''
  }

  private holdSpace(character: string): void {
    if (this.held.length < LONGEST_HELD) this.held += character
  }

  private takeHeld(): string {
    const { held } = this
    this.held = ''
    return held
  }
}

/** The text in complete arguments; the same arguments if they have another form. */
export function unwrapInput(args: string): string {
  const decoder = new InputDecoder()
  const text = decoder.push(args)
  return decoder.isComplete ? text : args
}

/** The arguments of the function for the text of a custom tool; the same text if it is wrapped already. */
export function wrapInput(text: string): string {
  const decoder = new InputDecoder()
  decoder.push(text)
  return decoder.isComplete ? text : JSON.stringify({ input: text })
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
