import { Keyring } from '../../../src/access/keyring.js'
import type { LimitRule } from '../../../src/config/limit-rules.js'
import type { LimitState } from '../../../src/limits/counters/store.js'
import {
  COUNTS,
  type Counts,
  type Dimension,
  type Latencies,
  type OpenRow,
  SPEND_DIMENSIONS,
  type Spend,
  type TotalsRow,
} from '../../../src/page/shapes.js'
import type { LookQuestion, OpenRequests, PageSource } from '../../../src/page/source.js'
import type { Filter, RollupQuery } from '../../../src/rollups/query.js'

/** Names that want to be more than text. */
export const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "=cmd|' /C calc'!A0",
  '+1-1',
  '@SUM(A1)',
]

/** What a fake source was asked, in this order. */
export interface Asked {
  readonly what: string
  readonly filter?: Filter
  readonly question?: LookQuestion
}

export interface FakeSource extends PageSource {
  readonly asked: Asked[]
  /** Ids of keys that open requests and records have, in turn. */
  keyIds: string[]
  /** Resolves each look; a test may replace it. */
  answerLook: (question: LookQuestion) => Promise<void>
  close(): void
}

const DAY_MS = 86_400_000

/** A source of made-up figures, which depend on the time and on nothing else. */
export function createFakeSource(keyFile: string | null, keyIds: string[] = []): FakeSource {
  const keyring = keyFile === null ? null : Keyring.open(keyFile, { pollMs: 20 })
  const asked: Asked[] = []
  const ids = keyIds.length > 0 ? keyIds : ['k_0000000001', 'k_0000000002']
  const source: FakeSource = {
    asked,
    keyIds: ids,
    answerLook: async () => {},
    close: () => keyring?.close(),
    facts: { workers: 1, startedAt: Date.now() - 3_600_000, isDemo: false },
    sums: {
      zone: 'UTC',
      completeFrom: null,
      async series({ range, filter }: RollupQuery, by) {
        asked.push({ what: 'series', filter })
        const stepMs = Math.max(1_000, Math.ceil((range.to - range.from) / 300 / 1_000) * 1_000)
        const slots = Math.ceil((range.to - range.from) / stepMs)
        const wave = (slot: number, k: number): number =>
          Math.round(20 + k * 3 + 15 * Math.sin((range.from / stepMs + slot) / (9 + k)))
        const groups = namesOf(by, source).map((name, k) => ({
          name,
          counts: Object.fromEntries(
            COUNTS.map((count, n) => [
              count,
              Array.from({ length: slots }, (_, slot) => wave(slot, k) * scaleOf(count, n)),
            ]),
          ),
          latencies: Array.from({ length: slots }, (_, slot) => ({
            firstByteMs: [200 + wave(slot, k), 700 + 4 * wave(slot, k)] as const,
            firstTokenMs: [250 + wave(slot, k), 900 + 4 * wave(slot, k)] as const,
            totalMs: [2_000 + 9 * wave(slot, k), 9_000 + 90 * wave(slot, k)] as const,
            addedUs: [90 + wave(slot, k), 300 + 3 * wave(slot, k)] as const,
          })),
        }))
        return { from: range.from, stepMs, slots, groups }
      },
      async totals({ range, filter }: RollupQuery, by) {
        asked.push({ what: 'totals', filter })
        const rows = namesOf(by, source).map((name, k) => totalsRow(name, k))
        return { ...range, by, rows, sum: totalsRow('', 9) }
      },
      async spend(filter) {
        asked.push({ what: 'spend', filter })
        return fakeSpend(source)
      },
      async refusalCodes({ filter }) {
        asked.push({ what: 'refusalCodes', filter })
        return [
          { code: 'rate_limit_exceeded', count: 17 },
          { code: 'budget_exceeded', count: 4 },
        ]
      },
      async keyMonths() {
        return new Map(source.keyIds.map((id, k) => [id, { monthNano: 5e9 * (k + 1), monthRequests: 900 }]))
      },
      lastSeen: () => Date.now() - 60_000,
      lastSecond(filter) {
        asked.push({ what: 'lastSecond', filter })
        const at = Math.floor(Date.now() / 1_000) * 1_000
        const wave = Math.round(20 + 10 * Math.sin(at / 9_000))
        return {
          ...{ at, requests: wave, errors: wave > 25 ? 1 : 0, refusals: wave > 28 ? 1 : 0 },
          ...{ tokens: wave * 90, costNano: wave * 4e6 },
          addedUs: [90, 300],
          firstByteMs: [300, 900],
        }
      },
    },
    requests: {
      size: 2_000,
      async list({ limit, filter = {}, onlyErrors = false }) {
        asked.push({ what: 'requests', filter })
        const all = Array.from({ length: 200 }, (_, k) => fakeRecord(k, source))
        return all
          .filter(({ key }) => filter.key === undefined || filter.key.includes(String(key)))
          .filter(({ status }) => !onlyErrors || Number(status) >= 400)
          .slice(0, limit)
      },
      async find(id) {
        const [, k] = /^tw-0-(\d+)$/.exec(id) ?? []
        return k === undefined ? null : fakeRecord(Number(k), source)
      },
    },
    keys:
      keyring === null || keyFile === null
        ? null
        : {
            file: keyFile,
            find: (hash) => keyring.find(hash),
            list: () => keyring.list(),
            reload: () => keyring.reload(),
          },
    limits: {
      async *listStates() {
        asked.push({ what: 'limits' })
        yield source.keyIds.map((id, k) => fakeState(id, k))
      },
      async readKey({ id }) {
        return [fakeState(id, 1)]
      },
      refusals: [
        { rule: 'everyone', kind: 'requests', count: 12, observed: false },
        { rule: 'interns', kind: 'budget', count: 3, observed: true },
      ],
    },
    async look(question) {
      asked.push({ what: 'look', question })
      await source.answerLook(question)
      return {
        all: question.all ? fakeOpen(source, null) : null,
        byKey: Object.fromEntries(question.keys.map((key) => [key, fakeOpen(source, key)])),
        targets: {
          openai: { state: 'closed', opened: 0, cooling_ms: 0, refused: null, in_flight: 3 },
          'azure#east': { state: 'open', opened: 4, cooling_ms: 12_000, refused: null, in_flight: 0 },
          'azure#west': { state: 'closed', opened: 0, cooling_ms: 0, refused: 'quota', in_flight: 1 },
        },
      }
    },
  }
  return source
}

