import { BACKSLASH } from './bytes.js'
import { decodeString } from './scanner.js'

/** Bytes of the longest way to write an ASCII character in JSON: \u00XX. */
const LONGEST_ESCAPE = 6

/** Finds ASCII keys in bytes, without a string for each key that is not in the table. */
export class KeyTable<T> {
  private readonly byLength: readonly (readonly Row<T>[] | undefined)[]
  private readonly byKey: ReadonlyMap<string, Row<T>>
  private readonly longest: number

  /** @param values by key */
  constructor(values: Readonly<Record<string, T>>) {
    const rows = Object.entries(values).map(([key, value]) => ({ key, value }))
    this.byKey = new Map(rows.map((row) => [row.key, row]))
    this.longest = Math.max(0, ...rows.map(({ key }) => key.length))
    this.byLength = Array.from({ length: this.longest + 1 }, (_, length) => {
      const alike = rows.filter(({ key }) => key.length === length)
      return alike.length === 0 ? undefined : alike
    })
  }

  /** Finds the key that stands between `start` and `end`, without its quotes; escapes count as what they stand for. */
  find(bytes: Buffer, start: number, end: number): Row<T> | null {
    const length = end - start
    const alike = length <= this.longest ? this.byLength[length] : undefined
    if (alike !== undefined) for (const row of alike) if (equalsAscii(bytes, start, row.key)) return row
    if (length < LONGEST_ESCAPE || length > this.longest * LONGEST_ESCAPE) return null
    if (!hasBackslash(bytes, start, end)) return null
    return this.byKey.get(decodeString(bytes, start - 1, end + 1) ?? '') ?? null
  }
}

interface Row<T> {
  readonly key: string
  readonly value: T
}

/** Whether the string between two indexes is this ASCII text, with or without escapes. */
export function equalsString(bytes: Buffer, start: number, end: number, text: string): boolean {
  const length = end - start
  if (length === text.length) return equalsAscii(bytes, start, text)
  if (length < text.length || length > text.length * LONGEST_ESCAPE) return false
  return hasBackslash(bytes, start, end) && decodeString(bytes, start - 1, end + 1) === text
}

/** Whether these bytes stand at `start`, written without escapes. */
export function equalsAscii(bytes: Buffer, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false
  return true
}

function hasBackslash(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] === BACKSLASH) return true
  return false
}
