import { PartialBuffer } from '../../lib/partial-buffer.js'
import { ClientEvent, CREATE, findEventType, UPDATE } from './client-event.js'
import { FrameReader } from './frame-reader.js'
import { CLOSE, TEXT } from './frames.js'

/**
 * What becomes of a message: it passes as it came; it passes with another payload; it is dropped; or nothing passes
 * until `resume`.
 */
export type Verdict = 'pass' | 'drop' | 'wait' | Buffer

export interface GateHandler {
  /** A whole event by which a response may begin. @param bytes of its frames */
  onEvent(event: ClientEvent, bytes: number): Verdict
  /** These bytes go to the upstream. */
  onPass(bytes: Buffer): void
  /** A message with another payload goes to the upstream. */
  onReplaced(payload: Buffer): void
  /** A message has begun. */
  onMessageStart(): void
  onCloseFrame(): void
  /** A control frame that the relay has to answer, as there is no upstream yet. */
  onLocalControl(opcode: number, payload: Buffer): void
  /** The message is longer than a message may be. Nothing more is read. */
  onTooLong(): void
  /** Counts bytes that are held. @returns false if there is no room for them: nothing more is read */
  onHold(bytes: number): boolean
  onRelease(bytes: number): void
  /** The bytes are no valid frames, and may not pass. */
  onInvalid(): void
}

/** Bytes of a message after which its type is looked for before it is complete. */
const TYPE_BYTES = 512

/** A part of a frame as it came. */
interface HeldPart {
  readonly bytes: Buffer
  readonly isControl: boolean
}

/**
 * Reads the frames of a client on their way to the upstream. In a Realtime session, a message passes as soon as it does
 * not look like a `response.create`: audio passes while it arrives. All others are held until they are complete, as
 * nothing can act on a part of them; then they pass as they came, or with another model.
 *
 * In the Responses API each message decides on a model and on stored objects. Nothing passes unread there: no binary
 * frame, no message whose first `type` is followed by another one, and nothing that is no valid frame.
 *
 * Control frames keep their place among the other frames. Before there is an upstream, the relay answers them.
 */
export class ClientGate {
  /** There is no upstream yet. */
  isLocal: boolean
  private readonly isRealtime: boolean
  private readonly handler: GateHandler
  private readonly frames: FrameReader
  private readonly longest: number
  private readonly held: HeldPart[]
  private heldBytes: number
  /** The payload of a held text message. */
  private readonly payload: PartialBuffer
  /** The head of a frame that is not complete yet. */
  private readonly head: Buffer[]
  private readonly control: PartialBuffer
  /** The message is held. */
  private isHolding: boolean
  private hasSoughtType: boolean
  /** Bytes of the frames of the message. */
  private bytes: number
  private messageLength: number
  /** What came while the gate waits; null if it does not wait. */
  private waiting: Buffer[] | null
  private isOver: boolean

  /** @param longest bytes of a message */
  constructor(handler: GateHandler, longest: number, isLocal: boolean, isRealtime: boolean) {
    this.isLocal = isLocal
    this.isRealtime = isRealtime
    this.handler = handler
    this.frames = new FrameReader(true, {
      onFrame: () => this.onFrame(),
      onPayload: (part, at) => this.onPayload(part, at),
    })
    this.longest = longest
    this.held = []
    this.heldBytes = 0
    this.payload = new PartialBuffer()
    this.head = []
    this.control = new PartialBuffer()
    this.isHolding = false
    this.hasSoughtType = false
    this.bytes = 0
    this.messageLength = 0
    this.waiting = null
    this.isOver = false
  }

  /** A frame of the relay's own may follow what has passed. */
  get isBetweenFrames(): boolean {
    return this.frames.isBetweenFrames || this.isHolding
  }

  /** A message is held that is not complete. */
  get isIncomplete(): boolean {
    return this.isHolding && this.waiting === null
  }

