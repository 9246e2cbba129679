import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatLedgerName, listLedgerNames, readWorker } from '../../src/ledger/files.js'
import { fc } from '../support/property.js'

const DAY = '2026-01-02'

const NAMES: readonly (readonly [name: string, part: number, worker: number | null])[] = [
  ['usage-2026-01-02.jsonl', 1, null],
  ['usage-2026-01-02.2.jsonl', 2, null],
  ['usage-2026-01-02.10.jsonl', 10, null],
  ['usage-2026-01-02.w1.jsonl', 1, 1],
  ['usage-2026-01-02.w12.jsonl', 1, 12],
  ['usage-2026-01-02.w1.2.jsonl', 2, 1],
  ['usage-2026-01-02.w9999.10.jsonl', 10, 9_999],
]

for (const [name, part, worker] of NAMES)
  test(`${name} is a file of the ledger`, () => {
    assert.equal(listLedgerNames([name]), [{ name, day: DAY, part, worker }])
    assert.is(formatLedgerName(DAY, part, worker), name)
    assert.is(readWorker(name), worker)
  })

const OTHERS = [
  '',
  'usage-2026-01-02',
  'usage-2026-01-02.json',
  'usage-2026-01-02.jsonl.gz',
  'usage-2026-01-02.0.jsonl',
  'usage-2026-01-02.02.jsonl',
  'usage-2026-01-02.w.jsonl',
  'usage-2026-01-02.w0.jsonl',
  'usage-2026-01-02.w01.jsonl',
  'usage-2026-01-02.w10000.jsonl',
  'usage-2026-01-02.w1.0.jsonl',
  'usage-2026-01-02.w1.w2.jsonl',
  'usage-2026-01-02.2.w1.jsonl',
  'usage-2026-01-02.W1.jsonl',
  'usage-2026-01-02.w-1.jsonl',
  'usage-2026-01-02.w1.jsonl.1',
  'usage-2026-01-02w1.jsonl',
  'usage-2026-1-2.jsonl',
  'a-usage-2026-01-02.jsonl',
  'data/usage-2026-01-02.w1.jsonl',
  'rollup-2026-01-02.jsonl',
  'open-w-1f.1.jsonl',
  'starts.jsonl',
  'limits.json',
]

for (const name of OTHERS)
  test(`${name === '' ? 'an empty name' : name} is no file of the ledger`, () => {
    assert.equal(listLedgerNames([name]), [])
    assert.is(readWorker(name), null)
  })

/** Written apart from the relay: pieces between points, and nothing else. */
function isName(text: string): boolean {
  const pieces = text.split('.')
  const isNumber = (piece: string | undefined): boolean => /^[1-9][0-9]*$/.test(piece ?? '')
  if (!/^usage-[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(pieces.shift() ?? '') || pieces.pop() !== 'jsonl')
    return false
  const [first] = pieces
  if (first?.startsWith('w') === true && isNumber(first.slice(1)) && first.length <= 5) pieces.shift()
  return pieces.length === 0 || (pieces.length === 1 && isNumber(pieces[0]))
}

const piece = fc.oneof(
  fc.constantFrom('usage-2026-01-02', 'usage-2026-01-03', 'jsonl', 'w', 'w0', '0', '01', 'gz', 'usage-', ''),
  fc.integer({ min: 0, max: 12_000 }).map((number) => `w${number}`),
  fc.integer({ min: 0, max: 30 }).map(String),
  fc.string({ maxLength: 4 }),
)

test('any text is a name of the ledger, or is not, as its pieces say', () => {
  const texts = fc.array(piece, { maxLength: 4 })
  const ends = fc.constantFrom('.jsonl', '', '.jsonl.gz')
  fc.assert(
    fc.property(texts, ends, fc.boolean(), (pieces, end, begins) => {
      const name = (begins ? ['usage-2026-01-02', ...pieces] : pieces).join('.') + end
      assert.is(listLedgerNames([name]).length, isName(name) ? 1 : 0, name)
    }),
    { numRuns: 3_000 },
  )
})

test('files come by day, then part, then worker, in whichever order the folder has them', () => {
  const file = fc.record({
    day: fc.constantFrom('2026-01-01', '2026-01-02'),
    part: fc.integer({ min: 1, max: 12 }),
    worker: fc.option(fc.integer({ min: 1, max: 12 })),
  })
  fc.assert(
    fc.property(fc.array(file), (files) => {
      const names = [...new Set(files.map(({ day, part, worker }) => formatLedgerName(day, part, worker)))]
      const found = listLedgerNames(names)
      assert.equal(listLedgerNames(names.toReversed()), found)
      const keys = found.map(({ day, part, worker }) =>
        [day, String(part).padStart(2, '0'), String(worker ?? 0).padStart(2, '0')].join(' '),
      )
      assert.equal(keys, keys.toSorted())
      for (const { name, day, part, worker } of found) assert.is(formatLedgerName(day, part, worker), name)
    }),
  )
})

test.run()
