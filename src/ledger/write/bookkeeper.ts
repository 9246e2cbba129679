import { join } from 'node:path'
import type { Config } from '../../config/config.js'
import type { InFlight } from '../../exchange/in-flight.js'
import type { OpenRecord } from '../../exchange/open-record.js'
import type { RequestSummary, SummarySink } from '../../exchange/summary.js'
import { readErrorCode } from '../../lib/error-code.js'
import type { Log } from '../../observe/log.js'
import type { LedgerState } from '../../observe/relay-state.js'
import { DISK } from '../files.js'
import { formatOpen } from '../journal.js'
import type { Prices } from '../prices.js'
import { type Entry, readEntry } from '../read/entry.js'
import { formatRecord } from '../record.js'
import { formatStartEnd, markProcess, nameWorker, STARTS_FILE } from '../starts.js'
import { DISK_TIMEOUT_MS } from './disk-watch.js'
import { Ledger, type RecordFollower, type RecordHeir } from './ledger.js'
import { PATIENCE } from './ledger-folders.js'
import { OpenJournal } from './open-journal.js'
import { Recovery, type RecoveryLedger } from './recovery.js'

/**
 * A request goes into the journal at the first tick after this age, in milliseconds: with a tick each 250 ms, before it
 * is a second old.
 */
const JOURNAL_AFTER_MS = 700

/** How often the line of an open request is renewed, in milliseconds; and while the relay ends. */
const RENEW_MS = 3_000
const RENEW_AT_END_MS = 1_000

/** Lines that are formatted in one turn of the event loop: each may take 50 microseconds, for the estimates. */
const SLICE = 8

/** Time between two looks at a start of which it is not known whether it is dead. */
const LOOK_MS = 2_000

/** How long a start waits for the records of an earlier one. It serves requests meanwhile. */
const BEGIN_MS = 500

/** Those who count what the records say: the limits. */
export interface RecordCounter {
  /** A record is made of an open request, in case the relay is killed: what it is assumed to cost is to be set. */
  assume(summary: RequestSummary): void
  /** The record of a request (`id`) whose relay was killed was written by this start, and so by nobody else. */
  countRecovered(id: string, entry: Entry): void
}

/**
 * Keeps the books of one start of the relay: the ledger; the journal of open requests, from which the next start
 * completes the ledger if this one is killed; and the note of how this start has ended.
 */
export class Bookkeeper implements SummarySink {
  private readonly options: Config['ledger']
  private readonly log: Pick<Log, 'warn' | 'info' | 'error'>
  private readonly prices: Prices | null
  private readonly worker: number | null
  private readonly ledger: Ledger
  /** ISO 8601, UTC. */
  readonly started: string
  private readonly journal: OpenJournal
  private readonly recovery: Recovery
  private counter: RecordCounter | null
  /** Requests whose records were recovered and counted, by their ids. */
  private readonly counted: Set<string>
  private recoveringSince: number
  private lookTimer: NodeJS.Timeout | null
  private hasBegun: boolean
  private isOver: boolean
  private isNoted: boolean
  /** Requests whose lines are being formatted. */
  private isFormatting: boolean
  private reportedLost: number

  /** @param worker number of this process among those of a relay; null for a relay of one process */
  constructor(
    options: Config['ledger'],
    log: Pick<Log, 'warn' | 'info' | 'error'>,
    prices: Prices | null,
    worker: number | null = null,
  ) {
    this.options = options
    this.log = log
    this.prices = prices
    this.worker = worker
    this.ledger = new Ledger(options, log, prices, DISK, PATIENCE, worker)
    this.started = new Date().toISOString()
    const { writer } = this.ledger
    const mark = {
      writer,
      ...nameWorker(worker),
      started: this.started,
      flush_ms: options.flushMs,
      ...markProcess(),
    }
    this.journal = new OpenJournal(this.folders, mark, DISK)
    const adopting: RecoveryLedger = {
      writer,
      adopt: (format) => this.adopt(format),
      whenWritten: () => this.ledger.whenWritten(),
    }
    this.recovery = new Recovery(this.folders, adopting, DISK, log)
    this.counter = null
    this.counted = new Set()
    this.recoveringSince = 0
    this.lookTimer = null
    this.hasBegun = false
    this.isOver = false
    this.isNoted = false
    this.isFormatting = false
    this.reportedLost = 0
  }

