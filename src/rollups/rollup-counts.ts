import { findFailureSign } from '../exchange/failed-request.js'
import { redactText } from '../exchange/log-text.js'
import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import { chargeFor, chargeOf } from '../ledger/charge.js'
import type { Prices } from '../ledger/prices.js'
import { isRecorded } from '../ledger/record.js'
import type { ResponseStats } from '../metering/response-stats.js'
import { toAmount } from './amount.js'
import { BUCKETS, bucketOf, DURATIONS } from './buckets.js'
import { type CachedPrompt, computeCacheSaving } from './cache-saving.js'
import { DURATIONS_AT, KEY } from './layout.js'
import { readRecordRow } from './record-row.js'
import type { RollupBatch, RollupRow, TagRow } from './row.js'
import { COUNTS, OTHER } from './shapes.js'

const MINUTE_MS = 60_000

/** Most rows of a second, and of one key: clients can make up any number of models. */
const MAX_ROWS = 2_000
const MAX_ROWS_OF_KEY = 200

/** Most seconds that wait to be taken. */
const MAX_BATCHES = 30

/** Most tags of a row, and error codes. */
const MAX_TAGS = 100

/** A summary may come so late, and counts in the second that goes on then. A clock that was set back is further off. */
const LATE_MS = 2_000

/**
 * Counts requests by their names, second by second, as cheaply as it can be: most requests find their row by comparing
 * a few names, and add numbers to it.
 */
export class RollupCounts implements SummarySink {
  private readonly prices: Prices | null
  private batches: RollupBatch[]
  /** The one of `batches` to which records are added that come as lines. */
  private lines: { readonly second: number; readonly rows: RollupRow[] } | null
  /** When the second ends, epoch milliseconds. */
  private endsAt: number
  /** Of this second, and empty ones of the second before. */
  private readonly rows: Map<string, Row[]>
  private rowCount: number
  /** The row of the last request: the next one is often of the same. */
  private last: Row | null

  /** @param prices null if costs are switched off */
  constructor(prices: Prices | null) {
    this.prices = prices
    this.batches = []
    this.lines = null
    this.endsAt = 0
    this.rows = new Map()
    this.rowCount = 0
    this.last = null
  }

  record(summary: RequestSummary): void {
    if (isRecorded(summary)) this.count(summary)
  }

  /** Counts a request that has a record. */
  count(summary: RequestSummary): void {
    const { closedAt, stats } = summary
    if (closedAt >= this.endsAt || closedAt < this.endsAt - 1_000 - LATE_MS) this.turn(closedAt)
    const row = this.last?.matches(summary) === true ? this.last : this.find(summary)
    this.last = row
    row.add(summary, stats, this.prices)
  }

  /** Counts a record that an earlier start of the relay could not write. @param line of the ledger */
  countLine(line: string): void {
    const row = readRecordRow(line, this.prices)?.row ?? null
    if (row === null) return
    const now = Date.now()
    const second = now - (now % 1_000)
    // They may be many: a batch for each would push others out.
    if (this.lines?.second === second) this.lines.rows.push(row)
    else {
      this.lines = { second, rows: [row] }
      this.push(this.lines)
    }
  }

  /** Takes what was counted since the last time. */
  takeRows(): RollupBatch[] {
    this.closeSecond()
    const { batches } = this
    this.batches = []
    this.lines = null
    return batches
  }

  /** Another second begins. */
  private turn(at: number): void {
    this.closeSecond()
    this.endsAt = at - (at % 1_000) + 1_000
  }

  private closeSecond(): void {
    const rows: RollupRow[] = []
    for (const [key, list] of this.rows) {
      const used = list.filter((row) => row.isUsed)
      for (const row of used) rows.push(row.take(this.prices))
      this.rowCount -= list.length - used.length
      if (used.length === 0) this.rows.delete(key)
      else if (used.length < list.length) this.rows.set(key, used)
    }
    // It may be one of those that are gone.
    this.last = null
    if (rows.length === 0) return
    this.push({ second: this.endsAt - 1_000, rows })
  }

  private push(batch: RollupBatch): void {
    this.batches.push(batch)
    // Nobody takes them.
    if (this.batches.length > MAX_BATCHES) this.batches.shift()
  }

