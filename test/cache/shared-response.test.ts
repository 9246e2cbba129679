import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flight } from '../../src/cache/shared-response.js'
import type { Follower } from '../../src/cache/subscriber.js'

function flown(): { flight: Flight; left: Follower[]; follower: Follower } {
  const left: Follower[] = []
  const owner = { onClosed() {}, onKept() {}, onLeft: (one: Follower) => void left.push(one) }
  const flight = new Flight('key', owner, { entryBytes: 1_000, answerBytes: 1_000 })
  const follower = {
    x: { tap: null },
    next: 0,
    fail() {},
    cut() {},
    closeDelimited: false,
  } as unknown as Follower
  flight.join(follower)
  return { flight, left, follower }
}

test('whoever got no answer waits no longer', () => {
  const { flight, left, follower } = flown()
  flight.onFailed('upstream_unreachable', 'ECONNREFUSED')
  assert.equal(left, [follower])
})

test('nor does whoever was cut off with it', () => {
  const { flight, left, follower } = flown()
  flight.onCut(new Error('reset'))
  assert.equal(left, [follower])
})

test.run()
