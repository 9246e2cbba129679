import { crc32 } from 'node:zlib'
import { PartialBuffer } from '../lib/partial-buffer.js'

/** Length of the message, length of the headers, checksum of both. */
const PRELUDE = 12
/** The prelude, and the checksum of the message at its end. */
const SMALLEST = PRELUDE + 4

/** Messages are shorter by the definition of the format; a longer one means that the framing was lost. */
const LARGEST = 24 * 1024 * 1024

/** One message of a stream. */
export interface AwsMessage {
  /** Headers that are text, by their names: `:message-type`, `:event-type`. */
  readonly headers: ReadonlyMap<string, string>
  /** Good until the next `push`. */
  readonly payload: Buffer
}

/** What a `AwsEventReader` finds. */
export interface AwsMessageHandler {
  onMessage(message: AwsMessage): void
  /** A message that cannot be read: its checksum is wrong, or it is too long to be kept. */
  onUnreadable(): void
}

/**
 * Reads `application/vnd.amazon.eventstream` as bytes that may be cut anywhere (AWS, Amazon Transcribe developer guide,
 * "Event stream encoding"). It keeps one message at most, and checks both checksums of each. After a wrong prelude
 * nothing says where the next message begins, so the rest of the stream is not read.
 */
export class AwsEventReader {
  private readonly handler: AwsMessageHandler
  /** Bytes of the longest message that is kept. */
  private readonly longest: number
  private readonly partial: PartialBuffer
  /** Length of the message that is not complete; 0 until its prelude is. */
  private length: number
  /** Bytes that are left of a message that is not kept. */
  private skipped: number
  private isLost: boolean

  constructor(handler: AwsMessageHandler, longest: number) {
    this.handler = handler
    this.longest = longest
    this.partial = new PartialBuffer()
    this.length = 0
    this.skipped = 0
    this.isLost = false
  }

  /** A message has begun and not ended. */
  get isMidMessage(): boolean {
    return !this.isLost && (this.partial.bytes > 0 || this.skipped > 0)
  }

  /** Bytes of the message that is not complete. */
  get bytesHeld(): number {
    return this.partial.bytes
  }

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length && !this.isLost) {
      if (this.skipped > 0) at += this.skip(chunk.length - at)
      else if (this.length === 0) at = this.readPrelude(chunk, at)
      else at = this.readMessage(chunk, at)
    }
  }

  private skip(available: number): number {
    const count = Math.min(this.skipped, available)
    this.skipped -= count
    return count
  }

  /** @returns where reading continues */
  private readPrelude(chunk: Buffer, from: number): number {
    const { partial } = this
    const end = from + PRELUDE - partial.bytes
    if (partial.bytes === 0 && end <= chunk.length) {
      this.startMessage(chunk.subarray(from, end))
      // The prelude is a part of the message, which is read from its first byte.
      return this.skipped > 0 ? end : from
    }
    partial.add(chunk.subarray(from, end))
    if (partial.bytes < PRELUDE) return chunk.length
    const prelude = Buffer.from(partial.take())
    this.startMessage(prelude)
    if (this.skipped === 0 && !this.isLost) partial.add(prelude)
    return end
  }

  private startMessage(prelude: Buffer): void {
    const length = prelude.readUInt32BE(0)
    const headersLength = prelude.readUInt32BE(4)
    const isRight = crc32(prelude.subarray(0, 8)) === prelude.readUInt32BE(8)
    if (!isRight || length < SMALLEST || length > LARGEST || headersLength > length - SMALLEST) {
      this.isLost = true
      this.handler.onUnreadable()
    } else if (length > this.longest) {
      this.skipped = length - PRELUDE
      this.handler.onUnreadable()
    } else this.length = length
  }

  /** @returns where reading continues */
  private readMessage(chunk: Buffer, from: number): number {
    const { partial, length } = this
    const end = from + length - partial.bytes
    if (end > chunk.length) {
      partial.add(chunk.subarray(from))
      return chunk.length
    }
    let message = chunk.subarray(from, end)
    if (partial.bytes > 0) {
      partial.add(message)
      message = partial.take()
    }
    this.length = 0
    this.handMessage(message)
    return end
  }

  private handMessage(message: Buffer): void {
    const end = message.length - 4
    const headersEnd = PRELUDE + message.readUInt32BE(4)
    const isRight = crc32(message.subarray(0, end)) === message.readUInt32BE(end)
    const headers = isRight ? readHeaders(message.subarray(PRELUDE, headersEnd)) : null
    if (headers === null) this.handler.onUnreadable()
    else this.handler.onMessage({ headers, payload: message.subarray(headersEnd, end) })
  }
}

/** Sizes by type: true, false, byte, short, int, long, bytes, text, time, UUID. -1: the size precedes the value. */
const VALUE_SIZES = [0, 0, 1, 2, 4, 8, -1, -1, 8, 16]
const TEXT = 7

/** @returns null if they cannot be read */
function readHeaders(bytes: Buffer): Map<string, string> | null {
  const headers = new Map<string, string>()
  for (let at = 0; at < bytes.length; ) {
    const nameEnd = at + 1 + (bytes[at] as number)
    const type = bytes[nameEnd]
    let size = type === undefined ? undefined : VALUE_SIZES[type]
    let valueStart = nameEnd + 1
    if (size === -1) {
      if (valueStart + 2 > bytes.length) return null
      size = bytes.readUInt16BE(valueStart)
      valueStart += 2
    }
    if (size === undefined || valueStart + size > bytes.length) return null
    if (type === TEXT)
      headers.set(
        bytes.toString('utf8', at + 1, nameEnd),
        bytes.toString('utf8', valueStart, valueStart + size),
      )
    at = valueStart + size
  }
  return headers
}
