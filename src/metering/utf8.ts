/** Between two characters. */
export const UTF8_START = 0

/** The bytes are no UTF-8. */
export const NOT_UTF8 = -1

/**
 * Checks UTF-8 byte by byte, so that text may be cut anywhere (RFC 3629, section 4). Other readers see another text in
 * bytes that are none: each takes its own number of them for one U+FFFD.
 *
 * @param state `UTF8_START`, or what the byte before returned: the least and the greatest value that the next byte may
 * have, and how many bytes the character still needs. Within a character it is more than 0xff.
 * @param byte the next byte; not ASCII, or within a character
 */
export function nextUtf8State(state: number, byte: number): number {
  if (state === UTF8_START) return startCharacter(byte)
  if (byte < (state & 0xff) || byte > ((state >> 8) & 0xff)) return NOT_UTF8
  const missing = (state >> 16) - 1
  return missing === 0 ? UTF8_START : (missing << 16) | TAIL
}

/** What any byte but the first and, after some, the second of a character may be: 0x80 to 0xbf. */
const TAIL = 0xbf80

function startCharacter(byte: number): number {
  if (byte < 0xc2) return NOT_UTF8
  if (byte < 0xe0) return (1 << 16) | TAIL
  if (byte < 0xf0) {
    // No longer form of a shorter character, and no half of a surrogate pair.
    if (byte === 0xe0) return (2 << 16) | 0xbfa0
    if (byte === 0xed) return (2 << 16) | 0x9f80
    return (2 << 16) | TAIL
  }
  // The same, and none beyond U+10FFFF.
  if (byte === 0xf0) return (3 << 16) | 0xbf90
  if (byte === 0xf4) return (3 << 16) | 0x8f80
  return byte < 0xf4 ? (3 << 16) | TAIL : NOT_UTF8
}
