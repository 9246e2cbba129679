import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { judgePace } from '../../src/doctor/pace.js'

const many = (count: number, at: (i: number) => number): number[] =>
  Array.from({ length: count }, (_, i) => at(i))

test('a stream is live if its events arrive one by one or in pairs', () => {
  assert.is(
    judgePace(
      many(40, (i) => 200 + i * 25),
      1_200,
    ).pace,
    'live',
  )
  assert.is(
    judgePace(
      many(40, (i) => 200 + (i >> 1) * 40),
      1_000,
    ).pace,
    'live',
  )
})

test('a stream that took a second and arrived within a few milliseconds at its end was held', () => {
  const paced = judgePace(
    many(40, (i) => 1_200 + i * 0.05),
    1_203,
  )
  assert.is(paced.pace, 'held')
  assert.is(paced.lumps, 1)
  assert.is(
    judgePace(
      many(40, (i) => 1_200 + Math.floor(i / 10) * 8),
      1_240,
    ).pace,
    'held',
  )
})

test('events that arrive many at a time with silence between them are lumps', () => {
  const paced = judgePace(
    many(75, (i) => 300 + Math.floor(i / 15) * 375),
    1_900,
  )
  assert.equal([paced.pace, paced.lumps], ['lumps', 5])
})

test('few events, or a stream that ended at once, are not judged', () => {
  assert.is(judgePace([], 2_000).pace, 'brief')
  assert.is(judgePace([1_000, 1_000, 1_000], 1_001).pace, 'brief')
  assert.is(
    judgePace(
      many(40, () => 12),
      14,
    ).pace,
    'brief',
  )
})

test.run()
