import { decodeAscii } from '../lib/percent.js'
import { inspectKey, KEY_PATTERN } from './key.js'

/*
 * Client keys must not reach an upstream, wherever in the head of a request they stand. Bodies are not searched: a
 * prompt may be megabytes long, and what a person pastes into it is the person's to decide.
 */

const BEGINNING = 'lc_'

/** Characters of the shortest key in base64. */
const SHORTEST_BASE64 = 49

/** A word in base64 that is long enough for a key: as in `Basic`, or in JSON that gateways take in a header. */
const BASE64_WORD = /[A-Za-z0-9+/_-]{48,}/g

/** `lc_` in base64, by its place in a group of three bytes. */
export const BASE64_BEGINNING = /bGNf|xjX|sY1/

/** Characters of the shortest key: nearly all headers are shorter. */
const SHORTEST = 37

/**
 * Whether a text holds a key that some relay may have issued: written plainly, percent-encoded, or in base64. Its
 * checksum has to be right, so that other words that begin with `lc_` pass.
 */
export function holdsKey(text: string): boolean {
  if (text.length < SHORTEST) return false
  return findInText(text) || (text.includes('%') && findInText(undoEncodings(text)))
}

function findInText(text: string): boolean {
  if (text.includes(BEGINNING) && findKey(text)) return true
  return text.length >= SHORTEST_BASE64 && BASE64_BEGINNING.test(text) && findInBase64(text)
}

function findKey(text: string): boolean {
  if (!text.includes(BEGINNING)) return false
  const pattern = new RegExp(KEY_PATTERN, 'g')
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    if (typeof inspectKey(match[0]) !== 'string') return true
    // A key may begin within a text that looks like one.
    pattern.lastIndex = match.index + 1
  }
  return false
}

/** Linear, however often it was encoded: three times at most are undone. */
export function undoEncodings(text: string): string {
  let plain = text
  for (let i = 0; i < 3 && plain.includes('%'); i++) plain = decodeAscii(plain)
  return plain
}

function findInBase64(text: string): boolean {
  for (const [word] of text.matchAll(BASE64_WORD)) {
    // The word may begin with letters that belong to no group of four, such as those of a prefix.
    for (let skipped = 0; skipped < 4; skipped++)
      if (findKey(Buffer.from(word.slice(skipped), 'base64').toString('latin1'))) return true
  }
  return false
}
