import { BACKSLASH } from './bytes.js'
import type { Located, Peek } from './peek.js'
import { decodeString } from './scanner.js'

/** More copies are not told apart: nobody writes as many but to be misread. */
const COPIES_MAX = 8

/** Bytes of `"model"`, plain and with each letter escaped, also where it ends with zeros as a string of C does. */
const SHORTEST = 7
const LONGEST = 2 + 8 * 6

const MODEL = [0x6d, 0x6f, 0x64, 0x65, 0x6c]

/**
 * Whether a key is `model` for a server that does not care for the case of letters, as Go's JSON does not. The plain
 * key itself is one of them.
 * @param token with its quotes
 */
export function isLikeModel(token: Buffer): boolean {
  const { length } = token
  if (length < SHORTEST || length > LONGEST) return false
  if (length === SHORTEST) return MODEL.every((letter, i) => ((token[i + 1] as number) | 0x20) === letter)
  return token.includes(BACKSLASH) && /^model\0*$/i.test(decodeString(token, 0, length) ?? '')
}

/** Collects what a body says of its model, once or many times. */
export class ModelCopies {
  private count: number
  private first: Located<string | null> | null

  constructor() {
    this.count = 0
    this.first = null
  }

  /**
   * Takes a `model`.
   * @param value null if it is no string
   * @param isNull it is JSON's null, which stands for no model
   * @param isExact the key is `model`, and not another way to write it
   */
  take(
    found: { -readonly [Field in 'model' | 'modelCopies']: Peek[Field] },
    copy: Located<string | null>,
    isNull: boolean,
    isExact: boolean,
  ): void {
    const { value, start, end } = copy
    this.count++
    if (isExact) found.model = value === null ? null : { value, start, end }
    if (this.count === 1) {
      this.first = copy
      if (!isExact || (value === null && !isNull)) found.modelCopies = [copy]
      return
    }
    if (found.modelCopies.length === 0 && this.first !== null) found.modelCopies = [this.first]
    if (this.count <= COPIES_MAX) found.modelCopies = [...found.modelCopies, copy]
    else if (this.count === COPIES_MAX + 1)
      found.modelCopies = [...found.modelCopies, { ...copy, value: null }]
  }
}
