import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import type { SettledSummary } from '../limits/limit-books.js'

/** Milliseconds for which a record waits at most. */
const HELD_MS = 1_000

/** Records that wait at most. */
const MOST_HELD = 10_000

/** A settlement without an answer. */
interface Settlement {
  readonly number: number
  readonly summary: SettledSummary
  /** `performance.now()` */
  readonly since: number
}

/**
 * Holds the records of a worker back from its ledger until the primary has said which budgets they brought to a share
 * (`limit_reached`); a second at most. No client waits for it.
 */
export class RecordHold implements SummarySink {
  private readonly ledger: SummarySink
  /** In the order of their numbers. */
  private readonly settling: Map<SettledSummary, Settlement>
  private readonly held: Set<RequestSummary>

  constructor(ledger: SummarySink) {
    this.ledger = ledger
    this.settling = new Map()
    this.held = new Set()
  }

  /** The summary is settled, and its record follows in the same turn. @param number of the settlement */
  await(summary: SettledSummary, number: number): void {
    this.settling.set(summary, { number, summary, since: performance.now() })
  }

  /** Number of the first settlement whose record is held back; null for none. */
  get firstHeld(): number | null {
    for (const { number } of this.settling.values()) return number
    return null
  }

  record(summary: RequestSummary): void {
    if (!this.settling.has(summary)) {
      this.ledger.record(summary)
      return
    }
    if (this.held.size >= MOST_HELD) this.releaseAll()
    this.held.add(summary)
  }

  startBatch(): void {
    this.ledger.startBatch?.()
  }

  endBatch(): void {
    this.ledger.endBatch?.()
  }

  tick(now: number): void {
    this.ledger.tick?.(now)
  }

  /** All settlements up to a number are counted. @param reached by the last of them; null for nothing */
  settle(number: number, reached: string | null): void {
    for (const settlement of this.settling.values()) {
      if (settlement.number > number) return
      if (settlement.number === number && reached !== null) settlement.summary.reachedLimits = reached
      this.release(settlement)
    }
  }

  /** @param now `performance.now()` */
  expire(now: number): void {
    for (const settlement of this.settling.values()) {
      if (now - settlement.since < HELD_MS) return
      this.release(settlement)
    }
  }

  flush(): void {
    this.releaseAll()
  }

  /** What is held is recorded as it is. */
  releaseAll(): void {
    for (const settlement of this.settling.values()) this.release(settlement)
  }

  private release({ summary }: Settlement): void {
    this.settling.delete(summary)
    // It is the summary that was settled.
    const record = summary as RequestSummary
    if (this.held.delete(record)) this.ledger.record(record)
  }
}