function namesOf(by: Dimension | null, { keyIds }: FakeSource): readonly string[] {
  switch (by) {
    case null:
      return ['']
    case 'key':
      return keyIds
    case 'model':
      return ['gpt-4o', 'claude-sonnet-4-5', ...HOSTILE]
    case 'upstream':
      return ['openai', 'azure']
    case 'end':
      return ['done', 'client_gone', 'upstream_failed']
    default:
      return [`${by}1`, `${by}2`, '']
  }
}

function scaleOf(count: string, n: number): number {
  if (count === 'requests') return 1
  if (count.endsWith('Nano')) return 2e6
  return count.endsWith('Tokens') ? 80 : n % 3 === 0 ? 1 : 0
}

function totalsRow(name: string, k: number): TotalsRow {
  const counts = Object.fromEntries(COUNTS.map((count, n) => [count, (120 - 9 * k) * scaleOf(count, n)]))
  const quantiles = (p50: number): Latencies['totalMs'] => ({ count: 100, p50, p99: p50 * 4 })
  return {
    name,
    counts: counts as Counts,
    latencies: {
      firstByteMs: quantiles(240 + k),
      firstTokenMs: quantiles(300 + k),
      totalMs: quantiles(3_000 + k),
      addedUs: quantiles(95 + k),
    },
    lastAt: Date.now() - k * 1_000,
  }
}

