import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runUsage } from '../../src/commands/usage.js'
import { listLedgerNames } from '../../src/ledger/files.js'
import { buildRollup, isClosed, listDays, writeRollup } from '../../src/ledger/read/rollup-files.js'
import { zoneOf } from '../../src/ledger/read/zone.js'
import type {
  CountName,
  KeyList,
  RequestList,
  Series,
  Spend,
  SpendDimension,
  TotalsRow,
  TotalsTable,
} from '../../src/page/shapes.js'
import { Calendar } from '../../src/rollups/calendar.js'
import { Rebuilder } from '../../src/rollups/rebuild/rebuilder.js'
import { RecentRequests } from '../../src/rollups/recent-requests.js'
import { Rollups } from '../../src/rollups/rollups.js'
import { type MadeLedger, type MadeRecord, makeLedger } from '../support/page/made-ledger.js'
import { type PageScene, withPage } from '../support/page/scene.js'
import { randomFrom, SEED } from '../support/random.js'
import { Written } from '../support/thinwire.js'

// What the page shows of a ledger is what `thinwire usage report` says of it, to the last nano-dollar.

interface FiguresPlace {
  root: string
  /** A thread keeps no process running. */
  held: NodeJS.Timeout
}

const test = suite<FiguresPlace>('figures')

test.before.each((place) => {
  place.root = mkdtempSync(join(tmpdir(), 'thinwire-figures-'))
  place.held = setInterval(() => {}, 1_000)
})
test.after.each(({ root, held }) => {
  clearInterval(held)
  rmSync(root, { recursive: true, force: true })
})

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

const BY = ['team', 'user', 'key', 'model', 'upstream', 'end'] as const

/** Ledgers that each test makes; `FIGURES_ROUNDS=100` makes more. */
const ROUNDS = Number(process.env.FIGURES_ROUNDS ?? 5)

/** A row of `thinwire usage report --json`. */
type ReportRow = Readonly<Record<string, number | string | null>>

interface UsageJson {
  readonly groups: readonly ReportRow[]
  readonly total: ReportRow
}

/** A ledger, the page that shows it, and the report of it. */
class Figures {
  readonly ledger: MadeLedger
  private readonly scene: PageScene
  private readonly cookie: string

  constructor(ledger: MadeLedger, scene: PageScene, cookie: string) {
    this.ledger = ledger
    this.scene = scene
    this.cookie = cookie
  }

  async ask<T>(path: string): Promise<T> {
    const response = await this.scene.ask('GET', `/api/${path}`, [this.cookie])
    assert.is(response.status, 200, path)
    return JSON.parse(response.body.toString()) as T
  }

  /** @param to not included */
  report(by: string, from: number, to: number, more: readonly string[] = []): Promise<UsageJson> {
    const period = ['--from', new Date(from).toISOString(), '--to', new Date(to).toISOString()]
    return this.runReport(['--by', by, ...period, ...more])
  }

  async runReport(args: readonly string[]): Promise<UsageJson> {
    const io = { out: new Written(), err: new Written() }
    const never = (): never => {
      throw new Error('not needed')
    }
    const { zone, folders } = this.ledger
    const all = ['report', '--json', '--no-rollups', '--timezone', zone, ...args]
    const code = await runUsage(all, { ...io, folders: () => folders, ledger: never, limitRules: never })
    assert.is(code, 0, io.err.text)
    return JSON.parse(io.out.text) as UsageJson
  }
}

test('sums of any range, by each dimension, are those of the report', (place) =>
  withLedgers(place, async (figures, random) => {
    for (const range of listRanges(figures.ledger, random))
      for (const by of pickBy(random, 2)) {
        const table = await figures.ask<TotalsTable>(`totals?by=${by}&range=${range.from}-${range.to}`)
        const slotMs = checkPeriod(table, range, figures.ledger.now)
        // The last minutes are by the second, and in that in which a request ended.
        if (slotMs === 1_000) checkSeconds(table, figures.ledger.records)
        else compareTables(table, await figures.report(by, table.from, table.to))
        for (const { name, lastAt } of table.rows)
          assert.ok(
            lastAt !== null && lastAt >= table.from && lastAt <= findLastEnd(figures.ledger, table.to),
            name,
          )
      }
  }))

