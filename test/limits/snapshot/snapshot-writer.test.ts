import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LimitClaim } from '../../../src/exchange/limit-ticket.js'
import { markProcess } from '../../../src/ledger/starts.js'
import { MemoryLimitStore } from '../../../src/limits/counters/memory-store.js'
import {
  parseOwner,
  parseSnapshot,
  type SavedState,
  type Snapshot,
} from '../../../src/limits/snapshot/snapshot-file.js'
import { advanceState, findLiveness, readSnapshot } from '../../../src/limits/snapshot/snapshot-reader.js'
import { SnapshotWriter } from '../../../src/limits/snapshot/snapshot-writer.js'
import { makeRule } from '../../support/limit-rules.js'
import { until } from '../../support/until.js'

interface Place {
  folder: string
  path: string
  writers: SnapshotWriter[]
  warned: string[]
}

const test = suite<Place>('limit snapshots')

test.before.each((place) => {
  place.folder = mkdtempSync(join(tmpdir(), 'snapshot-'))
  place.path = join(place.folder, 'limits.json')
  place.writers = []
  place.warned = []
})

test.after.each(async (place) => {
  for (const writer of place.writers) await writer.close()
  rmSync(place.folder, { recursive: true, force: true })
})

/** Between two files. */
const EVERY_MS = 50

const RULE = makeRule({ name: 'r', per: 'team', requestsPerMinute: 60, usd: { month: 5 }, concurrent: 3 })

function use(store: MemoryLimitStore, owner: string, nano: number | bigint): void {
  const claims = [new LimitClaim(RULE, owner)]
  store.settle(null, claims, { tokens: 0, nano }, performance.now(), Date.now())
}

function openWriter(
  place: Place,
  store: MemoryLimitStore,
  more: { writer?: string; started?: string; folder?: string } = {},
) {
  const { writer = 'w-1', started = new Date().toISOString(), folder = place.folder } = more
  const note = (_: object, message: string): void => void place.warned.push(message)
  const snapshot = new SnapshotWriter({
    folder,
    store,
    owner: { writer, started, ...markProcess() },
    counted: () => 42,
    listWorkers: null,
    isRestored: () => true,
    log: { warn: note, info: note },
    everyMs: EVERY_MS,
  })
  place.writers.push(snapshot)
  snapshot.start()
  return snapshot
}

function read({ path }: Place): Snapshot {
  const snapshot = parseSnapshot(readFileSync(path, 'utf8'))
  if (typeof snapshot === 'string') throw new Error(snapshot)
  return snapshot
}

test('counters are written after a change, and not again without one', async (place) => {
  const store = new MemoryLimitStore()
  use(store, 'team1', 10n ** 20n)
  openWriter(place, store)
  await until(() => existsSync(place.path), 'the file')
  const first = read(place)
  assert.equal(
    [first.writer, first.ended, first.restored, findLiveness(first)],
    ['w-1', false, true, 'running'],
  )
  assert.is(statSync(place.path).mode & 0o037, 0, 'others may not read it')
  const budget = first.states.find(({ kind }) => kind === 'budget')
  assert.equal([budget?.owner, budget?.used, budget?.limit, budget?.seq], ['team1', 10n ** 20n, 5e9, 42])
  assert.equal(budget?.rule, JSON.parse(JSON.stringify(RULE)))
  use(store, 'team2', 7)
  await until(() => read(place).states.some(({ owner }) => owner === 'team2'), 'the change')
  const { written } = read(place)
  store.read(new LimitClaim(RULE, 'team1'), performance.now(), Date.now())
  const { ino } = statSync(place.path)
  // Long enough for some looks at the store.
  await new Promise((resolve) => setTimeout(resolve, 10 * EVERY_MS))
  assert.equal([read(place).written, statSync(place.path).ino], [written, ino])
})

test('the last file says that the relay has ended, and no draft is left', async (place) => {
  const store = new MemoryLimitStore()
  const writer = openWriter(place, store)
  use(store, 'team1', 1)
  await writer.close()
  assert.equal([read(place).ended, findLiveness(read(place)), read(place).states.length], [true, 'ended', 3])
  assert.equal(readdirSync(place.folder), ['limits.json'])
  use(store, 'team1', 1)
  writer.endNow()
  assert.is(read(place).states.find(({ kind }) => kind === 'budget')?.used, 2)
})

test('many counters are written in slices, each with the time at which it was true', async (place) => {
  const store = new MemoryLimitStore()
  for (let i = 0; i < 3_000; i++) use(store, `team${i}`, i + 1)
  openWriter(place, store)
  await until(() => existsSync(place.path), 'the file')
  const { states } = read(place)
  const budgets = states.filter(({ kind }) => kind === 'budget')
  assert.equal(
    budgets.map(({ owner, used }) => [owner, used]),
    Array.from({ length: 3_000 }, (_, i) => [`team${i}`, i + 1]),
  )
  assert.ok(new Set(states.map(({ at }) => at)).size > 1, 'one slice')
})

test('whatever amounts are used and held, the file can be read', async (place) => {
  const rule = makeRule({ tokensPerMinute: 1, usd: { month: 1_000_000 }, tokens: { day: 5 } })
  const store = new MemoryLimitStore()
  const claims = [new LimitClaim(rule, '')]
  const huge = { tokens: Number.MAX_SAFE_INTEGER, nano: Number.MAX_SAFE_INTEGER }
  const observing = [new LimitClaim(Object.assign({}, rule, { id: 'other', observe: true }), '')]
  for (let n = 0; n < 3; n++) {
    const { ticket } = store.check(observing, huge, performance.now(), Date.now())
    assert.ok(ticket !== null)
    store.settle(null, claims, huge, performance.now(), Date.now())
  }
  const checked = store.check(claims, huge, performance.now(), Date.now())
  if (checked.ticket !== null) store.settle(checked.ticket, claims, huge, performance.now(), Date.now())
  openWriter(place, store)
  await until(() => existsSync(place.path), 'the file')
  const { states } = read(place)
  const used = states.find(({ rule: { id }, budget }) => id === rule.id && budget?.unit === 'usd')?.used
  assert.is(states.length, 6)
  assert.ok(BigInt(used ?? 0) >= 3n * BigInt(Number.MAX_SAFE_INTEGER))
})

