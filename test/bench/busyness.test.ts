import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type CpuTicks, describeBusy, readCores, takenBetween } from '../../bench/busyness.js'

const STAT = `cpu  300 30 60 2000 20 9 12 8 0 0
cpu0 100 10 20 500 10 3 4 2 0 0
cpu1 150 15 30 440 5 4 5 1 0 0
cpu2 50 5 10 1060 5 2 3 5 0 0
intr 5 1 2
`

test('only the cores of the bench are counted, and no interrupts', () => {
  assert.equal(readCores(STAT, [0, 1]), { used: 325, stolen: 3, passed: 649.5 })
  assert.is(readCores(STAT, []).used, 390)
})

test('what is not of the bench is of others', () => {
  const from: CpuTicks = { used: 1_000, stolen: 0, own: 500, passed: 5_000 }
  const to: CpuTicks = { used: 1_180, stolen: 5, own: 650, passed: 5_100 }
  assert.equal(takenBetween(from, to), { used: 0.3, stolen: 0.05 })
  // Ticks are coarse: the bench's own may seem to be more than all.
  assert.is(takenBetween(from, { ...to, own: 700 }).used, 0)
  assert.equal(takenBetween(null, to), { used: 0, stolen: 0 })
})

test('a machine is busy if others took a tenth of a core, and it is said who and when', () => {
  const quiet = { used: 0.03, stolen: 0.01 }
  assert.is(describeBusy(quiet, quiet), null)
  assert.is(
    describeBusy({ ...quiet, used: 0.5 }, quiet),
    'other processes took 50 % of a core before the run',
  )
  assert.is(describeBusy(quiet, { ...quiet, stolen: 0.2 }), 'the host took 20 % of a core during the run')
})

test.run()
