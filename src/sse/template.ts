/**
 * The shape of a stream's events. Nearly all events of an answer are the same bytes around a few that change: the piece of
 * text, a sequence number, obfuscation. An event that fits is known without being decoded or parsed, as the one
 * that the shape was made from was: what differs is a string of text that is not empty, or a number nobody asks for.
 */
export class Template {
  private readonly fixed: readonly Buffer[]
  private readonly holes: readonly Hole[]
  /** What every event of this shape names. */
  readonly model: string | null
  /** Bytes of text in the event that was matched last. */
  textBytes: number

  private constructor(fixed: readonly Buffer[], holes: readonly Hole[], model: string | null) {
    this.fixed = fixed
    this.holes = holes
    this.model = model
    this.textBytes = 0
  }

  /**
   * @param block a whole event, from its first line to the blank one; its line ends are LF
   * @param textBytes of text that was found when it was parsed
   * @param model that is known since
   * @returns null if it is not clear which of its strings that text was
   */
  static of(block: Buffer, textBytes: number, model: string | null): Template | null {
    if (block.length > LONGEST_TEMPLATE) return null
    const fixed: Buffer[] = []
    const holes: Hole[] = []
    let texts = 0
    let from = 0
    const text = block.toString('latin1')
    PATTERN.lastIndex = 0
    for (let found = PATTERN.exec(text); found !== null; found = PATTERN.exec(text)) {
      const [whole, field = '', string, number] = found
      const value = (string ?? number) as string
      const hole = string === undefined ? NUMBER : field === 'obfuscation' ? ANY_TEXT : TEXT
      if (hole === TEXT) {
        // An empty text is a field that has something to say some other time.
        if (value === '') continue
        if (value.length !== textBytes) return null
        texts++
      }
      const start = found.index + whole.length - value.length - (string === undefined ? 0 : 1)
      fixed.push(Buffer.from(block.subarray(from, start)))
      holes.push(hole)
      from = start + value.length
    }
    if (texts !== 1) return null
    fixed.push(Buffer.from(block.subarray(from)))
    return new Template(fixed, holes, model)
  }

  /** Whether an event of this shape stands here, whole. @returns where the next one begins, or -1 */
  match(piece: Buffer, from: number): number {
    const { fixed, holes } = this
    let at = from
    for (let i = 0; ; i++) {
      const part = fixed[i] as Buffer
      const end = at + part.length
      if (end > piece.length || !isAt(piece, at, end, part)) return -1
      at = end
      if (i === holes.length) return at
      const hole = holes[i] as Hole
      const begin = at
      if (hole === NUMBER) {
        while (isDigit(piece[at])) at++
        if (at === begin) return -1
        continue
      }
      let escapes = 0
      for (;;) {
        const byte = piece[at]
        // Control characters are not JSON, and the piece may end here.
        if (byte === undefined || byte < 0x20) return -1
        if (byte === QUOTE) break
        if (byte === BACKSLASH) {
          const escaped = piece[at + 1] as number
          // Of a \u the bytes are not known without decoding it; anything else that JSON has is one byte.
          if (!ONE_BYTE_ESCAPES.has(escaped)) return -1
          escapes++
          at++
        }
        at++
      }
      if (hole === TEXT) {
        if (at === begin) return -1
        this.textBytes = at - begin - escapes
      }
    }
  }
}

type Hole = typeof TEXT | typeof ANY_TEXT | typeof NUMBER
const TEXT = 0
const ANY_TEXT = 1
const NUMBER = 2

/** Events that are longer are not of a kind that comes again and again. */
export const LONGEST_TEMPLATE = 4_096

/** Fields that change from event to event, with their values: a string without a backslash, or a number. */
const PATTERN =
  /"(content|text|delta|reasoning_content|reasoning|arguments|partial_json|thinking|obfuscation|sequence_number)": ?(?:"([^"\\]*)"|(\d+)(?=[,}]))/g

const QUOTE = 0x22
const BACKSLASH = 0x5c
const ONE_BYTE_ESCAPES = new Set(Buffer.from('"\\/bfnrt'))

/** Fewer bytes are compared faster here than by a call into memcmp. */
const FEW = 24

function isAt(piece: Buffer, from: number, end: number, part: Buffer): boolean {
  if (part.length > FEW) return piece.compare(part, 0, part.length, from, end) === 0
  for (let i = 0; i < part.length; i++) if (piece[from + i] !== part[i]) return false
  return true
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}
