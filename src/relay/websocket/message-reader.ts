import { EMPTY } from '../../lib/bytes.js'
import { PartialBuffer } from '../../lib/partial-buffer.js'
import { LongJson } from '../../metering/long-json.js'
import { FrameReader } from './frame-reader.js'
import { CLOSE, TEXT } from './frames.js'

/** Bytes of a message that are kept to be read: a completed response repeats its whole text, or has an image in it. */
const LONGEST_MESSAGE = 4 * 1024 * 1024

/** Bytes that are kept of the beginning of a longer message: the type stands there. */
const KEPT_BEGINNING = 256

/** A message that was too long to be kept. */
export interface LongMessage {
  readonly beginning: Buffer
  /** What `LongJson` read of it. */
  readonly facts: unknown
}

export interface MessageHandler {
  /** @param bytes of its frames, heads included */
  onMessage(payload: Buffer, bytes: number): void
  onLongMessage(message: LongMessage, bytes: number): void
  /** The bytes are no valid frames: nothing more is read. */
  onUnreadable(): void
}

/**
 * Reads the text messages of an upstream beside their way to the client. Binary messages are stepped over. Of a message
 * it holds at most `LONGEST_MESSAGE` bytes.
 */
export class MessageReader {
  readonly frames: FrameReader
  private readonly handler: MessageHandler
  private readonly onCloseFrame: () => void
  /** Bytes of the frames of the message that is not complete yet. */
  private bytes: number
  private isText: boolean
  /** The payload, if one part has all of it so far: most messages come in one chunk, and need no copy. */
  private view: Buffer | null
  private readonly copy: PartialBuffer
  /** Of a message that is too long: its beginning, and the reader of its facts. Null for others. */
  private long: { readonly beginning: Buffer; readonly json: LongJson } | null

  /** @param onCloseFrame the upstream wants to close the connection */
  constructor(handler: MessageHandler, onCloseFrame: () => void) {
    this.handler = handler
    this.onCloseFrame = onCloseFrame
    this.frames = new FrameReader(false, {
      onFrame: () => this.onFrame(),
      onPayload: (part) => this.onPayload(part),
    })
    this.bytes = 0
    this.isText = false
    this.view = null
    this.copy = new PartialBuffer()
    this.long = null
  }

  push(chunk: Buffer): void {
    const { frames } = this
    if (frames.isBroken) return
    for (let at = 0; at < chunk.length && !frames.isBroken; ) {
      at = frames.read(chunk, at)
      if (frames.isBetweenFrames && !frames.isControl && frames.isFinal) this.endMessage()
    }
    this.detach()
    if (frames.isBroken) this.handler.onUnreadable()
  }

  private onFrame(): void {
    const { frames } = this
    if (frames.opcode === CLOSE) this.onCloseFrame()
    if (frames.isControl) return
    if (!frames.isInMessage) this.isText = frames.opcode === TEXT
    this.bytes += frames.headLength + frames.length
  }

  private onPayload(part: Buffer): void {
    if (!this.isText || this.frames.isControl) return
    if (this.view === null && this.copy.bytes === 0) {
      this.view = part
    } else {
      this.detach()
      this.copy.add(part)
    }
    if (Math.max(part.length, this.copy.bytes) > LONGEST_MESSAGE) this.truncate()
  }

  private truncate(): void {
    this.detach()
    const kept = this.copy.take()
    this.long ??= { beginning: Buffer.from(kept.subarray(0, KEPT_BEGINNING)), json: new LongJson() }
    this.long.json.push(kept)
  }

  /** Copies what is a view of a chunk. */
  private detach(): void {
    const { view } = this
    if (view === null) return
    this.view = null
    this.copy.add(view)
  }

  private endMessage(): void {
    const { handler, bytes, long, isText } = this
    const payload = this.view ?? (this.copy.bytes > 0 ? this.copy.take() : EMPTY)
    this.view = null
    this.bytes = 0
    this.long = null
    if (!isText) return
    if (long === null) {
      handler.onMessage(payload, bytes)
      return
    }
    long.json.push(payload)
    handler.onLongMessage({ beginning: long.beginning, facts: long.json.root }, bytes)
  }
}
