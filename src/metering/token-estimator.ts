/**
 * How many tokens a text has, near enough for an account, where nobody counted them. A tokenizer's first step cuts a text into
 * runs of letters, digits, signs and spaces, and nearly all of what it makes of them follows from that: so a run costs
 * something at its start, and something for each character more. It takes bytes as they come, however they are cut, in
 * one pass and without any memory of the text.
 *
 * The costs are fitted to `o200k_base` (GPT-4o and later), on prose, code and markup in English, Korean, Chinese,
 * Japanese, Russian and Arabic; `test/metering/token-estimator.test.ts` holds the error. Other vocabularies cut the same text
 * otherwise: Claude's makes more tokens of it, how many is not published.
 */
export class TokenEstimator {
  /** Of what was taken so far, in hundredths of a token. */
  private hundredths: number
  private kind: number
  /** Characters of the run that it is in. */
  private run: number
  private marked: number
  private markedKind: number
  private markedRun: number

  constructor() {
    this.hundredths = 0
    this.kind = NONE
    this.run = 0
    this.marked = 0
    this.markedKind = NONE
    this.markedRun = 0
  }

  get tokens(): number {
    return Math.round(this.hundredths / 100)
  }

  /** @param byte of a text in UTF-8 */
  take(byte: number): void {
    const kind = KINDS[byte] as number
    if (kind === NONE) return
    if (kind === this.kind) {
      this.goOn(kind, ++this.run)
      return
    }
    // Small letters go on what capitals began.
    if (kind === WORD && this.kind === CAPITALS) this.run++
    else {
      this.run = 1
      // Behind a sign a line's end is one with it.
      if (kind !== LINES || this.kind !== SIGNS) this.hundredths += START[kind] as number
    }
    this.kind = kind
  }

  takeAll(bytes: Buffer): void {
    for (let i = 0; i < bytes.length; i++) this.take(bytes[i] as number)
  }

  /** One more character of a run. @param run how many there are */
  private goOn(kind: number, run: number): void {
    switch (kind) {
      case WORD:
      case CAPITALS:
        // No word is that long: a hash, a base64 text. These are cut every few characters.
        if (run > 10) this.hundredths += 50
        break
      case DIGITS:
        if (run % 3 === 1) this.hundredths += START[DIGITS] as number
        break
      case SPACES:
        // One belongs to the word behind it; more are an indent, which is a token.
        if (run === 2) this.hundredths += 121
        break
      case SIGNS:
        if (run <= 4) this.hundredths += 6
        break
      case LETTERS:
        // Thai and some others have no spaces.
        if (run > 16) this.hundredths += 35
        break
      case LINES:
        break
      default:
        this.hundredths += START[kind] as number
    }
  }

  /** Remembers where it is. */
  mark(): void {
    this.marked = this.hundredths
    this.markedKind = this.kind
    this.markedRun = this.run
  }

  /** Forgets what it took since the mark. */
  rewind(): void {
    this.hundredths = this.marked
    this.kind = this.markedKind
    this.run = this.markedRun
  }
}

/** A byte that begins no character. */
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
/** Of all other scripts, accented ones of Latin among them. */
const LETTERS = 10
/** Typographic signs, emoji and the like. */
const SYMBOLS = 11

/** What a run of each kind costs at its start, in hundredths of a token. */
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

/** Of each byte of UTF-8. The first byte of a character says enough of what it is. */
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) => kindOf(byte))

function kindOf(byte: number): number {
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
