import {
  appendFileSync,
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { listLedgerNames } from '../../../src/ledger/files.js'
import { readDay } from '../../../src/ledger/read/day-reader.js'
import { createFilter, type FilterPatterns } from '../../../src/ledger/read/filter.js'
import { GROUPING_NAMES, type Grouping, parseGrouping } from '../../../src/ledger/read/grouping.js'
import { Period } from '../../../src/ledger/read/period.js'
import { Report } from '../../../src/ledger/read/report.js'
import { Rollup } from '../../../src/ledger/read/rollup.js'
import { formatRollupChecks, verifyRollups } from '../../../src/ledger/read/rollup-check.js'
import { type DayFiles, formatRollupName, listDays } from '../../../src/ledger/read/rollup-files.js'
import { makeRollups } from '../../../src/ledger/read/rollup-maker.js'
import { UTC, Zone } from '../../../src/ledger/read/zone.js'
import { recordOf } from '../../support/ledger.js'
import { fc } from '../../support/property.js'

interface Place {
  folder: string
}

const test = suite<Place>('rollup')

test.before.each(async (place) => {
  place.folder = await mkdtemp(join(tmpdir(), 'thinwire-rollup-'))
})

test.after.each((place) => rm(place.folder, { recursive: true, force: true }))

/** Long after all records of these tests. */
const NOW = Date.UTC(2027, 1, 1)

interface Question {
  readonly by: readonly string[]
  readonly zone?: Zone
  readonly period?: Period
  readonly patterns?: FilterPatterns
  readonly maxGroups?: number
}

/** What a report shows of a folder. */
async function ask(folder: string, question: Question, usesRollups: boolean, now = NOW): Promise<unknown> {
  const { by, zone = UTC, period = new Period(null, null), patterns = {}, maxGroups = 1_000 } = question
  const groupings = by.map((name) => parseGrouping(name, zone) as Grouping)
  const report = new Report({ by: groupings, zone, period, filter: createFilter(patterns), maxGroups })
  for (const day of listDays(listLedgerNames(readdirSync(folder))))
    await readDay(folder, day, 0, report, { now, usesRollups, onProgress: () => {} })
  const { total, torn, duplicates } = report
  return { groups: report.list(), top: report.list('cost', 2), total, torn, duplicates }
}

function append(folder: string, name: string, text: string): void {
  appendFileSync(join(folder, name), text)
}

function rollups(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('rollup-'))
}

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'America/St_Johns',
  'Australia/Lord_Howe',
]
  .concat('America/Goose_Bay', 'Pacific/Chatham', 'Pacific/Apia')
  .map((name) => new Zone(name))

const GROUPINGS = GROUPING_NAMES.filter((name) => name !== 'tag:NAME').concat('tag:project', 'tag:ticket')

const name = fc.constantFrom(null, 'a', 'b', 'ü\u2028', 'a"\\', 'x'.repeat(40), '')
const tokens = fc.oneof(fc.constant(null), fc.nat(10_000), fc.constantFrom(0, Number.MAX_SAFE_INTEGER))
const milliseconds = fc.oneof(
  fc.constant(null),
  fc.nat(5_000_000).map((us) => us / 1_000),
  fc.constant(0),
)

/** Starts of quarters in which clocks change somewhere; in Goose Bay that was at one minute past midnight. */
const quarter = fc
  .constantFrom(
    '2005-10-30T03:00',
    '2026-03-29T00:45',
    '2026-03-29T01:00',
    '2026-10-25T00:45',
    '2026-10-25T01:00',
  )
  .map((minute) => Date.parse(`${minute}:00.000Z`))

/** Some moments of these quarters. */
const moment = fc.tuple(quarter, fc.nat(29)).map(([start, half]) => start + half * 30_000)

