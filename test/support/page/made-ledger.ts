import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { formatLedgerName } from '../../../src/ledger/files.js'
import { zoneOf } from '../../../src/ledger/read/zone.js'
import { Calendar } from '../../../src/rollups/calendar.js'

/** A random ledger, and when and where somebody looks at it. */
export interface MadeLedger {
  readonly zone: string
  /** Epoch milliseconds. */
  readonly now: number
  readonly folders: readonly string[]
  readonly records: readonly MadeRecord[]
}

/** A record that counts, as its fields stand in the ledger. */
export interface MadeRecord {
  readonly id: string
  /** When it arrived, and when it ended. */
  readonly at: number
  readonly endedAt: number
  readonly fields: Readonly<Record<string, unknown>>
}

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Zones and moments at which something happens to clocks, days or months. */
const SCENES: readonly (readonly [zone: string, now: string])[] = [
  ['UTC', '2026-06-10T12:34:56.789Z'],
  ['UTC', '2026-03-01T00:00:02.500Z'],
  ['Europe/Berlin', '2026-03-31T21:59:58.000Z'],
  ['Europe/Berlin', '2025-10-26T00:30:00.000Z'],
  ['America/New_York', '2026-03-08T12:00:00.000Z'],
  ['Australia/Lord_Howe', '2026-04-06T03:10:00.000Z'],
  ['Australia/Lord_Howe', '2025-10-20T03:40:00.000Z'],
  ['Asia/Kathmandu', '2026-01-31T18:20:00.000Z'],
  ['America/Santiago', '2025-09-07T10:00:00.000Z'],
  ['America/Havana', '2025-11-02T12:00:00.000Z'],
  ['America/St_Johns', '2026-03-09T02:31:00.000Z'],
  ['Pacific/Chatham', '2026-04-05T01:00:00.000Z'],
]

type Pick = <T>(from: readonly T[]) => T

const ENDS = [
  ...['done', 'done', 'done', 'local', 'refused', 'upstream_failed', 'upstream_cut', 'upstream_idle'],
  ...['superseded', 'client_gone', 'client_stalled', 'revoked', 'shutdown', 'crashed'],
]

const OWNERS: readonly (readonly [key: string | null, team: string | null, user: string | null])[] = [
  [null, null, null],
  ['k_1', 'red', 'alice'],
  ['k_2', 'red', 'bob'],
  // Another person of the same name.
  ['k_3', 'blue', 'alice'],
  ['k_4', 'blue', 'carol'],
]

const MODELS = [null, 'm1', 'm1', 'm2', 'a/b', 'ü-model', '__proto__', 'constructor', 'x'.repeat(200)]

/** Writes a ledger into new folders below `root`: files of several writers, parts of days, torn and repeated lines. */
export function makeLedger(root: string, random: () => number): MadeLedger {
  const pick: Pick = (from) => from[Math.floor(random() * from.length)] as (typeof from)[number]
  const [zone, moment] = pick(SCENES)
  const now = Date.parse(moment) + pick([0, 0, 1, 999, 61_000])
  const folders = (random() < 0.3 ? ['one', 'two'] : ['one']).map((name) => join(root, name))
  for (const folder of folders) mkdirSync(folder, { recursive: true })
  const anchors = listAnchors(zone, now)
  const seqs = new Map<string, number>()
  const records: MadeRecord[] = []
  const count = pick([1, 25, 80, 80])
  for (let i = 0; i < count; i++) {
    const totalMs = pick([0, 0.4, 12.345, 999.999, 61_000, 3 * HOUR_MS])
    const shift = pick([0, -1, 1, -SECOND_MS, 999, -MINUTE_MS, HOUR_MS * random(), -HOUR_MS * random()])
    const at = Math.min(now - 1, Math.floor(pick(anchors) + shift))
    const endedAt = at + Math.round(totalMs)
    // What happens in this very millisecond is in no range that ends now.
    if (endedAt >= now) continue
    const writer = pick(['w-1', 'w-2', 'w-3'])
    const seq = (seqs.get(writer) ?? 0) + 1
    seqs.set(writer, seq)
    const id = `tw-${writer}-${seq}`
    const ts = new Date(at).toISOString()
    const fields = { v: 1, id, seq, writer, ts, ...makeFields(pick), total_ms: totalMs }
    records.push({ id, at, endedAt, fields })
    const day = new Date(endedAt).toISOString().slice(0, 10)
    const worker = pick([null, null, 1, 12])
    const path = join(pick(folders), formatLedgerName(day, pick([1, 1, 2]), worker))
    const line = `${JSON.stringify(fields)}\n`
    // A crash, a full disk, or an unsure write.
    const before = pick(['', '', '', '', '\n', '{"v":1,"id":"tw-torn","seq":1,"wri\n', '{"v":1,"id":"tw-to'])
    appendFileSync(path, before + line)
    if (random() < 0.05) appendFileSync(join(pick(folders), formatLedgerName(day, 1, worker)), line)
  }
  return { zone, now, folders, records }
}

