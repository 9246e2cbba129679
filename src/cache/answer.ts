import type { Account } from '../tokens/account.js'
import type { Follower } from './follower.js'

/** The head of an answer, as the upstream sent it. */
export interface AnswerHead {
  readonly status: number
  readonly reason: string
  /** Names and values by turns. */
  readonly raw: readonly string[]
}

/** An answer in memory that is being sent to a client, be it whole or still coming. */
export interface Source {
  /** Null before it has come. */
  readonly head: AnswerHead | null
  /** Pieces that have come so far. */
  readonly end: number
  /** No more will come: this was all of it. */
  readonly complete: boolean
  /** It has told its own end. */
  readonly streamEnded: boolean
  /** What it took; null if that is not known, or not yet. */
  readonly account: Account | null
  /** Who gives it; null if nobody has to, or nobody is asked yet. */
  readonly upstream: string | null
  /** Seconds since it was made; null if it is being made. */
  readonly age: number | null
  /** @param index below `end`, and no piece that is behind one that was taken by all */
  piece(index: number): Buffer
  /** Called about every `Watchdog` tick. */
  onTick(now: number): void
  /** One that was slow has taken more. */
  onTaken(): void
  /** A client has been served, or has left. */
  leave(follower: Follower): void
}

/** A whole answer that is kept. */
export class KeptAnswer implements Source {
  readonly head: AnswerHead
  /** What it was the answer for, and what that took. */
  readonly account: Account
  readonly upstream: null
  readonly complete: boolean
  readonly streamEnded: boolean
  readonly end: number
  private readonly body: Buffer
  private readonly madeAt: number

  constructor(head: AnswerHead, body: Buffer, account: Account) {
    this.head = head
    this.account = account
    this.upstream = null
    this.complete = true
    this.streamEnded = true
    this.end = body.length === 0 ? 0 : 1
    this.body = body
    this.madeAt = performance.now()
  }

  get age(): number {
    return Math.floor((performance.now() - this.madeAt) / 1_000)
  }

  /** What it takes in memory. */
  get bytes(): number {
    let bytes = this.body.length + 1_000
    for (const text of this.head.raw) bytes += text.length
    return bytes
  }

  piece(): Buffer {
    return this.body
  }

  onTick(): void {
    // It is there.
  }

  onTaken(): void {
    // All of it is there.
  }

  leave(): void {
    // It stays.
  }
}
