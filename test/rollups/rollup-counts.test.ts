import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatRecord } from '../../src/ledger/record.js'
import { readRecordRow } from '../../src/rollups/record-row.js'
import { RollupCounts } from '../../src/rollups/rollup-counts.js'
import type { RollupBatch } from '../../src/rollups/row.js'
import { COUNTS, OTHER } from '../../src/rollups/shapes.js'
import { fc } from '../support/property.js'
import { MADE, type Made, PRICES, summarize } from './made-requests.js'

const NOW = Date.parse('2026-06-10T12:34:56.000Z')

const PLAIN: Made = {
  ...{ key: 1, model: 'm1', upstream: 'openai', end: 'done', status: 200, streamError: null, prompt: 1_000 },
  ...{ cached: 0, completion: 10, cache: null, attempts: 1, failures: null, overtaken: null, tags: null },
  ...{ requests: 1, firstByteMs: 100, firstTokenMs: 200, totalMs: 1_000, age: 1_000 },
}

function take(requests: readonly Made[], now = NOW): RollupBatch[] {
  const counts = new RollupCounts(PRICES)
  for (const made of requests) counts.record(summarize(made, now))
  return counts.takeRows()
}

test('what a record of the ledger says of a request is what was counted of it', () =>
  fc.assert(
    fc.property(MADE, (made) => {
      const summary = summarize(made, NOW)
      const counts = new RollupCounts(PRICES)
      counts.record(summary)
      const live = counts.takeRows()[0]?.rows[0]
      const line = formatRecord(summary, 'w-1', 7, PRICES)
      const read = readRecordRow(line, null)
      // The upstream's model is not known in this record, and no prices for what the prompt cache has saved.
      const saved = COUNTS.indexOf('promptCacheSavedNano')
      const pairs = live?.pairs.filter((_, i, all) => all[i - (i % 2)] !== saved)
      assert.equal(read, { writer: 'w-1', seq: 7, line, row: { ...live, pairs } })
    }),
  ))

test('requests of a second with the same names are one row, and each second is a batch', () => {
  const batches = take([PLAIN, PLAIN, { ...PLAIN, model: 'm2' }, { ...PLAIN, totalMs: 2_000 }, PLAIN])
  assert.equal(
    batches.map(({ second, rows }) => [second - NOW, rows.map(({ pairs }) => pairs[1])]),
    [
      [0, [2, 1]],
      // One comes late, and counts in the second that goes on.
      [1_000, [2]],
    ],
  )
})

test('a clock that goes back begins another second', () => {
  const back = { ...PLAIN, age: 3_600_000 }
  assert.equal(
    take([PLAIN, back, PLAIN]).map(({ second }) => second - NOW),
    [0, -3_600_000 + 1_000, 0],
  )
})

test('what a client calls a model is in the rows as it is in the ledger', () => {
  const models = [
    'sk-verysecret',
    `lc_prod_${'a'.repeat(30)}`,
    'x'.repeat(500),
    'a\nb\u202ec',
    '<b>"quoted"</b>',
  ]
  const rows = models.flatMap((model) => take([{ ...PLAIN, model }])).flatMap((batch) => batch.rows)
  const lines = models.map((model) => formatRecord(summarize({ ...PLAIN, model }, NOW), 'w-1', 1, null))
  assert.equal(
    rows.map(({ names }) => names[3]),
    lines.map((line) => (JSON.parse(line) as { model: string }).model),
  )
})

test('a client that makes up models gets rows up to a bound, and all others their own', () => {
  const requests = Array.from({ length: 3_000 }, (_, i) => ({ ...PLAIN, model: `made-up-${i}` }))
  const [batch] = take([...requests, { ...PLAIN, key: 2 }, { ...PLAIN, upstream: 'azure', model: 'm9' }])
  const rows = batch?.rows ?? []
  assert.ok(rows.length < 210)
  assert.is(
    rows.reduce((sum, { pairs }) => sum + (pairs[1] ?? 0), 0),
    3_002,
  )
  assert.ok(rows.some(({ names }) => names[2] === 'k_2' && names[3] === 'm1'))
  assert.ok(rows.some(({ names }) => names[3] === OTHER && names[4] === 'azure'))
})

test('a client that makes up tags gets some of them, and the sums stay whole', () => {
  const requests = Array.from({ length: 500 }, (_, i) => ({ ...PLAIN, tags: `ticket=${i}` }))
  const tags = take(requests)[0]?.rows[0]?.tags ?? []
  assert.ok(tags.length <= 101)
  assert.is(
    tags.reduce((sum, one) => sum + one.requests, 0),
    500,
  )
})

test('seconds that nobody takes are given up, the oldest first', () => {
  const requests = Array.from({ length: 100 }, (_, i) => ({ ...PLAIN, age: 200_000 - 1_000 * i }))
  const batches = take(requests)
  assert.is(batches.length, 30)
  assert.is(batches.at(-1)?.second, NOW - 100_000)
})

test('health probes are not counted, as they are not recorded', () => {
  const summary = summarize({ ...PLAIN, end: 'local' }, NOW)
  Object.assign(summary.outcome, { phase: 'admit' })
  const counts = new RollupCounts(PRICES)
  counts.record(summary)
  assert.equal(counts.takeRows(), [])
})

test('a record of an earlier start is counted by its line', () => {
  const counts = new RollupCounts(PRICES)
  counts.countLine(formatRecord(summarize(PLAIN, NOW), 'w-1', 1, PRICES))
  counts.countLine('no record')
  assert.is(counts.takeRows()[0]?.rows[0]?.pairs[1], 1)
})

test.run()
