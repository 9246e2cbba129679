import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RequestSummary } from '../../src/exchange/summary.js'
import { SlownessWatch } from '../../src/observe/slowness-watch.js'

function makeWatch(slowMs: number): { watch: SlownessWatch; told: Record<string, unknown>[] } {
  const told: Record<string, unknown>[] = []
  const warn = (fields: Record<string, unknown>, message: string) => void told.push({ ...fields, message })
  return { watch: new SlownessWatch({ warn }, slowMs), told }
}

function took(id: string, overheadMs: number | null): RequestSummary {
  return { request: { id }, overheadMs } as unknown as RequestSummary
}

const LATER = performance.now() + 3_600_000

test('requests that the relay held up are told once, by the slowest', () => {
  const { watch, told } = makeWatch(100)
  for (const [id, ms] of [
    ['a', 99],
    ['b', 150],
    ['c', 400],
    ['d', 120],
    ['e', null],
  ] as const)
    watch.record(took(id, ms))
  watch.tick(LATER)
  watch.tick(LATER + 5_000)
  watch.close()
  assert.equal(told, [
    {
      id: 'c',
      overhead_ms: 400,
      requests: 3,
      message: 'the relay itself held a request up for 400 ms; 3 were slower than log.slowMs',
    },
  ])
})

test('they are told no more often than once a second', () => {
  const { watch, told } = makeWatch(100)
  for (let ms = 0; ms < 3_000; ms += 100) {
    watch.record(took('a', 200))
    watch.tick(LATER + ms)
  }
  watch.close()
  assert.is(told.length, 3)
})

test('an event loop that stood still is told, but for what happened at the start', async () => {
  const { watch, told } = makeWatch(50)
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  const block = (ms: number): void => {
    for (const end = performance.now() + ms; performance.now() < end; );
  }
  await wait(50)
  block(150)
  await wait(50)
  watch.tick(LATER)
  assert.equal(told, [])
  await wait(50)
  block(150)
  await wait(50)
  watch.tick(LATER + 2_000)
  watch.close()
  const [first] = told
  assert.ok(Number(first?.delay_ms) >= 100, JSON.stringify(told))
  assert.match(String(first?.message), /^everything stood still for \d+ ms/)
})

test.run()