test('a folder that cannot be written costs one line, and the file is written when it can be', async (place) => {
  const store = new MemoryLimitStore()
  const folder = join(place.folder, 'later')
  openWriter(place, store, { folder })
  await until(() => place.warned.length > 0, 'the warning')
  assert.match(place.warned[0] ?? '', /limits\.json cannot be written \(ENOENT\)/)
  use(store, 'team1', 1)
  mkdirSync(folder)
  await until(() => existsSync(join(folder, 'limits.json')), 'the file')
  await until(() => place.warned.length > 1, 'the other line')
  assert.match(place.warned[1] ?? '', /is written again$/)
  assert.is(place.warned.length, 2)
})

test('of two relays with one folder, the one that was started last writes the file, and the other one after its end', async (place) => {
  const stores = [new MemoryLimitStore(), new MemoryLimitStore()] as const
  const later = openWriter(place, stores[1], { writer: 'w-2', started: '2026-01-02T00:00:00.000Z' })
  await until(() => existsSync(place.path), 'the file')
  openWriter(place, stores[0], { writer: 'w-1', started: '2026-01-01T00:00:00.000Z' })
  use(stores[0], 'team1', 1)
  await until(() => place.warned.length > 0, 'the warning')
  assert.match(place.warned[0] ?? '', /has the counters of another relay, which was started later$/)
  assert.is(read(place).writer, 'w-2')
  await later.close()
  await until(() => read(place).writer === 'w-1', 'the file of the other one')
})

test('a file of a process that is gone, or that is no file of a relay, is replaced', async (place) => {
  const store = new MemoryLimitStore()
  const started = '9999-01-01T00:00:00.000Z'
  const owner = { v: 1, writer: 'w-x', started, host: 'elsewhere', pid: 1, born: 1 }
  const foreign = `${JSON.stringify(owner).slice(0, -1)},\n"slices":[null],"written":"${started}"}`
  for (const text of ['', 'no JSON', '{"v":9}\n', foreign]) {
    writeFileSync(place.path, text)
    // Of another machine: only its age tells.
    utimesSync(place.path, new Date(1_000), new Date(1_000))
    const writer = openWriter(place, store, { writer: `w-${text.length}` })
    await writer.close()
    assert.is(read(place).writer, `w-${text.length}`)
  }
  writeFileSync(place.path, foreign)
  const writer = openWriter(place, store, { writer: 'w-late' })
  await writer.close()
  assert.is(parseOwner(readFileSync(place.path, 'utf8'))?.writer, 'w-x', 'a fresh one is left alone')
})

test('a draft that a killed relay has left is removed', async (place) => {
  const draft = join(place.folder, 'limits.json.w-killed')
  writeFileSync(draft, '{')
  utimesSync(draft, new Date(1_000), new Date(1_000))
  writeFileSync(join(place.folder, 'limits.json.w-busy'), '{')
  openWriter(place, new MemoryLimitStore())
  await until(() => !existsSync(draft), 'the draft to be gone')
  assert.ok(existsSync(join(place.folder, 'limits.json.w-busy')))
})

test('a file that is missing is no problem, and one that cannot be read is', async (place) => {
  assert.equal(await readSnapshot(place.folder), { snapshot: null, problem: null })
  assert.equal(await readSnapshot(join(place.folder, 'none')), { snapshot: null, problem: null })
  mkdirSync(place.path)
  assert.equal(await readSnapshot(place.folder), { snapshot: null, problem: 'cannot be read (EISDIR)' })
  chmodSync(place.path, 0o700)
})

test('later, a rate has come back evenly, and a period that is over begins at nothing', () => {
  const at = Date.parse('2026-11-30T23:59:30Z')
  const [month] = RULE.budgets
  const shared = { rule: RULE, owner: 'team1', held: 3, at, seq: 1, live: null }
  const rate: SavedState = {
    ...shared,
    kind: 'requests',
    budget: null,
    period: null,
    limit: 60,
    used: 30,
    resetsAt: at + 30_000,
  }
  const budget: SavedState = {
    ...shared,
    kind: 'budget',
    budget: month ?? null,
    period: '2026-11@UTC',
    limit: 5e9,
    used: 7,
    resetsAt: at + 30_000,
  }
  const places: SavedState = {
    ...shared,
    kind: 'concurrent',
    budget: null,
    period: null,
    limit: 3,
    used: 2,
    resetsAt: at,
  }
  const table: [SavedState, number, Partial<SavedState>][] = [
    [rate, 0, { used: 30 }],
    [rate, -5_000, { used: 30 }],
    [rate, 10_500, { used: 20 }],
    [rate, 60_000, { used: 0 }],
    [budget, 29_999, { used: 7, held: 3, period: '2026-11@UTC' }],
    [
      budget,
      30_000,
      { used: 0, held: 0, period: '2026-12@UTC', resetsAt: Date.parse('2027-01-01T00:00:00Z') },
    ],
    [places, 90_000, { used: 2 }],
  ]
  for (const [state, later, expected] of table)
    assert.equal(advanceState(state, at + later), { ...state, ...expected })
})

test.run()
