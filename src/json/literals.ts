import { QUOTE } from './bytes.js'
import { readCount } from './values.js'

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
