import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PERIODS, type PeriodKind } from '../../../src/config/limit-rules.js'
import { type Zone, zoneOf } from '../../../src/ledger/read/zone.js'
import { type BudgetPeriod, findPeriod } from '../../../src/limits/counters/period.js'
import { fc } from '../../support/property.js'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

const at = (text: string): number => Date.parse(text)

const show = ({ name, start, end }: BudgetPeriod): string[] => [
  name,
  new Date(start).toISOString(),
  new Date(end).toISOString(),
]

/** Zones with their years in which clocks do something that others do not. */
const ODD: readonly (readonly [zone: string, from: string, to: string])[] = [
  ['UTC', '2023-12-20', '2024-03-10'],
  ['Europe/Berlin', '2026-03-01', '2026-04-10'],
  ['Europe/Berlin', '2026-10-01', '2027-01-10'],
  // Clocks went on and back at midnight.
  ['America/Sao_Paulo', '2018-10-01', '2019-03-01'],
  ['Africa/Cairo', '2026-10-01', '2026-11-10'],
  ['Africa/Cairo', '2026-04-01', '2026-05-10'],
  // 2011-12-30 did not exist.
  ['Pacific/Apia', '2011-12-01', '2012-04-10'],
  // 21 August 1993 did not exist.
  ['Pacific/Kwajalein', '1993-08-01', '1993-09-15'],
  // Clocks are changed by half an hour.
  ['Australia/Lord_Howe', '2026-03-20', '2026-04-20'],
  ['Australia/Lord_Howe', '2026-09-20', '2026-10-20'],
  // Clocks went back from 00:01 to 23:01 of the day before, and on at 00:01.
  ['America/St_Johns', '2006-10-01', '2007-04-10'],
  ['America/Goose_Bay', '1988-10-01', '1988-11-10'],
  // Clocks went on from 23:30 to 00:00.
  ['Asia/Pyongyang', '2018-05-01', '2018-06-10'],
  ['Antarctica/Troll', '2026-03-20', '2026-04-10'],
  ['Asia/Kathmandu', '2026-01-01', '2026-02-01'],
]

/** Every period from one moment to another. */
function* periodsOf(kind: PeriodKind, zone: string, from: number, to: number): Generator<BudgetPeriod> {
  for (let moment = from; moment < to; ) {
    const period = findPeriod(kind, zone, moment)
    yield period
    moment = period.end
  }
}

test('periods follow each other without a gap, and no name comes twice', () => {
  for (const [zone, from, to] of ODD)
    for (const kind of PERIODS) {
      const names = new Set<string>()
      let last: BudgetPeriod | null = null
      for (const period of periodsOf(kind, zone, at(from), at(to))) {
        assert.ok(period.start < period.end, show(period).join(' '))
        if (last !== null) assert.is(period.start, last.end, show(period).join(' '))
        assert.not.ok(names.has(period.name), `twice: ${period.name}`)
        names.add(period.name)
        last = period
      }
      assert.ok(names.size > 0)
    }
})

test('each moment is in one period, whichever was asked for before', () => {
  for (const [zone, from, to] of ODD) {
    const [first, last] = [at(from), at(to)]
    fc.assert(
      fc.property(
        fc.constantFrom(...PERIODS),
        fc.array(fc.integer({ min: first, max: last }), { maxLength: 8 }),
        (kind, moments) => {
          for (const moment of moments) {
            const period = findPeriod(kind, zone, moment)
            assert.ok(period.includes(moment), `${new Date(moment).toISOString()} ${show(period).join(' ')}`)
            for (const same of [period.start, period.end - 1])
              assert.equal(findPeriod(kind, zone, same), period)
            assert.is.not(findPeriod(kind, zone, period.end).name, period.name)
            assert.is.not(findPeriod(kind, zone, period.start - 1).name, period.name)
          }
        },
      ),
      { numRuns: 60 },
    )
  }
})

