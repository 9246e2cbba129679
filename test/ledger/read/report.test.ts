import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readEntry } from '../../../src/ledger/read/entry.js'
import { createFilter, type FilterPatterns } from '../../../src/ledger/read/filter.js'
import { type Grouping, parseGrouping } from '../../../src/ledger/read/grouping.js'
import { Histogram } from '../../../src/ledger/read/histogram.js'
import { parseLedgerTime } from '../../../src/ledger/read/ledger-time.js'
import { LineSplitter } from '../../../src/ledger/read/lines.js'
import { Period, parseTime } from '../../../src/ledger/read/period.js'
import { OTHERS, Report } from '../../../src/ledger/read/report.js'
import { UTC } from '../../../src/ledger/read/zone.js'
import { fc } from '../../support/property.js'

const ALWAYS = new Period(null, null)

/** A report of records that have these fields, one after another. */
function report(
  by: string,
  records: readonly Record<string, unknown>[],
  period: Period = ALWAYS,
  maxGroups?: number,
  patterns: FilterPatterns = {},
): Report {
  const groupings = by.split(',').map((name) => parseGrouping(name, UTC) as Grouping)
  const options = { by: groupings, period, filter: createFilter(patterns), zone: UTC }
  const made = new Report(maxGroups === undefined ? options : { ...options, maxGroups })
  records.forEach((fields, i) => {
    const record = { v: 1, writer: 'w-1', seq: i + 1, status: 200, end: 'done', ...fields }
    made.add(readEntry(JSON.stringify(record)))
  })
  return made
}

test('costs are added exactly, and the groups make up the total', () => {
  const nano = fc.integer({ min: 0, max: 10_000_000_000 })
  fc.assert(
    fc.property(fc.array(fc.tuple(nano, fc.constantFrom('a', 'b')), { minLength: 1 }), (costs) => {
      const made = report(
        'team',
        costs.map(([cost, team]) => ({ team, cost_usd: Number(`${cost}e-9`) })),
      )
      const groups = made.list()
      const { total } = made
      const sum = costs.reduce((all, [cost]) => all + BigInt(cost), 0n)
      assert.is(total.cost_usd, Number(`${sum}e-9`))
      const parts = groups.map(({ totals }) => BigInt(Math.round(Number(totals.cost_usd) * 1e9)))
      assert.is(
        parts.reduce((all, part) => all + part, 0n),
        sum,
      )
    }),
  )
  const tenths = Array.from({ length: 10 }, () => ({ team: 'a', cost_usd: 0.1 }))
  assert.is(report('team', tenths).total.cost_usd, 1)
})

test('requests are grouped as requested, the largest group first and unknown names as null', () => {
  const records = [
    { team: 'a', user: 'x', key: 'k_1', model: 'm', upstream: 'u', ts: '2026-01-02T00:00:00.000Z' },
    { team: 'a', user: 'y', key: 'k_2', model: 'm', upstream: 'u', ts: '2026-01-01T23:59:59.999Z' },
    { team: 'b', user: 'x', key: 'k_3', model: 'n', upstream: null, ts: '2026-01-02T09:00:00.000Z' },
    { team: 'a', user: 'x', key: 'k_1', model: null, upstream: 'u', ts: null, end: 'refused' },
  ]
  const names = (by: string): [string | null, number][] =>
    report(by, records)
      .list()
      .map(({ names, totals }) => [names[0] ?? null, totals.requests])
  assert.equal(names('team'), [
    ['a', 3],
    ['b', 1],
  ])
  assert.equal(names('user'), [
    ['a/x', 2],
    ['a/y', 1],
    ['b/x', 1],
  ])
  assert.equal(names('key'), [
    ['k_1', 2],
    ['k_2', 1],
    ['k_3', 1],
  ])
  assert.equal(names('model'), [
    ['m', 2],
    [null, 1],
    ['n', 1],
  ])
  assert.equal(names('day'), [
    [null, 1],
    ['2026-01-01', 1],
    ['2026-01-02', 2],
  ])
  assert.equal(names('upstream'), [
    ['u', 3],
    [null, 1],
  ])
  assert.equal(names('end'), [
    ['done', 3],
    ['refused', 1],
  ])
})