/** Fields of a record. */
const fields = fc.record(
  {
    writer: fc.constantFrom('w-1', 'w-2'),
    seq: fc.integer({ min: 1, max: 12 }),
    ts: fc.oneof(
      { weight: 3, arbitrary: moment.map((at) => new Date(at).toISOString()) },
      fc
        .nat(2 * 365 * 96)
        .map((quarter) => new Date(Date.UTC(2026, 0, 1) + quarter * 900_000 - 1).toISOString()),
      fc.constantFrom(null, '2026-03-29T02:10:00+02:00', 'never'),
    ),
    ...{ key: name, env: name, team: name, user: name, model: name, upstream_model: name, upstream: name },
    request_class: fc.constantFrom('chat', 'embedding'),
    status: fc.constantFrom(200, 429, null),
    end: fc.constantFrom('done', 'client_gone', 'upstream_cut', 'refused'),
    stream_error: fc.constantFrom(null, null, 'overloaded_error'),
    ...{ prompt_tokens: tokens, cached_tokens: tokens, completion_tokens: tokens, reasoning_tokens: tokens },
    usage_source: fc.constantFrom('upstream', 'estimated'),
    cost_usd: fc.oneof(
      fc.constant(null),
      fc.nat(2_000_000_000).map((nano) => nano / 1e9),
      fc.constantFrom(0.1, 0.2, 1e-9, 9_007_199.254_740_993),
    ),
    assumed_usd: fc.oneof(
      fc.nat(2_000_000_000).map((nano) => nano / 1e9),
      fc.constantFrom(1e-9, 9_007_199.254_740_993),
    ),
    ...{ ttft_ms: milliseconds, overhead_us: tokens },
    tags: fc.constantFrom('project=a', 'project=b,ticket=7', 'ticket=7'),
    session_id: fc.constantFrom('s1', 's2'),
    import_id: fc.constant('0'.repeat(32)),
    service_tier: fc.constantFrom('flex', 'priority'),
    searches: fc.nat(3),
  },
  { requiredKeys: ['writer', 'seq', 'ts', 'status', 'end'] },
)

const line = fc.oneof(
  { weight: 20, arbitrary: fields.map(recordOf) },
  { weight: 1, arbitrary: fc.constantFrom('{"v":1,"seq":3,"wri\n', '\n', 'null\n', '{"seq":1}\n') },
)

const question = fc.record({
  by: fc.uniqueArray(fc.constantFrom(...GROUPINGS), { minLength: 1, maxLength: 3 }),
  zone: fc.constantFrom(...ZONES),
  period: fc.oneof(
    fc.constant(new Period(null, null)),
    fc.tuple(moment, moment).map(([a, b]) => new Period(Math.min(a, b), Math.max(a, b))),
    fc.tuple(quarter, quarter).map(([a, b]) => new Period(Math.min(a, b), Math.max(a, b))),
    moment.map((at) => new Period(null, at)),
  ),
  patterns: fc.constantFrom<FilterPatterns>(
    {},
    {},
    { team: ['a'] },
    { user: ['a/*', 'b'] },
    { tag: ['project=*'] },
  ),
  maxGroups: fc.constantFrom(1_000, 1_000, 3),
})

const NAMES = [
  'usage-2026-03-29.jsonl',
  'usage-2026-03-29.2.jsonl',
  'usage-2026-10-25.jsonl',
  'usage-2026-12-31.jsonl',
]

test('rollups give what the records give, for all groupings, zones, periods and filters', async ({
  folder,
}) => {
  let n = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...NAMES), line), { maxLength: 40 }),
      fc.array(question, { minLength: 4, maxLength: 4 }),
      async (lines, questions) => {
        const ledger = join(folder, String(n++))
        await mkdir(ledger)
        for (const [name, text] of lines) append(ledger, name, text)
        const files = listDays(listLedgerNames(readdirSync(ledger)))
        for (const each of questions) {
          const records = await ask(ledger, each, false)
          assert.equal(await ask(ledger, each, true), records)
          // Now from the rollups that were written in passing.
          if (!each.by.includes('session')) assert.is(rollups(ledger).length, files.length)
          assert.equal(await ask(ledger, each, true), records)
        }
      },
    ),
    { numRuns: 150 },
  )
})

