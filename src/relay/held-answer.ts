import type { AnswerHead, Attempt, BodyTaker } from './attempt.js'

/** What is held is no more than this: such a long beginning is one. */
const MOST_BYTES = 64 * 1024

const DATA = Buffer.from('data:')

export interface HeldAnswerOwner {
  /** It has begun in earnest, or is over: it is the client's. */
  onBegun(held: HeldAnswer): void
  onFailed(attempt: Attempt, error: unknown): void
}

/**
 * The beginning of an answer, held back until there is something in it: comments that keep a connection alive (DeepSeek,
 * OpenRouter) and blank lines say only that somebody is there. As long as the client has had none of it, another upstream
 * can be asked.
 */
export class HeldAnswer implements BodyTaker {
  readonly attempt: Attempt
  readonly head: AnswerHead
  readonly pieces: Buffer[]
  /** `performance.now()` */
  readonly since: number
  private readonly eventStream: boolean
  private readonly owner: HeldAnswerOwner

  constructor(owner: HeldAnswerOwner, attempt: Attempt, head: AnswerHead) {
    this.attempt = attempt
    this.head = head
    this.pieces = []
    this.since = performance.now()
    this.eventStream = isEventStream(head.raw)
    this.owner = owner
  }

  onData(piece: Buffer): boolean {
    this.pieces.push(piece)
    if (this.hasBegun()) this.owner.onBegun(this)
    return true
  }

  onEnd(): void {
    this.owner.onBegun(this)
    this.attempt.onComplete()
  }

  onCut(error: Error): void {
    this.owner.onFailed(this.attempt, error)
  }

  private hasBegun(): boolean {
    const bytes = this.pieces.length === 1 ? (this.pieces[0] as Buffer) : Buffer.concat(this.pieces)
    if (bytes.length > MOST_BYTES) return true
    return this.eventStream ? bytes.includes(DATA) : bytes.some((byte) => byte > 0x20)
  }
}

function isEventStream(raw: readonly Buffer[]): boolean {
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as Buffer).toString('latin1').toLowerCase()
    if (name === 'content-type')
      return /^\s*text\/event-stream\b/i.test((raw[i + 1] as Buffer).toString('latin1'))
  }
  return false
}
