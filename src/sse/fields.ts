/** What one line of an event stream says (WHATWG HTML, 9.2.6). A line is given by its bytes from `start` to `end`. */

const COLON = 0x3a
const SPACE = 0x20
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

/** Names of the two fields that LLM APIs use. */
export const DATA = Buffer.from('data')
export const EVENT = Buffer.from('event')

/** Only for the first line of a stream, where a byte order mark may stand. @returns where the line itself begins */
export function skipByteOrderMark(line: Buffer, start: number, end: number): number {
  return startsWith(line, start, end, BYTE_ORDER_MARK) ? start + BYTE_ORDER_MARK.length : start
}

/** A comment begins with a colon; servers use it to keep the connection alive. */
export function isComment(line: Buffer, start: number, end: number): boolean {
  return start < end && line[start] === COLON
}

/** Whether the line is a field of this name. A line without a colon is a field whose value is empty. */
export function isField(line: Buffer, start: number, end: number, name: Buffer): boolean {
  const colon = start + name.length
  return startsWith(line, start, end, name) && (colon === end || line[colon] === COLON)
}

/** @returns where the value of a field of this name begins; one space after the colon is not a part of it */
export function findValue(line: Buffer, start: number, end: number, name: Buffer): number {
  const value = start + name.length + 1
  if (value >= end) return end
  return line[value] === SPACE ? value + 1 : value
}

function startsWith(line: Buffer, start: number, end: number, bytes: Buffer): boolean {
  const { length } = bytes
  if (end - start < length) return false
  for (let i = 0; i < length; i++) if (line[start + i] !== bytes[i]) return false
  return true
}