  private find(summary: RequestSummary): Row {
    const key = summary.request.key?.id ?? ''
    const list = this.rows.get(key)
    const known = list?.find((row) => row.matches(summary))
    if (known !== undefined) return known
    const isFull = this.rowCount >= MAX_ROWS || (list?.length ?? 0) >= MAX_ROWS_OF_KEY
    const row = new Row(summary, isFull)
    this.rowCount++
    if (list === undefined) this.rows.set(key, [row])
    else list.push(row)
    return row
  }
}

/** Requests that have all names in common. */
class Row {
  private readonly key: string
  private readonly model: string | null
  private readonly upstream: string | null
  private readonly end: string | null
  private readonly minute: number
  private readonly names: readonly string[]
  private readonly takesAllModels: boolean
  private readonly counts: number[]
  private readonly buckets: number[]
  private lastAt: number
  private codes: Map<string, number> | null
  private tags: Map<string, TagSum> | null
  /** A request with cached tokens, and the cached tokens of all since the last settlement. */
  private cached: CachedPrompt | null
  private cachedTokens: number

  constructor({ request, outcome }: RequestSummary, takesAllModels: boolean) {
    const { key, model, receivedAt } = request
    this.key = key?.id ?? ''
    this.model = model
    this.upstream = outcome.upstream
    this.end = outcome.end
    this.minute = receivedAt - (receivedAt % MINUTE_MS)
    this.takesAllModels = takesAllModels
    const shown = takesAllModels ? OTHER : model === null ? '' : showName(model)
    const upstream = this.upstream === null ? '' : showName(this.upstream)
    this.names = [key?.team ?? '', key?.user ?? '', this.key, shown, upstream, this.end ?? '']
    this.counts = new Array<number>(COUNTS.length).fill(0)
    this.buckets = new Array<number>(DURATIONS.length * BUCKETS).fill(0)
    this.lastAt = 0
    this.codes = null
    this.tags = null
    this.cached = null
    this.cachedTokens = 0
  }

  get isUsed(): boolean {
    return this.counts[KEY.requests] !== 0
  }

  matches({ request, outcome }: RequestSummary): boolean {
    const { receivedAt, model, key } = request
    return (
      (key?.id ?? '') === this.key &&
      (model === this.model || this.takesAllModels) &&
      outcome.upstream === this.upstream &&
      outcome.end === this.end &&
      receivedAt >= this.minute &&
      receivedAt < this.minute + MINUTE_MS
    )
  }

  add(summary: RequestSummary, stats: ResponseStats | null, prices: Prices | null): void {
    const { request, outcome, timeline, requests, closedAt } = summary
    const { usage } = summary.usage
    const { counts } = this
    const { end, errorCode, cache } = outcome
    counts[KEY.requests] = (counts[KEY.requests] as number) + requests
    if (findFailureSign(outcome.status, end, stats?.error ?? null) !== null) this.plus(KEY.errors, requests)
    if (end === 'refused') this.plus(KEY.refusals, requests)
    if (closedAt > this.lastAt) this.lastAt = closedAt
    let nano = 0
    if (usage !== null) {
      const { nano: charged } = chargeOf(summary, prices)
      const { prompt, cached, completion } = usage
      if (charged !== null) nano = toAmount(charged)
      else if (prompt !== null || completion !== null) this.plus(KEY.unpriced, 1)
      if (nano > 0) this.plus(KEY.costNano, nano)
      if (prompt !== null) this.plus(KEY.promptTokens, prompt)
      if (completion !== null) this.plus(KEY.completionTokens, completion)
      if (usage.reasoning !== null) this.plus(KEY.reasoningTokens, usage.reasoning)
      if (usage.cacheWritten !== null) this.plus(KEY.cacheWriteTokens, usage.cacheWritten)
      if (cached !== null && cached > 0) this.addCached(summary, stats, prompt ?? cached, cached, prices)
    }
    if (cache !== null) this.addCache(summary, prices)
    if (outcome.attempts > 1 && outcome.failures !== null) this.plus(KEY.failovers, 1)
    if (outcome.overtaken !== null) this.plus(KEY.hedges, 1)
    this.addDuration(0, timeline.upstreamMs)
    const token = stats?.firstTokenAt ?? 0
    if (token !== 0) this.addDuration(1, Math.max(0, token - timeline.startedAt))
    this.addDuration(2, summary.totalMs)
    this.addDuration(3, summary.phaseShares.total)
    if (errorCode !== null) {
      this.codes ??= new Map()
      this.codes.set(errorCode, (this.codes.get(errorCode) ?? 0) + requests)
    }
    if (request.tags !== null)
      this.addTags(request.tags, nano, (usage?.prompt ?? 0) + (usage?.completion ?? 0), requests)
  }

