import type { ResponseStats } from './response-stats.js'

/** Reads a response beside its way to the client, after its bytes have left. A meter never throws. */
export interface Meter {
  /** Reads the bytes that wait, and returns what the body said so far. Complete once `isRead`. */
  readStats(): ResponseStats
  /** The body has a mark of its own for its end (`[DONE]`, `message_stop`), and the mark came. Known after `end`. */
  readonly ended: boolean
  /** @param chunk the next bytes of the body; the caller does not change them afterwards */
  push(chunk: Buffer): void
  /** No more bytes come: the body is complete or was cut. Further calls do nothing. */
  end(): void
  /** After `end`: all bytes that came were read. */
  readonly isRead: boolean
  /** After `end`: calls back as soon as `isRead`, at once if it is. */
  whenRead(callback: () => void): void
}

/** A meter that needs no other thread: after `end` nothing is left to be read. */
export abstract class DirectMeter implements Pick<Meter, 'isRead' | 'whenRead'> {
  get isRead(): boolean {
    return true
  }

  whenRead(callback: () => void): void {
    callback()
  }
}
