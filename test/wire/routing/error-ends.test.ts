import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findFailureSign } from '../../../src/exchange/failed-request.js'
import { targetsOf, withTargets } from '../../support/targets.js'
import { until } from '../../support/until.js'
import { CHUNKED, chunk, head, LAST_CHUNK, type Script, SSE } from '../../support/upstream.js'

const START = 'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'

/** A chat stream of status 200 that begins with text, and ends in an error. */
function endingIn(error: Record<string, unknown>): Script {
  return async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.write(chunk(START))
    await request.write(
      Buffer.concat([chunk(`data: ${JSON.stringify({ error })}\n\n`), Buffer.from(LAST_CHUNK)]),
    )
  }
}

const FAILURES = 5

for (const [type, counts] of [
  ['overloaded_error', true],
  ['server_error', true],
  ['api_error', true],
  ['invalid_request_error', false],
  ['rate_limit_error', false],
] as const) {
  test(`streams that end in ${type} ${counts ? 'count' : 'do not count'} against the target's health`, async () => {
    await withTargets([endingIn({ type, message: 'no' })], async ({ relay, ask, record }) => {
      for (let n = 0; n < FAILURES; n++) {
        assert.is((await ask()).status, 200)
        const { status, end, stream_error: error } = await record(n)
        assert.is(error, type)
        assert.is(findFailureSign(Number(status), String(end), String(error)), 'stream_error')
      }
      const breaker = targetsOf(relay)[0]?.breaker
      if (counts) await until(() => breaker?.state === 'open', 'an open circuit')
      // Health hears of a response before its record is on disk.
      else assert.is(breaker?.snapshot(performance.now()).failures, 0)
    })
  })
}

test.run()
