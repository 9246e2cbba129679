import type { ResponseStats } from './response-stats.js'

/** Looks at an answer beside its way to the client. */
export interface Meter {
  /** When it is asked for after the end, of all that came. */
  readStats(): ResponseStats
  /** The answer has told its own end. Known after `end`. */
  readonly ended: boolean
  push(piece: Buffer): void
  /** No more will come, be it whole or cut. May be called again. */
  end(): void
  /** After the end: whether all that came has been looked at. */
  readonly isRead: boolean
  /** After the end: calls back once it has. */
  whenRead(call: () => void): void
}
