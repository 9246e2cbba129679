import { applyMask, BINARY, CLOSE, CONTINUATION, CONTROL_BYTES, PONG, TEXT } from './frames.js'

/** Told of each frame while it is read. */
export interface FrameHandler {
  /** The head of a frame is complete: `opcode`, `length` and the others are set. */
  onFrame(): void
  /**
   * A part of the payload, as it stands on the wire.
   * @param at offset of the first byte in the payload, for `FrameReader.decode`
   */
  onPayload(part: Buffer, at: number): void
}

/**
 * Reads the frames of one direction of a WebSocket (RFC 6455, 5), however the bytes are cut. It holds the head of one
 * frame, never a payload.
 *
 * After an error it reads no more: nobody knows where the next frame begins.
 */
export class FrameReader {
  /** The bytes are no valid frames. */
  isBroken: boolean
  /** Of the frame that is being read, or was read last. */
  opcode: number
  isFinal: boolean
  /** Bytes of the payload. */
  length: number
  /** Bytes of the head. */
  headLength: number
  /** The last frame is complete, and no byte of the next one has come. */
  isBetweenFrames: boolean
  /** A message has begun whose last fragment has not ended. */
  isInMessage: boolean
  private readonly expectsMask: boolean
  private readonly handler: FrameHandler
  private readonly head: Buffer
  private headBytes: number
  /** Bytes of the payload that were read; null while the head is being read. */
  private taken: number | null
  private mask: Buffer | null

  /** @param expectsMask frames of a client are masked, and those of a server are not (RFC 6455, 5.1) */
  constructor(expectsMask: boolean, handler: FrameHandler) {
    this.isBroken = false
    this.opcode = CONTINUATION
    this.isFinal = false
    this.length = 0
    this.headLength = 0
    this.isBetweenFrames = true
    this.isInMessage = false
    this.expectsMask = expectsMask
    this.handler = handler
    this.head = Buffer.alloc(14)
    this.headBytes = 0
    this.taken = null
    this.mask = null
  }

  /** The head of a frame has begun, and is not complete. */
  get isInHead(): boolean {
    return this.taken === null && !this.isBetweenFrames
  }

  get isControl(): boolean {
    return this.opcode >= CLOSE
  }

  /** Neither within a frame nor between two fragments: another message may be put in here. */
  get isBetweenMessages(): boolean {
    return this.isBetweenFrames && !this.isInMessage && !this.isBroken
  }

  /**
   * Reads on until the frame ends, or the chunk.
   * @returns the index up to which it has read; `isBetweenFrames` says whether the frame has ended there
   */
  read(chunk: Buffer, from: number): number {
    let at = from
    this.isBetweenFrames = false
    if (this.taken === null) {
      at = this.readHead(chunk, at)
      if (this.isBroken) return chunk.length
      if (this.taken === null) return at
    }
    const end = Math.min(chunk.length, at + this.length - this.taken)
    if (end > at) {
      this.handler.onPayload(chunk.subarray(at, end), this.taken)
      this.taken += end - at
    }
    if (this.taken === this.length) this.endFrame()
    return end
  }

  /** The payload of a part as it was before it was masked: a copy, or the part itself. */
  decode(part: Buffer, at: number): Buffer {
    if (this.mask === null) return part
    const decoded = Buffer.from(part)
    applyMask(decoded, 0, this.mask, at)
    return decoded
  }

  private endFrame(): void {
    this.isBetweenFrames = true
    this.taken = null
    this.headBytes = 0
    if (!this.isControl) this.isInMessage = !this.isFinal
  }

  private readHead(chunk: Buffer, from: number): number {
    const { head } = this
    let at = from
    for (let size = this.headSize(); this.headBytes < size; size = this.headSize()) {
      if (at === chunk.length) return at
      head[this.headBytes++] = chunk[at++] as number
    }
    const first = head[0] as number
    const second = head[1] as number
    const maskBytes = (second & 0x80) === 0 ? 0 : 4
    const short = second & 0x7f
    this.isFinal = (first & 0x80) !== 0
    this.opcode = first & 0x0f
    this.length = short < 126 ? short : short === 126 ? head.readUInt16BE(2) : readLength(head)
    this.headLength = this.headBytes
    this.mask = maskBytes === 0 ? null : Buffer.from(head.subarray(this.headBytes - 4, this.headBytes))
    if (!this.isValid(first)) {
      this.isBroken = true
      return at
    }
    this.taken = 0
    this.handler.onFrame()
    return at
  }

  /** Bytes of the head, as far as is known. */
  private headSize(): number {
    if (this.headBytes < 2) return 2
    const second = this.head[1] as number
    const short = second & 0x7f
    return 2 + (short < 126 ? 0 : short === 126 ? 2 : 8) + ((second & 0x80) === 0 ? 0 : 4)
  }

  private isValid(first: number): boolean {
    const { opcode, isFinal, length } = this
    // Reserved bits are for extensions, and none was agreed on.
    if ((first & 0x70) !== 0 || (this.mask !== null) !== this.expectsMask) return false
    if (!Number.isSafeInteger(length)) return false
    if (this.isControl) return opcode <= PONG && isFinal && length <= CONTROL_BYTES
    return this.isInMessage ? opcode === CONTINUATION : opcode === TEXT || opcode === BINARY
  }
}

/** A length of 64 bits; not a safe integer if it is too large. */
function readLength(head: Buffer): number {
  return head.readUInt32BE(2) * 2 ** 32 + head.readUInt32BE(6)
}
