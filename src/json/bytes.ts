/** The bytes that JSON is made of. */
export const QUOTE = 0x22
export const BACKSLASH = 0x5c
export const COMMA = 0x2c
export const COLON = 0x3a
export const OPEN_BRACE = 0x7b
export const CLOSE_BRACE = 0x7d
export const OPEN_BRACKET = 0x5b
export const CLOSE_BRACKET = 0x5d
export const SPACE = 0x20
export const ZERO = 0x30
export const NINE = 0x39

/** The byte order mark of UTF-8. Some clients write it ahead of JSON, and parsers may ignore it (RFC 8259, 8.1). */
export const BOM = Buffer.from([0xef, 0xbb, 0xbf])

/** Index of the first byte behind the byte order mark; 0 if there is none. */
export function skipBom(body: Buffer): number {
  return body.length >= BOM.length && body.compare(BOM, 0, BOM.length, 0, BOM.length) === 0 ? BOM.length : 0
}