test('filtered sums are those of the report with the same filters', (place) =>
  withLedgers(place, async (figures) => {
    const { now } = figures.ledger
    const filters = [
      ['team=red', ['--team', 'red']],
      ['team=red&team=blue&model=m1', ['--team', 'red', '--team', 'blue', '--model', 'm1']],
      ['key=k_3', ['--key', 'k_3']],
      ['user=red/alice', ['--user', 'red/alice']],
      ['user=alice', ['--user', 'alice']],
      ['model=a/b&user=red/bob', ['--model', 'a/b', '--user', 'red/bob']],
    ] as const
    for (const [query, options] of filters) {
      const table = await figures.ask<TotalsTable>(`totals?by=end&range=${now - 80 * DAY_MS}-${now}&${query}`)
      compareTables(table, await figures.report('end', table.from, table.to, options))
    }
  }))

test('a series has in each slot what the report says of its time', (place) =>
  withLedgers(place, async (figures, random) => {
    for (const range of listRanges(figures.ledger, random))
      for (const by of pickBy(random, 1)) {
        const series = await figures.ask<Series>(`series?by=${by}&range=${range.from}-${range.to}`)
        const { from, stepMs, slots, groups } = series
        assert.ok(from <= range.from && from + slots * stepMs >= Math.min(range.to, figures.ledger.now + 1))
        if (stepMs < MINUTE_MS) continue
        const sum = (name: CountName, slot: number | null): Map<string, number> =>
          new Map(
            groups.map((group) => {
              const counts = group.counts[name] ?? []
              return [group.name, slot === null ? counts.reduce((a, b) => a + b, 0) : (counts[slot] ?? 0)]
            }),
          )
        const slot = Math.floor(random() * slots)
        for (const one of [null, slot]) {
          const start = from + (one ?? 0) * stepMs
          const report = await figures.report(
            by,
            start,
            one === null ? from + slots * stepMs : start + stepMs,
          )
          for (const [name, field] of COUNTED) {
            const counts = sum(name, one)
            const known = new Map(report.groups.map((row) => [nameOf(row, by), readField(row, field)]))
            for (const group of new Set([...counts.keys(), ...known.keys()]))
              assert.is(counts.get(group) ?? 0, known.get(group) ?? 0, `${by} ${group}: ${name}`)
          }
        }
      }
  }))

test('money by the calendar is that of the report, by day, dimension and tag', (place) =>
  withLedgers(place, async (figures) => {
    const { zone, now } = figures.ledger
    const calendar = new Calendar(zoneOf(zone))
    const spend = await figures.ask<Spend>('spend')
    const month = calendar.zone.formatMonth(now)
    const [day, days] = [
      calendar.zone.formatDay(now),
      await figures.runReport(['--by', 'day', '--month', month]),
    ]
    assert.equal(
      spend.days
        .filter((one) => one.costNano > 0 || one.tokens > 0)
        .map((one) => [calendar.zone.formatDay(one.from), one.costNano, one.tokens]),
      days.groups
        .map((row) => [row.day, readField(row, 'cost_usd'), tokensOf(row)])
        .filter(([, cost, tokens]) => Number(cost) > 0 || Number(tokens) > 0),
    )
    const today = days.groups.find((row) => row.day === day)
    for (const [period, row] of [
      [spend.month, days.total],
      [spend.today, today],
    ] as const) {
      assert.is(period.costNano, readField(row, 'cost_usd'))
      assert.is(period.tokens, tokensOf(row))
      assert.is(period.requests, readField(row, 'requests'))
      assert.is(period.unpriced, readField(row, 'unpriced'))
    }
    const compare = async (dimension: SpendDimension, by: string, prefix = ''): Promise<void> => {
      const months = await figures.runReport(['--by', by, '--month', month])
      const todays = await figures.runReport(['--by', by, '--from', day, '--to', day])
      const rows = spend.by[dimension].filter(({ name }) => name.startsWith(prefix))
      const known = months.groups.filter((row) => prefix === '' || row[by] !== null)
      assert.is(rows.length, known.length, by)
      for (const row of known) {
        const name = prefix + nameOf(row, by)
        const found = rows.find((one) => one.name === name)
        const ofDay = todays.groups.find((one) => one[by] === row[by])
        assert.equal(
          found,
          {
            name,
            todayNano: readField(ofDay, 'cost_usd'),
            monthNano: readField(row, 'cost_usd'),
            monthTokens: tokensOf(row),
            monthRequests: readField(row, 'requests'),
          },
          name,
        )
      }
    }
    for (const dimension of ['team', 'user', 'key', 'model'] as const) await compare(dimension, dimension)
    for (const tag of ['project', 'ticket']) await compare('tag', `tag:${tag}`, `${tag}=`)
  }))

