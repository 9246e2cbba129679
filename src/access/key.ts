import { hash, randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'

/*
 * An access key, from left to right:
 *
 *   lc_prod_team1_user1_7QfT2aXw9Lk4ZrB3vNcE1u04i5bl
 *      env  team  user  22 random characters  checksum
 *
 * The random characters hold 22 * log2(62) = 130.9 bits. The last six are the CRC-32 of everything before them. It
 * is no secret and proves nothing; it tells a slip of the keyboard from a key that was revoked, without a look-up.
 */

/** Whom a key was issued to. Each part is 1 to 32 of `a-z`, `0-9` and `-`. */
export interface KeyOwner {
  readonly env: string
  readonly team: string
  readonly user: string
}

/** A part of the key's owner that cannot stand in a key. The message names the part and what would be right. */
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
 * anchors and no word boundaries: a key glued to other text has leaked too. It is linear: `_` ends a part and is in
 * no part, so there is only one way to match.
 */
export const KEY_PATTERN = `lc_${PART_PATTERN}_${PART_PATTERN}_${PART_PATTERN}_[0-9A-Za-z]{${RANDOM_LENGTH + CHECKSUM_LENGTH}}`

const WHOLE_KEY = new RegExp(`^${KEY_PATTERN}$`)
const WHOLE_PART = new RegExp(`^${PART_PATTERN}$`)

/** What is wrong with one part of an owner, as a sentence's end that says what would be right; null if nothing is. */
export function findKeyFlaw(value: string): string | null {
  if (WHOLE_PART.test(value)) return null
  const rule = `must be 1 to ${LONGEST_PART} characters out of a-z, 0-9 and "-"`
  const sample = value
    .slice(0, 200)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, LONGEST_PART)
    .replace(/^-|-$/g, '')
  return sample === '' ? rule : `${rule}, for example "${sample}"`
}

/**
 * Makes a new key for its owner. It is not stored anywhere; whoever calls this shows it once.
 * @throws {KeyFormatError} naming the part of the owner that cannot stand in a key.
 */
export function mintKey(owner: KeyOwner): string {
  for (const part of ['env', 'team', 'user'] as const) {
    const flaw = findKeyFlaw(owner[part])
    if (flaw !== null) throw new KeyFormatError(part, `${part} ${flaw}`)
  }
  let text = `lc_${owner.env}_${owner.team}_${owner.user}_`
  // randomInt rejects and draws again, so every digit is equally likely; `byte % 62` would favour the first eight.
  for (let i = 0; i < RANDOM_LENGTH; i++) text += BASE62.charAt(randomInt(BASE62.length))
  return text + checksum(text)
}

/**
 * Tells what a text is, without any look-up: the owner if it is a well-formed key (which says nothing about whether
 * it was ever issued), `mistyped` if it has the shape of a key but its checksum is wrong, else `malformed`.
 * Never throws; the cost is bounded by the longest key, not by the text.
 */
export function inspectKey(text: string): 'malformed' | 'mistyped' | KeyOwner {
  if (text.length > LONGEST_KEY || !WHOLE_KEY.test(text)) return 'malformed'
  const split = text.length - CHECKSUM_LENGTH
  if (checksum(text.slice(0, split)) !== text.slice(split)) return 'mistyped'
  const [, env = '', team = '', user = ''] = text.split('_')
  return { env, team, user }
}

/** Whether a text is worth a look-up: it begins as a key, and is not longer than one can be. */
export function isLikelyKey(text: string): boolean {
  return text.length <= LONGEST_KEY && text.startsWith('lc_')
}

/**
 * What is stored of a key: its SHA-256 in hex. One plain round is enough, where a password would need a slow hash:
 * nobody can try out 2^130 keys, and a slow hash would be felt by every request.
 */
export function hashKey(text: string): string {
  // In one call: a Hash object for every request is what the garbage collector would be busy with.
  return hash('sha256', text, 'hex')
}

/** The public name of a key, made from its hash: safe to log, and enough to find and revoke it. */
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
