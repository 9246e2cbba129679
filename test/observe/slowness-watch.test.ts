import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RequestSummary } from '../../src/exchange/summary.js'
import { SlownessWatch } from '../../src/observe/slowness-watch.js'

function makeWatch(slowMs: number): { watch: SlownessWatch; warnings: Record<string, unknown>[] } {
  const warnings: Record<string, unknown>[] = []
  const warn = (fields: Record<string, unknown>, message: string) =>
    void warnings.push({ ...fields, message })
  return { watch: new SlownessWatch({ warn }, slowMs), warnings }
}

function took(id: string, overheadMs: number | null): RequestSummary {
  return { request: { id }, overheadMs } as unknown as RequestSummary
}

const LATER = performance.now() + 3_600_000

test('one warning names the slowest of the requests that the relay delayed', () => {
  const { watch, warnings } = makeWatch(100)
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
  assert.equal(warnings, [
    {
      id: 'c',
      overhead_ms: 400,
      requests: 3,
      message: 'the relay itself delayed a request by 400 ms; 3 requests exceeded log.slowMs',
    },
  ])
})

test('slow requests cause at most one warning a second', () => {
  const { watch, warnings } = makeWatch(100)
  for (let ms = 0; ms < 3_000; ms += 100) {
    watch.record(took('a', 200))
    watch.tick(LATER + ms)
  }
  watch.close()
  assert.is(warnings.length, 3)
})

test('a blocked event loop causes a warning, except at the start', async () => {
  const { watch, warnings } = makeWatch(50)
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  const block = (ms: number): void => {
    for (const end = performance.now() + ms; performance.now() < end; );
  }
  await wait(50)
  block(150)
  await wait(50)
  watch.tick(LATER)
  assert.equal(warnings, [])
  await wait(50)
  block(150)
  await wait(50)
  watch.tick(LATER + 2_000)
  watch.close()
  const [first] = warnings
  assert.ok(Number(first?.delay_ms) >= 100, JSON.stringify(warnings))
  assert.match(String(first?.message), /^the event loop was blocked for \d+ ms/)
})

test.run()
