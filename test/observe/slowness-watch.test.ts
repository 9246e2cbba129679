import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RequestSummary } from '../../src/exchange/summary.js'
import { type LoopWork, SlownessWatch } from '../../src/observe/slowness-watch.js'

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

/** A watch over a loop whose work is told to it. */
function makeLoop(slowMs: number) {
  const warnings: Record<string, unknown>[] = []
  let work: LoopWork = { activeMs: 0, idleMs: 0, turns: 0 }
  const log = { warn: (fields: Record<string, unknown>) => void warnings.push(fields) }
  const watch = new SlownessWatch(log, slowMs, () => work)
  let now = LATER
  const tick = (activeMs: number, turns: number): void => {
    work = {
      activeMs: work.activeMs + activeMs,
      idleMs: work.idleMs + Math.max(0, 250 - activeMs),
      turns: work.turns + turns,
    }
    now += 250
    watch.tick(now)
  }
  // The first tick is the start.
  tick(0, 1)
  return { watch, warnings, tick }
}

test('a long turn of a quiet loop causes a warning with the time and the turns', () => {
  for (const [activeMs, turns, isWarned] of [
    [99, 1, false],
    [100, 1, true],
    [150, 12, true],
    // As many short turns as a burst of requests has.
    [150, 13, false],
    [2_000, 20, true],
    [250, 1_000, false],
  ] as const) {
    const { watch, warnings, tick } = makeLoop(100)
    tick(3, 4)
    tick(activeMs, turns)
    watch.close()
    assert.equal(warnings, isWarned ? [{ busy_ms: activeMs, turns }] : [], `${activeMs} ms in ${turns} turns`)
  }
})

test('long turns of a quiet loop cause one warning a second, of the longest since the last one', () => {
  const { watch, warnings, tick } = makeLoop(100)
  for (const activeMs of [150, 300, 200, 120]) {
    tick(activeMs, 2)
    // The samples of a busy loop end after two seconds.
    for (let i = 0; i < 9; i++) tick(0, 2)
  }
  watch.close()
  assert.equal(
    warnings.map(({ busy_ms }) => busy_ms),
    [150, 300, 200, 120],
  )
})

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

test('a blocked event loop causes a warning, except at the start', async () => {
  const { watch, warnings } = makeWatch(50)
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

test('a quiet event loop that is blocked once causes a warning', async () => {
  const { watch, warnings } = makeWatch(50)
  watch.tick(LATER)
  await wait(500)
  watch.tick(LATER + 250)
  block(150)
  await wait(20)
  watch.tick(LATER + 2_000)
  watch.close()
  const [first] = warnings
  assert.ok(Number(first?.busy_ms ?? first?.delay_ms) >= 100, JSON.stringify(warnings))
})

test.run()
