import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Filter } from '../../src/rollups/query.js'
import { readRecordRow } from '../../src/rollups/record-row.js'
import { RollupCounts } from '../../src/rollups/rollup-counts.js'
import { Rollups } from '../../src/rollups/rollups.js'
import { COUNTS, DIMENSIONS, type Dimension, OTHER } from '../../src/rollups/shapes.js'
import { fc } from '../support/property.js'
import { MADE, type Made, PRICES, summarize } from './made-requests.js'
import { checkRow, type Fact, factOf, groupBy, groupNameOf, passes, sumOf } from './model.js'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Asia/Kathmandu', 'America/Havana']

/** Among them midnights, and changes of summer time in some of the zones. */
const MOMENTS = [
  '2026-03-29T01:00:00.000Z',
  '2026-10-25T01:30:00.000Z',
  '2026-11-01T05:59:59.999Z',
  '2026-03-08T05:00:00.000Z',
  '2026-05-31T22:00:00.000Z',
  '2026-06-01T00:00:00.000Z',
  '2026-12-31T23:59:59.000Z',
].map((text) => Date.parse(text))

const NOW = fc
  .tuple(fc.constantFrom(...MOMENTS), fc.integer({ min: -2 * HOUR_MS, max: 2 * HOUR_MS }))
  .map(([at, more]) => at + more)

/** Requests, and how far the clock goes after each: also back. */
const STEPS = fc.array(
  fc.record({
    made: MADE,
    step: fc.constantFrom(0, 0, 1, 700, 90_000, -1_500, -HOUR_MS),
    isTaken: fc.boolean(),
  }),
  { maxLength: 40 },
)

const FILTER: fc.Arbitrary<Filter> = fc.oneof(
  fc.constant({}),
  fc.constantFrom<Filter>(
    { key: ['k_1'] },
    { team: ['team0', 'team1'] },
    { model: ['m1', ''], end: ['done'] },
  ),
  fc.constantFrom<Filter>({ upstream: ['openai'], key: ['k_2', 'k_3'] }, { user: ['nobody'] }),
)

interface Scene {
  readonly rollups: Rollups
  readonly facts: readonly Fact[]
  readonly now: number
}

/** Runs requests through counts and rollups, with a clock that goes back at times. */
function run(
  start: number,
  zone: string,
  steps: readonly { readonly made: Made; readonly step: number; readonly isTaken: boolean }[],
  bounds: { maxSeries?: number; maxBytes?: Record<'seconds' | 'minutes' | 'hours', number> } = {},
): Scene {
  let now = start
  const rollups = new Rollups({ zone, now: () => now, sharedMs: 0, ...bounds })
  const counts = new RollupCounts(PRICES)
  const facts: Fact[] = []
  const take = (): void => {
    for (const batch of counts.takeRows()) rollups.add(batch)
  }
  for (const { made, step, isTaken } of steps) {
    const summary = summarize(made, now)
    facts.push(factOf(summary, PRICES))
    counts.record(summary)
    if (isTaken) take()
    now += step
  }
  take()
  return { rollups, facts, now }
}

/** What a view of minutes or hours shows: requests by the slot in which they arrived. */
const isWithin = (fact: Fact, from: number, to: number): boolean => fact.arrived >= from && fact.arrived < to

const BY = fc.constantFrom<Dimension>(...DIMENSIONS)
const AGE = fc.constantFrom(30 * MINUTE_MS, 2 * HOUR_MS, 12 * HOUR_MS, 48 * HOUR_MS, 7 * DAY_MS, 90 * DAY_MS)

