import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ResponseCache } from '../../src/cache/response-cache.js'
import { SharedResponse } from '../../src/cache/shared-response.js'
import type { Subscriber } from '../../src/cache/subscriber.js'
import type { ResponsePipeline } from '../../src/relay/response-pipeline.js'

function share(): { shared: SharedResponse; left: Subscriber[]; subscriber: Subscriber } {
  const left: Subscriber[] = []
  const cache = { onClosed() {}, onKept() {}, onLeft: (one: Subscriber) => void left.push(one) }
  const pipeline = {} as ResponsePipeline
  const shared = new SharedResponse('key', pipeline, cache as unknown as ResponseCache, 1_000)
  const subscriber = {
    next: 0,
    fail() {},
    cut() {},
    writer: { closeDelimited: false },
  } as unknown as Subscriber
  shared.subscribe(subscriber)
  return { shared, left, subscriber }
}

test('a subscriber that gets an error is removed', () => {
  const { shared, left, subscriber } = share()
  shared.fail('upstream_unreachable', 'ECONNREFUSED')
  assert.equal(left, [subscriber])
})

test('a subscriber whose response is cut is removed', () => {
  const { shared, left, subscriber } = share()
  shared.cut('upstream_cut', 'ECONNRESET', Buffer.alloc(0))
  assert.equal(left, [subscriber])
})

test.run()
