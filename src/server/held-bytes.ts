import type { Socket } from 'node:net'
import { JoinedPieces } from '../lib/joined-pieces.js'
import type { ByteBudget } from '../relay/byte-budget.js'

/** Bytes that any client may send ahead of an answer; one read of a socket has as many at most. */
const FREE_BYTES = 64 * 1024

/**
 * Reads a connection into memory while nobody else reads it. A paused socket emits nothing when a client leaves.
 * What goes beyond `FREE_BYTES` counts against `limits.bufferedBytes` as it is held.
 */
export class HeldBytes {
  private readonly socket: Socket
  private readonly budget: ByteBudget
  private readonly mayHoldMore: (socket: Socket, bytes: number) => boolean
  private readonly pieces: JoinedPieces
  /** Memory that the pieces take. */
  private cost: number
  /** How much of it was taken from the budget. */
  private taken: number
  private readonly onData: (piece: Buffer) => void
  private readonly onClose: () => void

  /** @param mayHoldMore whether so many bytes of the connection may be held; else the socket is paused */
  constructor(socket: Socket, budget: ByteBudget, mayHoldMore: (socket: Socket, bytes: number) => boolean) {
    this.socket = socket
    this.budget = budget
    this.mayHoldMore = mayHoldMore
    this.pieces = new JoinedPieces()
    this.cost = 0
    this.taken = 0
    this.onData = (piece) => this.keep(piece)
    this.onClose = () => void this.end()
  }

  /** @param first bytes that were read already */
  start(first: Buffer): void {
    if (first.length > 0) this.keep(first)
    this.socket.on('data', this.onData)
    this.socket.once('close', this.onClose)
  }

  /** Stops reading. @returns all that was held, in its order */
  end(): readonly Buffer[] {
    this.socket.removeListener('data', this.onData)
    this.socket.removeListener('close', this.onClose)
    this.budget.give(this.taken)
    this.taken = 0
    return this.pieces.list.splice(0)
  }

  private keep(piece: Buffer): void {
    this.cost += this.pieces.costOf(piece)
    this.pieces.add(piece)
    const more = this.cost - FREE_BYTES - this.taken
    if (more <= 0) return
    if (this.mayHoldMore(this.socket, this.cost) && this.budget.take(more)) this.taken += more
    else this.socket.pause()
  }
}
