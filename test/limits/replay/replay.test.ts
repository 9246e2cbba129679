import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LimitRule, PeriodKind } from '../../../src/config/limit-rules.js'
import { listLedgerNames } from '../../../src/ledger/files.js'
import { buildRollup, isClosed, listDays, writeRollup } from '../../../src/ledger/read/rollup-files.js'
import { formatStartEnd } from '../../../src/ledger/starts.js'
import type { SummedRule } from '../../../src/limits/replay/budget-sums.js'
import { listBudgetSums, type ReplayProblem, replayLedger } from '../../../src/limits/replay/replay.js'
import { recordOf } from '../../support/ledger.js'
import { makeRule } from '../../support/limit-rules.js'
import { fc } from '../../support/property.js'

interface Place {
  root: string
}

const test = suite<Place>('replay')

test.before.each((place) => {
  place.root = mkdtempSync(join(tmpdir(), 'thinwire-replay-'))
})
test.after.each(({ root }) => rmSync(root, { recursive: true, force: true }))

/** Names of budgets and what is used of them. */
type Sums = Record<string, string>

const nameOf = (rule: LimitRule, index: number, unit: string, period: string, owner: string): string =>
  `${index} ${rule.name} ${unit} ${period} ${owner}`

/** What a replay says. */
async function replay(
  folders: readonly string[],
  rules: readonly SummedRule[],
  at: number,
  usesRollups: boolean,
  writer: string | null,
): Promise<{ sums: Sums; problems: readonly ReplayProblem[] }> {
  const found = await replayLedger({ folders, rules, writer, at, usesRollups })
  const sums: Sums = {}
  for (const { rule, owner, budget, used } of listBudgetSums(rules, found.sums.list(), at)) {
    const index = rules.findIndex((one) => one.rule === rule)
    sums[nameOf(rule, index, budget.unit, budget.period, owner)] = String(used)
  }
  return { sums, problems: found.problems }
}

/** The reference is written apart from the relay: it reads lines and calendars in its own, slow way. */

const matchesGlob = (pattern: string, text: string): boolean => {
  const [first = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return pattern === text
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const [i, part] of rest.entries()) {
    const isLast = i === rest.length - 1
    const found = isLast ? text.length - part.length : text.indexOf(part, at)
    if (found < at || !text.startsWith(part, found)) return false
    at = found + part.length
  }
  return true
}

type Fields = Readonly<Record<string, string | number | null | undefined>>

function matches(rule: LimitRule, fields: Fields): boolean {
  const { key, user, team, env, model, path, tag } = rule.match
  const isOne = (patterns: readonly string[] | null, ...texts: unknown[]): boolean =>
    patterns === null ||
    texts.some((text) => typeof text === 'string' && patterns.some((pattern) => matchesGlob(pattern, text)))
  const names = user?.map((pattern) => {
    const text = pattern.includes('/') ? `${fields.team}/${fields.user}` : fields.user
    return typeof fields.user === 'string' && matchesGlob(pattern, String(text))
  })
  return (
    isOne(key, fields.key) &&
    (names === undefined || names.includes(true)) &&
    isOne(team, fields.team) &&
    isOne(env, fields.env) &&
    isOne(model, fields.model) &&
    isOne(path, fields.route) &&
    isOne(tag, ...String(fields.tags ?? '').split(','))
  )
}

function ownerOf(rule: LimitRule, { key, team, user, env }: Fields): string {
  if (rule.per === 'pool') return ''
  if (typeof key !== 'string') return '-'
  return { key, user: `${team}/${user}`, team: String(team), env: String(env) }[rule.per]
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** By time zone and moment: most moments are asked for again and again. */
const labels = new Map<string, string>()

/** What tells the period of a moment from any other one of its kind. */
function labelOf(kind: PeriodKind, timeZone: string, at: number): string {
  let format = formats.get(timeZone)
  if (format === undefined) {
    const parts = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit' } as const
    format = new Intl.DateTimeFormat('sv-SE', {
      timeZone,
      ...parts,
      timeZoneName: 'longOffset',
      hourCycle: 'h23',
    })
    formats.set(timeZone, format)
  }
  const id = `${timeZone} ${at}`
  const text = labels.get(id) ?? format.format(at)
  labels.set(id, text)
  const day = text.slice(0, 10)
  if (kind === 'hour') return text
  if (kind === 'day') return day
  if (kind === 'month') return day.slice(0, 7)
  const date = new Date(`${day}T00:00:00Z`)
  date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7))
  return date.toISOString().slice(0, 10)
}

