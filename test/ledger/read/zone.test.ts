import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseLedgerTime } from '../../../src/ledger/read/ledger-time.js'
import { parseMonth, parseTime } from '../../../src/ledger/read/period.js'
import { findZone, UTC, Zone } from '../../../src/ledger/read/zone.js'
import { fc } from '../../support/property.js'

const BERLIN = new Zone('Europe/Berlin')

const at = (text: string): number => Date.parse(text)

test('hours, days and months are those that a person in the zone sees', () => {
  for (const [zone, time, hour, day, month] of [
    ['UTC', '2026-03-31T23:59:59.999Z', '2026-03-31 23:00', '2026-03-31', '2026-03'],
    ['Europe/Berlin', '2026-03-31T22:00:00Z', '2026-04-01 00:00+02:00', '2026-04-01', '2026-04'],
    ['Asia/Kolkata', '2026-01-01T18:30:00Z', '2026-01-02 00:00+05:30', '2026-01-02', '2026-01'],
    ['Asia/Kathmandu', '2026-01-01T18:14:59Z', '2026-01-01 23:00+05:45', '2026-01-01', '2026-01'],
    ['America/St_Johns', '2026-01-01T03:00:00Z', '2025-12-31 23:00-03:30', '2025-12-31', '2025-12'],
    ['America/New_York', '2026-11-01T04:00:00Z', '2026-11-01 00:00-04:00', '2026-11-01', '2026-11'],
  ] as const) {
    const found = new Zone(zone)
    assert.equal(
      [found.formatHour(at(time)), found.formatDay(at(time)), found.formatMonth(at(time))],
      [hour, day, month],
    )
  }
})

test('each time that a record may have is one in every zone', () => {
  const times = ['0000-01-01T00:00:00+14:00', '9999-12-31T23:59:59.999Z', '+275760-09-13T00:00:00.000Z', '5']
  for (const zone of [UTC, BERLIN, new Zone('Pacific/Kiritimati'), new Zone('America/New_York')])
    for (const time of times) {
      const moment = parseLedgerTime(time)
      if (moment === null) continue
      assert.match(zone.formatHour(moment), /:00/)
      assert.match(zone.formatDay(moment), /\d-\d\d/)
      assert.match(zone.formatMonth(moment), /\d/)
    }
})

test('an hour that comes twice, as clocks go back, has two names', () => {
  assert.is(BERLIN.formatHour(at('2026-10-25T00:30:00Z')), '2026-10-25 02:00+02:00')
  assert.is(BERLIN.formatHour(at('2026-10-25T01:30:00Z')), '2026-10-25 02:00+01:00')
})

test('a day and a month begin and end with the midnights of the zone', () => {
  const iso = (moment: number | null | undefined): string => new Date(moment ?? Number.NaN).toISOString()
  assert.is(iso(parseTime('2026-03-29', 'start', 0, BERLIN)), '2026-03-28T23:00:00.000Z')
  assert.is(iso(parseTime('2026-03-29', 'end', 0, BERLIN)), '2026-03-29T22:00:00.000Z')
  assert.is(iso(parseTime('2026-07-01 09:00', 'start', 0, BERLIN)), '2026-07-01T07:00:00.000Z')
  assert.is(iso(parseTime('2026-07-01T09:00Z', 'start', 0, BERLIN)), '2026-07-01T09:00:00.000Z')
  const month = parseMonth('2026-10', BERLIN)
  assert.is(iso(month?.since), '2026-09-30T22:00:00.000Z')
  assert.is(iso(month?.until), '2026-10-31T23:00:00.000Z')
  // Clocks skip this midnight.
  assert.is(iso(parseTime('2026-04-24', 'start', 0, new Zone('Africa/Cairo'))), '2026-04-23T22:00:00.000Z')
  for (const text of ['2026-13', '2026', '2026-1', '2026-01-01']) assert.is(parseMonth(text, UTC), null)
})

test('a time that clocks show is found again, in any zone', () => {
  const zones = Intl.supportedValuesOf('timeZone').map((name) => new Zone(name))
  fc.assert(
    fc.property(fc.constantFrom(...zones), fc.nat(10 * 365 * 1_440), (zone, minute) => {
      const moment = Date.UTC(2020, 0, 1) + minute * 60_000
      const local = moment + zone.offsetAt(moment)
      const found = zone.findMoment(local)
      assert.is(found + zone.offsetAt(found), local, zone.name)
      assert.ok(found <= moment)
    }),
    { numRuns: 300 },
  )
})

test('a name that is no zone is not found', () => {
  assert.is(findZone('Europe/Nowhere'), null)
  assert.is(findZone(''), null)
  assert.is(findZone('Europe/Berlin')?.name, 'Europe/Berlin')
})

test.run()
