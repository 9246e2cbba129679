import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  formatBeat,
  formatJournalName,
  formatMark,
  formatOpen,
  formatRecovered,
  listJournalNames,
  parseJournal,
} from '../../src/ledger/journal.js'
import { formatRecord } from '../../src/ledger/record.js'
import { recordSchema } from '../../src/ledger/schema.js'
import { formatStartEnd, isRunning, markProcess, parseStartEnds } from '../../src/ledger/starts.js'
import { summarize } from '../support/ledger-disk.js'
import { fc } from '../support/property.js'

const MARK = { writer: 'w-1f', started: '2026-01-01T00:00:00.000Z', flush_ms: 20, ...markProcess() }

/** Lines of a request; a later one has more bytes. */
function lineOf(id: string, bytes: number, at = 1_000_000): string {
  const record = formatRecord(summarize('crashed'), 'w-1f', 0, null)
  return formatOpen(
    record.replace(/"id":"[^"]*"/, `"id":"${id}"`).replace(/"bytes_out":0/, `"bytes_out":${bytes}`),
    7,
    at,
  )
}

const ENTRIES = [
  ['tw-a', 1],
  ['tw-b', 2],
  ['tw-a', 3],
  ['tw-ü', 4],
] as const
const LINES = ENTRIES.map(([id, bytes]) => lineOf(id, bytes))
const TEXT = formatMark(MARK) + LINES.join('')

/** Bytes of each request as the journal has them last. */
function bytesOf(text: string): Record<string, unknown> {
  const { open } = parseJournal([text])
  return Object.fromEntries([...open].map(([id, { fields }]) => [id, fields.bytes_out]))
}

test('a journal has the last line of each request, and a recovered record is as the schema says', () => {
  const { mark, open } = parseJournal([TEXT])
  assert.equal(mark, MARK)
  assert.equal(bytesOf(TEXT), { 'tw-a': 3, 'tw-b': 2, 'tw-ü': 4 })
  for (const entry of open.values()) {
    assert.is(entry.seq, 7)
    const record = JSON.parse(formatRecovered(entry, 'w-1f', 'w-2e', 12))
    assert.is(recordSchema.safeParse(record).error, undefined)
    assert.equal(
      [record.seq, record.writer, record.recovered_from, record.end],
      [12, 'w-2e', 'w-1f', 'crashed'],
    )
  }
})

test('a journal that is cut at any byte has all the lines before the cut', () => {
  const bytes = Buffer.from(TEXT)
  for (let cut = 0; cut <= bytes.length; cut++) {
    const text = bytes.subarray(0, cut).toString()
    const whole: Record<string, unknown> = {}
    let end = Buffer.byteLength(formatMark(MARK))
    for (const [i, [id, count]] of ENTRIES.entries()) {
      end += Buffer.byteLength(LINES[i] ?? '')
      // Without its line end a line is whole, too.
      if (cut >= end - 1) whole[id] = count
    }
    assert.equal(bytesOf(text), whole, `cut at ${cut}`)
    // What is appended behind a torn line stands in a new part, and is read.
    assert.equal(
      parseJournal([text, formatMark(MARK) + lineOf('tw-z', 9)]).open.get('tw-z')?.fields.bytes_out,
      9,
    )
  }
})

test('a request whose line was not renewed while the start lived on had ended', () => {
  const beat = (at: number) => formatBeat(at)
  const text = formatMark(MARK) + lineOf('tw-a', 1, 1_000_000) + lineOf('tw-b', 2, 1_060_000)
  assert.equal(bytesOf(text), { 'tw-a': 1, 'tw-b': 2 })
  assert.equal(bytesOf(text + beat(1_119_000)), { 'tw-a': 1, 'tw-b': 2 })
  assert.equal(bytesOf(text + beat(1_121_000)), { 'tw-b': 2 })
  assert.equal(bytesOf(text + lineOf('tw-a', 3, 1_200_000)), { 'tw-a': 3 })
})

test('repeated and foreign lines change nothing', () => {
  const foreign = fc.oneof(
    fc.string(),
    fc.json(),
    fc.constantFrom(
      '{"seq":1}',
      '{"seq":1,"open":null}',
      '{"seq":1,"at":1,"open":{"v":1,"id":"tw-x","seq":5,"ts":"2026","end":"crashed"}}',
      '{"seq":1,"at":1,"open":{"v":1,"id":"tw-x","seq":0,"ts":"2026","end":"done"}}',
      '{"seq":"1","at":1,"open":{"v":1,"id":"tw-x","seq":0,"ts":"2026","end":"crashed"}}',
      '{"v":1,"id":"tw-x","seq":1,"writer":"w-9"}',
      formatRecord(summarize(), 'w-1f', 3, null).trim(),
    ),
  )
  fc.assert(
    fc.property(
      fc.array(foreign),
      fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      (others, twice) => {
        const lines = LINES.flatMap((line, i) => (twice[i] ? [line, line] : [line]))
        const noise = others.map((text) => `${text.replaceAll('\n', ' ')}\n`)
        const mixed = lines.flatMap((line, i) => [...noise.slice(i, i + 1), line]).join('') + noise.join('')
        assert.equal(bytesOf(formatMark(MARK) + mixed), { 'tw-a': 3, 'tw-b': 2, 'tw-ü': 4 })
      },
    ),
    { numRuns: 500 },
  )
})

test('names of journals are read back, and other names are ignored', () => {
  const names = [
    formatJournalName('w-1f', 2),
    formatJournalName('w-1f', 10),
    formatJournalName('w-1f', 1, 'w-2e'),
    'usage-2026-01-01.jsonl',
    'starts.jsonl',
    'open-w-1f.1.jsonl.gz',
  ]
  assert.equal(
    listJournalNames(names).map(({ part, claimedBy }) => [part, claimedBy]),
    [
      [1, 'w-2e'],
      [2, null],
      [10, null],
    ],
  )
})

test('a process is told from one that had its number before, and from one on another machine', () => {
  const own = markProcess()
  assert.is(isRunning(own), true)
  assert.is(isRunning({ ...own, host: 'elsewhere' }), null)
  if (own.born === null) return
  assert.is(isRunning({ ...own, born: own.born - 1 }), false)
  // The largest process id of Linux is 4,194,304.
  assert.is(isRunning({ ...own, pid: 4_194_305 }), false)
})

test('the notes of starts are read back, torn and foreign lines are skipped, and a good end wins', () => {
  const killed = { ended: null, records: null, lost: null, chain: null, found_by: 'w-2e' }
  const good = { ended: '2026-01-02T00:00:00.000Z', records: 3, lost: 0, chain: 'abc', found_by: null }
  const note = (writer: string, rest: typeof killed | typeof good) =>
    formatStartEnd({ writer, started: MARK.started, flush_ms: 20, ...rest })
  const text = `{"writer":"w-0","sta${note('w-1', killed)}null\n[]\n${note('w-2', good)}${note('w-2', killed)}${note('w-1', killed)}`
  const ends = parseStartEnds(text)
  assert.equal([...ends.keys()], ['w-1', 'w-2'])
  assert.is(ends.get('w-1')?.ended, null)
  assert.is(ends.get('w-2')?.records, 3)
})

test.run()
