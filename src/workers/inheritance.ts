import { type Entry, readEntry } from '../ledger/read/entry.js'
import type { RecordCounter } from '../ledger/write/bookkeeper.js'
import { ignore } from '../lib/ignore.js'
import { waitUnreferenced } from '../lib/wait-unreferenced.js'
import type { LiveRecords } from '../limits/replay/live-records.js'
import type { SignedInHeir } from '../page/page-server.js'
import type { RecordCeiling } from '../rollups/rebuild/collector.js'
import type { StoredObject } from '../stored/object-map.js'
import type { ThoughtEntry } from '../translate/thinking/thought-store.js'
import type { Bequeathed, SentRates } from './handover-messages.js'
import type { Link } from './link.js'

/** Ids of requests that were counted, in case their records did not reach the disk and are recovered. */
const MOST_IDS = 20_000

/** How long the page's sums wait for records to be in a file, in milliseconds. */
const WRITTEN_MS = 2_000

/** Where this process keeps what it gets. */
export interface Heirs extends SignedInHeir {
  /** Counts what a record says. */
  readonly counter: Pick<RecordCounter, 'countRecovered'>
  /** Sums up what a record says, for the page. */
  takeRecord(line: string): void
  addRates(rates: SentRates): void
  takeObject(object: StoredObject): void
  takeThought(key: string, entry: ThoughtEntry): void
  /** The process has not ended well: its records are to be completed. */
  onKilled(): void
}

/** Somebody who waits until the other process has written its records up to a number. */
interface Wait {
  readonly seq: number
  readonly done: () => void
}

/**
 * What a process gets from the one whose place it takes. Budgets count each record of that process once: those up to a
 * number from the ledger, as it names that number first, and the later ones as they come here.
 */
export class Inheritance implements LiveRecords {
  private readonly link: Link
  /** Of the other process; null before it has said so, and if it records nothing. */
  private writer: string | null
  /** Number of the last record that is counted, from the ledger or here. */
  private lastSeq: number
  private writtenSeq: number
  /** By budget, its number of the last record that the ledger has for it. */
  private readonly followed: Map<string, number>
  private waits: Wait[]
  /** What has come before `start`. */
  private early: Bequeathed[]
  private heirs: Heirs | null
  private readonly counted: Set<string>
  private isNamed: boolean
  private isOver: boolean
  private onNamed: () => void
  private onEnded: () => void

  constructor(link: Link) {
    this.link = link
    this.writer = null
    this.lastSeq = 0
    this.writtenSeq = 0
    this.followed = new Map()
    this.waits = []
    this.early = []
    this.heirs = null
    this.counted = new Set()
    this.isNamed = false
    this.isOver = false
    this.onNamed = ignore
    this.onEnded = ignore
    link.receive('handover', (value) => this.onMessage(value as Bequeathed))
    link.onClose(() => this.end(false))
  }

  /** Resolves when it is known which records are the ledger's: all of them, if the other process died before. */
  whenNamed(): Promise<void> {
    if (this.isNamed || this.isOver || !this.link.isOpen) return Promise.resolve()
    return new Promise((resolve) => {
      this.onNamed = resolve
    })
  }

  /** @param listener called when nothing follows; at once, if that is so already */
  onEnd(listener: () => void): void {
    if (this.isOver) listener()
    else this.onEnded = listener
  }

  /** Keeps and counts what comes, from the moment at which budgets are followed. */
  start(heirs: Heirs): void {
    this.heirs = heirs
    const { early } = this
    this.early = []
    for (const message of early) this.take(heirs, message)
  }

  /** Counts recovered records that were not counted here before. */
  guard(counter: RecordCounter): RecordCounter {
    return {
      assume: (summary) => counter.assume(summary),
      countRecovered: (id: string, entry: Entry) => {
        if (!this.hasCounted(id)) counter.countRecovered(id, entry)
      },
    }
  }

  // For the sums of the page

  /** Which records are the ledger's; asked for before `start`. Null if the other process records nothing. */
  get ceiling(): RecordCeiling | null {
    const { writer, lastSeq } = this
    return writer === null ? null : { writer, lastSeq }
  }

  /** Resolves when the records that are the ledger's are in a file. A disk that is stalled is not waited for. */
  async whenWritten(): Promise<void> {
    await Promise.race([this.whenFollowed(['']), waitUnreferenced(WRITTEN_MS)])
  }

  /** Whether a record has come from the other process. */
  hasCounted(id: string): boolean {
    return this.counted.has(id)
  }

  // For the budgets

  get names(): readonly string[] {
    return this.writer === null ? [] : [this.writer]
  }

  has(writer: string): boolean {
    return writer === this.writer
  }

  begin(budgets: readonly string[]): void {
    for (const budget of budgets) this.followed.set(budget, this.lastSeq)
  }

  upTo(budget: string): ReadonlyMap<string, number> {
    return this.writer === null
      ? new Map()
      : new Map([[this.writer, this.followed.get(budget) ?? this.lastSeq]])
  }

  /** A disk that is stalled is waited for. */
  whenFollowed(budgets: readonly string[]): Promise<void> {
    const seq = Math.max(0, ...budgets.map((budget) => this.followed.get(budget) ?? this.lastSeq))
    if (this.isWritten(seq)) return Promise.resolve()
    return new Promise((resolve) => this.waits.push({ seq, done: resolve }))
  }

  restate(budgets: readonly string[], then: () => void): void {
    this.begin(budgets)
    then()
  }

  private isWritten(seq: number): boolean {
    return this.isOver || this.writtenSeq >= seq
  }

  private onMessage(message: Bequeathed): void {
    switch (message[0]) {
      case 'writer':
        this.writer = message[1]
        this.lastSeq = message[2]
        this.isNamed = true
        this.onNamed()
        return
      case 'written':
        this.writtenSeq = message[1]
        this.look()
        return
      case 'over':
        this.end(true)
        return
      case 'gone':
        this.end(false)
        return
      default:
        if (this.heirs === null) this.early.push(message)
        else this.take(this.heirs, message)
    }
  }

  private take(heirs: Heirs, message: Bequeathed): void {
    switch (message[0]) {
      case 'record':
        this.count(heirs, message[1], message[2])
        return
      case 'rates':
        for (const rates of message[1]) heirs.addRates(rates)
        return
      case 'object':
        heirs.takeObject(message[1])
        return
      case 'thoughts':
        for (const [key, entry] of message[1]) heirs.takeThought(key, entry)
        return
      case 'sessions':
        heirs.takeSessions(message[1], message[2])
        return
      case 'sessionEnd':
        heirs.endSession(message[1])
        return
      case 'gone':
        heirs.onKilled()
    }
  }

  private count({ counter, takeRecord }: Heirs, seq: number, line: string): void {
    if (seq <= this.lastSeq) return
    this.lastSeq = seq
    const entry = readEntry(line)
    if (entry === null) return
    const { id } = JSON.parse(line) as { readonly id: string }
    if (this.counted.size >= MOST_IDS)
      for (const oldest of this.counted) {
        this.counted.delete(oldest)
        break
      }
    this.counted.add(id)
    takeRecord(line)
    counter.countRecovered(id, entry)
  }

  private end(isWhole: boolean): void {
    if (this.isOver) return
    this.isOver = true
    this.onNamed()
    this.onEnded()
    this.look()
    if (isWhole) return
    if (this.heirs === null) this.early.push(['gone'])
    else this.heirs.onKilled()
  }

  private look(): void {
    const { waits } = this
    this.waits = waits.filter(({ seq }) => !this.isWritten(seq))
    for (const { seq, done } of waits) if (this.isWritten(seq)) done()
  }
}