  get state(): LedgerState {
    return this.ledger.state
  }

  /** Identifies this start in its records. */
  get writer(): string {
    return this.ledger.writer
  }

  /** Number of the last record of this start. */
  get lastSeq(): number {
    return this.ledger.lastSeq
  }

  /** All records of this start up to this number are in a file, or were dropped. */
  get writtenSeq(): number {
    return this.ledger.writtenSeq
  }

  /** From now on, this counter is asked and reported to. Called before `begin`. */
  reportTo(counter: RecordCounter): void {
    this.counter = counter
  }

  /** From now on, this one is told of each record, or nobody. */
  followRecords(follower: RecordFollower | null): void {
    this.ledger.follower = follower
  }

  /** From now on, a process that takes over gets each record; null: none does. */
  followBy(heir: RecordHeir | null): void {
    this.ledger.heir = heir
  }

  /** Another start has been killed: its records are completed a moment later, when the system knows, too. */
  recoverLater(): void {
    if (!this.hasBegun || this.isOver || this.lookTimer !== null) return
    this.lookTimer = setTimeout(() => void this.recover(), LOOK_MS).unref()
  }

  /** A call to the disk does not come back: Node would wait for it for ever at the end of the process. */
  get hung(): boolean {
    const isRecoveryHung =
      this.recoveringSince !== 0 && performance.now() - this.recoveringSince > DISK_TIMEOUT_MS
    return this.ledger.hung || this.journal.isHung || isRecoveryHung
  }

