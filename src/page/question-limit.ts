import { ApiRefusal } from './page-response.js'

/** Questions that are answered at one time: each may take some megabytes. */
const MOST_AT_ONCE = 4

/** Questions of one operator's session, or of one key, that are answered or wait. */
const MOST_OF_ASKER = 16

/** Bounds what questions take at one time, and keeps one who asks much from those of others. */
export class QuestionLimit {
  /** By who asks. */
  private readonly counts: Map<string, number>
  private readonly waiting: (() => void)[]
  private running: number

  constructor() {
    this.counts = new Map()
    this.waiting = []
    this.running = 0
  }

  /**
   * Answers a question as soon as there is room.
   * @throws {ApiRefusal} if there are too many of the same one who asks
   */
  async answer<T>(asker: string, answer: () => Promise<T>): Promise<T> {
    const count = this.counts.get(asker) ?? 0
    if (count >= MOST_OF_ASKER)
      throw new ApiRefusal(503, 'busy', 'too many questions at one time: try again', { 'retry-after': '1' })
    this.counts.set(asker, count + 1)
    try {
      if (this.running >= MOST_AT_ONCE) await new Promise<void>((resolve) => this.waiting.push(resolve))
      else this.running++
      try {
        return await answer()
      } finally {
        // Whoever waits gets the place.
        const next = this.waiting.shift()
        if (next === undefined) this.running--
        else next()
      }
    } finally {
      const left = (this.counts.get(asker) ?? 1) - 1
      if (left === 0) this.counts.delete(asker)
      else this.counts.set(asker, left)
    }
  }
}
