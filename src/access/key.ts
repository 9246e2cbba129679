import { hash, randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'

/*
 * An access key, from left to right:
 *
 *   lc_prod_team1_user1_7QfT2aXw9Lk4ZrB3vNcE1u04i5bl
 *      env  team  user  22 random characters  checksum
 *
 * The random characters hold 22 * log2(62) = 130.9 bits. The last six are the CRC-32 of everything before them. The
 * checksum is no secret and proves nothing. It tells a mistyped or incomplete key from a revoked one, without a
 * look-up.
 */

/** The person or program that a key was issued to. Each part is 1 to 32 characters of `a-z`, `0-9` and `-`. */
export interface KeyOwner {
  readonly env: string
  readonly team: string
  readonly user: string
}

/**
 * A part of the key's owner has characters that a key cannot have. The message names the part and says what would be
 * right.
 */
export class KeyFormatError extends Error {
  readonly code = 'bad_key_owner'
  readonly part: keyof KeyOwner

  constructor(part: keyof KeyOwner, message: string) {
    super(message)
    this.name = 'KeyFormatError'
    this.part = part
  }
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const RANDOM_LENGTH = 22
// 62^5 < 2^32 < 62^6: six characters hold every CRC-32.
const CHECKSUM_LENGTH = 6
const PART_PATTERN = '[a-z0-9-]{1,32}'
const LONGEST_PART = 32
const LONGEST_KEY = 3 + 3 * (LONGEST_PART + 1) + RANDOM_LENGTH + CHECKSUM_LENGTH

/**
 * The source of a regular expression that finds keys in any text, for secret scanners and for redaction. It has no
 * anchors and no word boundaries: a key inside a longer word has leaked too. It is linear: `_` ends a part and is in
 * no part, so there is only one way to match.
 */
export const KEY_PATTERN = `lc_${PART_PATTERN}_${PART_PATTERN}_${PART_PATTERN}_[0-9A-Za-z]{${RANDOM_LENGTH + CHECKSUM_LENGTH}}`

const WHOLE_KEY = new RegExp(`^${KEY_PATTERN}$`)
const WHOLE_PART = new RegExp(`^${PART_PATTERN}$`)

/**
 * Finds what is wrong with one part of an owner.
 * @returns the end of a sentence that says what would be right, or null
 */
export function findPartFlaw(value: string): string | null {
  if (WHOLE_PART.test(value)) return null
  const rule = `must be 1 to ${LONGEST_PART} characters of a-z, 0-9 and "-"`
  const sample = value
    .slice(0, 200)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, LONGEST_PART)
    .replace(/^-|-$/g, '')
  return sample === '' ? rule : `${rule}, for example "${sample}"`
}

/**
 * Makes a new key for its owner. It is not stored anywhere; the caller shows it once.
 * @throws {KeyFormatError} if a part of the owner has characters that a key cannot have
 */
export function mintKey(owner: KeyOwner): string {
  for (const part of ['env', 'team', 'user'] as const) {
    const flaw = findPartFlaw(owner[part])
    if (flaw !== null) throw new KeyFormatError(part, `${part} ${flaw}`)
  }
  let text = `lc_${owner.env}_${owner.team}_${owner.user}_`
  // randomInt makes every digit equally likely; `byte % 62` would favour the first eight.
  for (let i = 0; i < RANDOM_LENGTH; i++) text += BASE62.charAt(randomInt(BASE62.length))
  return text + checksum(text)
}

/**
 * Reads a key without any look-up. Never throws; the cost is bounded by the longest key, not by the text.
 * @returns the owner if the key is well-formed, which does not mean that it was ever issued; `mistyped` if the text
 * begins as a key, but is cut, too long or has a wrong checksum; `malformed` if it is something else
 */
export function inspectKey(text: string): 'malformed' | 'mistyped' | KeyOwner {
  if (!text.startsWith('lc_')) return 'malformed'
  if (text.length > LONGEST_KEY || !WHOLE_KEY.test(text)) return 'mistyped'
  const split = text.length - CHECKSUM_LENGTH
  if (checksum(text.slice(0, split)) !== text.slice(split)) return 'mistyped'
  const [, env = '', team = '', user = ''] = text.split('_')
  return { env, team, user }
}

/** Whether a look-up is worth it: the text begins as a key and is not longer than a key can be. */
export function isLikelyKey(text: string): boolean {
  return text.length <= LONGEST_KEY && text.startsWith('lc_')
}

/**
 * The hash under which a key is stored: its SHA-256 in hex. A password would need a slow hash. A key does not: 2^130
 * keys cannot be tried, and every request would wait for a slow hash.
 */
export function hashKey(text: string): string {
  // One call: a Hash object for every request would be work for the garbage collector.
  return hash('sha256', text, 'hex')
}

/** The id of a key, made from its hash: safe to log, and enough to find and revoke the key. */
export function deriveKeyId(hash: string): string {
  return `k_${hash.slice(0, 10)}`
}

function checksum(text: string): string {
  let rest = crc32(text)
  let digits = ''
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    digits = BASE62.charAt(rest % 62) + digits
    rest = Math.floor(rest / 62)
  }
  return digits
}