test('a value that is unknown for all requests is null, and known values are summed up', () => {
  const unknown = report('team', [{ status: 429 }, { prompt_tokens: null, ttft_ms: null }]).total
  assert.equal(unknown, {
    requests: 2,
    errors: 1,
    prompt_tokens: null,
    cached_tokens: null,
    completion_tokens: null,
    reasoning_tokens: null,
    searches: null,
    cost_usd: null,
    unpriced: 0,
    assumed_usd: null,
    ttft_ms_p50: null,
    ttft_ms_p99: null,
    overhead_us_p99: null,
    estimated: 0,
    direct: 0,
  })
  const known = report('team', [
    { prompt_tokens: 10, cached_tokens: 0, cost_usd: 0.1, ttft_ms: 5, overhead_us: 90 },
    { prompt_tokens: 1, completion_tokens: 7, reasoning_tokens: 4, searches: 3, cost_usd: 0.2 },
    { completion_tokens: 3, cost_usd: null, assumed_usd: 7e-9, usage_source: 'estimated' },
    { cost_usd: null },
  ]).total
  assert.equal(known, {
    requests: 4,
    errors: 0,
    prompt_tokens: 11,
    cached_tokens: 0,
    completion_tokens: 10,
    reasoning_tokens: 4,
    searches: 3,
    cost_usd: 0.3,
    unpriced: 1,
    assumed_usd: 0.000000007,
    ttft_ms_p50: 5,
    ttft_ms_p99: 5,
    overhead_us_p99: 90,
    estimated: 1,
    direct: 0,
  })
})

test('a request is an error if its status is missing or at least 400, or its end is a failure', () => {
  const errors = (status: number | null, end: string): number =>
    report('team', [{ status, end }]).total.errors
  for (const end of ['done', 'local', 'client_gone']) assert.is(errors(200, end), 0)
  for (const end of ['refused', 'upstream_cut', 'crashed', 'shutdown']) assert.is(errors(200, end), 1)
  assert.is(errors(399, 'done'), 0)
  assert.is(errors(400, 'done'), 1)
  assert.is(errors(null, 'client_gone'), 1)
  const streamed = { status: 200, end: 'done', stream_error: 'overloaded_error' }
  assert.is(report('team', [streamed, { ...streamed, end: 'client_gone' }]).total.errors, 2)
  assert.is(report('team', [{ ...streamed, stream_error: null }]).total.errors, 0)
})

test('repeated records count once, and torn lines do not count', () => {
  const made = report('team', [{ seq: 1 }, { seq: 2 }, { seq: 1 }, { seq: 1, writer: 'w-2' }])
  for (const line of ['{"v":1,"se', 'null', '7', '{"seq":1}', '{"writer":"w-1","seq":0}'])
    made.add(readEntry(line))
  assert.is(made.total.requests, 3)
  assert.is(made.duplicates, 1)
  assert.is(made.torn, 5)
})

test('made-up names do not make the report grow without limit', () => {
  const records = Array.from({ length: 20 }, (_, i) => ({ model: `m${i}` }))
  const made = report('model', records, ALWAYS, 5)
  const groups = made.list()
  assert.is(groups.length, 6)
  assert.equal(groups[5]?.names, [OTHERS])
  assert.is(groups[5]?.totals.requests, 15)
  assert.is(made.total.requests, 20)
})

test('a period includes its start and excludes its end', () => {
  const times = ['2026-01-01T23:59:59.999Z', '2026-01-02T00:00:00.000Z', '2026-01-03T00:00:00.000Z']
  const period = new Period(Date.UTC(2026, 0, 2), Date.UTC(2026, 0, 3))
  assert.equal(
    times.filter((ts) => period.includes(parseLedgerTime(ts))),
    ['2026-01-02T00:00:00.000Z'],
  )
  assert.ok(period.includes(parseLedgerTime('2026-01-02T01:00:00+01:00')))
  assert.not(period.includes(null))
  assert.ok(ALWAYS.includes(null))
  const records = times.map((ts) => ({ ts }))
  assert.is(report('team', records, period).total.requests, 1)
})