  /** Bytes that came while the gate waits. */
  get waitingBytes(): number {
    return this.waiting?.reduce((sum, { length }) => sum + length, 0) ?? 0
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.isOver; ) {
      if (this.waiting !== null) {
        this.waiting.push(chunk.subarray(at))
        return
      }
      if (this.frames.isBroken) {
        this.handler.onPass(chunk.subarray(at))
        return
      }
      const start = at
      at = this.frames.read(chunk, at)
      this.take(chunk.subarray(start, at))
    }
  }

  /** Reads no more. */
  end(): void {
    this.isOver = true
    this.held.length = 0
    this.waiting = null
    this.release()
  }

  /** What becomes of the held message is known, and what came since is read. */
  resume(verdict: 'pass' | 'drop' | Buffer): void {
    const { waiting } = this
    this.waiting = null
    this.settle(verdict)
    for (const chunk of waiting ?? []) this.push(chunk)
  }

  /** Takes the next bytes of the frame that is being read. */
  private take(bytes: Buffer): void {
    const { frames, head } = this
    if (this.isOver) return
    if (frames.isBroken) {
      this.onBroken(bytes)
      return
    }
    if (frames.isInHead) {
      head.push(bytes)
      return
    }
    for (const part of head.splice(0)) this.route(part)
    this.route(bytes)
    if (frames.isBetweenFrames && !this.isOver) this.endFrame()
  }

  /** In a Realtime session bytes pass unread from here on: it is for the upstream to refuse them. */
  private onBroken(bytes: Buffer): void {
    if (this.isLocal || !this.isRealtime) {
      this.handler.onInvalid()
      return
    }
    for (const part of this.held.splice(0)) this.handler.onPass(part.bytes)
    this.release()
    for (const part of this.head.splice(0)) this.handler.onPass(part)
    this.handler.onPass(bytes)
  }

  private route(bytes: Buffer): void {
    const { isControl } = this.frames
    if (isControl && this.isLocal) return
    if (!this.isHolding) this.handler.onPass(bytes)
    else {
      this.held.push({ bytes, isControl })
      this.hold(bytes.length)
    }
  }

  private hold(bytes: number): void {
    if (this.handler.onHold(bytes)) this.heldBytes += bytes
    else this.end()
  }

  private release(): void {
    this.handler.onRelease(this.heldBytes)
    this.heldBytes = 0
    this.isHolding = false
    this.payload.clear()
  }

  private onFrame(): void {
    const { frames } = this
    if (frames.isControl) {
      this.control.clear()
      return
    }
    if (!frames.isInMessage) {
      this.bytes = 0
      this.messageLength = 0
      this.isHolding = this.isLocal || !this.isRealtime || frames.opcode === TEXT
      this.hasSoughtType = false
      this.handler.onMessageStart()
    }
    this.bytes += frames.headLength + frames.length
    this.messageLength += frames.length
    if (this.messageLength <= this.longest) return
    this.end()
    this.handler.onTooLong()
  }

  private onPayload(part: Buffer, at: number): void {
    const { frames, payload } = this
    if (this.isOver) return
    if (frames.isControl) {
      this.control.add(frames.decode(part, at))
      return
    }
    if (!this.isHolding) return
    let from = 0
    if (
      !this.isLocal &&
      this.isRealtime &&
      !this.hasSoughtType &&
      payload.bytes + part.length >= TYPE_BYTES
    ) {
      this.hasSoughtType = true
      // No more of it is unmasked than is needed: most messages of a Realtime session are audio.
      from = TYPE_BYTES - payload.bytes
      payload.add(frames.decode(part.subarray(0, from), at))
      const type = findEventType(Buffer.from(payload.beginning(TYPE_BYTES), 'latin1'))
      if (type !== null && type !== CREATE && type !== UPDATE) {
        this.settle('pass')
        return
      }
    }
    payload.add(frames.decode(part.subarray(from), at + from))
    this.hold(part.length)
  }

  private endFrame(): void {
    const { frames, handler } = this
    if (frames.isControl) {
      if (this.isLocal) handler.onLocalControl(frames.opcode, Buffer.from(this.control.take()))
      else if (frames.opcode === CLOSE) handler.onCloseFrame()
    } else if (frames.isFinal && this.isHolding) {
      const event = new ClientEvent(Buffer.from(this.payload.take()))
      const verdict = handler.onEvent(event, this.bytes)
      if (this.isOver) return
      if (verdict === 'wait') this.waiting = []
      else this.settle(verdict)
    }
  }

  /** Decides on the held message. */
  private settle(verdict: 'pass' | 'drop' | Buffer): void {
    const { handler } = this
    for (const { bytes, isControl } of this.held.splice(0))
      if (isControl || verdict === 'pass') handler.onPass(bytes)
    if (Buffer.isBuffer(verdict)) handler.onReplaced(verdict)
    this.release()
  }
}
