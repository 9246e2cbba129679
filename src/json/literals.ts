import { QUOTE } from './bytes.js'
import { readCount } from './values.js'

/** Whether JSON allows this byte between two tokens (RFC 8259, 2). */
export function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

/** Whether a number or a word may begin with this byte. */
export function isLiteralStart(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    byte === 0x2d
  )
}

/** Reads a token that is a count: an integer from 0 up; null for anything else. */
export function parseCount(token: Buffer): number | null {
  if (token.length === 0 || token[0] === QUOTE) return null
  return readCount(Number(token.toString('latin1')))
}

/** Reads a token that is a number; null for anything else. */
export function parseNumber(token: Buffer): number | null {
  if (token.length === 0 || token[0] === QUOTE) return null
  const number = Number(token.toString('latin1'))
  return Number.isFinite(number) ? number : null
}

/** Reads a token that is `true` or `false`; null for anything else. */
export function readBoolean(token: Buffer): boolean | null {
  if (token.length === 4 && token.toString('latin1') === 'true') return true
  if (token.length === 5 && token.toString('latin1') === 'false') return false
  return null
}

/** Whether a token is `null`. */
export function isNull(token: Buffer): boolean {
  return token.toString('latin1') === 'null'
}
