import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RequestSummary } from '../../src/exchange/summary.js'
import { SlownessWatch } from '../../src/observe/slowness-watch.js'

/** The ticks of a test have no clock. */
const NEVER_LATE_MS = 1e9

function makeWatch(slowMs: number): { watch: SlownessWatch; warnings: Record<string, unknown>[] } {
  const warnings: Record<string, unknown>[] = []
  const warn = (fields: Record<string, unknown>, message: string) =>
    void warnings.push({ ...fields, message })
  return { watch: new SlownessWatch({ warn }, slowMs, NEVER_LATE_MS), warnings }
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

/** Milliseconds between two ticks of a relay. */
const TICK_MS = 250

/** A watch over a loop that is told what it does. */
class Loop {
  readonly warnings: Record<string, unknown>[]
  readonly watch: SlownessWatch
  private nowMs: number
  private idleMs: number
  private tickedAt: number

  constructor(slowMs: number) {
    this.warnings = []
    this.nowMs = LATER
    this.idleMs = 0
    this.tickedAt = LATER
    const warn = (fields: Record<string, unknown>) => void this.warnings.push(fields)
    const clock = { now: () => this.nowMs, idleMs: () => this.idleMs }
    this.watch = new SlownessWatch({ warn }, slowMs, TICK_MS, clock)
    this.tick()
    this.tick()
  }

  get delays(): unknown[] {
    return this.warnings.map((fields) => fields.delay_ms)
  }

  rest(ms: number): void {
    this.nowMs += ms
    this.idleMs += ms
  }

  /** Works within a turn. */
  work(ms: number): void {
    this.nowMs += ms
  }

  turn(ms: number): void {
    this.work(ms)
    this.watch.endTurn()
  }

  tick(): void {
    this.tickedAt = this.nowMs
    this.watch.tick(this.nowMs)
  }

  /** Lets some seconds pass, with each tick when it is due. */
  sleep(seconds: number): void {
    for (let i = 0; i < seconds * 4; i++) {
      this.rest(Math.max(0, this.tickedAt + TICK_MS - this.nowMs))
      this.tick()
      this.watch.endTurn()
    }
  }
}

test('a long turn is found beside any number of short ones', () => {
  for (const beside of [0, 1, 12, 100, 500]) {
    const loop = new Loop(100)
    loop.sleep(2)
    for (let i = 0; i < beside; i++) loop.turn(0.2)
    loop.turn(120)
    loop.sleep(2)
    loop.watch.close()
    assert.equal(loop.delays, [120], `beside ${beside} turns`)
  }
})

test('short turns are no block, however many there are, and neither is the time in which the loop waits', () => {
  const loop = new Loop(100)
  loop.sleep(2)
  for (let i = 0; i < 240; i++) loop.turn(1)
  loop.rest(10)
  loop.tick()
  loop.sleep(600)
  for (let second = 0; second < 3; second++) {
    for (let i = 0; i < 4; i++) {
      loop.turn(99)
      loop.rest(TICK_MS - 99)
      loop.tick()
    }
    loop.sleep(600)
  }
  loop.watch.close()
  assert.equal(loop.warnings, [])
})

test('a block causes one warning, also if the tick is within its turn, and the longest of a second is logged', () => {
  const loop = new Loop(100)
  loop.sleep(2)
  loop.work(150)
  loop.tick()
  loop.turn(20)
  loop.sleep(3)
  assert.equal(loop.delays, [150])
  for (const ms of [130, 180, 160]) {
    loop.turn(ms)
    loop.tick()
  }
  loop.sleep(3)
  loop.watch.close()
  assert.equal(loop.delays, [150, 130, 180])
})

test('blocks in neighbouring ticks are found, and one right after a warning', () => {
  const loop = new Loop(100)
  loop.sleep(2)
  loop.turn(110)
  loop.tick()
  loop.turn(120)
  loop.rest(TICK_MS - 120)
  loop.tick()
  loop.sleep(3)
  loop.watch.close()
  assert.equal(loop.delays, [110, 120])
})

test('a process that was stopped while it waited says so when it goes on', () => {
  const loop = new Loop(100)
  loop.sleep(2)
  // For the kernel it waited for its next event all the time.
  loop.rest(TICK_MS + 5_000)
  loop.tick()
  loop.sleep(3)
  loop.watch.close()
  assert.equal(loop.delays, [5_000])
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

test('a single block causes a warning, in a loop with nothing else to do and in one with many short turns', async () => {
  for (const everyMs of [1_000, 1]) {
    const { watch, warnings } = makeWatch(50)
    const other = setInterval(() => {}, everyMs)
    watch.tick(LATER)
    await wait(300)
    watch.tick(LATER + 250)
    block(150)
    await wait(100)
    watch.tick(LATER + 2_000)
    watch.close()
    clearInterval(other)
    assert.ok(Number(warnings[0]?.delay_ms) >= 100, JSON.stringify(warnings))
  }
})

test('a loop that was busy, then quiet for long, and is busy again has not been blocked', async () => {
  const { watch, warnings } = makeWatch(1_500)
  let now = LATER
  const tick = async (workMs: number) => {
    block(workMs)
    await wait(100 - workMs)
    now += 250
    watch.tick(now)
  }
  watch.tick(now)
  for (let i = 0; i < 3; i++) await tick(50)
  for (let i = 0; i < 24; i++) await tick(0)
  for (let i = 0; i < 3; i++) await tick(50)
  watch.close()
  assert.equal(warnings, [])
})

test('a watch neither wakes the process up nor keeps it alive', async () => {
  const url = new URL('../../src/observe/slowness-watch.js', import.meta.url).href
  const script = `import { SlownessWatch } from '${url}'
    const watch = new SlownessWatch({ warn() {} }, 100, 250)
    let turns = 0
    const { endTurn } = watch
    watch.endTurn = function () { turns++; endTurn.call(watch) }
    setTimeout(() => process.stdout.write(String(turns)), 1000)`
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 60_000 })
  assert.is(child.status, 0)
  const turns = Number(String(child.stdout))
  assert.ok(turns < 20, `${turns} turns`)
})

test.run()
