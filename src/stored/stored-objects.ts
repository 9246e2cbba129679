import type { Config } from '../config/config.js'
import type { Outcome } from '../exchange/outcome.js'
import { ownerOf } from '../exchange/owner.js'
import type { RequestFacts } from '../exchange/request-facts.js'
import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import type { ResponseStats } from '../metering/response-stats.js'
import type { ObjectBooks } from './object-books.js'
import type { StoredObject } from './object-map.js'
import { isList, mayBeStored, parseStoredPath, type StoredPath } from './stored-path.js'

/** Objects that are made while nobody waits: their tokens are reported when they are done. */
const LATER: ReadonlySet<string> = new Set(['thread.run', 'batch'])

/** A file that is added to a vector store keeps its id, and may be older than what the relay knows. */
const ADDED_FILE = 'vector_store.file'

/** A batch that is not done tells no tokens, or only those so far (OpenAI, API reference, Batch). */
const UNFINISHED: ReadonlySet<string> = new Set(['validating', 'in_progress', 'finalizing', 'cancelling'])

/** What is known of a request that may have made an object. */
type Made = Pick<Outcome, 'meter' | 'status' | 'upstream'>

/**
 * The objects that providers store for the relay's clients. It learns them from the responses as they pass, and decides
 * which record has the tokens of an object: the first one that shows all of them, and no other. As a sink it comes
 * before all that look at the usage.
 */
export class StoredObjects implements SummarySink {
  private readonly books: ObjectBooks
  private readonly visibleTo: Config['stored']['visibleTo']
  /** Summaries for which it is not decided yet whether they have the tokens. */
  private readonly undecided: WeakSet<RequestSummary>

  constructor(books: ObjectBooks, visibleTo: Config['stored']['visibleTo']) {
    this.books = books
    this.visibleTo = visibleTo
    this.undecided = new WeakSet()
  }

  /** Reads what an earlier start has learned. */
  load(): Promise<void> {
    return this.books.load()
  }

  get size(): number {
    return this.books.size
  }

  find(id: string): StoredObject | null {
    return this.books.find(id)
  }

  /** See `ObjectBooks`. */
  get isShared(): boolean {
    return this.books.isShared
  }

  ask(ids: readonly string[]): Promise<void> {
    return this.books.ask(ids)
  }

  answerWith(look: (ids: readonly string[]) => Promise<void>): void {
    this.books.answerWith(look)
  }

  /** Whether a request may know of an object. */
  isVisible({ owner }: StoredObject, request: Pick<RequestFacts, 'team' | 'rawHeaders'>): boolean {
    return this.visibleTo === 'all' || owner === '' || owner === ownerOf(request)
  }

  /** Learns the object that the response to a request has made, if it has made one. It may be under way. */
  learn(request: Readonly<RequestFacts>, outcome: Made): StoredObject | null {
    return this.learnAt(parseStoredPath(request.method, request.path), request, outcome)
  }

  /** @param path parsed from the request */
  private learnAt(
    path: StoredPath | null,
    request: Readonly<RequestFacts>,
    outcome: Made,
  ): StoredObject | null {
    const { meter, status } = outcome
    if (meter === null || status === null || status >= 300 || request.isTranslated) return null
    if (request.method !== 'POST') return null
    if (path === null && !mayBeStored(request.method, request.path, request.store)) return null
    const { id, kind, related } = meter.readStats().object
    const isNamed = (name: string): boolean => path?.ids.includes(name) === true
    if (id === null || isNamed(id) || kind === ADDED_FILE) return null
    if (related !== null && !isNamed(related)) this.add(related, request, outcome, true)
    const isLater = path === null ? request.background === true : LATER.has(kind ?? '')
    return this.add(id, request, outcome, !isLater)
  }

  /**
   * Where other processes learn of objects, too, looks who has the tokens before the summary is handed on.
   * @returns null if the summary need not wait
   */
  prepare(summary: RequestSummary): Promise<void> | null {
    if (!this.books.isShared) return null
    const decided = this.judge(summary)
    if (decided === null) return null
    this.undecided.add(summary)
    return decided.then(() => void this.undecided.delete(summary))
  }

  record(summary: RequestSummary): void {
    if (!this.books.isShared) void this.judge(summary)
    // The relay ends before it was decided: rather no record has the tokens than two.
    else if (this.undecided.has(summary)) summary.withholdUsage()
  }

  /** @returns null if it is done */
  private judge(summary: RequestSummary): Promise<void> | null {
    const { request, outcome } = summary
    const path = parseStoredPath(request.method, request.path)
    const made = this.learnAt(path, request, outcome)
    // A list shows no tokens; what looks like one may be the handshake of a WebSocket (`GET /responses`).
    if (path === null || isList(request.method, path)) {
      // Other generations have their tokens in their own record.
      return made !== null && request.background === true ? this.bill(made.id, summary) : null
    }
    if (summary.stats === null) return null
    return this.bill(made?.id ?? path.ids.at(-1) ?? '', summary)
  }

  /** Writes down what was learned, synchronously: for a process that is about to end by itself. */
  flushNow(): void {
    this.books.flushNow()
  }

  close(): Promise<void> {
    return this.books.close()
  }

  /** Leaves the tokens in this record if it is the one for them. @returns null if it is done */
  private bill(id: string, summary: RequestSummary): Promise<void> | null {
    const { stats } = summary
    if (stats === null || !tellsAll(stats)) {
      summary.withholdUsage()
      return null
    }
    const claimed = this.books.claim(id, ownerOf(summary.request))
    if (claimed instanceof Promise) return claimed.then((object) => leaveUsage(object, summary))
    leaveUsage(claimed, summary)
    return null
  }

  private add(id: string, request: RequestFacts, outcome: Made, isBilled: boolean): StoredObject | null {
    const { upstream } = outcome
    if (upstream === null) return this.find(id)
    const key = request.key?.id ?? null
    return this.books.add({
      id,
      owner: ownerOf(request),
      key,
      upstream,
      madeAt: request.receivedAt,
      isBilled,
    })
  }
}

/** @param object whose tokens are in this record and in no other; null: they are not in this one */
function leaveUsage(object: StoredObject | null, summary: RequestSummary): void {
  if (object === null) summary.withholdUsage()
  else if (object.key !== (summary.request.key?.id ?? null)) summary.setMaker(object.key)
}

/** Whether a response tells all the tokens of its object. */
function tellsAll({ usage, object }: ResponseStats): boolean {
  if (usage === null || usage.prompt === null || usage.completion === null) return false
  return object.kind !== 'batch' || !UNFINISHED.has(object.status ?? '')
}