function fakeSpend(source: FakeSource): Spend {
  const now = Date.now()
  const today = now - (now % DAY_MS)
  const month = Date.UTC(new Date(now).getUTCFullYear(), new Date(now).getUTCMonth(), 1)
  const period = (from: number, days: number) => ({
    ...{ from, to: from + days * DAY_MS, costNano: 12e9 * days, tokens: 4e6 * days, requests: 900 * days },
    ...{ unpriced: 3, forecastNano: 19e9 * days },
  })
  const rowsOf = (by: (typeof SPEND_DIMENSIONS)[number]) =>
    (by === 'tag' ? ['project=a', 'project=b'] : namesOf(by, source)).map((name, k) => ({
      ...{ name, todayNano: 3e9 - k * 1e8, monthNano: 6e10 - k * 1e9 },
      ...{ monthTokens: 1e7 - k * 1e5, monthRequests: 9_000 - k },
    }))
  return {
    today: period(today, 1),
    month: period(month, 30),
    by: Object.fromEntries(SPEND_DIMENSIONS.map((by) => [by, rowsOf(by)])) as unknown as Spend['by'],
    days: Array.from({ length: new Date(now).getUTCDate() }, (_, day) => ({
      from: month + day * DAY_MS,
      costNano: 8e9 + day * 1e8,
      tokens: 3e6,
    })),
  }
}

function fakeRecord(k: number, { keyIds }: FakeSource): Record<string, unknown> {
  const failed = k % 11 === 5
  return {
    ...{ v: 1, id: `tw-0-${k}`, seq: k + 1, writer: 'w', ts: new Date(Date.now() - k * 900).toISOString() },
    ...{ key: keyIds[k % keyIds.length], env: 'test', team: 'team1', user: `user${k % 3}`, route: '/chat' },
    ...{ model: ['gpt-4o', ...HOSTILE][k % 6], upstream: failed ? 'azure' : 'openai', attempts: 1 + (k % 2) },
    ...{ failed_attempts: k % 2 === 1 ? 'azure 429' : null, stream: true, status: failed ? 502 : 200 },
    ...{ end: failed ? 'upstream_failed' : 'done', phase: 'respond', cache: k % 5 === 0 ? 'hit' : null },
    ...{
      prompt_tokens: 900 + k,
      completion_tokens: 200,
      cost_usd: 0.0123,
      read_ms: 4.2,
      ttft_ms: failed ? null : 310.5,
    },
    ...{
      upstream_ttfb_ms: failed ? null : 280.25,
      total_ms: 2_400 + k,
      overhead_us: 96,
      admit_us: 20,
      read_us: 15,
    },
    ...{
      plan_us: 11,
      cache_us: null,
      attempt_us: 30,
      respond_us: failed ? null : 20,
      gap_max_ms: 80,
      user_agent: HOSTILE[1],
    },
  }
}

function fakeState(owner: string, k: number): LimitState {
  const rule = { name: 'month', observe: k % 2 === 1 } as LimitRule
  return {
    ...{ rule, owner, kind: 'budget', period: '2026-11@UTC', limit: 50e9, used: 10e9 * (k + 1), held: 1e8 },
    budget: { unit: 'usd', period: 'month', amount: 50e9 },
    resetMs: 3 * DAY_MS,
  }
}

function fakeOpen({ keyIds }: FakeSource, key: string | null): OpenRequests {
  const rows: OpenRow[] = Array.from({ length: 12 }, (_, k) => ({
    ...{ id: `tw-1-${k}`, key: keyIds[k % keyIds.length] ?? null, owner: `team1/user${k % 3}` },
    ...{ model: ['gpt-4o', ...HOSTILE][k % 6] ?? null, upstream: 'openai', phase: 'respond' },
    ...{ ageMs: 9_000 - k * 700, tokens: 400 - k * 20, pace: 61.5, longestGapMs: 120, bytesOut: 9_000 },
  }))
  const own = rows.filter((row) => key === null || row.key === key)
  return { count: own.length, rows: own }
}
