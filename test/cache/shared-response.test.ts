import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SharedResponse } from '../../src/cache/shared-response.js'
import type { Subscriber } from '../../src/cache/subscriber.js'

function flown(): { shared: SharedResponse; left: Subscriber[]; subscriber: Subscriber } {
  const left: Subscriber[] = []
  const owner = { onClosed() {}, onKept() {}, onLeft: (one: Subscriber) => void left.push(one) }
  const shared = new SharedResponse('key', owner, { entryBytes: 1_000, answerBytes: 1_000 })
  const subscriber = {
    exchange: { meter: null },
    next: 0,
    fail() {},
    cut() {},
    closeDelimited: false,
  } as unknown as Subscriber
  shared.subscribe(subscriber)
  return { shared, left, subscriber }
}

test('whoever got no answer waits no longer', () => {
  const { shared, left, subscriber } = flown()
  shared.onFailed('upstream_unreachable', 'ECONNREFUSED')
  assert.equal(left, [subscriber])
})

test('nor does whoever was cut off with it', () => {
  const { shared, left, subscriber } = flown()
  shared.onCut(new Error('reset'))
  assert.equal(left, [subscriber])
})

test.run()