test('keys, and the last requests, are those of the ledger', (place) =>
  withLedgers(place, async (figures) => {
    const { records } = figures.ledger
    const spend = await figures.ask<Spend>('spend')
    const { keys } = await figures.ask<KeyList>('keys')
    for (const { id, monthNano } of keys)
      assert.is(monthNano, spend.by.key.find(({ name }) => name === id)?.monthNano ?? 0)
    // Of older days there may be sums alone.
    const since = figures.ledger.now - 2 * DAY_MS
    const { requests } = await figures.ask<RequestList>('requests?limit=200')
    assert.equal(
      requests
        .filter(({ at }) => at >= since)
        .map(({ id }) => id)
        .sort(),
      records
        .filter(({ at }) => at >= since)
        .map(({ id }) => id)
        .sort(),
    )
  }))

/** Counts of the page and fields of the report. */
const COUNTED: readonly (readonly [CountName, string])[] = [
  ['requests', 'requests'],
  ['errors', 'errors'],
  ['promptTokens', 'prompt_tokens'],
  ['cachedTokens', 'cached_tokens'],
  ['completionTokens', 'completion_tokens'],
  ['reasoningTokens', 'reasoning_tokens'],
  ['costNano', 'cost_usd'],
  ['unpriced', 'unpriced'],
]

function compareTables({ by, rows, sum }: TotalsTable, report: UsageJson): void {
  assert.equal(rows.map(({ name }) => name).sort(), report.groups.map((row) => nameOf(row, by)).sort())
  for (const row of rows)
    compareRow(
      row,
      report.groups.find((one) => nameOf(one, by) === row.name),
      by,
    )
  compareRow(sum, report.total, by)
}

function compareRow({ name, counts, latencies }: TotalsRow, row: ReportRow | undefined, by: string): void {
  for (const [count, field] of COUNTED)
    assert.is(counts[count], readField(row, field), `${by} ${name}: ${count}`)
  const pairs = [
    [latencies.firstTokenMs.p50, row?.ttft_ms_p50],
    [latencies.firstTokenMs.p99, row?.ttft_ms_p99],
    [latencies.addedUs.p99, row?.overhead_us_p99],
  ]
  // Within 15 % and 1 %.
  for (const [one, other] of pairs)
    if (typeof one === 'number' && typeof other === 'number')
      assert.ok(Math.abs(one - other) <= 0.17 * other, `${by} ${name}: ${one} and ${other}`)
    else assert.is(one ?? null, other ?? null)
}

function nameOf(row: ReportRow, by: string): string {
  return String(row[by] ?? '')
}

/** Money in nano-dollars; 0 for what is not known. */
function readField(row: ReportRow | undefined, field: string): number {
  const value = Number(row?.[field] ?? 0)
  return field === 'cost_usd' ? Math.round(value * 1e9) : value
}

function tokensOf(row: ReportRow | undefined): number {
  return readField(row, 'prompt_tokens') + readField(row, 'completion_tokens')
}

function pickBy(random: () => number, count: number): readonly (typeof BY)[number][] {
  return Array.from({ length: count }, () => BY[Math.floor(random() * BY.length)] ?? 'team')
}

