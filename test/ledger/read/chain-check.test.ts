import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Verification, Verifier } from '../../../src/ledger/read/verify.js'
import { bench, Disk, summarize } from '../../support/ledger-disk.js'
import { fc } from '../../support/property.js'
import { until } from '../../support/until.js'

/** Files of a ledger, in the order in which they are read: name and lines. */
type Books = readonly { readonly name: string; readonly lines: readonly string[] }[]

/** @param end how the writer has noted its end; null if it has not */
function verify(books: Books, end: { writer: string; records: number; chain: string } | null): Verification {
  const verifier = new Verifier()
  for (const { name, lines } of books) {
    const file = verifier.begin(name, name)
    for (const line of lines) verifier.push(file, line)
  }
  const note = { started: '', ended: '9', flush_ms: 1, lost: 0, found_by: null }
  const ended = new Map(end === null ? [] : [[end.writer, { ...note, ...end }]])
  return verifier.finish({ ended, open: [] })
}

/** A ledger of batches of these sizes, over two days whose records alternate; writes may be short. */
async function write(batches: readonly number[], cuts: readonly number[] = []) {
  const disk = new Disk()
  for (const bytes of cuts) disk.faults.push({ bytes }, { error: 'EIO' })
  const { ledger } = bench({ flushMs: 1 }, disk)
  const midnight = Date.parse('2026-03-02T00:00:00Z')
  let at = midnight - 5
  for (const size of batches) {
    for (let i = 0; i < size; i++)
      ledger.record(Object.assign(summarize(), { closedAt: at++ % 4 === 0 ? midnight - 1 : at }))
    await until(() => ledger.state.written === ledger.lastSeq, 'a batch')
  }
  assert.is(await ledger.close(), 0)
  const books = [...disk.files.keys()].sort().map((name) => ({ name, lines: disk.text(name).split('\n') }))
  const end = { writer: ledger.writer, records: ledger.lastSeq, chain: ledger.lastLink }
  return { books, end }
}

const isWhole = ({ gaps, breaks }: Verification): boolean => gaps.length === 0 && breaks.length === 0

test('a ledger as it was written is whole, whatever was torn and repeated on the way', async () => {
  for (const cuts of [[], [1], [700], [5, 900, 1_400]])
    for (const batches of [[1], [1, 1, 1], [7, 1, 12, 3]]) {
      const { books, end } = await write(batches, cuts)
      assert.equal(verify(books, end), { gaps: [], breaks: [], starts: [] }, `${batches} cut at ${cuts}`)
      assert.ok(isWhole(verify(books, null)))
      // A copy at the end is no change: readers take each number once.
      const twice = books.map(({ name, lines }) => ({ name, lines: [...lines, ...lines] }))
      assert.ok(isWhole(verify(twice, end)))
    }
})

test('any line that was changed, removed, moved or inserted is noticed', async () => {
  const { books, end } = await write([3, 1, 1, 4, 2])
  const places = books.flatMap(({ lines }, file) =>
    lines.flatMap((line, at) => (line === '' ? [] : [{ file, at }])),
  )
  const edit = (file: number, lines: (lines: string[]) => string[]): Books =>
    books.map((book, at) => (at === file ? { ...book, lines: lines([...book.lines]) } : book))
  fc.assert(
    fc.property(fc.constantFrom(...places), fc.constantFrom(...places), fc.nat(), (from, to, nth) => {
      const line = books[from.file]?.lines[from.at] ?? ''
      const tampered: Record<string, Books> = {
        removed: edit(
          from.file,
          (lines) => lines.toSpliced?.(from.at, 1) ?? lines.filter((_, i) => i !== from.at),
        ),
        changed: edit(from.file, (lines) => {
          lines[from.at] = line.replace('"status":null', `"status":${200 + (nth % 300)}`)
          return lines
        }),
        inserted: edit(from.file, (lines) => {
          // A line that takes the place of the first one of its number.
          lines.splice(from.at, 0, line.replace('"attempts":0', '"attempts":9'))
          return lines
        }),
        invented: edit(from.file, (lines) => {
          const invented = line.replace(/"seq":\d+/, `"seq":${end.records + 1 + (nth % 5)}`)
          lines.splice(from.at, 0, invented)
          return lines
        }),
      }
      if (from.file === to.file && from.at !== to.at)
        tampered.moved = edit(from.file, (lines) => {
          lines.splice(from.at, 1)
          lines.splice(to.at, 0, line)
          return lines
        })
      for (const [how, found] of Object.entries(tampered))
        assert.not(isWhole(verify(found, end)), `${how}: ${from.file}:${from.at} to ${to.at}`)
    }),
    { numRuns: 300 },
  )
})

test('a break names the records, and a record that is missing anyway is reported once', async () => {
  const { books, end } = await write([4])
  const name = books[0]?.name ?? ''
  const lines = books.flatMap((book) => book.lines)
  const changed = [{ name, lines: lines.map((line) => line.replace('"seq":2,', '"seq":2, ')) }]
  assert.ok(verify(changed, end).breaks.length > 0)
  const { gaps, breaks } = verify([{ name, lines: [] }], end)
  assert.equal(gaps, [{ writer: end.writer, from: 1, to: 4, worker: null }])
  assert.equal(breaks, [])
})

test('records of versions without a chain are whole, unless their start is known to write one', () => {
  const lines = [1, 2].map((seq) => JSON.stringify({ v: 1, seq, writer: 'w-1' }))
  assert.ok(isWhole(verify([{ name: 'a', lines }], null)))
  assert.not(isWhole(verify([{ name: 'a', lines }], { writer: 'w-1', records: 2, chain: 'x' })))
})

test('a start whose last records were removed, or that could not write them, is found by its note', async () => {
  const { books, end } = await write([5])
  const { gaps } = verify(books, { ...end, records: 7 })
  assert.equal(gaps, [{ writer: end.writer, from: 6, to: 7, worker: null }])
})

test.run()