/** Nano-dollars of an amount, from its text. */
function parseUsd(line: string, name: string): bigint | null {
  const [, text] = new RegExp(`"${name}":([-+.\\deE]+)`).exec(line) ?? []
  if (text === undefined) return null
  const [whole = '', fraction = ''] = Number(text).toFixed(9).split('.')
  return BigInt(whole + fraction)
}

function sumUp(
  folders: readonly string[],
  rules: readonly SummedRule[],
  at: number,
  writer: string | null,
): Sums {
  const seen = new Set<string>()
  const sums = new Map<string, bigint>()
  for (const folder of folders) {
    for (const name of readdirSync(folder)
      .filter((one) => one.startsWith('usage-'))
      .sort(compareParts)) {
      for (const line of readFileSync(join(folder, name), 'utf8').split('\n')) {
        let fields: Fields
        try {
          fields = JSON.parse(line) as Fields
        } catch {
          continue
        }
        if (fields === null || typeof fields.writer !== 'string' || typeof fields.seq !== 'number') continue
        const id = `${fields.writer} ${fields.seq}`
        if (seen.has(id)) continue
        seen.add(id)
        const ts = Date.parse(String(fields.ts))
        if (Number.isNaN(ts)) continue
        const tokens =
          BigInt(Number(fields.prompt_tokens ?? 0)) + BigInt(Number(fields.completion_tokens ?? 0))
        const nano = parseUsd(line, 'cost_usd') ?? parseUsd(line, 'assumed_usd') ?? 0n
        for (const [index, { rule, upTo }] of rules.entries()) {
          if (fields.writer === writer && upTo !== null && fields.seq > upTo) continue
          if (!matches(rule, fields)) continue
          for (const { unit, period } of rule.budgets) {
            const added = unit === 'usd' ? nano : tokens
            if (added === 0n) continue
            if (labelOf(period, rule.timezone, ts) !== labelOf(period, rule.timezone, at)) continue
            const budget = nameOf(rule, index, unit, period, ownerOf(rule, fields))
            sums.set(budget, (sums.get(budget) ?? 0n) + added)
          }
        }
      }
    }
  }
  return Object.fromEntries([...sums].map(([name, sum]) => [name, String(sum)]))
}

/** Parts of a day in their order: the first one has no number. */
function compareParts(a: string, b: string): number {
  const [, dayA = '', partA = '1'] = /^usage-([\d-]+)(?:\.(\d+))?/.exec(a) ?? []
  const [, dayB = '', partB = '1'] = /^usage-([\d-]+)(?:\.(\d+))?/.exec(b) ?? []
  return dayA === dayB ? Number(partA) - Number(partB) : dayA < dayB ? -1 : 1
}

const ZONES = [
  ...['UTC', 'Europe/Berlin', 'America/Sao_Paulo', 'Pacific/Apia', 'Asia/Kathmandu', 'Australia/Lord_Howe'],
  ...['America/St_Johns', 'Pacific/Chatham'],
]

const HOUR_MS = 3_600_000

/** Around these moments, clocks change or a month begins somewhere. */
const TURNS = [
  '2026-03-29T01:00', // Berlin goes forward.
  '2026-10-25T01:00', // Berlin goes back.
  '2026-10-03T15:30', // Lord Howe goes forward by half an hour.
  '2026-12-01T00:00',
  '2026-03-01T03:00', // The end of February in Brazil.
  '2018-11-04T03:00', // Sao Paulo skips its midnight.
  '2011-12-30T10:00', // Apia skips a day.
].map((text) => Date.parse(`${text}:00Z`))

