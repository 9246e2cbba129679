import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { recordSchema } from '../../src/ledger/schema.js'
import type { RecordHeir } from '../../src/ledger/write/ledger.js'
import type { StoredObject } from '../../src/stored/object-map.js'
import { ThoughtStore } from '../../src/translate/thinking/thought-store.js'
import { Bequest, type Estate } from '../../src/workers/bequest.js'
import type { SentRates } from '../../src/workers/handover-messages.js'
import { type Heirs, Inheritance } from '../../src/workers/inheritance.js'
import { createLinkPair } from '../../src/workers/link.js'
import { until } from '../support/until.js'

const test = suite('what a process leaves to its successor')

/** A line as far as it is read. */
function line(id: string, seq: number): string {
  const fields = { v: 1, id, writer: 'w-a', seq, prompt_tokens: 1, completion_tokens: 2 }
  // Its fields are those of a record.
  for (const name of Object.keys(fields)) assert.ok(name in recordSchema.shape, name)
  return JSON.stringify(fields)
}

class Books {
  readonly writer = 'w-a'
  lastSeq = 7
  writtenSeq = 5
  follower: RecordHeir | null = null

  followBy(follower: RecordHeir | null): void {
    this.follower = follower
  }

  record(id: string): void {
    this.lastSeq++
    this.follower?.(this.lastSeq, line(id, this.lastSeq))
  }
}

function leave() {
  const books = new Books()
  const thoughts = new ThoughtStore({ maxBytes: 100_000, maxAgeMs: 60_000 })
  const objects: { follow: ((object: StoredObject) => void) | null } = { follow: null }
  const estate: Estate = {
    ledger: books,
    objects: { followBy: (follower) => Object.assign(objects, { follow: follower }) },
    thoughts,
    page: null,
    listRates: () => Array.from({ length: 1_200 }, (_, i): SentRates => ['rule', `owner-${i}`, i, 0]),
  }
  return { books, thoughts, objects, estate }
}

function inherit(inheritance: Inheritance) {
  const got = {
    ids: [] as string[],
    records: 0,
    rates: 0,
    objects: [] as string[],
    thoughts: [] as string[],
    killed: 0,
  }
  const heirs: Heirs = {
    counter: { countRecovered: (id) => void got.ids.push(id) },
    takeRecord: () => got.records++,
    addRates: () => got.rates++,
    takeObject: ({ id }) => got.objects.push(id),
    takeThought: (key) => got.thoughts.push(key),
    takeSessions: () => {},
    endSession: () => {},
    onKilled: () => got.killed++,
  }
  return { got, start: () => inheritance.start(heirs), heirs }
}

test('records count from the ledger up to a number, and live from there on, for each budget', async () => {
  const { books, estate } = leave()
  const [one, two] = createLinkPair()
  const inheritance = new Inheritance(two)
  const { got, start } = inherit(inheritance)
  const bequest = new Bequest(estate, one)
  await inheritance.whenNamed()
  assert.equal(inheritance.names, ['w-a'])
  assert.equal(inheritance.ceiling, { writer: 'w-a', lastSeq: 7 })
  books.record('x-8')
  await until(() => got.ids.length === 0, 'a turn')
  inheritance.begin(['month'])
  start()
  await until(() => got.ids.length === 1, 'the record')
  inheritance.begin(['week'])
  assert.equal([...inheritance.upTo('month')], [['w-a', 7]])
  assert.equal([...inheritance.upTo('week')], [['w-a', 8]])
  let isFollowed = false
  void inheritance.whenFollowed(['month', 'week']).then(() => {
    isFollowed = true
  })
  books.writtenSeq = 7
  await until(() => !isFollowed, 'a turn')
  books.writtenSeq = 8
  await until(() => isFollowed, 'the records to be written')
  books.record('x-9')
  bequest.end(true)
  await until(() => got.ids.length === 2, 'the last record')
  assert.is(got.records, 2)
  assert.is(books.follower, null)
  one.cut()
  await inheritance.whenFollowed(['month'])
  assert.is(got.killed, 0)
})

for (const [how, end] of [
  ['is told to be gone', (link) => link.send('handover', ['gone'])],
  ['says that it is over', (link) => link.send('handover', ['over'])],
  ['is cut off', (link) => link.cut()],
] as const satisfies readonly (readonly [string, (link: ReturnType<typeof createLinkPair>[0]) => void])[])
  for (const asksFirst of [true, false])
    test(`a process that ${how} before it has said anything is not waited for (asked ${asksFirst ? 'before' : 'behind'})`, async () => {
      const [one, two] = createLinkPair()
      const inheritance = new Inheritance(two)
      let ends = 0
      const early = asksFirst ? inheritance.whenNamed() : null
      if (asksFirst) inheritance.onEnd(() => ends++)
      end(one)
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
      await (early ?? inheritance.whenNamed())
      if (!asksFirst) inheritance.onEnd(() => ends++)
      assert.is(ends, 1)
      assert.is(inheritance.ceiling, null)
      await inheritance.whenWritten()
    })

test('objects, thinking and rates go over, what there was and what comes', async () => {
  const { thoughts, objects, estate } = leave()
  const thought = { upstream: 'up', model: 'm', api: 'chat' as const, json: '"why"' }
  const turn = { turn: 't1', places: ['p1'], isNamed: false }
  thoughts.remember('team', turn, 'call-1', thought)
  const [one, two] = createLinkPair()
  const inheritance = new Inheritance(two)
  const { got, start } = inherit(inheritance)
  const bequest = new Bequest(estate, one)
  start()
  const object = { id: 'resp_1', owner: 'team', key: null, upstream: 'up', madeAt: 1, isBilled: false }
  objects.follow?.(object)
  bequest.sendRates()
  await until(() => got.rates === 1_200, 'the rates')
  assert.equal(got.objects, ['resp_1'])
  assert.equal(got.thoughts.sort(), ['team\np1\ncall-1', 'team\nt1\ncall-1'])
  thoughts.remember('team', { ...turn, turn: 't2', places: [] }, 'call-2', thought)
  await until(() => got.thoughts.length === 3, 'the next thought')
  // A successor knows what it has learned itself.
  const heir = new ThoughtStore({ maxBytes: 100_000, maxAgeMs: 60_000 })
  for (const [key, entry] of thoughts.list()) heir.take(key, entry)
  const call = { id: 'call-1', turn: 't1', near: 'p1', beginning: 'b' }
  assert.equal(heir.find('team', call), thought)
  bequest.stop()
  assert.is(objects.follow, null)
})

test('a process that is killed is told of once, and what is recovered counts only if it has not before', async () => {
  const { books, estate } = leave()
  const [one, two] = createLinkPair()
  const inheritance = new Inheritance(two)
  const { got, start, heirs } = inherit(inheritance)
  const bequest = new Bequest(estate, one)
  books.record('x-8')
  start()
  await until(() => got.ids.length === 1, 'the record')
  one.cut()
  await until(() => got.killed === 1, 'the end')
  await inheritance.whenFollowed(['month'])
  const guard = inheritance.guard({ ...heirs.counter, assume: () => {} })
  const entry = {} as Parameters<typeof guard.countRecovered>[1]
  guard.countRecovered('x-8', entry)
  guard.countRecovered('x-9', entry)
  assert.equal(got.ids, ['x-8', 'x-9'])
  bequest.stop()
})

test.run()
