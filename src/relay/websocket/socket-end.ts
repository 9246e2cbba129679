import type { Exchange } from '../../exchange/exchange.js'
import type { ResponseTracker } from './response-tracker.js'

/** Milliseconds that the end of a frame is waited for, if a connection is to be closed at once. */
const FRAME_END_MS = 200

/** How a WebSocket ends. */
export class SocketEnd {
  /** Who sent the first close frame. */
  closedBy: 'client' | 'upstream' | null
  private readonly exchange: Exchange
  private readonly tracker: ResponseTracker
  /** `performance.now()` when the relay wanted to close it; null before. */
  private wantedAt: number | null

  constructor(exchange: Exchange, tracker: ResponseTracker) {
    this.closedBy = null
    this.exchange = exchange
    this.tracker = tracker
    this.wantedAt = null
  }

  /** A connection is complete if one side has closed it between two responses. @param side whose connection ended */
  conclude(side: 'client' | 'upstream', cause: string | null): void {
    const { exchange, closedBy } = this
    if (closedBy !== null && this.tracker.openCount === 0) exchange.conclude('done')
    else if ((closedBy ?? side) === 'client') exchange.conclude('client_gone')
    else exchange.conclude('upstream_cut', cause, 'upstream_cut')
  }

  /**
   * Whether to wait with a close frame: it cannot stand within the frame that the client is getting. The rest of that
   * frame may not come for long, so the wait is short.
   */
  waitsForFrame(isBetweenFrames: boolean): boolean {
    const now = performance.now()
    this.wantedAt ??= now
    return !isBetweenFrames && now - this.wantedAt < FRAME_END_MS
  }
}