const turn = fc.constantFrom(...TURNS)

/** How far from the turn: near to it, or on another day. */
const distance = fc.oneof(
  fc.integer({ min: -8, max: 8 }).map((quarters) => quarters * 900_000),
  fc.integer({ min: -2 * HOUR_MS, max: 2 * HOUR_MS }),
  // Some days and not all of a month: each of them is a file.
  fc
    .tuple(fc.constantFrom(-30, -15, -8, -7, -2, -1, 1, 3), fc.integer({ min: 0, max: 23 }))
    .map(([days, hours]) => (days * 24 + hours) * HOUR_MS),
)

const someKey = fc.constantFrom(
  { key: 'k_1', env: 'prod', team: 'team1', user: 'alice' },
  // The same key, before or after it got another owner.
  { key: 'k_1', env: 'dev', team: 'team2', user: 'alice' },
  { key: 'k_2', env: 'prod', team: 'team1', user: 'intern-bob' },
  { key: 'k_3', env: 'dev', team: 'team2', user: 'alice' },
  { key: null, env: null, team: null, user: null },
)

const usd = fc.oneof(
  fc.constant(null),
  fc.nat(2_000_000_000).map((nano) => nano / 1e9),
  fc.constantFrom(0, 0.1, 0.2, 1e-9, 3e-7),
)
const tokens = fc.oneof(fc.constant(null), fc.nat(10_000), fc.constant(Number.MAX_SAFE_INTEGER))

const row = fc.record({
  writer: fc.constantFrom('w-1', 'w-2', 'w-3'),
  seq: fc.integer({ min: 1, max: 20 }),
  distance,
  /** The files that it stands in: a crash within a write may leave it twice. `lasted`: days until its end. */
  places: fc.array(
    fc.record({
      lasted: fc.constantFrom(0, 0, 0, 1),
      folder: fc.constantFrom(0, 0, 0, 1),
      part: fc.constantFrom(1, 1, 2),
      torn: fc.constantFrom(false, false, false, false, true),
    }),
    { minLength: 1, maxLength: 2 },
  ),
  owner: someKey,
  model: fc.constantFrom('gpt-5-mini', 'claude-opus-4', 'ü"\\', null),
  route: fc.constantFrom('/v1/chat/completions', '/cursor/v1/chat/completions', '/v1/embeddings'),
  tags: fc.constantFrom(null, 'project=a', 'project=b,ticket=7'),
  prompt_tokens: tokens,
  completion_tokens: tokens,
  cost_usd: usd,
  assumed_usd: usd,
})

const rows = fc.uniqueArray(row, {
  minLength: 8,
  maxLength: 40,
  selector: ({ writer, seq }) => `${writer} ${seq}`,
})

const someBudget = fc.record(
  { hour: fc.constant(5), day: fc.constant(5), week: fc.constant(5), month: fc.constant(5) },
  { requiredKeys: [] },
)

const rule = fc
  .record({
    per: fc.constantFrom('pool', 'key', 'user', 'team', 'env'),
    timezone: fc.constantFrom(...ZONES),
    usd: someBudget,
    tokens: someBudget,
    match: fc.oneof(
      { weight: 3, arbitrary: fc.constant({}) },
      fc.constantFrom<object>(
        { team: 'team1' },
        { user: 'intern-*' },
        { user: ['team2/*', 'nobody'] },
        { key: 'k_1' },
        { key: ['k_*'], env: 'prod' },
        { model: ['gpt-*-mini', 'ü*'] },
        { tag: 'project=*' },
      ),
      fc.constant({ path: '*/chat/completions' }),
    ),
    upTo: fc.constantFrom(null, 0, 7, 20),
  })
  .map(({ upTo, ...entry }) => ({ rule: makeRule({ ...entry, requestsPerMinute: 1 }), upTo }))