test('a day begins when clocks first show its midnight, or skip it', () => {
  const clockOf = (zone: Zone, moment: number): number => moment + zone.offsetAt(moment)
  for (const [name, from, to] of ODD) {
    const zone = zoneOf(name)
    for (const kind of ['day', 'week', 'month'] as const)
      for (const { start, name } of periodsOf(kind, zone.name, at(from), at(to))) {
        const [now, before] = [clockOf(zone, start), clockOf(zone, start - 1)]
        const midnight = Math.floor(now / DAY_MS) * DAY_MS
        assert.ok(
          now === midnight || (before < midnight && now > midnight),
          `${name}: ${new Date(start).toISOString()}`,
        )
        // No earlier moment of that day or night shows it, or a later time.
        for (let moment = start - 1; moment > start - 6 * HOUR_MS; moment -= HOUR_MS / 4)
          assert.ok(clockOf(zone, moment) < midnight, `${name}: ${new Date(moment).toISOString()}`)
        if (kind === 'week' && name.slice(0, 4) !== '2012') assert.is(new Date(midnight).getUTCDay(), 1, name)
        if (kind === 'month') assert.is(new Date(midnight).getUTCDate(), 1, name)
      }
  }
})

test('an hour has one offset and one hour of the clock', () => {
  for (const [name, from, to] of ODD) {
    const zone = zoneOf(name)
    for (const { start, end } of periodsOf('hour', name, at(from), at(to))) {
      assert.ok(end - start <= HOUR_MS)
      assert.is(zone.offsetAt(start), zone.offsetAt(end - 1))
      assert.is(zone.formatHour(start), zone.formatHour(end - 1))
      if (end - start < HOUR_MS)
        assert.ok(
          zone.offsetAt(start) !== zone.offsetAt(start - 1) || zone.offsetAt(end) !== zone.offsetAt(end - 1),
          `${name}: ${new Date(start).toISOString()}`,
        )
    }
  }
})