interface Range {
  readonly from: number
  readonly to: number
}

function listRanges({ zone, now }: MadeLedger, random: () => number): Range[] {
  const calendar = new Calendar(zoneOf(zone))
  const day = calendar.startOfDay(now)
  const before = calendar.startOfDay(day - 1)
  const length = Math.ceil(random() * 50 * DAY_MS)
  const from = Math.floor(now - length - random() * 35 * DAY_MS)
  return [
    ...[4 * MINUTE_MS, 30 * MINUTE_MS, 12 * HOUR_MS, 48 * HOUR_MS, 7 * DAY_MS, 90 * DAY_MS].map((age) => {
      return { from: now - age, to: now }
    }),
    { from: day, to: now },
    { from: before, to: day },
    calendar.monthOf(now),
    calendar.monthOf(calendar.monthOf(now).from - 1),
    { from, to: from + length },
  ]
}

/** The table is of the range that was asked for, in whole slots. @returns the length of a slot */
function checkPeriod({ from, to }: Range, asked: Range, now: number): number {
  const age = now - asked.from
  const slotMs = age <= 5 * MINUTE_MS + 5_000 ? 1_000 : age <= 48 * HOUR_MS + 5_000 ? MINUTE_MS : HOUR_MS
  assert.ok(from <= asked.from && from > asked.from - slotMs, `from ${from} in place of ${asked.from}`)
  const last = Math.min(asked.to, now + 1)
  assert.ok(to >= last - 1 && to < last + slotMs, `to ${to} in place of ${asked.to}`)
  return slotMs
}

/** When the last request ended of those that arrived before a moment; at least this moment. */
function findLastEnd({ records }: MadeLedger, to: number): number {
  return Math.max(to, ...records.filter(({ at }) => at < to).map(({ endedAt }) => endedAt))
}

function checkSeconds({ from, to, sum }: TotalsTable, records: readonly MadeRecord[]): void {
  const ended = records.filter(({ endedAt }) => endedAt >= from && endedAt < to)
  const requests = ended.map(({ fields }) => Number(fields.requests ?? 1))
  assert.is(
    sum.counts.requests,
    requests.reduce((all, one) => all + one, 0),
  )
}

/** Each test makes other ledgers. */
let makes = 0

/** Opens a page over each of some random ledgers, at the moment at which somebody looks. */
async function withLedgers(
  { root }: FiguresPlace,
  act: (figures: Figures, random: () => number) => Promise<void>,
): Promise<void> {
  const clock = Date.now
  const first = makes++ * 1_000_000 + SEED * 1_000
  for (let round = 0; round < ROUNDS; round++) {
    const seed = first + round
    const random = randomFrom(seed)
    const ledger = makeLedger(join(root, String(round)), random)
    if (ledger.records.length === 0) continue
    try {
      Date.now = () => ledger.now
      if (random() < 0.5) for (const folder of ledger.folders) await rollUp(folder, ledger.now)
      const rollups = new Rollups({ zone: ledger.zone, now: () => ledger.now, sharedMs: 0 })
      const recent = new RecentRequests()
      const log = { warn() {}, info() {} }
      const { folders } = ledger
      const rebuilder = new Rebuilder({ rollups, recent, log, folders, prices: null, retryMs: 1 })
      await rebuilder.readAll(await rebuilder.look())
      assert.is(rollups.completeFrom, null)
      await withPage({}, async (scene) => {
        Object.assign(scene.source, { sums: rollups, requests: recent })
        await act(new Figures(ledger, scene, await scene.signIn()), random)
      })
    } catch (error) {
      ;(error as Error).message += ` (ledger ${seed} of ${ledger.zone})`
      throw error
    } finally {
      Date.now = clock
    }
  }
}

async function rollUp(folder: string, now: number): Promise<void> {
  mkdirSync(folder, { recursive: true })
  for (const day of listDays(listLedgerNames(readdirSync(folder))))
    if (isClosed(day.day, now)) await writeRollup(folder, day.day, (await buildRollup(folder, day)).text)
}

test.run()
