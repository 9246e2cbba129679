import * as assert from 'uvu/assert'
import { findFailureSign } from '../../src/exchange/failed-request.js'
import type { RequestSummary } from '../../src/exchange/summary.js'
import { chargeFor } from '../../src/ledger/charge.js'
import type { Prices } from '../../src/ledger/prices.js'
import type { Filter } from '../../src/rollups/query.js'
import {
  COUNTS,
  type CountName,
  DIMENSIONS,
  type Dimension,
  type Quantiles,
  type TotalsRow,
} from '../../src/rollups/shapes.js'

/** A request of the model: everything about it, each by itself. */
export interface Fact {
  readonly names: Readonly<Record<Dimension, string>>
  readonly arrived: number
  readonly ended: number
  readonly counts: Readonly<Record<CountName, number>>
  readonly durations: Readonly<Record<DurationName, number | null>>
  readonly tags: readonly string[]
  readonly code: string | null
}

type DurationName = 'firstByteMs' | 'firstTokenMs' | 'totalMs' | 'addedUs'

/** Reads all of a summary, in a way of its own. */
export function factOf(summary: RequestSummary, prices: Prices | null): Fact {
  const { request, outcome, stats, requests } = summary
  const { usage } = summary.usage
  const isShared = ['hit', 'joined', 'prefix'].includes(outcome.cache ?? '')
  const saved = summary.savedUsage?.usage ?? null
  const cost = isShared ? 0 : chargeFor(summary, usage, prices).nano
  const isFailed = findFailureSign(outcome.status, outcome.end, stats?.error ?? null) !== null
  const cached = usage?.cached ?? 0
  const prompt = usage === null ? null : { ...usage, cached: null, completion: 0 }
  const isPriced = chargeFor(summary, prompt, prices).nano !== null
  const hasTokens = usage !== null && (usage.prompt !== null || usage.completion !== null)
  return {
    names: {
      team: request.key?.team ?? '',
      user: request.key?.user ?? '',
      key: request.key?.id ?? '',
      model: (request.model ?? '').replace('sk-secretsecret', '***'),
      upstream: outcome.upstream ?? '',
      end: outcome.end ?? '',
    },
    arrived: request.receivedAt,
    ended: summary.closedAt,
    counts: {
      requests,
      errors: isFailed ? requests : 0,
      refusals: outcome.end === 'refused' ? requests : 0,
      promptTokens: usage?.prompt ?? 0,
      cachedTokens: cached,
      cacheWriteTokens: 0,
      completionTokens: usage?.completion ?? 0,
      reasoningTokens: 0,
      costNano: Number(cost ?? 0),
      unpriced: cost === null && hasTokens ? 1 : 0,
      // A price of 1e-7 in place of 1e-6, and 3e-7 in place of 3e-6: nine tenths of the whole price.
      promptCacheSavedNano: cached > 0 && isPriced ? cached * (request.model === 'm1' ? 900 : 2_700) : 0,
      cacheHits: outcome.cache === 'hit' ? requests : 0,
      prefixHits: outcome.cache === 'prefix' ? requests : 0,
      joins: outcome.cache === 'joined' ? requests : 0,
      savedTokens: (saved?.prompt ?? 0) + (saved?.completion ?? 0),
      savedNano: Number(chargeFor(summary, saved, prices).nano ?? 0),
      failovers: outcome.attempts > 1 && outcome.failures !== null ? 1 : 0,
      hedges: outcome.overtaken === null ? 0 : 1,
    },
    durations: {
      firstByteMs: summary.timeline.upstreamMs,
      firstTokenMs: summary.firstTokenMs,
      totalMs: summary.totalMs,
      addedUs: summary.phaseShares.total,
    },
    tags: request.tags?.split(',') ?? [],
    code: outcome.errorCode,
  }
}

export function passes({ names }: Fact, filter: Filter): boolean {
  return DIMENSIONS.every((dimension) => filter[dimension]?.includes(names[dimension]) ?? true)
}

/** A person has the team in front: there may be another one of the same name. */
export function groupNameOf(names: Fact['names'], by: Dimension): string {
  const name = names[by]
  return by === 'user' && name !== '' ? `${names.team}/${name}` : name
}

export function sumOf(facts: readonly Fact[], count: CountName): number {
  return facts.reduce((sum, fact) => sum + fact.counts[count], 0)
}

/** Each count is that of the facts, and each quantile within 15 %. */
export function checkRow(row: Pick<TotalsRow, 'counts' | 'latencies'>, facts: readonly Fact[]): void {
  for (const name of COUNTS) assert.is(row.counts[name], sumOf(facts, name), name)
  for (const name of ['firstByteMs', 'firstTokenMs', 'totalMs', 'addedUs'] as const)
    checkQuantiles(
      row.latencies[name],
      facts.flatMap(({ durations }) => durations[name] ?? []),
    )
}

/** Values below the first bucket are told as its end. */
const SMALLEST = 1

export function checkQuantiles({ count, p50, p99 }: Quantiles, values: readonly number[]): void {
  assert.is(count, values.length)
  const sorted = [...values].sort((a, b) => a - b)
  for (const [share, found] of [
    [0.5, p50],
    [0.99, p99],
  ] as const) {
    const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1]
    if (exact === undefined) assert.is(found, null)
    else if (exact > SMALLEST)
      assert.ok(Math.abs((found ?? 0) - exact) <= 0.15 * exact, `${found} in place of ${exact}`)
  }
}

export function groupBy<T>(items: readonly T[], nameOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(nameOf(item))
    if (group === undefined) groups.set(nameOf(item), [item])
    else group.push(item)
  }
  return groups
}
