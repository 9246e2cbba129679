import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RequestSummary } from '../../src/exchange/summary.js'
import { Recorder } from '../../src/server/recorder.js'
import { bench, FILE, records, summarize, upTo } from '../support/ledger-disk.js'
import { fc } from '../support/property.js'
import { until, wait } from '../support/until.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('with a flush time of 0, the requests of a turn are written together at its end', async () => {
  const { disk, ledger } = bench({ flushMs: 0 })
  const recorder = new Recorder([ledger], 0)
  for (let i = 0; i < 3; i++) recorder.add(summarize())
  assert.is(ledger.lastSeq, 0)
  await turn()
  assert.is(ledger.lastSeq, 3)
  await until(() => ledger.state.written === 3, 'three records')
  assert.is(disk.calls.filter((call) => call.startsWith('write')).length, 1)
  assert.equal(records(disk.text(FILE)).seqs, upTo(3))
  await ledger.close()
})

test('requests are gathered, and handed to each sink in their order', async () => {
  const seen: string[] = []
  const sink = (name: string) => ({
    record: (summary: RequestSummary) => void seen.push(`${name} ${summary.totalMs}`),
  })
  const recorder = new Recorder([sink('a'), sink('b')], 60_000)
  for (const totalMs of [1, 2]) recorder.add(Object.assign(summarize(), { totalMs }))
  await turn()
  assert.equal(seen, [])
  recorder.close()
  assert.equal(seen, ['a 1', 'a 2', 'b 1', 'b 2'])
})

test('sinks are told when they have all that was gathered, so that all of them write in the same turn', async () => {
  const seen: string[] = []
  const sink = {
    record: () => void seen.push('record'),
    startBatch: () => void seen.push('start'),
    endBatch: () => void seen.push('end'),
  }
  const recorder = new Recorder([sink], 1)
  recorder.add(summarize())
  await until(() => seen.includes('end'), 'the end')
  assert.equal(seen, ['start', 'record', 'end'])
  for (let i = 0; i < 40; i++) recorder.add(summarize())
  await until(() => seen.filter((word) => word === 'end').length === 2, 'the second end')
  assert.equal(seen.slice(3), ['start', ...Array(40).fill('record'), 'end'])
})

test('sinks are told of a beginning and an end by turns, however requests end and whoever wants them at once', () => {
  const step = fc.oneof(
    fc.integer({ min: 1, max: 400 }),
    fc.constantFrom('turn' as const, 'flush' as const, 'wait' as const),
  )
  return fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      let isHeld = false
      let taken = 0
      let added = 0
      const sink = {
        record: () => void taken++,
        startBatch: () => {
          assert.not(isHeld)
          isHeld = true
        },
        endBatch: () => {
          assert.ok(isHeld)
          isHeld = false
        },
      }
      const recorder = new Recorder([sink], 1)
      for (const one of steps) {
        if (one === 'turn') await turn()
        else if (one === 'wait') await wait(2)
        else if (one === 'flush') {
          recorder.flush()
          assert.equal([isHeld, taken], [false, added])
        } else for (let i = 0; i < one; i++, added++) recorder.add(summarize())
      }
      await until(() => taken === added && !isHeld, 'the last end')
      recorder.add(summarize())
      recorder.close()
      assert.equal([isHeld, taken], [false, added + 1])
      // What was under way when it was closed.
      await wait(3)
      assert.equal([isHeld, taken], [false, added + 1])
    }),
    { numRuns: 30 },
  )
})

/** Counts what it gets in each turn of the event loop, and notes each change of the order. */
class TurnCounter {
  /** Of each turn that had any. */
  readonly turns: number[]
  taken: number
  disordered: number
  private isInTurn: boolean

  constructor() {
    this.turns = []
    this.taken = 0
    this.disordered = 0
    this.isInTurn = false
  }

  record({ totalMs }: RequestSummary): void {
    if (totalMs !== this.taken) this.disordered++
    this.taken++
    if (!this.isInTurn) {
      this.isInTurn = true
      this.turns.push(0)
      // Microtasks run at the end of the turn.
      queueMicrotask(() => {
        this.isInTurn = false
      })
    }
    this.turns[this.turns.length - 1] = (this.turns.at(-1) ?? 0) + 1
  }
}

test('however many requests end in one turn, no later turn has more than its share of them', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2_500 }), async (count) => {
      const counter = new TurnCounter()
      const recorder = new Recorder([counter], 1)
      const summary = summarize()
      for (let totalMs = 0; totalMs < count; totalMs++)
        recorder.add(Object.assign(Object.create(summary) as RequestSummary, { totalMs }))
      // Beyond a thousand, the first ones make room.
      assert.ok(count - counter.taken <= 1_000)
      assert.ok(counter.taken < Math.max(1, count - 1_000 + 32))
      await turn()
      counter.turns.length = 0
      await until(() => counter.taken === count, 'all summaries')
      for (const handed of counter.turns) assert.ok(handed <= 32, `${handed} in a turn`)
      assert.is(counter.disordered, 0)
    }),
    { numRuns: 20 },
  ))

test('requests that end while others are handed on keep their order, their bound and their place at the close', () => {
  const turns = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 20 })
  return fc.assert(
    fc.asyncProperty(turns, async (ends) => {
      const counters = [new TurnCounter(), new TurnCounter()] as const
      const recorder = new Recorder(counters, 1)
      const summary = summarize()
      let added = 0
      for (const count of ends) {
        for (let i = 0; i < count; i++, added++) {
          recorder.add(Object.assign(Object.create(summary) as RequestSummary, { totalMs: added }))
          assert.ok(added + 1 - counters[0].taken <= 1_000)
        }
        await turn()
      }
      recorder.close()
      for (const { taken, disordered } of counters) assert.equal([taken, disordered], [added, 0])
    }),
    { numRuns: 50 },
  )
})

test('what is handed on over several turns is written and synced together', async () => {
  const { disk, ledger } = bench({ flushMs: 20 })
  const recorder = new Recorder([ledger], 1)
  for (let i = 0; i < 100; i++) recorder.add(summarize())
  await until(() => ledger.state.written === 100, 'a hundred records')
  assert.is(disk.calls.filter((call) => call.startsWith('write')).length, 1)
  assert.equal(records(disk.text(FILE)).seqs, upTo(100))
  // And those that come later, too.
  recorder.add(summarize())
  await until(() => ledger.state.written === 101, 'one more')
  await ledger.close()
})

test.run()
