import type { Exchange, Stage } from '../exchange.js'

/** Bytes held for all clients together. Taken before they are held, given back when their exchange is over. */
export class ByteBudget {
  readonly limit: number
  taken: number

  constructor(limit: number) {
    this.limit = limit
    this.taken = 0
  }

  /** False if the bytes would pass the limit; nothing is taken then. */
  take(bytes: number): boolean {
    if (this.taken + bytes > this.limit) return false
    this.taken += bytes
    return true
  }

  give(bytes: number): void {
    this.taken -= bytes
  }
}

export type BodyRefusal = 'body_too_large' | 'relay_busy' | 'request_timeout'

/** Who waits for a body. Exactly one of the two is called, once, unless the client leaves before. */
export interface BodyOwner {
  onBody(x: Exchange, body: Buffer): void
  onBodyRefused(x: Exchange, reason: BodyRefusal): void
}

export interface BodyLimits {
  readonly bodyBytes: number
  readonly requestMs: number
}

/**
 * Reads a request body into one buffer. With a declared length the buffer is made once and each piece copied to
 * its place as it comes, so that nothing is left to do when the last byte is there; the operating system gives
 * the pages only as they are filled. A body that came in one piece is not copied at all.
 */
export class BodyReader implements Stage {
  private readonly x: Exchange
  private readonly owner: BodyOwner
  private readonly limits: BodyLimits
  private readonly budget: ByteBudget
  /** -1 when the body is chunked. */
  private readonly declared: number
  /** Where pieces are put when the length was declared and the body did not come in one. */
  private whole: Buffer | null
  private pieces: Buffer[]
  private received: number
  private over: boolean

  constructor(x: Exchange, declared: number, owner: BodyOwner, limits: BodyLimits, budget: ByteBudget) {
    this.x = x
    this.owner = owner
    this.limits = limits
    this.budget = budget
    this.declared = declared
    this.whole = null
    this.pieces = []
    this.received = 0
    this.over = false
  }

  start(): void {
    if (this.declared > this.limits.bodyBytes) {
      this.refuse('body_too_large')
      return
    }
    const { req } = this.x
    req.on('data', (piece: Buffer) => this.onPiece(piece))
    req.on('end', () => this.onEnd())
  }

  onClose(): void {
    this.stop()
  }

  onTick(now: number): void {
    if (now - this.x.startedAt > this.limits.requestMs) this.refuse('request_timeout')
  }

  private onPiece(piece: Buffer): void {
    if (this.over) return
    const offset = this.received
    this.received += piece.length
    // Counted as it comes and not as it was declared: a slow upload keeps no room from others.
    if (!this.hold(piece.length)) return
    if (this.declared === -1) {
      if (this.received > this.limits.bodyBytes) this.refuse('body_too_large')
      else this.pieces.push(piece)
      return
    }
    if (offset === 0 && piece.length === this.declared) {
      this.pieces.push(piece)
      return
    }
    // allocUnsafeSlow: not from the shared pool, and not zeroed; only bytes that were received are ever read.
    this.whole ??= Buffer.allocUnsafeSlow(this.declared)
    piece.copy(this.whole, offset)
  }

  private onEnd(): void {
    if (this.over) return
    this.over = true
    const only = this.pieces.length === 1 ? this.pieces[0] : undefined
    this.owner.onBody(this.x, this.whole ?? only ?? Buffer.concat(this.pieces))
  }

  private hold(bytes: number): boolean {
    if (!this.budget.take(bytes)) {
      this.refuse('relay_busy')
      return false
    }
    this.x.heldBytes += bytes
    return true
  }

  private refuse(reason: BodyRefusal): void {
    if (this.over) return
    this.stop()
    this.owner.onBodyRefused(this.x, reason)
  }

  /** No more calls to the owner; what still comes is thrown away. */
  private stop(): void {
    this.over = true
    this.whole = null
    this.pieces = []
  }
}