  /**
   * Marks the start, and completes the records of starts that did not end well.
   * @returns resolves when that is done, or after half a second
   */
  async begin(): Promise<void> {
    this.hasBegun = true
    let timer: NodeJS.Timeout | undefined
    const timeUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, BEGIN_MS)
    })
    const work = this.journal
      .flush(performance.now())
      .then(() => this.ledger.prepare())
      .then(() => this.recover())
    await Promise.race([work, timeUp])
    clearTimeout(timer)
  }

  /** Adds the record of a request. */
  record(summary: RequestSummary): void {
    this.ledger.record(summary)
  }

  startBatch(): void {
    this.ledger.startBatch()
  }

  endBatch(): void {
    this.ledger.endBatch()
  }

  /**
   * Writes open requests to the journal: those that have run for a second, and again every few seconds. At its end, the
   * relay writes all of them, and more often.
   * @param now `performance.now()`
   */
  noteOpen(inFlight: InFlight, now: number, isEnding: boolean): void {
    if (!this.hasBegun || this.isOver || this.isFormatting || this.journal.isBusy) return
    const { validSince } = this.journal
    const renewMs = isEnding ? RENEW_AT_END_MS : RENEW_MS
    const due: OpenRecord[] = []
    let oldest = now
    const note = (open: OpenRecord): void => {
      const { journaledAt } = open
      if (journaledAt === 0) {
        if (isEnding || now - open.startedAt >= JOURNAL_AFTER_MS) due.push(open)
        return
      }
      if (journaledAt < oldest) oldest = journaledAt
      if (journaledAt < validSince || now - journaledAt >= renewMs) due.push(open)
    }
    inFlight.forEach((exchange) => {
      note(exchange)
      exchange.responses?.forEach(note)
    })
    this.journal.trim(oldest)
    this.isFormatting = true
    this.format(due, 0, now)
  }

  private format(due: readonly OpenRecord[], from: number, now: number): void {
    const to = Math.min(from + SLICE, due.length)
    for (const open of due.slice(from, to)) {
      // Ended meanwhile, or not to be recorded.
      if (!open.isPending) continue
      open.journaledAt = now
      const summary = open.summarizeOpen(now)
      this.counter?.assume(summary)
      const record = formatRecord(summary, this.ledger.writer, 0, this.prices)
      this.journal.add(formatOpen(record, this.ledger.lastSeq, Date.now()))
    }
    if (to < due.length) {
      setImmediate(() => this.format(due, to, now))
      return
    }
    this.isFormatting = false
    if (!this.isOver) void this.journal.flush(now)
  }

  /**
   * Waits for a disk that is full or stalled.
   * @param ms how long; null: until this is closed
   * @returns resolves when what is waiting now is in a file, or then
   */
  async whenWritten(ms: number | null): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const timeUp = new Promise<void>((resolve) => {
      if (ms !== null) timer = setTimeout(resolve, ms)
    })
    await Promise.race([this.ledger.whenWritten(), timeUp])
    clearTimeout(timer)
  }

  /**
   * Writes all records, and notes that this start has ended.
   * @returns the number of records that could not be written
   */
  async close(): Promise<number> {
    this.stop()
    await this.ledger.close()
    return this.endNow()
  }

  /** As `close`, but synchronously, for a process that is about to exit. */
  endNow(): number {
    this.stop()
    this.ledger.flushNow()
    const { writer, lastSeq, lastLink, state } = this.ledger
    const lost = this.ledger.unwritten + state.dropped
    if (lost > this.reportedLost) {
      this.reportedLost = lost
      this.log.error({ lost }, `${lost} records could not be written to the ledger`)
    }
    if (!this.hasBegun || this.isNoted) return lost
    const line = formatStartEnd({
      writer,
      ...nameWorker(this.worker),
      started: this.started,
      ended: new Date().toISOString(),
      flush_ms: this.options.flushMs,
      records: lastSeq,
      lost,
      chain: lastLink,
      found_by: null,
    })
    this.isNoted = this.append(line)
    // If records are lost, the next start may find some of the requests in the journal.
    if (this.isNoted && lost === 0 && !this.hung) this.journal.removeNow()
    return lost
  }

  private stop(): void {
    this.isOver = true
    if (this.lookTimer !== null) clearTimeout(this.lookTimer)
  }

  private append(line: string): boolean {
    for (const folder of this.hung ? this.folders.slice(1) : this.folders) {
      try {
        DISK.appendNow(join(folder, STARTS_FILE), Buffer.from(line))
        return true
      } catch {
        // The next one, if there is any.
      }
    }
    return false
  }

  private adopt(format: (writer: string, seq: number) => string): string | null {
    const line = this.ledger.adopt(format)
    if (line === null || this.counter === null) return line
    // Records that were dropped for want of memory are tried again.
    const { id } = JSON.parse(line) as { readonly id: string }
    const entry = this.counted.has(id) ? null : readEntry(line)
    this.counted.add(id)
    if (entry !== null) this.counter.countRecovered(id, entry)
    return line
  }

  /** The ledger's folder, and its fallback if there is one. */
  get folders(): readonly string[] {
    const { folder, fallbackFolder } = this.options
    return fallbackFolder === null ? [folder] : [folder, fallbackFolder]
  }

  private async recover(): Promise<void> {
    this.lookTimer = null
    if (this.recoveringSince !== 0) {
      this.lookTimer = setTimeout(() => void this.recover(), LOOK_MS).unref()
      return
    }
    this.recoveringSince = performance.now()
    let mustLook = true
    try {
      // Without a journal of its own, others would take what it claims for that of a dead start.
      if (this.journal.isThere) mustLook = await this.recovery.run()
    } catch (error) {
      this.log.info(
        { cause: readErrorCode(error) },
        'the records of an earlier start cannot be completed yet',
      )
    }
    this.recoveringSince = 0
    if (mustLook && !this.isOver) this.lookTimer = setTimeout(() => void this.recover(), LOOK_MS).unref()
  }
}
