import type { SummarySink } from '../exchange/summary.js'
import type { Prices } from '../ledger/prices.js'
import type { Bookkeeper } from '../ledger/write/bookkeeper.js'
import { RecordFeed } from '../rollups/record-feed.js'
import type { Link } from './link.js'
import type { ToRollupPrimary } from './rollup-messages.js'

/** Lines of one second, and their characters: the primary unpacks them within one turn. */
const MAX_LINES = 500
const MAX_CHARACTERS = 512 * 1024

export interface RollupReporterParts {
  readonly link: Link
  /** Null: no records are made. */
  readonly ledger: Bookkeeper | null
  /** Null if costs are switched off. */
  readonly prices: Prices | null
}

/** The worker's side of the rollups: tells the primary once a second what was counted, and the last records. */
export class RollupReporter {
  /** To be put behind the ledger. */
  readonly sink: SummarySink
  private readonly link: Link
  private readonly ledger: Bookkeeper | null
  private readonly feed: RecordFeed
  private lines: string[]
  private characters: number

  constructor({ link, ledger, prices }: RollupReporterParts) {
    this.link = link
    this.ledger = ledger
    this.lines = []
    this.characters = 0
    this.feed = new RecordFeed(
      ledger,
      prices,
      (line) => this.keep(line),
      () => this.report(),
    )
    this.sink = this.feed
    link.onClose(() => this.feed.close())
    // Who dies in its first second has told who it is.
    this.report()
  }

  /** Tells what is left, when all records are made: the worker is about to end. */
  close(): void {
    this.report()
    this.feed.close()
    this.send({ kind: 'end' })
  }

  private keep(line: string): void {
    this.lines.push(line)
    this.characters += line.length
    if (this.lines.length < 2 * MAX_LINES && this.characters < 2 * MAX_CHARACTERS) return
    this.cut()
  }

  /** Leaves the latest lines. */
  private cut(): void {
    let from = this.lines.length
    let characters = 0
    while (from > 0 && this.lines.length - from < MAX_LINES) {
      const next = characters + (this.lines[from - 1] as string).length
      if (next > MAX_CHARACTERS) break
      characters = next
      from--
    }
    this.lines = this.lines.slice(from)
    this.characters = characters
  }

  private report(): void {
    this.cut()
    const { lines, ledger } = this
    this.lines = []
    this.characters = 0
    const batches = this.feed.counts.takeRows()
    this.send({
      kind: 'second',
      writer: ledger?.writer ?? null,
      lastSeq: ledger?.lastSeq ?? 0,
      batches,
      lines,
    })
  }

  private send(message: ToRollupPrimary): void {
    this.link.send('rollups', message)
  }
}
