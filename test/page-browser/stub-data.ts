import {
  COUNTS,
  type Counts,
  type Dimension,
  type KeyRow,
  type Latencies,
  type Meters,
  type Now,
  type OpenRow,
  type Quantiles,
  type Refusals,
  type RequestDetail,
  type RequestRow,
  type Series,
  type SlotLatencies,
  type Spend,
  type SpendRow,
  type Targets,
  type TotalsRow,
  type TotalsTable,
} from '../../src/page/shapes.js'

/** Data as a relay of a team of thirty has them, the same in each run. Moments count back from `now`. */

/** A model name by which a client tries to run a script in the page. */
export const HOSTILE = `"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`

const NAMES: Readonly<Record<Dimension, readonly string[]>> = {
  team: ['platform', 'web', 'mobile', 'data', 'research'],
  user: ['platform/ada', 'platform/linus', 'web/grace', 'mobile/alan', 'data/edsger', 'research/barbara'],
  key: ['k7f3a9c2', 'k19ce04b', 'k55d0e1f', 'ka0b1c2d'],
  model: [
    'gpt-5',
    'claude-sonnet-4-5',
    'gpt-5-mini',
    'gemini-2.5-pro',
    'qwen3-coder-480b-a35b-instruct',
    HOSTILE,
  ],
  upstream: ['azure-eu', 'openai', 'anthropic', 'groq'],
  end: ['complete', 'client_gone', 'upstream_error', 'refused'],
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A wave around 1 that differs for each seed. */
function wave(i: number, seed: number): number {
  return (
    1 + 0.35 * Math.sin(i / 17 + seed) + 0.2 * Math.sin(i / 5.3 + seed * 2.1) + 0.1 * Math.sin(i * 1.7 + seed)
  )
}

function lengthOf(range: string): number {
  const [, count = '2', unit = 'h'] = /^(\d+)([mhd])$/.exec(range) ?? []
  return Number(count) * ({ m: MINUTE, h: HOUR, d: DAY }[unit] ?? HOUR)
}

/** @param share of all requests that a filter lets through */
export function makeSeries(range: string, by: Dimension | null, now: number, share: number): Series {
  const length = lengthOf(range)
  const stepMs = length <= 5 * MINUTE ? 1_000 : Math.max(MINUTE, Math.ceil(length / 400 / MINUTE) * MINUTE)
  const slots = Math.floor(length / stepMs)
  const from = Math.floor(now / stepMs) * stepMs - (slots - 1) * stepMs
  const names = by === null ? [''] : NAMES[by]
  const groups = names.map((name, n) => {
    const rate = ((2.4 * stepMs) / 1_000) * (share / (n + 1))
    const count = (factor: number, seed: number): number[] =>
      Array.from({ length: slots }, (_, i) => Math.round(rate * factor * wave(i, seed + n)))
    return {
      name,
      counts: {
        requests: count(1, 1),
        errors: count(0.03, 5),
        refusals: count(0.02, 8),
        promptTokens: count(5_200, 2),
        cachedTokens: count(3_700, 2.3),
        completionTokens: count(420, 3),
        costNano: count(9_000_000, 4),
        cacheHits: count(0.12, 6),
        prefixHits: count(0.05, 7),
        joins: count(0.03, 9),
        failovers: count(0.02, 10),
        hedges: count(0.01, 11),
      },
      latencies: Array.from({ length: slots }, (_, i) => makeSlot(i, n)),
    }
  })
  return { from, stepMs, slots, groups }
}

function makeSlot(i: number, n: number): SlotLatencies {
  const pair = (size: number, seed: number): [number, number] => [
    size * wave(i, seed + n),
    size * 3.2 * wave(i, seed + n + 1),
  ]
  return {
    firstByteMs: pair(410, 1),
    firstTokenMs: pair(520, 2),
    totalMs: pair(4_300, 3),
    addedUs: pair(260, 4),
  }
}

function makeCounts(requests: number): Counts {
  const factors: Partial<Record<keyof Counts, number>> = {
    requests: 1,
    errors: 0.028,
    refusals: 0.019,
    promptTokens: 5_200,
    cachedTokens: 3_650,
    cacheWriteTokens: 300,
    completionTokens: 420,
    reasoningTokens: 90,
    costNano: 9_000_000,
    unpriced: 0.002,
    promptCacheSavedNano: 3_100_000,
    cacheHits: 0.12,
    prefixHits: 0.05,
    joins: 0.03,
    savedTokens: 610,
    savedNano: 800_000,
    failovers: 0.02,
    hedges: 0.01,
  }
  return Object.fromEntries(
    COUNTS.map((name) => [name, Math.round(requests * (factors[name] ?? 0))]),
  ) as unknown as Counts
}

function makeLatencies(n: number, count: number): Latencies {
  const of = (p50: number): Quantiles => ({ count, p50: p50 * wave(n, 2), p99: p50 * 3.4 * wave(n, 3) })
  return { firstByteMs: of(410), firstTokenMs: of(520), totalMs: of(4_300), addedUs: of(260) }
}

function makeRow(name: string, n: number, requests: number, now: number): TotalsRow {
  return {
    name,
    counts: makeCounts(requests),
    latencies: makeLatencies(n, requests),
    lastAt: now - n * 7_000,
  }
}

export function makeTotals(
  range: string,
  by: Dimension,
  now: number,
  wanted: readonly string[],
): TotalsTable {
  const all = Math.round((lengthOf(range) / 1_000) * 1.1)
  const names = NAMES[by].filter((name) => wanted.length === 0 || wanted.includes(name))
  const rows = names.map((name, n) => makeRow(name, n, Math.round(all / (n + 1.5) ** 1.4), now))
  const sum = rows.reduce((total, { counts }) => total + counts.requests, 0)
  return { from: now - lengthOf(range), to: now, by, rows, sum: makeRow('', 0, sum, now) }
}

export function makeSpend(now: number): Spend {
  const dayStart = Math.floor(now / DAY) * DAY
  const [today, month] = [41_270_000_000, 1_284_500_000_000]
  const rowsOf = (names: readonly string[]): SpendRow[] =>
    names.map((name, n) => ({
      name,
      todayNano: Math.round(today / (n + 1.4) ** 1.6),
      monthNano: Math.round(month / (n + 1.4) ** 1.6),
      monthTokens: Math.round(830_000_000 / (n + 1.2)),
      monthRequests: Math.round(140_000 / (n + 1.2)),
    }))
  return {
    today: {
      from: dayStart,
      to: now,
      costNano: today,
      tokens: 27_400_000,
      requests: 4_610,
      unpriced: 12,
      forecastNano: 58_900_000_000,
    },
    month: {
      from: dayStart - 20 * DAY,
      to: now,
      costNano: month,
      tokens: 831_000_000,
      requests: 142_338,
      unpriced: 410,
      forecastNano: 1_902_000_000_000,
    },
    by: {
      team: rowsOf(NAMES.team),
      user: rowsOf(NAMES.user),
      key: rowsOf(NAMES.key),
      model: rowsOf(NAMES.model),
      tag: rowsOf(['project=checkout', 'project=search', 'ticket=OPS-4211']),
    },
    days: Array.from({ length: 21 }, (_, i) => ({
      from: dayStart - (20 - i) * DAY,
      costNano: Math.round((i % 7 > 4 ? 0.2 : 1) * 72_000_000_000 * wave(i, 1)),
      tokens: 40_000_000,
    })),
  }
}

export function makeMeters(): Meters {
  const meter = (
    rule: string,
    owner: string,
    used: number,
    limit: number,
    period: 'day' | 'month',
  ): Meters['meters'][number] => ({
    ...{ rule, owner, kind: 'budget', unit: 'usd', period, limit: limit * 1e9, used: used * 1e9 },
    ...{ held: limit * 1e7, resetMs: period === 'day' ? 7.4 * HOUR : 9.3 * DAY, observes: false },
  })
  return {
    meters: [
      meter('team-month', 'research', 612, 600, 'month'),
      meter('team-month', 'platform', 431, 500, 'month'),
      meter('user-day', 'web/grace', 8.1, 20, 'day'),
      { ...meter('user-day', 'data/edsger', 2.2, 20, 'day'), observes: true },
      ...Array.from({ length: 20 }, (_, i) => meter('user-day', `mobile/user${i}`, 1 - i / 25, 20, 'day')),
      { ...meter('user-day', 'mobile/unused', 0, 20, 'day'), held: 0 },
      {
        rule: 'per-key',
        owner: 'k7f3a9c2',
        kind: 'requests',
        unit: null,
        period: null,
        limit: 60,
        used: 41,
        held: 0,
        resetMs: 21_000,
        observes: false,
      },
      {
        rule: 'per-key',
        owner: 'k19ce04b',
        kind: 'tokens',
        unit: null,
        period: null,
        limit: 400_000,
        used: 120_500,
        held: 8_000,
        resetMs: 33_000,
        observes: false,
      },
      {
        rule: 'at-once',
        owner: 'all',
        kind: 'concurrent',
        unit: null,
        period: null,
        limit: 200,
        used: 14,
        held: 0,
        resetMs: 0,
        observes: false,
      },
    ],
    isCut: false,
  }
}

export function makeRefusals(): Refusals {
  return {
    rules: [
      { rule: 'team-month', reason: 'budget', count: 318, observed: false },
      { rule: 'per-key', reason: 'requests', count: 97, observed: false },
      { rule: 'user-day', reason: 'budget', count: 22, observed: true },
    ],
    codes: [
      { code: 'budget_exceeded', count: 318 },
      { code: 'rate_limited', count: 97 },
      { code: 'invalid_key', count: 31 },
      { code: 'upstream_timeout', count: 12 },
    ],
  }
}

export function makeTargets(range: string): Targets {
  const all = Math.round(lengthOf(range) / 1_000)
  return {
    targets: NAMES.upstream.map((name, n) => ({
      name,
      state: n === 2 ? 'half_open' : n === 3 ? 'open' : 'closed',
      openedTimes: n * n,
      coolingMs: n === 3 ? 42_000 : 0,
      refused: n === 3 ? 'quota' : null,
      inFlight: Math.max(0, 9 - n * 3),
      counts: n === 3 ? null : makeCounts(Math.round(all / (n + 1))),
      latencies: n === 3 ? null : makeLatencies(n, all),
    })),
  }
}

const ENDS = [
  'complete',
  'complete',
  'complete',
  'complete',
  'client_gone',
  'complete',
  'upstream_error',
  'complete',
  'refused',
] as const

export function makeRequest(i: number, now: number): RequestRow {
  const end = ENDS[i % ENDS.length] ?? 'complete'
  const isError = end === 'upstream_error' || end === 'refused'
  return {
    id: `req-${100_000 - i}`,
    at: now - i * 3_700,
    key: NAMES.key[i % 4] ?? null,
    owner: NAMES.user[i % 6] ?? null,
    model: end === 'refused' ? null : (NAMES.model[i % 6] ?? null),
    upstream: end === 'refused' ? null : (NAMES.upstream[i % 3] ?? null),
    status: end === 'refused' ? 429 : end === 'upstream_error' ? 502 : 200,
    end,
    cache: i % 8 === 1 ? 'hit' : null,
    stream: i % 3 !== 0,
    promptTokens: isError ? null : Math.round(5_000 * wave(i, 1)),
    completionTokens: isError ? null : Math.round(430 * wave(i, 2)),
    costNano: isError ? null : Math.round(9_100_000 * wave(i, 3)),
    firstTokenMs: isError ? null : 520 * wave(i, 4),
    totalMs: isError ? 12 : 4_200 * wave(i, 5),
    addedUs: 250 * wave(i, 6),
    isError,
  }
}

export function makeDetail(row: RequestRow): RequestDetail {
  const spans = [
    ['admit', 0, 61, true],
    ['upload', 61, 1_900, false],
    ['read', 190, 1_800, true],
    ['plan', 1_990, 44, true],
    ['cache', 2_034, 12, true],
    ['attempt', 2_046, 118, true],
    ['upstream', 2_164, 481_000, false],
    ['respond', 483_164, 70, true],
    ['tokens', 512_000, 3_650_000, false],
  ] as const
  return {
    row,
    spans: spans.map(([name, startUs, lengthUs, isOurs]) => ({ name, startUs, lengthUs, isOurs })),
    failedAttempts: row.isError ? 'azure-eu 429, groq ECONNREFUSED' : null,
    attempts: row.isError ? 3 : 1,
    record: {
      v: 1,
      id: row.id,
      model: row.model,
      end: row.end,
      status: row.status,
      user_agent: 'cursor/1.7',
      tags: 'project=checkout',
      hedged: false,
      nothing: null,
    },
  }
}

/** @param more keys whose names are counted up, and that nobody has used */
export function makeKeys(now: number, more: number): KeyRow[] {
  const ids = [...NAMES.key, ...Array.from({ length: more }, (_, n) => `k_more${n}`)]
  return ids.map((id, n) => ({
    id,
    env: 'prod',
    team: NAMES.user[n]?.split('/')[0] ?? 'crowd',
    user: NAMES.user[n]?.split('/')[1] ?? `user${n}`,
    createdAt: now - (n + 1) * 31 * DAY,
    expiresAt: n === 1 ? null : now + (n * 40 + 3) * DAY,
    revokedAt: n === 3 ? now - 5 * DAY : null,
    models: n === 2 ? ['gpt-5*', 'claude-*'] : null,
    addresses: n === 2 ? ['10.0.0.0/8'] : null,
    rules: n === 0 ? 2 : 0,
    lastAt: n === 3 ? null : now - n * 47 * MINUTE - 12_000,
    monthNano: Math.round(412_000_000_000 / (n + 1) ** 2),
    monthRequests: Math.round(38_000 / (n + 1)),
  }))
}

const PHASES = ['respond', 'respond', 'respond', 'attempt', 'read'] as const

export function makeNow(at: number, second: number): Now {
  const open: OpenRow[] = Array.from({ length: 9 + (second % 3) }, (_, i) => ({
    id: `open-${i}`,
    key: NAMES.key[i % 4] ?? null,
    owner: NAMES.user[i % 6] ?? null,
    model: NAMES.model[i % 6] ?? null,
    upstream: NAMES.upstream[i % 3] ?? null,
    phase: PHASES[i % PHASES.length] ?? 'respond',
    ageMs: 41_000 / (i + 1) + second * 1_000,
    tokens: i % 5 > 2 ? null : Math.round(900 / (i + 1) + second * 40),
    pace: i % 5 > 2 ? null : 62 * wave(i + second, 2),
    longestGapMs: i % 5 > 2 ? null : 180 * wave(i, 3),
    bytesOut: 41_000 / (i + 1),
  }))
  return {
    at,
    requests: Math.round(3 * wave(second, 1)),
    errors: second % 5 === 3 ? 1 : 0,
    refusals: second % 7 === 2 ? 1 : 0,
    tokens: Math.round(13_000 * wave(second, 2)),
    costNano: Math.round(28_000_000 * wave(second, 3)),
    openCount: open.length,
    open,
    addedUs: [240 * wave(second, 4), 810 * wave(second, 5)],
    firstByteMs: [400 * wave(second, 6), 1_250 * wave(second, 7)],
  }
}