const DAY = 'usage-2026-01-01.jsonl'
const BY_TEAM: Question = { by: ['team'] }

test('a rollup is used while the files of its day stay the same, and made again when they change', async ({
  folder,
}) => {
  const path = join(folder, formatRollupName('2026-01-01'))
  append(folder, DAY, recordOf({ seq: 1, team: 'a' }))
  await ask(folder, BY_TEAM, true)
  // A rollup that tells something else shows that it is read.
  const told = readFileSync(path, 'utf8').replace('"a"', '"b"')
  writeFileSync(path, told)
  assert.match(JSON.stringify(await ask(folder, BY_TEAM, true)), /"names":\["b"\]/)

  const changes: (() => void)[] = [
    () => append(folder, DAY, recordOf({ seq: 2, team: 'a' })),
    () => append(folder, 'usage-2026-01-01.2.jsonl', recordOf({ seq: 3, team: 'a' })),
    () => {
      // The same size and time, other bytes.
      const { atime, mtime } = statSync(join(folder, DAY))
      const text = readFileSync(join(folder, DAY), 'utf8').replaceAll('"team":"a"', '"team":"c"')
      writeFileSync(join(folder, DAY), text)
      utimesSync(join(folder, DAY), atime, mtime)
    },
    () => writeFileSync(path, readFileSync(path, 'utf8').slice(0, -2)),
    () => writeFileSync(path, 'no rollup\n'),
    () => writeFileSync(path, readFileSync(path, 'utf8').replace('"v":2', '"v":1')),
  ]
  for (const change of changes) {
    change()
    const before = readFileSync(path, 'utf8')
    assert.equal(await ask(folder, BY_TEAM, true), await ask(folder, BY_TEAM, false))
    assert.is.not(readFileSync(path, 'utf8'), before)
  }
})