  /** Takes what was counted, and begins anew. */
  take(prices: Prices | null): RollupRow {
    this.settle(prices)
    const { counts, buckets } = this
    const pairs: number[] = []
    for (let i = 0; i < counts.length; i++) {
      if (counts[i] === 0) continue
      pairs.push(i, counts[i] as number)
      counts[i] = 0
    }
    for (let i = 0; i < buckets.length; i++) {
      if (buckets[i] === 0) continue
      pairs.push(DURATIONS_AT + i, buckets[i] as number)
      buckets[i] = 0
    }
    const codes = [...(this.codes ?? [])]
    const tags: TagRow[] = [...(this.tags ?? [])].map(([name, sum]) => ({ tags: name, ...sum }))
    this.codes = null
    this.tags = null
    const { names, minute, lastAt } = this
    this.lastAt = 0
    return { names, minute, lastAt, pairs, codes, tags }
  }

  private plus(key: number, amount: number): void {
    this.counts[key] = (this.counts[key] as number) + amount
  }

  private addDuration(duration: number, value: number | null): void {
    if (value === null) return
    const at = duration * BUCKETS + bucketOf(duration, value)
    this.buckets[at] = (this.buckets[at] as number) + 1
  }

  private addCached(
    { request, outcome, closedAt }: RequestSummary,
    stats: ResponseStats | null,
    prompt: number,
    cached: number,
    prices: Prices | null,
  ): void {
    this.plus(KEY.cachedTokens, cached)
    const answered = stats?.model ?? outcome.sentModel
    if (this.cached === null || this.cached.answered !== answered) {
      this.settle(prices)
      const { upstream } = outcome
      this.cached = { answered, requested: request.model, upstream, at: closedAt, prompt, cached }
    }
    this.cachedTokens += cached
  }

  /** Prices are looked up once for many requests: the saving of a token is the same for all of them. */
  private settle(prices: Prices | null): void {
    if (this.cached === null) return
    const saved = computeCacheSaving(prices, this.cached, this.cachedTokens)
    if (saved > 0) this.plus(KEY.promptCacheSavedNano, saved)
    this.cached = null
    this.cachedTokens = 0
  }

  private addCache(summary: RequestSummary, prices: Prices | null): void {
    const { cache } = summary.outcome
    if (cache === 'hit') this.plus(KEY.cacheHits, summary.requests)
    else if (cache === 'prefix') this.plus(KEY.prefixHits, summary.requests)
    else if (cache === 'joined') this.plus(KEY.joins, summary.requests)
    const saved = summary.savedUsage?.usage ?? null
    if (saved === null) return
    this.plus(KEY.savedTokens, (saved.prompt ?? 0) + (saved.completion ?? 0))
    this.plus(KEY.savedNano, toAmount(chargeFor(summary, saved, prices).nano ?? 0))
  }

  private addTags(text: string, costNano: number, tokens: number, requests: number): void {
    this.tags ??= new Map()
    const tags = showName(text)
    const known = this.tags.get(tags)
    const name = known === undefined && this.tags.size >= MAX_TAGS ? OTHER : tags
    const sum = known ?? this.tags.get(name) ?? { costNano: 0, tokens: 0, requests: 0 }
    sum.costNano += costNano
    sum.tokens += tokens
    sum.requests += requests
    this.tags.set(name, sum)
  }
}

/** What requests with the same tags cost. */
interface TagSum {
  costNano: number
  tokens: number
  requests: number
}

/** A name as it stands in the ledger. */
function showName(text: string): string {
  return JSON.parse(`"${redactText(text)}"`) as string
}
