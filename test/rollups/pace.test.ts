import { setImmediate as nextTurn } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Pace } from '../../src/rollups/pace.js'

test('of all that is divided, one part is done in a turn of the event loop', async () => {
  let turn = 0
  let isOver = false
  const count = async (): Promise<void> => {
    for (; !isOver; turn++) await nextTurn()
  }
  void count()
  const parts: string[] = []
  const turns: number[] = []
  const divide = async (name: string): Promise<void> => {
    const pace = await Pace.begin()
    for (let i = 0; i < 5; i++) {
      parts.push(`${name}${i}`)
      turns.push(turn)
      await pace.rest()
    }
  }
  await Promise.all([...'abcdefgh'].map(divide))
  // One that begins when all others are done.
  await divide('z')
  isOver = true
  assert.equal(turns, [...new Set(turns)])
  assert.equal(
    parts.slice(0, 16),
    [...'abcdefgh'].map((name) => `${name}0`).concat([...'abcdefgh'].map((name) => `${name}1`)),
    'each in its turn',
  )
  assert.is(parts.length, 45)
})

test.run()