test('a rollup of version 2 is used, but for a day with a torn line or direct traffic', async ({
  folder,
}) => {
  const path = join(folder, formatRollupName('2026-01-01'))
  const read = (): string => readFileSync(path, 'utf8')
  append(folder, DAY, recordOf({ seq: 1, team: 'a' }))
  await ask(folder, BY_TEAM, true)
  assert.match(read(), /^\{"v":2,/)
  assert.equal(await verifyRollups(folder, listLedgerNames([DAY])), [{ day: '2026-01-01', state: 'same' }])

  const direct = { writer: 'direct-0123456789ab', import_id: '0'.repeat(32), usage_source: 'none' } as const
  for (const line of [
    recordOf({ ...direct, seq: 1, team: 'a' }),
    `{"v":1,"id":"torn${recordOf({ seq: 2 })}`,
  ]) {
    writeFileSync(join(folder, DAY), recordOf({ seq: 1, team: 'a' }) + line)
    const answer = await ask(folder, BY_TEAM, false)
    assert.equal(await ask(folder, BY_TEAM, true), answer)
    const made = read()
    assert.match(made, /^\{"v":3,/)
    writeFileSync(path, made.replace('"v":3', '"v":2'))
    assert.equal(await ask(folder, BY_TEAM, true), answer)
    assert.is(read(), made)
    assert.equal(await verifyRollups(folder, listLedgerNames([DAY])), [{ day: '2026-01-01', state: 'same' }])
  }
})

test('the file of a day that is not over is read record by record, and gets no rollup', async ({
  folder,
}) => {
  append(folder, DAY, recordOf({ seq: 1, team: 'a' }))
  for (const now of [Date.UTC(2026, 0, 1, 12), Date.UTC(2026, 0, 2, 0, 59)]) {
    await ask(folder, BY_TEAM, true, now)
    assert.equal(rollups(folder), [])
  }
  await ask(folder, BY_TEAM, true, Date.UTC(2026, 0, 2, 1))
  assert.equal(rollups(folder), ['rollup-2026-01-01.jsonl'])
})

test('a day of too many different requests gets a rollup without rows, and its records are read', async ({
  folder,
}) => {
  const records = Array.from({ length: 100_001 }, (_, i) => recordOf({ seq: i + 1, model: `m${i}` }))
  append(folder, DAY, records.join(''))
  const answer = await ask(folder, BY_TEAM, true)
  assert.equal(answer, await ask(folder, BY_TEAM, false))
  const text = readFileSync(join(folder, formatRollupName('2026-01-01')), 'utf8')
  assert.is(Rollup.parse(text)?.head.rows, null)
  assert.ok(text.length < 1_000)
  assert.equal(await ask(folder, BY_TEAM, true), answer)
})

test('a folder that cannot be written has reports all the same, and nothing is left behind', async ({
  folder,
}) => {
  append(folder, DAY, recordOf({ seq: 1, team: 'a' }))
  const answer = await ask(folder, BY_TEAM, false)
  // A folder in place of the file cannot be replaced by it, whoever runs the test.
  await mkdir(join(folder, formatRollupName('2026-01-01')))
  assert.equal(await ask(folder, BY_TEAM, true), answer)
  assert.equal(readdirSync(folder).sort(), ['rollup-2026-01-01.jsonl', DAY])
  await rm(join(folder, formatRollupName('2026-01-01')), { recursive: true })
  chmodSync(folder, 0o500)
  try {
    assert.equal(await ask(folder, BY_TEAM, true), answer)
  } finally {
    chmodSync(folder, 0o700)
  }
  assert.ok(existsSync(join(folder, DAY)))
})

test('rollups of many days are made at once, and only those that are missing', async ({ folder }) => {
  const days = ['01', '02', '03', '04', '05']
  for (const [i, day] of days.entries())
    append(folder, `usage-2026-01-${day}.jsonl`, recordOf({ seq: i + 1, team: 'a' }))
  const list = (): DayFiles[] => listDays(listLedgerNames(readdirSync(folder)))
  const now = Date.UTC(2026, 0, 5, 12)
  const first = await makeRollups(folder, list(), now)
  assert.equal(first, {
    made: days.slice(0, 4).map((day) => `2026-01-${day}`),
    failed: [],
    current: 0,
    open: 1,
  })
  append(folder, 'usage-2026-01-02.jsonl', recordOf({ seq: 9, team: 'a' }))
  const next = await makeRollups(folder, list(), now)
  assert.equal(next, { made: ['2026-01-02'], failed: [], current: 3, open: 1 })
  assert.equal(await ask(folder, BY_TEAM, true, now), await ask(folder, BY_TEAM, false, now))
  assert.is(rollups(folder).length, 4)
})

test('a rollup that tells something else than the records is found, and an outdated one is no fault', async ({
  folder,
}) => {
  for (const day of ['01', '02', '03'])
    append(folder, `usage-2026-01-${day}.jsonl`, recordOf({ seq: Number(day), team: 'a' }))
  const names = listLedgerNames(readdirSync(folder))
  assert.equal(await verifyRollups(folder, names), [])
  await ask(folder, BY_TEAM, true)
  const path = join(folder, formatRollupName('2026-01-02'))
  writeFileSync(path, readFileSync(path, 'utf8').replace('"a"', '"b"'))
  append(folder, 'usage-2026-01-03.jsonl', recordOf({ seq: 9 }))
  const checks = await verifyRollups(folder, names)
  assert.equal(checks, [
    { day: '2026-01-01', state: 'same' },
    { day: '2026-01-02', state: 'differs' },
    { day: '2026-01-03', state: 'outdated' },
  ])
  assert.match(formatRollupChecks(checks).join('\n'), / {2}rollup-2026-01-02\.jsonl$/)
  assert.equal(formatRollupChecks(checks.filter(({ state }) => state !== 'differs')), [])
})

test.run()
