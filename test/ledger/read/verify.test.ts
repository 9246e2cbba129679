import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatLedgerName, listLedgerNames } from '../../../src/ledger/files.js'
import { readEntry } from '../../../src/ledger/read/entry.js'
import { Verifier } from '../../../src/ledger/read/verify.js'
import { firstLink, Link } from '../../../src/lib/chain.js'
import { fc } from '../../support/property.js'

const line = (seq: number, writer = 'w-1'): string => JSON.stringify({ v: 1, seq, writer })

test('missing, torn and repeated records are reported', () => {
  const verifier = new Verifier()
  const first = verifier.begin('usage-2026-01-01.jsonl')
  for (const text of [
    line(2),
    '',
    '{"v":1,"se',
    line(3),
    line(3),
    line(7),
    'null',
    '{"seq":"1","writer":"w-1"}',
  ]) {
    verifier.push(first, text)
  }
  const second = verifier.begin('usage-2026-01-02.jsonl')
  for (const text of [line(1, 'w-2'), line(3), line(8)]) verifier.push(second, text)
  assert.equal(first, { name: 'usage-2026-01-01.jsonl', records: 3, torn: 3, duplicates: 1 })
  assert.equal(second, { name: 'usage-2026-01-02.jsonl', records: 2, torn: 0, duplicates: 1 })
  assert.equal(verifier.gaps, [
    { writer: 'w-1', from: 1, to: 1 },
    { writer: 'w-1', from: 4, to: 6 },
  ])
})

test('a record behind the torn line of another process is a record, and its chain is right', () => {
  const writer = 'w-1'
  const first = `{"v":1,"id":"a","seq":1,"writer":"w-1","chain":"${firstLink(writer)}"}`
  const link = new Link(firstLink(writer)).add(`${first}\n`).close()
  const second = `{"v":1,"id":"b","seq":2,"writer":"w-1","cost_usd":12345678.5,"chain":"${link}"}`
  const torn = '{"v":1,"id":"x","seq":9,"writer":"direct-1","cost_usd":999999999.5,"model":"{\\"v\\":1,'
  const verifier = new Verifier()
  const file = verifier.begin('usage-2026-01-01.jsonl')
  for (const text of [first, torn + second]) verifier.push(file, text)
  assert.equal(file, { name: 'usage-2026-01-01.jsonl', records: 2, torn: 1, duplicates: 0 })
  const { gaps, breaks } = verifier.finish({ ended: new Map(), open: [] })
  assert.equal({ gaps, breaks }, { gaps: [], breaks: [] })
  assert.equal(readEntry(torn + second), readEntry(second))
  assert.is(readEntry(second + torn), null)
})

test('records in any order and repeated give the same gaps as a set of numbers', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 80 }), (seqs) => {
      const verifier = new Verifier()
      const file = verifier.begin('x')
      for (const seq of seqs) verifier.push(file, line(seq))
      const seen = new Set(seqs)
      assert.is(file.records, seen.size)
      assert.is(file.duplicates, seqs.length - seen.size)
      const missing: number[] = []
      for (let seq = 1; seq < Math.max(0, ...seqs); seq++) if (!seen.has(seq)) missing.push(seq)
      const told: number[] = []
      for (const { from, to } of verifier.gaps) for (let seq = from; seq <= to; seq++) told.push(seq)
      assert.equal(told, missing)
    }),
    { numRuns: 1_000 },
  )
})

test('ledger files are read in the order of their writing, and other files are ignored', () => {
  const names = [
    'usage-2026-01-02.jsonl',
    'usage-2026-01-01.10.jsonl',
    'usage-2026-01-01.2.jsonl',
    'keys.jsonl',
  ]
  const found = listLedgerNames([
    ...names,
    'usage-2026-01-01.jsonl',
    'usage-2026-01-01.0.jsonl',
    'usage-2026-01-01.jsonl.gz',
  ])
  assert.equal(
    found.map(({ name }) => name),
    [
      'usage-2026-01-01.jsonl',
      'usage-2026-01-01.2.jsonl',
      'usage-2026-01-01.10.jsonl',
      'usage-2026-01-02.jsonl',
    ],
  )
  for (const { name, day, part } of found) assert.is(formatLedgerName(day, part), name)
})

test.run()