test('totals of minutes and hours are those of a list of all requests, with any filter, by any dimension', () =>
  fc.assert(
    fc.asyncProperty(
      NOW,
      fc.constantFrom(...ZONES),
      STEPS,
      FILTER,
      BY,
      AGE,
      async (at, zone, steps, filter, by, age) => {
        const { rollups, facts, now } = run(at, zone, steps)
        const query = { range: { from: now - age, to: now + 1 }, filter }
        const table = await rollups.totals(query, by)
        // Also where a chart puts some slots together: what was not asked for is at most a part of one.
        const slotMs = age <= 48 * HOUR_MS ? MINUTE_MS : HOUR_MS
        assert.ok(table.from <= query.range.from && table.from > query.range.from - slotMs)
        // The slot that goes on is in it as a whole: the clock may have gone back.
        const end = table.from + Math.ceil((now + 1 - table.from) / slotMs) * slotMs
        const wanted = facts.filter((fact) => passes(fact, filter) && isWithin(fact, table.from, end))
        checkRow(table.sum, wanted)
        const groups = groupBy(wanted, ({ names }) => groupNameOf(names, by))
        assert.equal(table.rows.map(({ name }) => name).sort(), [...groups.keys()].sort())
        for (const row of table.rows) checkRow(row, groups.get(row.name) ?? [])
      },
    ),
    { numRuns: 150 },
  ))

test('a view of seconds shows requests in the second in which they ended, and the series adds up to the totals', () =>
  fc.assert(
    fc.asyncProperty(NOW, STEPS, FILTER, async (at, given, filter) => {
      // No request is told of later than two seconds, and the clock goes forward.
      const steps = given.map((one) => ({
        ...one,
        made: { ...one.made, age: one.made.totalMs },
        step: Math.abs(one.step) % HOUR_MS,
        isTaken: true,
      }))
      const { rollups, facts, now } = run(at, 'UTC', steps)
      const query = { range: { from: now - 5 * MINUTE_MS, to: now + 1 }, filter }
      const series = await rollups.series(query, null)
      assert.is(series.stepMs, 1_000)
      const shown = facts.filter((fact) => passes(fact, filter))
      const requests = series.groups[0]?.counts.requests ?? []
      for (let slot = 0; slot < series.slots; slot++) {
        const from = series.from + slot * 1_000
        const wanted = shown.filter(({ ended }) => ended >= from && ended < from + 1_000)
        assert.is(requests[slot] ?? 0, sumOf(wanted, 'requests'))
      }
      const { sum } = await rollups.totals(query, 'team')
      assert.is(
        requests.reduce((all, one) => all + one, 0),
        sum.counts.requests,
      )
    }),
    { numRuns: 60 },
  ))