test('a file is skipped only if it ends before the period, as a long stream is in the file of its end', () => {
  const period = new Period(Date.UTC(2026, 0, 10, 12), Date.UTC(2026, 0, 11))
  assert.not(period.mayBeIn('2026-01-08'))
  assert.ok(period.mayBeIn('2026-01-09'))
  assert.ok(period.mayBeIn('2026-01-10'))
  assert.ok(period.mayBeIn('2026-03-01'))
  assert.ok(new Period(null, 0).mayBeIn('2026-01-01'))
})

test('a time is a day, ISO 8601 (UTC by default) or an age', () => {
  const now = Date.UTC(2026, 0, 31, 12)
  const time = (text: string, edge: 'start' | 'end' = 'start'): string | null => {
    const at = parseTime(text, edge, now)
    return at === null ? null : new Date(at).toISOString()
  }
  assert.is(time('2026-01-31'), '2026-01-31T00:00:00.000Z')
  assert.is(time('2026-01-31', 'end'), '2026-02-01T00:00:00.000Z')
  assert.is(time('2026-01-31T09:00'), '2026-01-31T09:00:00.000Z')
  assert.is(time('2026-01-31 09:00:01', 'end'), '2026-01-31T09:00:01.000Z')
  assert.is(time('2026-01-31T09:00:00.5+02:00'), '2026-01-31T07:00:00.500Z')
  assert.is(time('2026-01-31t09:00z'), '2026-01-31T09:00:00.000Z')
  assert.is(time('30m'), '2026-01-31T11:30:00.000Z')
  assert.is(time('24h'), '2026-01-30T12:00:00.000Z')
  assert.is(time('7d', 'end'), '2026-01-24T12:00:00.000Z')
  assert.is(time('2w'), '2026-01-17T12:00:00.000Z')
  for (const text of [
    '',
    'yesterday',
    '2026-02-30',
    '2026-13-01',
    '2026-02-30T00:00',
    '2026-01-31T24:30',
    '2026-01-31T09:00+99:00',
    '7',
    '-7d',
    '7y',
    '9999999d',
  ]) {
    assert.is(time(text), null, text)
  }
})

test('a quantile is within 1 % of the value at its rank, for any values', () => {
  const value = fc.oneof(
    fc.double({ min: 0.001, max: 1e10, noNaN: true }),
    fc.double({ min: 1, max: 1_000, noNaN: true }),
    fc.integer({ min: 1, max: 100_000 }),
  )
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 200 }),
      fc.constantFrom(0, 0.5, 0.9, 0.99, 1),
      (values, q) => {
        const histogram = new Histogram()
        for (const each of values) histogram.add(each)
        const sorted = [...values].sort((a, b) => a - b)
        const exact = sorted[Math.max(1, Math.ceil(q * values.length)) - 1] as number
        const told = histogram.quantile(q) as number
        assert.ok(Math.abs(told - exact) <= exact * 0.010_000_1, `${told} for ${exact}`)
      },
    ),
    { numRuns: 1_000 },
  )
})

test('a quantile of no values is null, and of zeros is zero', () => {
  const histogram = new Histogram()
  assert.is(histogram.quantile(0.5), null)
  for (const value of [0, 0, 0, 1e300, Number.NaN, -1]) histogram.add(value)
  assert.is(histogram.quantile(0.5), 0)
})

test('lines are split at line feeds only, however their bytes are divided into chunks', () => {
  const lines = ['{"a":"\u2028\u2029\r"}', '', 'ü'.repeat(50), '😀', 'x']
  fc.assert(
    fc.property(fc.array(fc.nat(150), { maxLength: 10 }), (cuts) => {
      const bytes = Buffer.from(lines.join('\n'))
      const seen: string[] = []
      const splitter = new LineSplitter((line) => seen.push(line))
      const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
      for (let i = 1; i < at.length; i++) splitter.push(bytes.subarray(at[i - 1], at[i]))
      splitter.end()
      assert.equal(seen, lines)
    }),
  )
})

test.run()
