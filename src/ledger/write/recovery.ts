import { join } from 'node:path'
import type { Log } from '../../observe/log.js'
import type { LedgerFiles } from '../files.js'
import {
  formatJournalName,
  formatRecovered,
  type JournalName,
  listJournalNames,
  parseJournal,
} from '../journal.js'
import { findRecorded } from '../read/find-recorded.js'
import {
  formatStartEnd,
  isRunning,
  nameWorker,
  parseStartEnds,
  parseStartMark,
  STARTS_FILE,
  type StartMark,
} from '../starts.js'
import type { Ledger } from './ledger.js'

/**
 * A start on another machine, or in another container, is dead when its journal was not touched for this time, in
 * milliseconds. A live one touches it every two seconds.
 */
const QUIET_MS = 15_000

/** Records that are handed to the ledger before they are waited for. */
const SLICE = 64

/** A journal, and the folder that it is in. */
interface Found extends JournalName {
  readonly folder: string
}

/** What a recovery writes to. */
export type RecoveryLedger = Pick<Ledger, 'writer' | 'adopt' | 'whenWritten'>

/**
 * Completes the records of starts that did not end well: of each request in their journals that has no record, it
 * writes one. A journal is claimed by moving it, so that only one of several relays does so. It is removed when the
 * records are in the ledger; if this start is killed before, the next one claims it again, and finds what was written.
 */
export class Recovery {
  private readonly folders: readonly string[]
  private readonly ledger: RecoveryLedger
  private readonly files: LedgerFiles
  private readonly log: Pick<Log, 'warn'>
  private readonly quietMs: number
  /** What journals of unknown processes looked like, and since when: by path. */
  private readonly watched: Map<string, { readonly stamp: string | null; readonly since: number }>

  constructor(
    folders: readonly string[],
    ledger: RecoveryLedger,
    files: LedgerFiles,
    log: Pick<Log, 'warn'>,
    quietMs = QUIET_MS,
  ) {
    this.folders = folders
    this.ledger = ledger
    this.files = files
    this.log = log
    this.quietMs = quietMs
    this.watched = new Map()
  }

  /**
   * Completes the records of all starts that are known to be dead.
   * @returns whether there are others of which that will only be known later
   * @throws the error of the file system
   */
  async run(): Promise<boolean> {
    const found = await this.list()
    let mustWait = false
    for (const writer of new Set(found.map((journal) => journal.writer))) {
      if (writer === this.ledger.writer) continue
      const parts = found.filter((journal) => journal.writer === writer)
      const running = await this.isAnyRunning(parts, found)
      if (running === null) mustWait = true
      else if (!running) await this.complete(writer, parts)
    }
    return mustWait
  }

  private async list(): Promise<Found[]> {
    const found: Found[] = []
    for (const folder of this.folders)
      for (const name of listJournalNames(await this.files.list(folder))) found.push({ ...name, folder })
    return found
  }

  /** Whether the start itself runs, or another one that completes its records; null if that is not known. */
  private async isAnyRunning(parts: readonly Found[], all: readonly Found[]): Promise<boolean | null> {
    let running: boolean | null = false
    for (const holder of new Set(parts.map(({ writer, claimedBy }) => claimedBy ?? writer))) {
      if (holder === this.ledger.writer) continue
      // A start that claims a journal has one of its own, until it has ended.
      const own = all.filter(({ writer, claimedBy }) => writer === holder && claimedBy === null)
      const last = own.at(-1)
      const isHolderRunning = last === undefined ? false : await this.isHolderRunning(last)
      if (isHolderRunning === true) return true
      if (isHolderRunning === null) running = null
    }
    return running
  }

  private async isHolderRunning(journal: Found): Promise<boolean | null> {
    const path = join(journal.folder, journal.name)
    const text = await this.files.read(path)
    // Gone meanwhile: somebody else has claimed it, or it has ended well.
    if (text === null) return true
    const mark = parseStartMark(text.split('\n').find((line) => line !== '') ?? '')
    const running = mark === null ? null : isRunning(mark)
    if (running !== null) return running
    const stamp = await this.files.stamp(path)
    const now = performance.now()
    const before = this.watched.get(path)
    if (before?.stamp === stamp) return now - before.since < this.quietMs ? null : false
    this.watched.set(path, { stamp, since: now })
    return null
  }

  private async complete(writer: string, parts: readonly Found[]): Promise<void> {
    const paths = await this.claim(parts)
    if (paths === null) return
    const texts = await Promise.all(paths.map((path) => this.files.read(path)))
    const { mark, open } = parseJournal(texts.map((text) => text ?? ''))
    const worker = mark === null || (await this.wasFound(writer, parts)) ? undefined : (mark.worker ?? null)
    const recorded = await findRecorded(this.folders, { writer, worker }, open)
    const missing = [...open.values()].filter(({ id }) => !recorded.has(id))
    for (let at = 0; at < missing.length; at += SLICE) {
      for (const record of missing.slice(at, at + SLICE))
        this.ledger.adopt((by, seq) => formatRecovered(record, writer, by, seq))
      // Left for the next start if it is not written: the ledger is closed, or drops records.
      if (!(await this.ledger.whenWritten())) return
    }
    if (mark !== null) await this.note(mark)
    for (const path of paths) await this.files.remove(path)
    this.log.warn(
      { writer, started: mark?.started ?? null, recovered: missing.length },
      `an earlier start of the relay did not end well: ${missing.length} requests that were under way are recorded as crashed`,
    )
  }

  /** @returns the paths of the claimed parts; null if another relay was faster */
  private async claim(parts: readonly Found[]): Promise<string[] | null> {
    const paths: string[] = []
    for (const { folder, name, writer, part } of parts) {
      const path = join(folder, formatJournalName(writer, part, this.ledger.writer))
      // The first part decides: whoever has moved it has the others too.
      if (!(await this.files.move(join(folder, name), path)) && paths.length === 0) return null
      paths.push(path)
    }
    return paths
  }

  /**
   * Whether another start may have written some of these records. If not, only the dead start itself has: its files are
   * read, and not those of all its siblings, which may be large.
   */
  private async wasFound(writer: string, parts: readonly Found[]): Promise<boolean> {
    if (parts.some(({ claimedBy }) => claimedBy !== null)) return true
    for (const folder of this.folders) {
      const text = await this.files.read(join(folder, STARTS_FILE))
      if (text?.includes(`"${writer}"`) === true && parseStartEnds(text).has(writer)) return true
    }
    return false
  }

  private async note({ writer, worker, started, flush_ms }: StartMark): Promise<void> {
    const unknown = { ended: null, records: null, lost: null, chain: null }
    const line = formatStartEnd({
      writer,
      ...nameWorker(worker ?? null),
      started,
      ...unknown,
      flush_ms,
      found_by: this.ledger.writer,
    })
    const file = await this.files.open(join(this.folders[0] ?? '', STARTS_FILE))
    try {
      await file.write(Buffer.from(line))
    } finally {
      await file.close()
    }
  }
}
