import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Entry, findTag, readEntry } from '../../../src/ledger/read/entry.js'
import { formatNanoUsd } from '../../../src/lib/nano-usd.js'
import { recordOf } from '../../support/ledger.js'
import { fc } from '../../support/property.js'

function read(fields: Readonly<Record<string, unknown>>): Entry {
  const entry = readEntry(recordOf({ seq: 1, ...fields }).trimEnd())
  assert.ok(entry !== null)
  return entry
}

test('a value of a wrong type or out of range is unknown', () => {
  const wrong = read({
    team: 7,
    tags: ['a'],
    prompt_tokens: 1.5,
    searches: -1,
    ttft_ms: '3',
    cost_usd: -0.1,
    status: null,
  })
  const { team, tags, promptTokens, searches, ttftMs, cost, status } = wrong
  for (const value of [team, tags, promptTokens, searches, ttftMs, cost, status]) assert.is(value, null)
  assert.is(readEntry('{"writer":"w","seq":1,"ttft_ms":1e400}')?.ttftMs, null)
})

test('a time is read in the format of the ledger, and in any other that is one', () => {
  for (const ts of ['2026-01-01T09:00:59.123Z', '2026-01-01T09:00:00.000Z', '2026-02-28T23:59:59.999Z'])
    assert.is(read({ ts }).at, Date.parse(ts))
  assert.is(read({ ts: '2026-01-01T10:00:00+01:00' }).at, Date.UTC(2026, 0, 1, 9))
  for (const ts of [
    '2026-13-01T09:00:00.000Z',
    '2026-01-01T25:00:00.000Z',
    '2026-01-01T09:00:60.000Z',
    'never',
    '5',
    '+275760-09-13T00:00:00.000Z',
    '-271821-04-20T00:00:00.000Z',
    null,
    7,
  ])
    assert.is(read({ ts }).at, null, String(ts))
})

test('a cost is a whole number of nano-dollars', () => {
  for (const [usd, nano] of [
    [0, 0],
    [1e-9, 1],
    [0.1, 100_000_000],
    [0.3, 300_000_000],
    [1.005, 1_005_000_000],
    [999_999.999_999_999, 999_999_999_999_999],
    [20_000_000.5, 20_000_000_500_000_000n],
  ] as const)
    assert.is(read({ cost_usd: usd }).cost, nano)
})

test('an amount that has more digits than a number of JSON is read to the last one', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('cost_usd', 'assumed_usd'),
      fc.oneof(
        fc.bigInt({ min: 0n, max: 10n ** 24n }),
        fc.bigInt({ min: 10n ** 15n - 1_000n, max: 2n ** 54n }),
      ),
      fc.string(),
      (name, nano, text) => {
        const before = recordOf({ seq: 1, user_agent: `${text}"${name}":7`, cost_usd: null })
        const line = before.trimEnd().replace(/"cost_usd":null|}$/g, (found) => {
          if (found === '}') return name === 'cost_usd' ? '}' : `,"assumed_usd":${formatNanoUsd(nano)}}`
          return name === 'cost_usd' ? `"cost_usd":${formatNanoUsd(nano)}` : found
        })
        const entry = readEntry(line)
        assert.is(BigInt((name === 'cost_usd' ? entry?.cost : entry?.assumed) ?? -1), nano)
      },
    ),
  )
})

test('the value of a tag is found by its whole name', () => {
  assert.is(findTag('a.project=x,project=a,ticket=b', 'project'), 'a')
  assert.is(findTag('project=a', 'proj'), null)
  assert.is(findTag(null, 'project'), null)
})

test.run()
