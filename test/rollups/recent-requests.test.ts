import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RecentRequests } from '../../src/rollups/recent-requests.js'
import { recordOf } from '../support/ledger.js'

function fill(recent: RecentRequests, from: number, to: number): void {
  for (let seq = from; seq <= to; seq++)
    recent.add(recordOf({ id: `tw-${seq}`, seq, key: `k_${seq % 3}`, status: seq % 5 === 0 ? 502 : 200 }))
}

const seqsOf = async (
  recent: RecentRequests,
  query: Parameters<RecentRequests['list']>[0],
): Promise<unknown[]> => (await recent.list(query)).map(({ seq }) => seq)

test('the latest come first, page by page', async () => {
  const recent = new RecentRequests(10)
  fill(recent, 1, 25)
  assert.is(recent.size, 10)
  assert.equal(await seqsOf(recent, { limit: 4 }), [25, 24, 23, 22])
  assert.equal(await seqsOf(recent, { limit: 4, before: 'tw-22' }), [21, 20, 19, 18])
  assert.equal(await seqsOf(recent, { limit: 9, before: 'tw-18' }), [17, 16])
  assert.equal(await seqsOf(recent, { limit: 2, before: 'tw-1' }), [25, 24])
})

test('they are filtered by names and failures, and found by their ids', async () => {
  const recent = new RecentRequests(10)
  fill(recent, 1, 25)
  assert.equal(await seqsOf(recent, { limit: 9, filter: { key: ['k_0'] } }), [24, 21, 18])
  assert.equal(
    await seqsOf(recent, { limit: 9, filter: { key: ['k_0', 'k_1'], model: [''] } }),
    [25, 24, 22, 21, 19, 18, 16],
  )
  assert.equal(await seqsOf(recent, { limit: 9, filter: { model: ['gpt'] } }), [])
  assert.equal(await seqsOf(recent, { limit: 9, onlyErrors: true }), [25, 20])
  assert.is((await recent.find('tw-20'))?.seq, 20)
  assert.is(await recent.find('tw-3'), null)
})

test('an id within the text of another field finds nothing', async () => {
  const recent = new RecentRequests(10)
  recent.add(recordOf({ id: 'tw-1', seq: 1, model: '"id":"tw-2"' }))
  assert.is(await recent.find('tw-2'), null)
})

test('they take no more than so many bytes, however long the lines are', async () => {
  const recent = new RecentRequests(1_000, 10_000)
  for (let seq = 1; seq <= 100; seq++)
    recent.add(recordOf({ id: `tw-${seq}`, seq, model: 'm'.repeat(seq * 10) }))
  assert.ok(recent.size > 5 && recent.size < 15, `${recent.size}`)
  recent.add('x'.repeat(20_000))
  assert.is((await recent.list({ limit: 1 }))[0]?.seq, 100)
})

test('records of an earlier time come behind those that are there, as far as there is room', async () => {
  const recent = new RecentRequests(5)
  fill(recent, 8, 10)
  recent.addEarlier([4, 5, 6, 7].map((seq) => recordOf({ id: `tw-${seq}`, seq })))
  fill(recent, 11, 11)
  assert.equal(await seqsOf(recent, { limit: 9 }), [11, 10, 9, 8, 7])
})

test('a line that is no record is passed over', async () => {
  const recent = new RecentRequests(5)
  recent.add('{"id":"tw-')
  fill(recent, 1, 1)
  assert.equal(await seqsOf(recent, { limit: 9 }), [1])
})

test.run()
