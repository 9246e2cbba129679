import { createHash } from 'node:crypto'
import { type FlatHeaders, findHeader } from '../../http/flat-headers.js'

/** Opcodes of frames (RFC 6455, 5.2). */
export const CONTINUATION = 0x0
export const TEXT = 0x1
export const BINARY = 0x2
export const CLOSE = 0x8
export const PING = 0x9
export const PONG = 0xa

/** Longest payload of a control frame (RFC 6455, 5.5). */
export const CONTROL_BYTES = 125

/** Why a connection is closed (RFC 6455, 7.4.1, and IANA's registry). */
export const CLOSE_CODES = {
  goingAway: 1001,
  protocolError: 1002,
  policyViolation: 1008,
  messageTooBig: 1009,
  internalError: 1011,
  tryAgainLater: 1013,
} as const

/**
 * Encodes one final frame.
 * @param mask four bytes; null for a frame to a client, which is not masked (RFC 6455, 5.1)
 */
export function encodeFrame(opcode: number, payload: Buffer, mask: Buffer | null): Buffer {
  const { length } = payload
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const payloadAt = 2 + extended + (mask === null ? 0 : 4)
  const frame = Buffer.allocUnsafe(payloadAt + length)
  frame[0] = 0x80 | opcode
  frame[1] = (mask === null ? 0 : 0x80) | (extended === 0 ? length : extended === 2 ? 126 : 127)
  if (extended === 2) frame.writeUInt16BE(length, 2)
  if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2)
  payload.copy(frame, payloadAt)
  if (mask !== null) {
    mask.copy(frame, payloadAt - 4)
    applyMask(frame, payloadAt, mask, 0)
  }
  return frame
}

/** Masks or unmasks bytes in place (RFC 6455, 5.3). @param at offset of the first byte in the payload */
export function applyMask(bytes: Buffer, from: number, mask: Buffer, at: number): void {
  for (let i = from; i < bytes.length; i++)
    bytes[i] = (bytes[i] as number) ^ (mask[(at + i - from) & 3] as number)
}

/** Encodes the payload of a close frame. A reason that is too long is cut. @param reason ASCII */
export function encodeClose(code: number, reason: string): Buffer {
  const payload = Buffer.alloc(2 + Math.min(reason.length, CONTROL_BYTES - 2))
  payload.writeUInt16BE(code, 0)
  payload.write(reason, 2, 'latin1')
  return payload
}

/** What RFC 6455, 4.2.2 appends to a key. */
const KEY_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Computes `Sec-WebSocket-Accept` for the key of a handshake. */
export function acceptKey(key: string): string {
  return createHash('sha1').update(`${key}${KEY_SUFFIX}`).digest('base64')
}

/**
 * Reads the key of a handshake that the relay accepts itself (RFC 6455, 4.2.1).
 * @returns null if it has no valid key, or another version of the protocol
 */
export function readHandshakeKey(raw: FlatHeaders): string | null {
  const key = findHeader(raw, 'sec-websocket-key')?.trim() ?? ''
  const isValid = /^[A-Za-z0-9+/]{22}==$/.test(key)
  return isValid && findHeader(raw, 'sec-websocket-version')?.trim() === '13' ? key : null
}
