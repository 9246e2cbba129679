import * as bytesOfJson from './bytes.js'

const { QUOTE, BACKSLASH, COMMA, COLON, SPACE, ZERO, NINE } = bytesOfJson
const { OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET } = bytesOfJson

/**
 * Whether a text is a JSON object, as `JSON.parse` would say. Nothing is built of it, so that it costs a third: the
 * arguments of all calls of a chat are checked for each request.
 */
export function isObjectText(text: string): boolean {
  return new TextChecker(text, 0, text.length, false).isObject()
}

/** Whether the content of a JSON string is a JSON object. @param json the string with its quotes and escapes */
export function isObjectInString(json: string): boolean {
  const end = json.length - 1
  if (end < 1 || json.charCodeAt(0) !== QUOTE || json.charCodeAt(end) !== QUOTE) return false
  return new TextChecker(json, 1, end, true).isObject()
}

/** What comes next. */
const KEY_OR_END = 0
const KEY = 1
const VALUE_OR_END = 2
const VALUE = 3
const AFTER_VALUE = 4

/** In place of a character, at the end of the text. */
const END = -1
/** In place of a character, where an escape is none. */
const BROKEN = -2

const LETTER_U = 0x75

/** By the letter of an escape, the character that it stands for; 0 for `\u` and for letters that make no escape. */
const ESCAPED = new Uint8Array(128)
for (const name of '"\\/bfnrt') ESCAPED[name.charCodeAt(0)] = JSON.parse(`"\\${name}"`).charCodeAt(0)

const WORDS: Readonly<Record<number, string>> = { 116: 'rue', 102: 'alse', 110: 'ull' }

class TextChecker {
  private readonly text: string
  private readonly end: number
  /** The text is the content of a JSON string. */
  private readonly isEscaped: boolean
  private at: number

  constructor(text: string, start: number, end: number, isEscaped: boolean) {
    this.text = text
    this.at = start
    this.end = end
    this.isEscaped = isEscaped
  }

  /** Without recursion, so that no text can exhaust the stack. */
  isObject(): boolean {
    if (this.nextToken() !== OPEN_BRACE) return false
    /** Whether each open value is an object; else it is an array. */
    const open = [true]
    let state = KEY_OR_END
    for (;;) {
      const token = this.nextToken()
      if (state === AFTER_VALUE) {
        if (open.length === 0) return token === END
        const isInObject = open[open.length - 1] === true
        if (token === COMMA) state = isInObject ? KEY : VALUE
        else if (token === (isInObject ? CLOSE_BRACE : CLOSE_BRACKET)) open.pop()
        else return false
      } else if (state <= KEY) {
        if (token === CLOSE_BRACE && state === KEY_OR_END) {
          open.pop()
          state = AFTER_VALUE
          continue
        }
        if (token !== QUOTE || !this.skipString() || this.nextToken() !== COLON) return false
        state = VALUE
      } else if (token === CLOSE_BRACKET && state === VALUE_OR_END) {
        open.pop()
        state = AFTER_VALUE
      } else if (token === OPEN_BRACE || token === OPEN_BRACKET) {
        open.push(token === OPEN_BRACE)
        state = token === OPEN_BRACE ? KEY_OR_END : VALUE_OR_END
      } else {
        if (token === QUOTE ? !this.skipString() : !this.skipLiteral(token)) return false
        state = AFTER_VALUE
      }
    }
  }

  private nextToken(): number {
    for (;;) {
      const code = this.next()
      if (code !== SPACE && code !== 0x0a && code !== 0x0d && code !== 0x09) return code
    }
  }

  /** The next character, with escapes decoded. */
  private next(): number {
    if (this.at >= this.end) return END
    const code = this.text.charCodeAt(this.at++)
    if (!this.isEscaped) return code
    if (code === BACKSLASH) return this.readEscape()
    return code < SPACE || code === QUOTE ? BROKEN : code
  }

  private readEscape(): number {
    if (this.at >= this.end) return BROKEN
    const letter = this.text.charCodeAt(this.at++)
    const code = letter < 128 ? (ESCAPED[letter] as number) : 0
    if (code !== 0) return code
    if (letter !== LETTER_U || this.at + 4 > this.end) return BROKEN
    let value = 0
    for (let n = 0; n < 4; n++) {
      const digit = readHexDigit(this.text.charCodeAt(this.at++))
      if (digit === -1) return BROKEN
      value = value * 16 + digit
    }
    return value
  }

  /** Steps behind the closing quote. */
  private skipString(): boolean {
    const { text, end } = this
    for (;;) {
      // Nearly all characters stand for themselves.
      let at = this.at
      while (at < end) {
        const code = text.charCodeAt(at)
        if (code === QUOTE || code === BACKSLASH || code < SPACE) break
        at++
      }
      this.at = at
      const code = this.next()
      if (code === QUOTE) return true
      if (code < SPACE) return false
      if (code !== BACKSLASH) continue
      const letter = this.next()
      if (letter === LETTER_U) {
        for (let n = 0; n < 4; n++) if (readHexDigit(this.next()) === -1) return false
      } else if (letter < 0 || letter >= 128 || ESCAPED[letter] === 0) return false
    }
  }

  /** Steps behind a number or a word whose first character was read. */
  private skipLiteral(first: number): boolean {
    const word = WORDS[first]
    if (word === undefined) return this.skipNumber(first)
    for (let n = 0; n < word.length; n++) if (this.next() !== word.charCodeAt(n)) return false
    return true
  }

  private skipNumber(first: number): boolean {
    let code = first
    if (code === 0x2d) code = this.next()
    if (!isDigit(code)) return false
    code = code === ZERO ? this.read() : this.skipDigits()
    if (code === 0x2e) {
      this.next()
      if (!isDigit(this.next())) return false
      code = this.skipDigits()
    }
    if (code === 0x65 || code === 0x45) {
      this.next()
      code = this.read()
      if (code === 0x2b || code === 0x2d) this.next()
      if (!isDigit(this.next())) return false
      this.skipDigits()
    }
    return true
  }

  /** @returns the character behind the digits, which is not read yet */
  private skipDigits(): number {
    let code = this.read()
    while (isDigit(code)) {
      this.next()
      code = this.read()
    }
    return code
  }

  /** The next character, which will be read again. */
  private read(): number {
    const { at } = this
    const code = this.next()
    this.at = at
    return code
  }
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE
}

/** The value of a hexadecimal digit; -1 for any other character. */
function readHexDigit(code: number): number {
  if (isDigit(code)) return code - ZERO
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 && code > 0 ? letter - 0x57 : -1
}
