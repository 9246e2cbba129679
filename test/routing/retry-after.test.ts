import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { COOLDOWN_MAX_MS, parseHttpDate, readCooldownMs } from '../../src/routing/retry-after.js'
import { fc } from '../support/property.js'

const NOW = Date.UTC(2026, 0, 15, 12, 0, 0)

const CASES: Array<[number, string[], number]> = [
  [429, ['retry-after', '7'], 7_000],
  [429, ['Retry-After', ' 7 '], 7_000],
  [503, ['retry-after', '0'], 0],
  [429, ['retry-after', '1.5'], 1_500],
  [429, ['retry-after', '3600'], COOLDOWN_MAX_MS],
  [429, ['retry-after', '9'.repeat(400)], COOLDOWN_MAX_MS],
  [429, ['retry-after-ms', '250', 'retry-after', '1'], 250],
  [429, ['retry-after-ms', '', 'retry-after', '2'], 2_000],
  [429, ['retry-after-ms', 'NaN', 'retry-after', '2'], 2_000],
  [500, ['retry-after', '2'], 2_000],
  [503, ['retry-after', 'Thu, 15 Jan 2026 12:00:30 GMT'], 30_000],
  [503, ['retry-after', 'Thu, 15 Jan 2026 11:00:00 GMT'], 0],
  [503, ['retry-after', 'Fri, 16 Jan 2026 12:00:00 GMT'], COOLDOWN_MAX_MS],
  // No usable header.
  [429, [], 1_000],
  [503, [], 1_000],
  [529, [], 1_000],
  [429, ['retry-after', 'soon'], 1_000],
  [429, ['retry-after', '-1'], 1_000],
  [429, ['retry-after', 'Thu, 15 Foo 2026 12:00:30 GMT'], 1_000],
  [429, ['retry-after'], 1_000],
  [500, [], 0],
  [502, ['retry-after', 'soon'], 0],
  // Statuses that are not about the target.
  [200, ['retry-after', '7'], 0],
  [302, ['retry-after', '7'], 0],
  [413, ['retry-after', '7'], 0],
  [400, [], 0],
]

for (const [status, raw, expected] of CASES) {
  test(`${status} with ${JSON.stringify(raw).slice(0, 70)} gives a cooldown of ${expected} ms`, () => {
    assert.is(readCooldownMs(status, raw, NOW), expected)
    assert.is(
      readCooldownMs(
        status,
        raw.map((text) => Buffer.from(text, 'latin1')),
        NOW,
      ),
      expected,
    )
  })
}

test("a date counts from the response's own date, if the clocks differ", () => {
  const raw = ['date', 'Thu, 15 Jan 2026 08:00:00 GMT', 'retry-after', 'Thu, 15 Jan 2026 08:00:05 GMT']
  assert.is(readCooldownMs(429, raw, NOW), 5_000)
})

test('the caller can set another bound', () => {
  assert.is(readCooldownMs(429, ['retry-after', '90'], NOW, 120_000), 90_000)
  assert.is(readCooldownMs(429, ['retry-after', '90'], NOW, 500), 500)
  assert.is(readCooldownMs(429, [], NOW, 500), 500)
  assert.is(readCooldownMs(429, ['retry-after', '90'], NOW, 0), 0)
})

test('whatever an upstream sends, the cooldown is between 0 and the bound', () => {
  const name = fc.constantFrom('retry-after', 'Retry-After', 'retry-after-ms', 'date', 'x')
  const value = fc.oneof(
    fc.string(),
    fc.double().map(String),
    fc.date({ noInvalidDate: true }).map((d) => d.toUTCString()),
  )
  fc.assert(
    fc.property(
      fc.array(fc.tuple(name, value), { maxLength: 4 }),
      fc.integer({ min: 100, max: 599 }),
      (headers, status) => {
        const ms = readCooldownMs(status, headers.flat(), NOW)
        assert.ok(ms >= 0 && ms <= COOLDOWN_MAX_MS, String(ms))
      },
    ),
  )
})

test('a date is parsed in each of the three formats', () => {
  const at = Date.UTC(1994, 10, 6, 8, 49, 37)
  assert.is(parseHttpDate('Sun, 06 Nov 1994 08:49:37 GMT', NOW), at)
  assert.is(parseHttpDate('Sunday, 06-Nov-94 08:49:37 GMT', NOW), at)
  assert.is(parseHttpDate('Sun Nov  6 08:49:37 1994', NOW), at)
  assert.is(parseHttpDate('Wednesday, 06-Nov-30 08:49:37 GMT', NOW), Date.UTC(2030, 10, 6, 8, 49, 37))
  for (const text of [
    '',
    '1994-11-06T08:49:37Z',
    'Sun, 06 Nov 1994 08:49:37',
    'Sun, 6 Nov 1994 08:49:37 GMT',
  ])
    assert.is(parseHttpDate(text, NOW), null)
  assert.is(parseHttpDate(null, NOW), null)
})

test('a date that JavaScript formats is parsed as the same second', () => {
  const date = fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  fc.assert(
    fc.property(date, (day) => {
      assert.is(parseHttpDate(day.toUTCString(), NOW), Math.floor(day.getTime() / 1_000) * 1_000)
    }),
  )
})

test.run()
