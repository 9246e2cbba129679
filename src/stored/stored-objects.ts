import type { Config } from '../config/config.js'
import type { Outcome } from '../exchange/outcome.js'
import { ownerOf } from '../exchange/owner.js'
import type { RequestFacts } from '../exchange/request-facts.js'
import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import type { ResponseStats } from '../metering/response-stats.js'
import type { Log } from '../observe/log.js'
import { ObjectMap, type StoredObject } from './object-map.js'
import { StoredFile } from './stored-file.js'
import { isList, mayBeStored, parseStoredPath, type StoredPath } from './stored-path.js'

const DAY_MS = 86_400_000

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
  private readonly objects: ObjectMap
  /** Null if nothing is kept over a restart. */
  private readonly file: StoredFile | null
  private readonly visibleTo: Config['stored']['visibleTo']
  private isLoading: boolean

  /** @param path of the file that keeps them; null for none @param onFull an object was forgotten before its time */
  constructor(
    options: Config['stored'],
    path: string | null,
    log: Pick<Log, 'warn' | 'info'>,
    onFull: () => void,
  ) {
    const bounds = { objects: options.objects, ageMs: options.days * DAY_MS }
    this.isLoading = false
    // The file may still have objects that left long ago.
    this.objects = new ObjectMap(bounds, () => this.isLoading || onFull())
    this.file = path === null ? null : new StoredFile(path, this.objects, log)
    this.visibleTo = options.visibleTo
  }

  /** Reads what an earlier start has learned. */
  async load(): Promise<void> {
    this.isLoading = true
    await this.file?.load()
    this.isLoading = false
  }

  get size(): number {
    return this.objects.size
  }

  find(id: string): StoredObject | null {
    return this.objects.find(id)
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

  record(summary: RequestSummary): void {
    const { request, outcome } = summary
    const path = parseStoredPath(request.method, request.path)
    const made = this.learnAt(path, request, outcome)
    // A list shows no tokens; what looks like one may be the handshake of a WebSocket (`GET /responses`).
    if (path === null || isList(request.method, path)) {
      // Other generations have their tokens in their own record.
      if (made !== null && request.background === true) this.bill(made, summary)
      return
    }
    const { stats } = summary
    if (stats === null) return
    this.bill(made ?? this.find(path.ids.at(-1) ?? ''), summary)
  }

  /** Writes down what was learned, synchronously: for a process that is about to end by itself. */
  flushNow(): void {
    this.file?.flushNow()
  }

  async close(): Promise<void> {
    await this.file?.close()
  }

  /** Leaves the tokens in this record if it is the one for them. */
  private bill(object: StoredObject | null, summary: RequestSummary): void {
    const { stats } = summary
    if (object !== null && !object.isBilled && stats !== null && tellsAll(stats)) {
      // Who may see the object of others is not the one who pays for it.
      if (object.owner === '' || object.owner === ownerOf(summary.request)) {
        this.set({ ...object, isBilled: true })
        if (object.key !== (summary.request.key?.id ?? null)) summary.setMaker(object.key)
        return
      }
    }
    summary.withholdUsage()
  }

  /** The first owner of an id keeps it: a client may choose the id of an object at some upstreams. */
  private add(id: string, request: RequestFacts, outcome: Made, isBilled: boolean): StoredObject | null {
    const known = this.find(id)
    if (known !== null) return known
    if (outcome.upstream === null) return null
    const object = {
      id,
      owner: ownerOf(request),
      key: request.key?.id ?? null,
      upstream: outcome.upstream,
      madeAt: request.receivedAt,
      isBilled,
    }
    this.set(object)
    return object
  }

  private set(object: StoredObject): void {
    this.objects.set(object)
    this.file?.add(object)
  }
}

/** Whether a response tells all the tokens of its object. */
function tellsAll({ usage, object }: ResponseStats): boolean {
  if (usage === null || usage.prompt === null || usage.completion === null) return false
  return object.kind !== 'batch' || !UNFINISHED.has(object.status ?? '')
}
