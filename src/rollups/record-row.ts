import { findFailureSign } from '../exchange/failed-request.js'
import type { Prices } from '../ledger/prices.js'
import { readIdentity } from '../ledger/read/entry.js'
import { parseLedgerTime } from '../ledger/read/ledger-time.js'
import { parseNanoUsd } from '../lib/nano-usd.js'
import { toAmount } from './amount.js'
import { bucketOf, DURATIONS } from './buckets.js'
import { computeCacheSaving } from './cache-saving.js'
import { KEY, keyOfBucket } from './layout.js'
import type { RollupRow } from './row.js'

const MINUTE_MS = 60_000

/** Fields of a record with the durations, in the order of `DURATIONS`. */
const DURATION_FIELDS = ['upstream_ttfb_ms', 'ttft_ms', 'total_ms', 'overhead_us'] as const

/** A record of the ledger, as a row of one request. */
export interface RecordRow {
  readonly writer: string
  readonly seq: number
  /** The line, without the torn one of another process before it. */
  readonly line: string
  /** Null if it does not say when the request arrived. */
  readonly row: RollupRow | null
}

/** Reads a line of the ledger as `RollupCounts` counts its request. @returns null if it is no record */
export function readRecordRow(line: string, prices: Prices | null): RecordRow | null {
  const found = readIdentity(line)
  if (found === null) return null
  const { writer, seq } = found
  const fields = new Fields(found.fields as Readonly<Record<string, unknown>>)
  const ts = fields.text('ts')
  const arrived = ts === null ? null : parseLedgerTime(ts)
  return { writer, seq, line: found.line, row: arrived === null ? null : readRow(fields, arrived, prices) }
}

function readRow(fields: Fields, arrived: number, prices: Prices | null): RollupRow {
  const lastAt = arrived + Math.round(fields.number('total_ms') ?? 0)
  const end = fields.text('end')
  const requests = Math.max(1, fields.count('requests') ?? 1)
  const [prompt, completion] = [fields.count('prompt_tokens'), fields.count('completion_tokens')]
  const cached = fields.count('cached_tokens') ?? 0
  const cost = fields.nano('cost_usd')
  const cache = fields.text('cache')
  const pairs: number[] = []
  const add = (key: number, amount: number): void => {
    if (amount > 0) pairs.push(key, amount)
  }
  const isFailed = findFailureSign(fields.number('status'), end, fields.text('stream_error')) !== null
  const names = ['team', 'user', 'key', 'model', 'upstream', 'end'].map((name) => fields.text(name) ?? '')
  // In the order of their keys.
  add(KEY.requests, requests)
  add(KEY.errors, isFailed ? requests : 0)
  add(KEY.refusals, end === 'refused' ? requests : 0)
  add(KEY.promptTokens, prompt ?? 0)
  add(KEY.cachedTokens, cached)
  add(KEY.cacheWriteTokens, fields.count('cache_write_tokens') ?? 0)
  add(KEY.completionTokens, completion ?? 0)
  add(KEY.reasoningTokens, fields.count('reasoning_tokens') ?? 0)
  add(KEY.costNano, cost ?? 0)
  add(KEY.unpriced, cost === null && (prompt !== null || completion !== null) ? 1 : 0)
  if (cached > 0) {
    const sample = {
      answered: fields.text('upstream_model'),
      requested: fields.text('model'),
      upstream: fields.text('upstream'),
      at: lastAt,
      prompt: Math.max(prompt ?? 0, cached),
      cached,
    }
    add(KEY.promptCacheSavedNano, computeCacheSaving(prices, sample, cached))
  }
  add(KEY.cacheHits, cache === 'hit' ? requests : 0)
  add(KEY.prefixHits, cache === 'prefix' ? requests : 0)
  add(KEY.joins, cache === 'joined' ? requests : 0)
  add(KEY.savedTokens, fields.count('saved_tokens') ?? 0)
  add(KEY.savedNano, fields.nano('saved_usd') ?? 0)
  add(KEY.failovers, (fields.count('attempts') ?? 0) > 1 && fields.text('failed_attempts') !== null ? 1 : 0)
  add(KEY.hedges, fields.text('overtaken') === null ? 0 : 1)
  for (let i = 0; i < DURATIONS.length; i++) {
    const value = fields.number(DURATION_FIELDS[i] as string)
    if (value !== null) add(keyOfBucket(i, bucketOf(i, value)), 1)
  }
  const code = fields.text('error_code')
  const tags = fields.text('tags')
  const tokens = (prompt ?? 0) + (completion ?? 0)
  return {
    names,
    minute: arrived - (arrived % MINUTE_MS),
    lastAt,
    pairs,
    codes: code === null ? [] : [[code, requests]],
    tags: tags === null ? [] : [{ tags, costNano: cost ?? 0, tokens, requests }],
  }
}

/** The fields of a record: each is checked when it is read. */
class Fields {
  private readonly fields: Readonly<Record<string, unknown>>

  constructor(fields: Readonly<Record<string, unknown>>) {
    this.fields = fields
  }

  text(name: string): string | null {
    const value = this.fields[name]
    return typeof value === 'string' ? value : null
  }

  number(name: string): number | null {
    const value = this.fields[name]
    return typeof value === 'number' && value >= 0 && Number.isFinite(value) ? value : null
  }

  count(name: string): number | null {
    const value = this.number(name)
    return value !== null && Number.isSafeInteger(value) ? value : null
  }

  /** Nano-dollars. */
  nano(name: string): number | null {
    const usd = this.number(name)
    const nano = usd === null ? null : parseNanoUsd(usd)
    return nano === null ? null : toAmount(nano)
  }
}
