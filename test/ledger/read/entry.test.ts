import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findTag, readEntry, readIdentity } from '../../../src/ledger/read/entry.js'
import { FIELDS } from '../../support/ledger.js'
import { fc } from '../../support/property.js'

/** Values of a field, right ones and wrong ones. */
const value = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    1,
    7,
    200,
    0.5,
    1e-9,
    -3,
    1e300,
    'done',
    'a,"b',
    'x\\y',
    'ü\u2028',
    '',
  ),
  fc.constantFrom<unknown>([], { a: 1 }, '","team":"forged', '2026-01-01T00:00:00.000Z'),
)

/** A line with all fields in their order, as the ledger writes it, and perhaps some that are wrong. */
const written = fc
  .tuple(fc.array(value, { minLength: FIELDS.length, maxLength: FIELDS.length }), fc.nat(3))
  .map(([values, wrong]) => {
    const usual = FIELDS.map((_, i) => ['text', null, 12, 'a b', 3.25][i % 5])
    const record = FIELDS.map((name, i) => [name, i % 4 < wrong ? values[i] : usual[i]])
    return JSON.stringify({ ...Object.fromEntries(record), seq: 7, writer: 'w-1', v: 1 })
  })

/** What may happen to a line: a part is lost, doubled or replaced. */
const damaged = fc
  .tuple(
    written,
    fc.nat(2_000),
    fc.nat(2_000),
    fc.constantFrom('', '"', ',', '\\', '}', ' ', '1', 'null', '\n'),
  )
  .map(([line, from, to, put]) => line.slice(0, from) + put + line.slice(to))

test('a line is read as JSON.parse reads it, whatever it looks like', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(written, damaged), { minLength: 1, maxLength: 20 }), (lines) => {
      // More than once: a line is read by the patterns of the ones before it.
      for (const line of [...lines, ...lines]) {
        const found = readIdentity(line)
        const entry = readEntry(line)
        if (found === null) {
          assert.is(entry, null, line)
          continue
        }
        assert.ok(entry !== null, line)
        const { fields } = found
        const text = (field: unknown): string | null => (typeof field === 'string' ? field : null)
        const number = (field: unknown): number | null =>
          typeof field === 'number' && field >= 0 && Number.isFinite(field) ? field : null
        assert.equal(
          [
            entry.writer,
            entry.seq,
            entry.ts,
            entry.team,
            entry.model,
            entry.end,
            entry.tags,
            entry.streamError,
          ],
          [found.writer, found.seq, ...[fields.ts, fields.team, fields.model].map(text)].concat(
            [fields.end, fields.tags, fields.stream_error].map(text),
          ),
        )
        assert.equal(
          [entry.status, entry.ttftMs, entry.overheadUs],
          [fields.status, fields.ttft_ms, fields.overhead_us].map(number),
        )
      }
    }),
    { numRuns: 300 },
  )
})

test('a field that stands twice counts as it does for JSON.parse: the last one', () => {
  const line = (end: string): string => `{"v":1,"seq":1,"writer":"w","team":"a","end":"done"${end}}`
  for (const end of ['', ',"team":"b"', ',"tags":"x=1","tags":"x=2"']) {
    const { fields } = readIdentity(line(end)) ?? {}
    for (let i = 0; i < 2; i++) {
      assert.is(readEntry(line(end))?.team, fields?.team)
      assert.is(readEntry(line(end))?.tags, fields?.tags ?? null)
    }
  }
})

test('the value of a tag is found by its whole name', () => {
  assert.is(findTag('a.project=x,project=a,ticket=b', 'project'), 'a')
  assert.is(findTag('project=a', 'proj'), null)
  assert.is(findTag(null, 'project'), null)
})

test.run()
