/**
 * Estimates how many tokens a text has, for requests whose tokens the upstream does not count. The first step of a
 * tokenizer splits text into runs of letters, digits, signs and spaces, and these runs decide nearly all of the
 * result. So each run has a cost for its start and a cost for each further character. The bytes may come in any
 * chunks; they are read once and not kept.
 *
 * The costs are fitted to `o200k_base` (GPT-4o and later) on prose, code and markup in English, Korean, Chinese,
 * Japanese, Russian and Arabic; `test/metering/token-estimator.test.ts` bounds the error. Other vocabularies split
 * text otherwise: Claude's makes more tokens of it, but it is not published how many.
 */
export class TokenEstimator {
  /** The estimate so far, in hundredths of a token. */
  private hundredths: number
  /** Kind of the run that the text is in. */
  private kind: number
  /** Characters of this run. */
  private runLength: number
  private markedHundredths: number
  private markedKind: number
  private markedRunLength: number

  constructor() {
    this.hundredths = 0
    this.kind = NONE
    this.runLength = 0
    this.markedHundredths = 0
    this.markedKind = NONE
    this.markedRunLength = 0
  }

  /** The estimate so far. */
  get tokens(): number {
    return Math.round(this.hundredths / 100)
  }

  /** @param byte the next byte of the text, in UTF-8 */
  take(byte: number): void {
    const kind = KINDS[byte] as number
    if (kind === NONE) return
    if (kind === this.kind) {
      this.continueRun(kind, ++this.runLength)
      return
    }
    // A word that begins with capitals continues in small letters.
    if (kind === WORD && this.kind === CAPITALS) this.runLength++
    else {
      this.runLength = 1
      // A line end after a sign is one token with it.
      if (kind !== LINES || this.kind !== SIGNS) this.hundredths += START[kind] as number
    }
    this.kind = kind
  }

  /** @param bytes the next bytes of the text, in UTF-8; may begin or end within a character */
  takeAll(bytes: Buffer): void {
    for (let i = 0; i < bytes.length; i++) this.take(bytes[i] as number)
  }

  /**
   * Takes the next part of the text. Most texts are ASCII: a buffer for each delta costs more than all of the estimate.
   * @returns its UTF-8 bytes
   */
  takeText(text: string): number {
    const { length } = text
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code < 0x80) this.take(code)
      else {
        const rest = Buffer.from(i === 0 ? text : text.slice(i))
        this.takeAll(rest)
        return i + rest.length
      }
    }
    return length
  }

  /** Adds tokens that are no text. The text after them begins a run of its own. */
  add(tokens: number): void {
    this.hundredths += tokens * 100
    this.kind = NONE
  }

  /** Adds the cost of one more character of the run. @param length characters of the run, this one included */
  private continueRun(kind: number, length: number): void {
    switch (kind) {
      case WORD:
      case CAPITALS:
        // No word is that long. It is a hash or base64, which is split every few characters.
        if (length > 10) this.hundredths += 50
        break
      case DIGITS:
        if (length % 3 === 1) this.hundredths += START[DIGITS] as number
        break
      case SPACES:
        // One space belongs to the word after it. Several are an indent, which is a token.
        if (length === 2) this.hundredths += 121
        break
      case SIGNS:
        if (length <= 4) this.hundredths += 6
        break
      case LETTERS:
        // Thai and some other scripts have no spaces.
        if (length > 16) this.hundredths += 35
        break
      case LINES:
        break
      default:
        this.hundredths += START[kind] as number
    }
  }

  /** Saves the state, for `rewind`. */
  mark(): void {
    this.markedHundredths = this.hundredths
    this.markedKind = this.kind
    this.markedRunLength = this.runLength
  }

  /** Forgets the bytes since the last `mark`. */
  rewind(): void {
    this.hundredths = this.markedHundredths
    this.kind = this.markedKind
    this.runLength = this.markedRunLength
  }
}

/**
 * Tokens of a tool call besides its name and its arguments: what the model writes to begin and to end a call. GPT-4o
 * needs 8, by the usage of calls with empty arguments. Other models have other words for it.
 */
export const CALL_TOKENS = 8

/** Kinds of characters. NONE: a byte that begins no character. */
const NONE = 0
const WORD = 1
const CAPITALS = 2
const DIGITS = 3
const SPACES = 4
const LINES = 5
const SIGNS = 6
const HANGUL = 7
const HAN = 8
const KANA = 9
/** Letters of all other scripts, and accented Latin ones. */
const LETTERS = 10
/** Typographic signs, emoji and the like. */
const SYMBOLS = 11

/** Cost of a run's start by kind, in hundredths of a token. */
const START = new Uint8Array(12)
START[WORD] = START[CAPITALS] = 100
START[DIGITS] = 138
START[SIGNS] = 97
START[LINES] = 40
START[HANGUL] = 69
START[HAN] = 71
START[KANA] = 76
START[LETTERS] = 172
START[SYMBOLS] = 145

/** The kind of each UTF-8 byte: the first byte of a character tells its script well enough. */
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) => findKind(byte))

function findKind(byte: number): number {
  if (byte >= 0x61 && byte <= 0x7a) return WORD
  if (byte >= 0x41 && byte <= 0x5a) return CAPITALS
  if (byte >= 0x30 && byte <= 0x39) return DIGITS
  if (byte === 0x20 || byte === 0x09) return SPACES
  if (byte === 0x0a || byte === 0x0d) return LINES
  if (byte < 0x80) return SIGNS
  if (byte < 0xc0) return NONE
  if (byte === 0xc2 || byte === 0xe2 || byte >= 0xee) return SYMBOLS
  if (byte < 0xe2) return LETTERS
  if (byte === 0xe3) return KANA
  return byte < 0xea ? HAN : HANGUL
}
