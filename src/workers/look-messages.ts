import type { Look, LookQuestion } from '../page/source.js'

/** What the primary asks on the topic `page`. */
export interface ToLookWorker {
  readonly look: number
  readonly question: LookQuestion
}

/** What a worker answers. */
export interface ToLookPrimary {
  /** Number of the question. */
  readonly look: number
  readonly found: Look
}
