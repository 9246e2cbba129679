import type { RecordHeir } from '../ledger/write/ledger.js'
import type { SignedInHeir } from '../page/page-server.js'
import type { StoredObject } from '../stored/object-map.js'
import type { ThoughtEntry, ThoughtStore } from '../translate/thinking/thought-store.js'
import type { Bequeathed, SentRates } from './handover-messages.js'
import type { Link } from './link.js'

/** Milliseconds between two looks at what is written. */
const LOOK_MS = 50

/** Bytes of thinking that go over, the latest: a process that starts shall not read for seconds. */
const MOST_THINKING = 16 * 1024 * 1024

/** Bytes of one message with thinking, and counters of one with rates. */
const MESSAGE_BYTES = 256 * 1024
const MESSAGE_RATES = 500

/** Counters whose rates go over. */
const MOST_RATES = 100_000

/** What a process has that its successor is to know. */
export interface Estate {
  /** Null if it records nothing. */
  readonly ledger: {
    readonly writer: string
    readonly lastSeq: number
    readonly writtenSeq: number
    followBy(follower: RecordHeir | null): void
  } | null
  readonly objects: { followBy(follower: ((object: StoredObject) => void) | null): void } | null
  readonly thoughts: Pick<ThoughtStore, 'followBy' | 'list'> | null
  /** Null without a page. */
  readonly page: { followBy(heir: SignedInHeir | null): void } | null
  listRates(): Iterable<SentRates>
}

/**
 * Sends a successor what it cannot find on the disk, or not yet: each record from now on, so that budgets count what
 * the last requests of this process use; the stored objects and the thinking of earlier turns that it learns; who is
 * signed in to the page; and, once, what is used of rates.
 */
export class Bequest {
  private readonly estate: Estate
  private readonly link: Link
  private readonly clock: NodeJS.Timeout
  private written: number
  private isOver: boolean

  constructor(estate: Estate, link: Link) {
    const { ledger, objects, thoughts, page } = estate
    this.estate = estate
    this.link = link
    this.written = -1
    this.isOver = false
    this.say(['writer', ledger?.writer ?? null, ledger?.lastSeq ?? 0])
    ledger?.followBy((seq, line) => this.say(['record', seq, line]))
    objects?.followBy((object) => this.say(['object', object]))
    page?.followBy({
      takeSessions: (token, sessions) => this.say(['sessions', token, sessions]),
      endSession: (id) => this.say(['sessionEnd', id]),
    })
    this.clock = setInterval(() => this.sayWritten(), LOOK_MS).unref()
    this.sayWritten()
    if (thoughts === null) return
    this.sendThoughts(takeLatest(thoughts.list()), 0)
    thoughts.followBy((key, entry) => this.say(['thoughts', [[key, entry]]]))
  }

  /** Sends what is used of rates. Called once, when the successor gets the new requests. */
  sendRates(): void {
    this.sendSome(this.estate.listRates()[Symbol.iterator](), MOST_RATES)
  }

  /** Nothing follows. @param isWhole all records of this process are in a file */
  end(isWhole: boolean): void {
    if (this.isOver) return
    this.stop()
    this.say(isWhole ? ['over'] : ['gone'])
  }

  /** The successor has failed: this process goes on. */
  stop(): void {
    const { ledger, objects, thoughts, page } = this.estate
    this.isOver = true
    clearInterval(this.clock)
    ledger?.followBy(null)
    objects?.followBy(null)
    thoughts?.followBy(null)
    page?.followBy(null)
  }

  private sayWritten(): void {
    const written = this.estate.ledger?.writtenSeq ?? 0
    if (written === this.written) return
    this.written = written
    this.say(['written', written])
  }

  private sendThoughts(entries: readonly (readonly [string, ThoughtEntry])[], from: number): void {
    if (this.isOver || from >= entries.length) return
    let to = from
    for (let bytes = 0; to < entries.length && bytes < MESSAGE_BYTES; to++) bytes += sizeOf(entries[to])
    this.say(['thoughts', entries.slice(from, to)])
    setImmediate(() => this.sendThoughts(entries, to))
  }

  private sendSome(rates: Iterator<SentRates>, left: number): void {
    if (this.isOver || left <= 0) return
    const some: SentRates[] = []
    while (some.length < MESSAGE_RATES) {
      const { done, value } = rates.next()
      if (done === true) break
      some.push(value)
    }
    if (some.length === 0) return
    this.say(['rates', some])
    setImmediate(() => this.sendSome(rates, left - some.length))
  }

  private say(message: Bequeathed): void {
    this.link.send('handover', message)
  }
}

/** @param entries what was used last first @returns what was used last, last */
function takeLatest(entries: Iterable<[string, ThoughtEntry]>): [string, ThoughtEntry][] {
  const latest: [string, ThoughtEntry][] = []
  let bytes = 0
  for (const entry of entries) {
    bytes += sizeOf(entry)
    if (bytes > MOST_THINKING) break
    latest.push(entry)
  }
  return latest.reverse()
}

function sizeOf(item: readonly [string, ThoughtEntry] | undefined): number {
  if (item === undefined) return 0
  const [key, entry] = item
  return key.length + (typeof entry === 'string' ? entry.length : entry.json.length)
}