test('money by the calendar is that of the days of the zone, also where summer time begins or a day has no midnight', () =>
  fc.assert(
    fc.asyncProperty(NOW, fc.constantFrom(...ZONES), STEPS, FILTER, async (at, zone, steps, filter) => {
      const { rollups, facts, now } = run(at, zone, steps)
      const spend = await rollups.spend(filter)
      const format = new Intl.DateTimeFormat('en-CA', { timeZone: zone })
      const today = format.format(now)
      // The hour that goes on counts as a whole: the clock may have gone back.
      const minute = Number(new Intl.DateTimeFormat('en', { timeZone: zone, minute: 'numeric' }).format(now))
      const endOfHour = now - (now % MINUTE_MS) + (60 - minute) * MINUTE_MS
      const isUntilNow = ({ arrived }: Fact): boolean => arrived < endOfHour
      const shown = facts.filter((fact) => passes(fact, filter) && isUntilNow(fact))
      const dayOf = ({ arrived }: Fact): string => format.format(arrived)
      const ofDay = shown.filter((fact) => dayOf(fact) === today)
      const ofMonth = shown.filter((fact) => dayOf(fact).slice(0, 7) === today.slice(0, 7))
      for (const [period, of] of [
        [spend.today, ofDay],
        [spend.month, ofMonth.filter((fact) => dayOf(fact) <= today)],
      ] as const) {
        assert.is(period.costNano, sumOf(of, 'costNano'))
        assert.is(period.tokens, sumOf(of, 'promptTokens') + sumOf(of, 'completionTokens'))
        assert.is(period.requests, sumOf(of, 'requests'))
        assert.is(period.unpriced, sumOf(of, 'unpriced'))
        assert.is(format.format(period.from).slice(0, 7), today.slice(0, 7))
      }
      assert.is(format.format(spend.today.from), today)
      assert.is.not(format.format(spend.today.from - 1), today)
      assert.equal(
        spend.days.map(({ costNano }) => costNano).reduce((all, one) => all + one, 0),
        spend.month.costNano,
      )
      for (const { from, costNano } of spend.days) {
        const of = ofMonth.filter((fact) => dayOf(fact) === format.format(from))
        assert.is(costNano, sumOf(of, 'costNano'))
      }
      const byModel = groupBy(ofMonth, ({ names }) => names.model)
      for (const row of spend.by.model) {
        assert.is(row.monthNano, sumOf(byModel.get(row.name) ?? [], 'costNano'))
        assert.is(row.monthRequests, sumOf(byModel.get(row.name) ?? [], 'requests'))
      }
      const isOfMonth = (fact: Fact): boolean => dayOf(fact).slice(0, 7) === today.slice(0, 7)
      for (const row of spend.by.tag) {
        const of = facts.filter(
          (fact) => passes(fact, filter) && isOfMonth(fact) && fact.tags.includes(row.name),
        )
        assert.is(row.monthNano, sumOf(of, 'costNano'))
        assert.is(
          row.todayNano,
          sumOf(
            of.filter((fact) => dayOf(fact) === today),
            'costNano',
          ),
        )
      }
    }),
    { numRuns: 150 },
  ))

test('refusals are counted by their codes, and each key has the time of its last request', () =>
  fc.assert(
    fc.asyncProperty(NOW, STEPS, FILTER, async (at, steps, filter) => {
      const { rollups, facts, now } = run(at, 'UTC', steps)
      const range = { from: now - 90 * DAY_MS, to: now + 1 }
      const end = Math.ceil((now + 1) / HOUR_MS) * HOUR_MS
      const refused = facts.filter(
        (fact) =>
          passes(fact, filter) &&
          fact.arrived < end &&
          fact.names.end === 'refused' &&
          fact.arrived >= Math.floor(range.from / HOUR_MS) * HOUR_MS,
      )
      const counts = await rollups.refusalCodes({ range, filter })
      const count = sumOf(refused, 'requests')
      assert.equal(counts, count === 0 ? [] : [{ code: 'rate_limit_exceeded', count }])
      for (const [key, of] of groupBy(facts, ({ names }) => names.key))
        if (key !== '') assert.is(rollups.lastSeen(key), Math.max(...of.map(({ ended }) => ended)))
    }),
    { numRuns: 60 },
  ))

test('with more names than there is room for, nothing is lost, and the dimension with the most names has `OTHER`', () =>
  fc.assert(
    fc.asyncProperty(NOW, STEPS, fc.integer({ min: 1, max: 12 }), async (at, given, maxSeries) => {
      const steps = given.map((one, i) => ({ ...one, step: 0, made: { ...one.made, model: `made-up-${i}` } }))
      const { rollups, facts, now } = run(at, 'UTC', steps, { maxSeries })
      assert.ok(rollups.store.book.size <= Math.ceil(maxSeries * 1.25) + 1)
      const query = { range: { from: now - 90 * DAY_MS, to: now + 1 }, filter: {} }
      for (const by of DIMENSIONS) {
        const { sum, rows } = await rollups.totals(query, by)
        for (const name of COUNTS) {
          assert.is(sum.counts[name], sumOf(facts, name))
          assert.is(
            rows.reduce((all, row) => all + row.counts[name], 0),
            sum.counts[name],
          )
        }
      }
    }),
    { numRuns: 60 },
  ))

