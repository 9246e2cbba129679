/** Ahead of the text. */
const FORM = '{"input":"'
/** Whether white space may stand ahead of this letter of it. */
const GAPS: readonly boolean[] = [...FORM].map((_, n) => n < 2 || n > 7)

/** Of what is held, as there may be white space without end: more of that is not kept. */
const LONGEST_HELD = 1024

const SPECIAL = /["\\]/g
const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|["\\/bfnrt])/y
const BEGUN_ESCAPE = /\\(?:u[0-9a-fA-F]{0,3})?$/y
const MEANT: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/**
 * Makes the text of a custom tool's call of the arguments of the function that stands in for it, `{"input":"..."}`, piece by
 * piece. Held back are the form around the text, an escape sequence until it is whole, and half of a surrogate pair.
 *
 * Arguments in any other form come as they are. Where that shows only behind the text (there is another member, or more behind
 * the object), the text has gone, and what follows comes as it is, from its closing quote on: lost is then the form ahead of
 * it, and nobody takes the whole for an input. What is no escape sequence in JSON, and control characters in the string, as
 * some models write them, are text.
 */
export class InputDecoder {
  private state: 'ahead' | 'text' | 'behind' | 'closed' | 'other'
  /** Letters of `FORM` that have come. */
  private formed: number
  /** What has come and not gone, and may yet have to go as it is. */
  private held: string
  /** The first half of a surrogate pair. */
  private half: string
  /** How far the piece has been taken. */
  private at: number

  constructor() {
    this.state = 'ahead'
    this.formed = 0
    this.held = ''
    this.half = ''
    this.at = 0
  }

  /** It was an object with this one string, all of it. */
  get whole(): boolean {
    return this.state === 'closed'
  }

  /** There is something that is lost if no more comes: the form behind a text is nothing to lose. */
  get holds(): boolean {
    return this.half !== '' || (this.held !== '' && (this.state === 'ahead' || this.state === 'text'))
  }

  /** @returns what of the text this piece brings */
  push(piece: string): string {
    this.at = 0
    if (this.state === 'ahead') this.takeForm(piece)
    if (this.state === 'ahead') return ''
    if (this.state === 'other') return this.takeHeld() + piece.slice(this.at)
    if (this.state !== 'text') return this.takeEnd(piece)
    const rest = this.half + this.takeHeld() + piece.slice(this.at)
    this.half = ''
    this.at = 0
    const text = this.takeText(rest)
    // What has come behind the text.
    return this.held.startsWith('"') ? text + this.takeEnd(rest) : text
  }

  /** No more comes. @returns what would be lost, as it came */
  rest(): string {
    if (!this.holds) return ''
    if (this.held !== '') this.state = 'other'
    const rest = this.half + this.takeHeld()
    this.half = ''
    return rest
  }

  private takeForm(piece: string): void {
    for (; this.at < piece.length; this.at++) {
      const letter = piece[this.at] as string
      if (letter === FORM[this.formed]) {
        this.held += letter
        if (++this.formed < FORM.length) continue
        this.at++
        this.held = ''
        this.state = 'text'
        return
      }
      if (!isSpace(letter) || GAPS[this.formed] !== true) {
        this.state = 'other'
        return
      }
      this.holdSpace(letter)
    }
  }

  private takeText(piece: string): string {
    let text = ''
    for (;;) {
      SPECIAL.lastIndex = this.at
      const end = SPECIAL.exec(piece)?.index ?? piece.length
      text += piece.slice(this.at, end)
      this.at = end
      if (end === piece.length) break
      if (piece[end] === '"') {
        this.at++
        this.held = '"'
        this.state = 'behind'
        return text
      }
      ESCAPE.lastIndex = end
      const sequence = ESCAPE.exec(piece)
      BEGUN_ESCAPE.lastIndex = end
      if (sequence === null && BEGUN_ESCAPE.test(piece)) {
        this.held = piece.slice(end)
        break
      }
      text += sequence === null ? '\\' : meaningOf(sequence)
      this.at += sequence?.[0].length ?? 1
    }
    const last = text.charCodeAt(text.length - 1)
    if (last < 0xd800 || last > 0xdbff) return text
    // Each half by itself would be written as an escape sequence, and not every client joins two of these.
    this.half = text.slice(-1)
    return text.slice(0, -1)
  }

  /** @returns what is not as it should be, with what was held */
  private takeEnd(piece: string): string {
    for (; this.at < piece.length; this.at++) {
      const letter = piece[this.at] as string
      if (letter === '}' && this.state === 'behind') {
        this.held += letter
        this.state = 'closed'
      } else if (isSpace(letter)) this.holdSpace(letter)
      else {
        this.state = 'other'
        return this.takeHeld() + piece.slice(this.at)
      }
    }
    return ''
  }

  private holdSpace(letter: string): void {
    if (this.held.length < LONGEST_HELD) this.held += letter
  }

  private takeHeld(): string {
    const { held } = this
    this.held = ''
    return held
  }
}

/** The text within whole arguments; the same arguments if they are of another form. */
export function unwrapInput(args: string): string {
  const input = new InputDecoder()
  const text = input.push(args)
  return input.whole ? text : args
}

/** A custom tool's text as arguments of the function; the same if it is wrapped already. */
export function wrapInput(text: string): string {
  const input = new InputDecoder()
  input.push(text)
  return input.whole ? text : JSON.stringify({ input: text })
}

function meaningOf([sequence, hex]: RegExpExecArray): string {
  if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
  const letter = sequence[1] as string
  return MEANT[letter] ?? letter
}

/** In JSON (RFC 8259, 2). */
function isSpace(letter: string): boolean {
  return letter === ' ' || letter === '\n' || letter === '\r' || letter === '\t'
}
