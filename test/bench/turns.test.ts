import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { byTurns } from '../../bench/turns.js'

test('ways are taken there and back, and each costs the median of its turns', async () => {
  const taken: string[] = []
  let slowing = 0
  const costs = await byTurns(['a', 'b', 'c'], 4, async (way) => {
    taken.push(way)
    return slowing++
  })
  assert.is(taken.join(''), 'abccbaabccba')
  // A machine that becomes slower all the time favours none.
  assert.equal(costs, [5.5, 5.5, 5.5])
})

test('a way that fails ends the turns', async () => {
  const failed = byTurns(['a', 'b'], 1, async (way) => {
    if (way === 'b') throw new Error('b is not there')
    return 1
  })
  assert.is(await failed.catch((error: Error) => error.message), 'b is not there')
})

test.run()
