import { ascending, quantile } from '../statistics.js'
import { align } from '../table.js'
import type { Asked } from './editor.js'

export const OUTCOMES = ['hit', 'prefix', 'joined', 'miss', 'off'] as const

/** The figures of one kind of client, with the cache on or off. Times are milliseconds at the recorded speed. */
export interface Row {
  readonly client: string
  readonly cache: 'on' | 'off'
  readonly asks: number
  /** Requests that the upstream got. */
  readonly upstream: number
  /** Responses by their `x-thinwire-cache`. */
  readonly outcomes: Readonly<Record<(typeof OUTCOMES)[number], number>>
  /** Requests that the client cancelled before the first byte. */
  readonly left: number
  /** Requests whose response was complete before the client sent the next one. */
  readonly got: number
  readonly firstByteMs: Spread
  readonly wholeMs: Spread
}

export interface Spread {
  readonly p50: number | null
  readonly p95: number | null
}

/** @param speed factor for the times */
export function rowOf(
  client: string,
  cache: 'on' | 'off',
  all: readonly Asked[],
  upstream: number,
  speed: number,
): Row {
  const count = (outcome: string): number => all.filter((asked) => asked.outcome === outcome).length
  return {
    client,
    cache,
    asks: all.length,
    upstream,
    outcomes: {
      hit: count('hit'),
      prefix: count('prefix'),
      joined: count('joined'),
      miss: count('miss'),
      off: count('off'),
    },
    left: all.filter(({ outcome }) => outcome === null).length,
    got: all.filter(({ wholeMs }) => wholeMs !== null).length,
    firstByteMs: spreadOf(
      all.map(({ firstByteMs }) => firstByteMs),
      speed,
    ),
    wholeMs: spreadOf(
      all.map(({ wholeMs }) => wholeMs),
      speed,
    ),
  }
}

function spreadOf(values: readonly (number | null)[], speed: number): Spread {
  const sorted = ascending(values.filter((value) => value !== null))
  if (sorted.length === 0) return { p50: null, p95: null }
  const at = (q: number): number => Number((quantile(sorted, q) * speed).toPrecision(4))
  return { p50: at(0.5), p95: at(0.95) }
}

/** Fits 80 columns. */
export function typingTable(rows: readonly Row[]): string[] {
  const head = ['% of asks', 'cache', 'asks', 'hit', 'prefix', 'join', 'miss', 'left', 'got', 'first', 'all']
  const lines = rows.map((row) => {
    const share = (n: number): string => String(Math.round((100 * n) / row.asks))
    const { hit, prefix, joined, miss, off } = row.outcomes
    const kinds = row.cache === 'on' ? [hit, prefix, joined, miss].map(share) : ['-', '-', '-', share(off)]
    return [
      row.cache === 'on' ? row.client : '',
      row.cache,
      String(row.asks),
      ...kinds,
      share(row.left),
      share(row.got),
      both(row.firstByteMs),
      both(row.wholeMs),
    ]
  })
  return align([head, ...lines])
}

/** Milliseconds at p50 and p95. */
function both({ p50, p95 }: Spread): string {
  return `${formatMs(p50)}/${formatMs(p95)}`
}

function formatMs(ms: number | null): string {
  if (ms === null) return '-'
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)}s`
  return ms.toFixed(ms < 10 ? 1 : 0)
}

/** How many upstream requests the cache has saved, for each kind of client. */
export function savings(rows: readonly Row[]): string[] {
  const lines: string[] = []
  for (const on of rows) {
    const off = rows.find(({ client, cache }) => client === on.client && cache === 'off')
    if (on.cache === 'off' || off === undefined || off.upstream === 0) continue
    const saved = Math.round(100 * (1 - on.upstream / off.upstream))
    lines.push(`${on.client}: ${on.upstream} requests upstream instead of ${off.upstream}, ${saved}% fewer`)
  }
  return lines
}