test('a client that makes up model names pushes no team, user or known model out', async () => {
  const start = MOMENTS[4] as number
  let now = start
  const rollups = new Rollups({ zone: 'UTC', now: () => now, maxSeries: 40 })
  const add = (names: readonly string[]): void => {
    const row = { names, minute: now - (now % MINUTE_MS), lastAt: now, pairs: [0, 1], codes: [], tags: [] }
    rollups.add({ second: now, rows: [row] })
  }
  for (let i = 0; i < 5_000; i++) {
    now += 10
    add(['evil', 'eve', 'k_evil', `made-up-${i}`, 'openai', 'done'])
    if (i > 1_000 && i % 500 === 0) add([`team${i}`, `user${i}`, `k_${i}`, 'gpt', 'openai', 'done'])
  }
  const query = { range: { from: now - HOUR_MS, to: now }, filter: {} }
  const teams = (await rollups.totals(query, 'team')).rows.map(({ name }) => name)
  assert.equal(teams.sort(), [
    'evil',
    ...[1_500, 2_000, 2_500, 3_000, 3_500, 4_000, 4_500].map((i) => `team${i}`),
  ])
  const keys = await rollups.totals({ ...query, filter: { key: ['k_4500'] } }, 'model')
  assert.equal(
    keys.rows.map(({ name, counts }) => [name, counts.requests]),
    [[OTHER, 1]],
  )
})

test('with too few bytes, the oldest slots lose their users first, then go, and the latest stay whole', () =>
  fc.assert(
    fc.asyncProperty(NOW, STEPS, async (at, steps) => {
      const maxBytes = { seconds: 900, minutes: 2_000, hours: 2_000 }
      const { rollups, facts, now } = run(at, 'UTC', steps, { maxBytes })
      for (let i = 0; i < 50; i++) rollups.add({ second: now, rows: [] })
      for (const name of ['seconds', 'minutes', 'hours'] as const)
        assert.ok(rollups.store.rings[name].bytes <= maxBytes[name])
      const query = { range: { from: now - 90 * DAY_MS, to: now + 1 }, filter: {} }
      const { sum } = await rollups.totals(query, 'team')
      assert.ok(sum.counts.requests <= sumOf(facts, 'requests'))
    }),
    { numRuns: 60 },
  ))

test('a view has 400 slots and 20 groups at most, and the other groups are in `OTHER`', async () => {
  const now = MOMENTS[5] as number
  const rollups = new Rollups({ zone: 'Europe/Berlin', now: () => now, sharedMs: 0 })
  for (let i = 0; i < 3_000; i++) {
    const minute = now - (i % 2_800) * MINUTE_MS
    const names = ['t', 'u', 'k', `model-${i % 30}`, 'openai', 'done']
    const row = { names, minute, lastAt: now, pairs: [0, i % 30 === 7 ? 50 : 1], codes: [], tags: [] }
    rollups.add({ second: now, rows: [row] })
  }
  for (const hours of [0.08, 0.5, 2, 12, 48, 168, 720, 2_160]) {
    const query = { range: { from: now - hours * HOUR_MS, to: now + 1 }, filter: {} }
    const { slots, groups, from, stepMs } = await rollups.series(query, 'model')
    assert.ok(slots <= 400 && from <= query.range.from + 1_000, `${slots}`)
    assert.ok(from + slots * stepMs > now)
    assert.ok(groups.length <= 20)
    if (hours < 48) continue
    assert.is(groups[0]?.name, 'model-7')
    assert.is(groups.at(-1)?.name, OTHER)
    const all = groups.flatMap(({ counts }) => counts.requests ?? []).reduce((sum, one) => sum + one, 0)
    assert.is(all, 3_000 + 100 * 49)
  }
})