/** Moments around which figures go wrong. */
function listAnchors(zone: string, now: number): readonly number[] {
  const calendar = new Calendar(zoneOf(zone))
  const day = calendar.startOfDay(now)
  const month = calendar.monthOf(now).from
  const changes: number[] = []
  for (let at = now; at > now - 60 * DAY_MS; at -= HOUR_MS)
    if (calendar.zone.offsetAt(at) !== calendar.zone.offsetAt(at - HOUR_MS)) changes.push(at, at - HOUR_MS)
  return [
    ...[now, now, now - 4 * MINUTE_MS, now - 40 * MINUTE_MS, now - 10 * HOUR_MS],
    ...[now - (now % HOUR_MS), now - (now % DAY_MS), day, calendar.startOfDay(day - 1), month, month],
    ...[now - 2 * DAY_MS, now - 3 * DAY_MS, now - 20 * DAY_MS, now - 89 * DAY_MS, now - 95 * DAY_MS],
    ...changes,
  ]
}

function makeFields(pick: Pick): Record<string, unknown> {
  const [key, team, user] = pick(OWNERS)
  const prompt = pick([null, 0, 7, 1_000, 123_456])
  const cost = pick([null, 0, 1e-9, 0.0000622, 0.1, 0.2, 12.5, 1_999.123456789])
  const fields: Record<string, unknown> = {
    ...{ key, env: key === null ? null : 'test', team, user, route: '/v1/chat/completions' },
    ...{
      model: pick(MODELS),
      upstream_model: pick([null, 'm1-2026']),
      upstream: pick([null, 'openai', 'azure']),
    },
    ...{
      attempts: pick([0, 1, 2, 3]),
      failed_attempts: pick([null, 'azure 429']),
      stream: pick([true, null]),
    },
    ...{ status: pick([null, 200, 200, 302, 400, 429, 502]), end: pick(ENDS), phase: 'respond' },
    ...{ cache: pick([null, null, 'hit', 'joined', 'prefix', 'miss', 'off']), prompt_tokens: prompt },
    ...{ cached_tokens: prompt === null ? null : pick([null, 0, Math.floor(prompt / 2)]) },
    ...{ cache_write_tokens: pick([null, 0, 5]), completion_tokens: pick([null, 0, 3, 400]) },
    ...{
      reasoning_tokens: pick([null, 0, 2]),
      usage_source: pick(['upstream', 'estimated', 'cache', 'none']),
    },
    ...{ cost_usd: cost, saved_tokens: pick([null, 0, 9]), saved_usd: pick([null, 0.25]) },
    ...{ stream_error: pick([null, null, null, 'overloaded']), ttft_ms: pick([null, 0.2, 3.5, 250, 90_000]) },
    ...{ upstream_ttfb_ms: pick([null, 99.5]), overhead_us: pick([null, 2, 96, 5_000_000]) },
    ...{ error_code: pick([null, null, 'rate_limit_exceeded', 'of_another_version']) },
  }
  const tags = pick([null, null, 'project=a', 'project=a,ticket=b-1', 'ticket=b-1', 'project=b'])
  if (tags !== null) fields.tags = tags
  const rare = pick([null, null, null, 'requests', 'recovered', 'direct', 'hedge', 'old'])
  if (rare === 'requests') fields.requests = pick([2, 5, 1_000])
  if (rare === 'recovered') fields.recovered_from = 'w-0'
  if (rare === 'direct') fields.import_id = 'a'.repeat(32)
  if (rare === 'hedge') fields.overtaken = 'azure'
  // A version that wrote less.
  if (rare === 'old')
    for (const name of ['tags', 'cached_tokens', 'status', 'upstream', 'model']) delete fields[name]
  return fields
}