test('rollups, records and a reference come to the same sums, to the nano-dollar', async ({ root }) => {
  let n = 0
  let [counted, fromRollups] = [0, 0]
  await fc.assert(
    fc.asyncProperty(
      turn,
      distance,
      rows,
      fc.array(rule, { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      async (base, now, records, rules, hasLive) => {
        const place = join(root, String(n++))
        const folders = ['data', 'spare'].map((name) => join(place, name))
        for (const folder of folders) mkdirSync(folder, { recursive: true })
        const texts = new Map<string, string>()
        for (const { distance, places, owner, assumed_usd, ...fields } of records) {
          const at = base + distance
          const assumed = assumed_usd === null ? {} : { assumed_usd }
          const text = recordOf({ ...fields, ...owner, ts: new Date(at).toISOString(), ...assumed })
          for (const { lasted, folder, part, torn } of places) {
            const day = new Date(at + lasted * 24 * HOUR_MS).toISOString().slice(0, 10)
            const name = `usage-${day}${part === 1 ? '' : `.${part}`}.jsonl`
            const path = join(folders[folder] as string, name)
            texts.set(path, (texts.get(path) ?? '') + (torn ? `${text.slice(0, 60)}\n` : text))
          }
        }
        for (const [path, text] of texts) writeFileSync(path, text)
        const at = base + now
        const writer = hasLive ? 'w-2' : null
        const expected = sumUp(folders, rules, at, writer)
        assert.equal((await replay(folders, rules, at, false, writer)).sums, expected)
        for (const folder of folders) {
          for (const day of listDays(listLedgerNames(readdirSync(folder)))) {
            if (!isClosed(day.day, at)) continue
            await writeRollup(folder, day.day, (await buildRollup(folder, day)).text)
            fromRollups++
          }
        }
        assert.equal((await replay(folders, rules, at, true, writer)).sums, expected)
        counted += Object.keys(expected).length
      },
    ),
    { numRuns: 150 },
  )
  // Else it would compare nothing with nothing.
  assert.ok(counted > 500, `${counted} sums`)
  assert.ok(fromRollups > 500, `${fromRollups} rollups`)
})

const POOL = makeRule({ usd: { month: 5 }, tokens: { day: 5 } })
const NOON = Date.parse('2026-11-20T12:00:00Z')

function put(folder: string, name: string, lines: readonly string[]): void {
  mkdirSync(folder, { recursive: true })
  appendFileSync(join(folder, name), lines.join(''))
}

/** A record of so many nano-dollars. */
const spend = (writer: string, seq: number, day: string, nano = 1): string =>
  recordOf({ writer, seq, ts: `2026-11-${day}T09:00:00.000Z`, cost_usd: nano / 1e9 })

async function ask(root: string, writer: string | null = null): Promise<[Sums, string[]]> {
  const { sums, problems } = await replay([root], [{ rule: POOL, upTo: 0 }], NOON, true, writer)
  return [sums, problems.map(({ path, kind, detail }) => `${basename(path)} ${kind} ${detail}`)]
}

const MONTH = '0 rule usd month '

test('torn lines are reported by the name of their file, and what is there counts', async ({ root }) => {
  put(root, 'usage-2026-11-02.jsonl', [spend('w-1', 1, '02'), '{"v":1,"wri\n', '\n', spend('w-1', 2, '02')])
  // The relay is writing the last line of today's file just now.
  put(root, 'usage-2026-11-20.jsonl', ['{"v"\n', spend('w-1', 3, '20'), spend('w-1', 4, '20').slice(0, 50)])
  assert.equal(await ask(root), [
    { [MONTH]: '3' },
    ['usage-2026-11-02.jsonl torn 1', 'usage-2026-11-20.jsonl torn 1'],
  ])
  const [day] = listDays(listLedgerNames(readdirSync(root)))
  assert.ok(day)
  await writeRollup(root, day.day, (await buildRollup(root, day)).text)
  assert.equal((await ask(root))[1], ['usage-2026-11-02.jsonl torn 1', 'usage-2026-11-20.jsonl torn 1'])
})

test('a file that cannot be read is reported, and the others count', async ({ root }) => {
  put(root, 'usage-2026-11-02.jsonl', [spend('w-1', 1, '02')])
  mkdirSync(join(root, 'usage-2026-11-03.jsonl'))
  put(root, 'usage-2026-11-04.jsonl', [spend('w-1', 2, '04')])
  assert.equal(await ask(root), [{ [MONTH]: '2' }, ['usage-2026-11-03.jsonl unreadable EISDIR']])
  const other = join(root, 'usage-2026-11-02.jsonl')
  assert.equal(await ask(other), [{}, []])
})

test('the file of a day that is missing is named, by the numbers that its records had', async ({ root }) => {
  put(root, 'usage-2026-11-02.jsonl', [spend('w-1', 1, '02'), spend('w-1', 2, '02')])
  put(root, 'usage-2026-11-05.jsonl', [spend('w-1', 9, '05'), spend('w-2', 1, '05')])
  assert.equal(await ask(root), [
    { [MONTH]: '4' },
    ['usage-2026-11-03.jsonl missing 6', 'usage-2026-11-04.jsonl missing 6'],
  ])
  put(
    root,
    'usage-2026-11-03.jsonl',
    [3, 4, 5, 8].map((seq) => spend('w-1', seq, '03')),
  )
  assert.equal((await ask(root))[1], ['usage-2026-11-03.jsonl missing 2'])
  put(
    root,
    'usage-2026-11-03.2.jsonl',
    [7, 6].map((seq) => spend('w-1', seq, '03')),
  )
  assert.equal(await ask(root), [{ [MONTH]: '10' }, []])
  // The rest of a start that has ended, and the whole of another one.
  const end = { lost: 0, chain: null, flush_ms: 20, found_by: null }
  const ends = [
    { writer: 'w-1', started: '2026-11-02T01:00:00Z', ended: '2026-11-07T01:00:00Z', records: 12, ...end },
    { writer: 'w-3', started: '2026-11-09T01:00:00Z', ended: '2026-11-09T02:00:00Z', records: 7, ...end },
    { writer: 'w-0', started: '2026-09-09T01:00:00Z', ended: '2026-09-09T02:00:00Z', records: 7, ...end },
    { writer: 'w-4', started: '2026-11-09T01:00:00Z', ended: '2026-11-09T02:00:00Z', records: 0, ...end },
  ]
  put(root, 'starts.jsonl', ends.map(formatStartEnd))
  assert.equal((await ask(root))[1], [
    'usage-2026-11-06.jsonl missing 3',
    'usage-2026-11-07.jsonl missing 3',
    'usage-2026-11-09.jsonl missing 7',
  ])
})

test('what stands before the period, or is being written by the relay itself, is not missing', async ({
  root,
}) => {
  put(root, 'usage-2026-10-20.jsonl', [spend('w-1', 1, '01')])
  put(root, 'usage-2026-11-20.jsonl', [
    spend('w-1', 900, '20', 4),
    spend('w-2', 1, '20'),
    spend('w-2', 2, '20'),
  ])
  assert.equal(await ask(root, 'w-2'), [{ [MONTH]: '4' }, []])
})

test('only the days that the periods touch are read', async ({ root }) => {
  put(root, 'usage-2026-10-20.jsonl', ['not a record\n'])
  put(root, 'usage-2026-11-20.jsonl', [spend('w-1', 1, '20')])
  assert.equal(await ask(root), [{ [MONTH]: '1' }, []])
  const { problems } = await replayLedger({
    folders: [root],
    rules: [{ rule: makeRule({ requestsPerMinute: 5 }), upTo: null }],
    writer: null,
    at: NOON,
    usesRollups: true,
  })
  assert.equal(problems, [])
})

test.run()