test('a month of tags takes no more room than a day of it, and what is of today is said apart', async () => {
  let now = Date.parse('2026-06-01T12:00:00.000Z')
  const rollups = new Rollups({ zone: 'UTC', now: () => now, sharedMs: 0, maxTags: 300 })
  const add = (user: number, at: number): void => {
    const names = ['t', `user${user}`, `k_${user}`, 'm', 'openai', 'done']
    const tags = [{ tags: `project=${user % 3},ticket=a`, costNano: 7, tokens: 5, requests: 1 }]
    rollups.add({
      second: at,
      rows: [{ names, minute: at, lastAt: at, pairs: [0, 1, 8, 7], codes: [], tags }],
    })
  }
  for (; now < Date.parse('2026-07-01T00:00:00.000Z'); now += DAY_MS)
    for (let user = 0; user < 30; user++) add(user, now)
  now -= DAY_MS
  const read = async (): Promise<unknown> =>
    (await rollups.spend({})).by.tag.map(({ name, todayNano, monthNano }) => [name, todayNano, monthNano])
  assert.equal(await read(), [
    ['ticket=a', 30 * 7, 900 * 7],
    ...[0, 1, 2].map((project) => [`project=${project}`, 10 * 7, 300 * 7]),
  ])
  // What comes late is of the month; with the next month it begins anew.
  add(1, now - 9 * DAY_MS)
  now += DAY_MS
  add(2, now)
  add(2, now - 2 * DAY_MS)
  assert.equal(await read(), [
    ['project=2', 7, 7],
    ['ticket=a', 7, 7],
  ])
})

test('the forecast repeats the hours of the last week, and there is none before a day is known', async () => {
  let now = Date.parse('2026-06-10T12:00:00.000Z')
  const rollups = new Rollups({ zone: 'UTC', now: () => now, sharedMs: 0 })
  const spendAt = (at: number, nano: number): void => {
    const names = ['t', 'u', 'k', 'm', 'openai', 'done']
    rollups.add({
      second: at,
      rows: [{ names, minute: at, lastAt: at, pairs: [0, 1, 8, nano], codes: [], tags: [] }],
    })
  }
  spendAt(now - 2 * HOUR_MS, 1_000)
  assert.is((await rollups.spend({})).month.forecastNano, null)
  // A dollar on each day at 10 o'clock, for nine days, and none on Saturdays and Sundays.
  for (let day = 1; day <= 9; day++) {
    const at = now - 2 * HOUR_MS - day * DAY_MS
    if (![0, 6].includes(new Date(at).getUTCDay())) spendAt(at, 1_000)
  }
  const { month, today } = await rollups.spend({})
  // The 1st to the 10th of June 2026 have eight working days, and the rest of the month has fourteen.
  assert.is(month.costNano, 8_000)
  assert.is(month.forecastNano, 22_000)
  assert.is(today.forecastNano, 1_000)
  now += 90 * DAY_MS
  assert.is((await rollups.spend({})).month.costNano, 0)
})

test('absurd amounts are cut to what a number holds, and the rest goes on', async () => {
  const rollups = new Rollups({ zone: 'UTC', sharedMs: 0 })
  const at = Date.now()
  const price = '1e280'
  for (let hours = 0; hours < 8; hours++) {
    const ts = new Date(at - hours * HOUR_MS).toISOString()
    const line = `{"v":1,"id":"tw-${hours}","seq":1,"writer":"w","ts":"${ts}","prompt_tokens":7,"cost_usd":${price},"tags":"a=b"}`
    const row = readRecordRow(line.replace('1e280', hours % 2 === 0 ? price : '1e300'), null)?.row
    assert.ok(row)
    for (let i = 0; i < 3; i++) rollups.add({ second: at - (at % 1_000), rows: [row] })
  }
  const { sum } = await rollups.totals({ range: { from: at - 3 * DAY_MS, to: at + 1 }, filter: {} }, 'team')
  assert.equal([sum.counts.requests, sum.counts.promptTokens], [24, 168])
  assert.ok(sum.counts.costNano >= Number.MAX_SAFE_INTEGER && Number.isFinite(sum.counts.costNano))
})

test.run()
