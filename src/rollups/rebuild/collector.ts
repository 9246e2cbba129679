import type { Prices } from '../../ledger/prices.js'
import type { Dimensions } from '../../ledger/read/entry.js'
import type { RollupHead, RollupReader } from '../../ledger/read/rollup.js'
import { SequenceCheck } from '../../ledger/read/sequence-check.js'
import { readRowSums, type SumRow } from '../../ledger/read/sum.js'
import { toAmount } from '../amount.js'
import { bucketOf } from '../buckets.js'
import { computeCacheSaving } from '../cache-saving.js'
import type { Cell } from '../cell.js'
import { KEY, keyOfBucket } from '../layout.js'
import { readRecordRow } from '../record-row.js'
import { DIMENSIONS } from '../shapes.js'
import type { Store } from '../store.js'

const KEY_AT = DIMENSIONS.indexOf('key')

/** A writer that still writes, and the number of its last record that is read from its files. */
export interface RecordCeiling {
  readonly writer: string
  readonly lastSeq: number
}

/** Which records count. */
export interface RecordChoice {
  /** Only those of this writer with a higher number; null: all. */
  readonly only: { readonly writer: string; readonly after: number } | null
  /** Those of this writer with a higher number do not: they are told of in another way. */
  readonly ceiling: RecordCeiling | null
}

/** Adds what the ledger says of earlier requests to a store, as they would have been counted when they ended. */
export class Collector implements RollupReader {
  /** Lines that are no records. */
  torn: number
  private readonly store: Store
  private readonly prices: Prices | null
  private readonly choice: RecordChoice
  private readonly at: number
  private readonly seen: SequenceCheck

  /** @param at the moment from which the rings reach back: epoch milliseconds */
  constructor(store: Store, prices: Prices | null, at: number, choice: RecordChoice) {
    this.torn = 0
    this.store = store
    this.prices = prices
    this.choice = choice
    this.at = at
    this.seen = new SequenceCheck()
  }

  /** @returns the record, if the line has one that counts; else null */
  addLine(text: string): string | null {
    const found = readRecordRow(text, this.prices)
    if (found === null) {
      this.torn++
      return null
    }
    const { writer, seq, line, row } = found
    const { choice, at, store } = this
    const { only, ceiling } = choice
    if (only !== null && (writer !== only.writer || seq <= only.after)) return null
    if (ceiling !== null && writer === ceiling.writer && seq > ceiling.lastSeq) return null
    if (!this.seen.add(writer, seq)) return null
    if (row === null || !store.reaches('hours', row.minute, at)) return null
    const series = store.book.find(row.names)
    store.addRow('hours', row.minute, series, row, at)
    if (store.reaches('minutes', row.minute, at)) store.addRow('minutes', row.minute, series, row, at)
    if (store.reaches('seconds', row.lastAt, at)) store.addRow('seconds', row.lastAt, series, row, at)
    store.addBeside(series, row.names[KEY_AT] ?? '', row)
    return line
  }

  beginRollup({ writers, torn }: RollupHead): 'rows' | 'none' | 'records' {
    if (writers.some(([writer, ranges]) => this.seen.hasAny(writer, ranges))) return 'records'
    for (const [writer, ranges] of writers) this.seen.addRanges(writer, ranges)
    this.torn += torn
    return 'rows'
  }

  addRow(of: Dimensions, row: SumRow, from: number): void {
    const { store, at } = this
    if (of.at === null || !store.reaches('hours', of.at, at)) return
    const sums = readRowSums(row, from)
    const { promptTokens, completionTokens, cachedTokens, requests } = sums
    const costNano = toAmount(sums.costNano)
    const series = store.book.find(DIMENSIONS.map((dimension) => of[dimension] ?? ''))
    const cell = store.cellAt('hours', of.at, series, at)
    if (cell !== null) {
      const add = (key: number, amount: number): void => addTo(cell, key, amount)
      add(KEY.requests, requests)
      add(KEY.errors, sums.errors)
      add(KEY.refusals, of.end === 'refused' ? requests : 0)
      add(KEY.promptTokens, promptTokens)
      add(KEY.cachedTokens, cachedTokens)
      add(KEY.completionTokens, completionTokens)
      add(KEY.reasoningTokens, sums.reasoningTokens)
      add(KEY.costNano, costNano)
      add(KEY.unpriced, sums.unpriced)
      add(KEY.promptCacheSavedNano, this.computeSaving(of, of.at, requests, promptTokens, cachedTokens))
      for (const [value, count] of sums.firstTokenMs) add(keyOfBucket(1, bucketOf(1, value)), count)
      for (const [value, count] of sums.addedUs) add(keyOfBucket(3, bucketOf(3, value)), count)
    }
    const tokens = promptTokens + completionTokens
    const tags = of.tags === null ? [] : [{ tags: of.tags, costNano, tokens, requests }]
    store.addBeside(series, of.key ?? '', { minute: of.at, lastAt: of.at, tags })
  }

  /** What is known of each request is the average. */
  private computeSaving(
    of: Dimensions,
    at: number,
    requests: number,
    prompt: number,
    cached: number,
  ): number {
    const average = (tokens: number): number => Math.round(tokens / Math.max(1, requests))
    const sample = {
      answered: of.upstreamModel,
      requested: of.model,
      upstream: of.upstream,
      at,
      prompt: average(prompt),
      cached: average(cached),
    }
    return computeCacheSaving(this.prices, sample, cached)
  }
}

function addTo(cell: Cell, key: number, amount: number): void {
  if (amount > 0) cell.add(key, amount)
}