test('periods have the names and bounds of the calendar', () => {
  for (const [kind, zone, moment, ...expected] of [
    ['month', 'Europe/Berlin', '2026-11-29T12:00Z', '2026-11', '2026-10-31T23:00', '2026-11-30T23:00'],
    ['month', 'UTC', '2026-02-28T23:59:59.999Z', '2026-02', '2026-02-01T00:00', '2026-03-01T00:00'],
    ['month', 'UTC', '2024-02-29T12:00Z', '2024-02', '2024-02-01T00:00', '2024-03-01T00:00'],
    ['month', 'UTC', '2026-04-30T12:00Z', '2026-04', '2026-04-01T00:00', '2026-05-01T00:00'],
    ['month', 'UTC', '2026-12-31T12:00Z', '2026-12', '2026-12-01T00:00', '2027-01-01T00:00'],
    ['month', 'Europe/Berlin', '2026-03-31T21:59Z', '2026-03', '2026-02-28T23:00', '2026-03-31T22:00'],
    ['day', 'Europe/Berlin', '2026-11-29T22:59Z', '2026-11-29', '2026-11-28T23:00', '2026-11-29T23:00'],
    // 23 and 25 hours.
    ['day', 'Europe/Berlin', '2026-03-29T12:00Z', '2026-03-29', '2026-03-28T23:00', '2026-03-29T22:00'],
    ['day', 'Europe/Berlin', '2026-10-25T12:00Z', '2026-10-25', '2026-10-24T22:00', '2026-10-25T23:00'],
    // Clocks went from 00:00 to 01:00, and from 00:00 to 23:00 of the day before.
    ['day', 'America/Sao_Paulo', '2018-11-04T12:00Z', '2018-11-04', '2018-11-04T03:00', '2018-11-05T02:00'],
    ['day', 'America/Sao_Paulo', '2019-02-17T02:30Z', '2019-02-16', '2019-02-16T02:00', '2019-02-17T03:00'],
    // The day after the 29th was the 31st.
    ['day', 'Pacific/Apia', '2011-12-30T09:59Z', '2011-12-29', '2011-12-29T10:00', '2011-12-30T10:00'],
    ['day', 'Pacific/Apia', '2011-12-30T10:00Z', '2011-12-31', '2011-12-30T10:00', '2011-12-31T10:00'],
    ['week', 'Pacific/Apia', '2011-12-30T10:00Z', '2011-W52', '2011-12-26T10:00', '2012-01-01T10:00'],
    // 23:01 to 00:00 came twice; the day had begun with the first midnight.
    ['day', 'America/St_Johns', '2006-10-29T02:45Z', '2006-10-29', '2006-10-29T02:30', '2006-10-30T03:30'],
    ['week', 'UTC', '2026-11-29T12:00Z', '2026-W48', '2026-11-23T00:00', '2026-11-30T00:00'],
    ['week', 'UTC', '2027-01-03T12:00Z', '2026-W53', '2026-12-28T00:00', '2027-01-04T00:00'],
    ['week', 'UTC', '2024-12-30T00:00Z', '2025-W01', '2024-12-30T00:00', '2025-01-06T00:00'],
    ['week', 'Europe/Berlin', '2026-03-29T12:00Z', '2026-W13', '2026-03-22T23:00', '2026-03-29T22:00'],
    ['hour', 'UTC', '2026-11-29T13:59Z', '2026-11-29T13:00', '2026-11-29T13:00', '2026-11-29T14:00'],
    [
      'hour',
      'Europe/Berlin',
      '2026-10-25T00:30Z',
      '2026-10-25T02:00+02:00',
      '2026-10-25T00:00',
      '2026-10-25T01:00',
    ],
    [
      'hour',
      'Europe/Berlin',
      '2026-10-25T01:30Z',
      '2026-10-25T02:00+01:00',
      '2026-10-25T01:00',
      '2026-10-25T02:00',
    ],
    [
      'hour',
      'Asia/Kathmandu',
      '2026-01-01T18:14Z',
      '2026-01-01T23:00+05:45',
      '2026-01-01T17:15',
      '2026-01-01T18:15',
    ],
    // Half hours: from 02:00 back to 01:30, and from 02:00 on to 02:30.
    [
      'hour',
      'Australia/Lord_Howe',
      '2026-04-04T14:59Z',
      '2026-04-05T01:00+11:00',
      '2026-04-04T14:00',
      '2026-04-04T15:00',
    ],
    [
      'hour',
      'Australia/Lord_Howe',
      '2026-04-04T15:00Z',
      '2026-04-05T01:00+10:30',
      '2026-04-04T15:00',
      '2026-04-04T15:30',
    ],
    [
      'hour',
      'Australia/Lord_Howe',
      '2026-10-03T15:30Z',
      '2026-10-04T02:00+11:00',
      '2026-10-03T15:30',
      '2026-10-03T16:00',
    ],
  ] as const)
    assert.equal(show(findPeriod(kind, zone, at(moment))), [
      `${expected[0]}@${zone}`,
      `${expected[1]}:00.000Z`,
      `${expected[2]}:00.000Z`,
    ])
})

test('a clock that is wrong has a period all the same', () => {
  for (const zone of ['UTC', 'Europe/Berlin', 'America/Sao_Paulo', 'Pacific/Apia'])
    for (const kind of PERIODS)
      for (const moment of [
        0,
        1,
        -1,
        -1e12,
        -Infinity,
        Number.NaN,
        8.64e15,
        1e300,
        Infinity,
        at('9999-12-31'),
      ]) {
        const { name, start, end } = findPeriod(kind, zone, moment)
        assert.ok(start < end && name.endsWith(`@${zone}`))
        assert.is(findPeriod(kind, zone, moment).name, name)
      }
  assert.is(findPeriod('month', 'UTC', -1).name, '1970-01@UTC')
})

test('the period of now is not computed again', () => {
  const now = at('2026-11-29T12:00Z')
  for (const kind of PERIODS)
    assert.is(findPeriod(kind, 'Europe/Berlin', now), findPeriod(kind, 'Europe/Berlin', now + 1))
})

test('a zone that does not exist is an error', () => {
  assert.throws(() => findPeriod('day', 'Europe/Nowhere', 0), RangeError)
})

test.run()
