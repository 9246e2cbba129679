import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RequestSummary } from '../../src/exchange/summary.js'
import { Recorder } from '../../src/server/recorder.js'
import { bench, FILE, records, summarize, upTo } from '../support/ledger-disk.js'
import { until } from '../support/until.js'

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

test.run()
