import type { Exchange } from '../exchange/exchange.js'
import type { InFlight } from '../exchange/in-flight.js'
import type { OpenRow } from './shapes.js'
import { type LookQuestion, MOST_OPEN_ROWS, NO_OPEN, type OpenRequests } from './source.js'

/** Answers a question for open requests, of this process. */
export function lookAt(
  inFlight: InFlight,
  { all, keys }: LookQuestion,
): { readonly all: OpenRequests | null; readonly byKey: Record<string, OpenRequests> } {
  const everyone = all ? new Collector() : null
  const byKey = new Map(keys.map((key) => [key, new Collector()]))
  inFlight.forEach((exchange) => {
    everyone?.add(exchange)
    if (byKey.size > 0) byKey.get(exchange.request.key?.id ?? '')?.add(exchange)
  })
  const now = performance.now()
  return {
    all: everyone?.read(now) ?? null,
    byKey: Object.fromEntries([...byKey].map(([key, collector]) => [key, collector.read(now)])),
  }
}

/** Joins what several processes have answered. */
export function joinOpen(all: readonly OpenRequests[]): OpenRequests {
  const [only = NO_OPEN, ...others] = all
  if (others.length === 0) return only
  return {
    count: all.reduce((sum, { count }) => sum + count, 0),
    rows: all
      .flatMap(({ rows }) => rows)
      .sort((one, other) => other.ageMs - one.ageMs)
      .slice(0, MOST_OPEN_ROWS),
  }
}

/** Only the requests that are shown are looked at closely: there may be thousands. */
class Collector {
  private count: number
  private oldest: Exchange[]
  /** Requests from then on are too young to be shown. */
  private youngestAt: number

  constructor() {
    this.count = 0
    this.oldest = []
    this.youngestAt = Number.POSITIVE_INFINITY
  }

  add(exchange: Exchange): void {
    this.count++
    if (exchange.timeline.startedAt >= this.youngestAt) return
    this.oldest.push(exchange)
    if (this.oldest.length >= 4 * MOST_OPEN_ROWS) this.trim()
  }

  read(now: number): OpenRequests {
    this.trim()
    return { count: this.count, rows: this.oldest.map((exchange) => toRow(exchange, now)) }
  }

  private trim(): void {
    this.oldest.sort((one, other) => one.timeline.startedAt - other.timeline.startedAt)
    if (this.oldest.length < MOST_OPEN_ROWS) return
    this.oldest.length = MOST_OPEN_ROWS
    this.youngestAt = this.oldest.at(-1)?.timeline.startedAt ?? this.youngestAt
  }
}

function toRow({ request, timeline, outcome }: Exchange, now: number): OpenRow {
  const { key } = request
  const stats = outcome.meter?.readStats() ?? null
  const tokens =
    stats === null ? null : Math.max(stats.usage?.completion ?? 0, Math.round(stats.estimator.tokens))
  // 0: a response that was joined late, of whose first token nothing is known.
  const firstAt = stats?.firstTokenAt ?? 0
  const seconds = firstAt === 0 ? 0 : (now - firstAt) / 1_000
  return {
    id: request.id,
    key: key?.id ?? null,
    owner: key === null ? null : `${key.team}/${key.user}`,
    model: request.model,
    upstream: outcome.upstream,
    phase: outcome.phase,
    ageMs: Math.round(now - timeline.startedAt),
    tokens,
    pace: tokens === null || seconds < 0.5 ? null : Math.round((tokens / seconds) * 10) / 10,
    longestGapMs: outcome.longestGapMs === null ? null : Math.round(outcome.longestGapMs),
    bytesOut: outcome.bytesOut,
  }
}
