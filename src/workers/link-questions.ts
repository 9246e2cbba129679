import type { Link } from './link.js'

/** Somebody who waits for an answer. */
interface Asker<T> {
  readonly resolve: (answer: T) => void
  readonly reject: (reason: Error) => void
  /** Null if it is waited for as long as it takes. */
  readonly timer: NodeJS.Timeout | null
}

/** Questions of one kind that a worker asks its primary: each has a number, and one answer or none. */
export class LinkQuestions<T> {
  private readonly link: Link
  private readonly waitMs: number | null
  private readonly askers: Map<number, Asker<T>>
  private last: number

  /** @param waitMs how long an answer is waited for; null: as long as the link is open */
  constructor(link: Link, waitMs: number | null) {
    this.link = link
    this.waitMs = waitMs
    this.askers = new Map()
    this.last = 0
    link.onClose(() => {
      for (const question of [...this.askers.keys()]) this.fail(question, GONE)
    })
  }

  /**
   * @param send sends the question with its number; it is not called if the link is closed
   * @throws if the primary is gone, or does not answer in time
   */
  ask(send: (question: number) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.link.isOpen) {
        reject(new Error(GONE))
        return
      }
      const question = ++this.last
      const { waitMs } = this
      // What came while this process was stopped is heard first.
      const onTime = (): void => void setImmediate(() => this.fail(question, SILENT))
      const timer = waitMs === null ? null : setTimeout(onTime, waitMs)
      this.askers.set(question, { resolve, reject, timer })
      send(question)
    })
  }

  /** An answer has come, perhaps too late. */
  answer(question: number, answer: T): void {
    this.take(question)?.resolve(answer)
  }

  private fail(question: number, message: string): void {
    this.take(question)?.reject(new Error(message))
  }

  private take(question: number): Asker<T> | undefined {
    const asker = this.askers.get(question)
    this.askers.delete(question)
    if (asker !== undefined && asker.timer !== null) clearTimeout(asker.timer)
    return asker
  }
}

const GONE = 'the primary process is gone'
const SILENT = 'the primary process does not answer'
