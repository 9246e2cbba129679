import * as zlib from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ANSWER, JSON_TYPE } from '../../support/failures.js'
import { withTargets } from '../../support/targets.js'
import { CHUNKED, head, type Script } from '../../support/upstream.js'

const ERROR = zlib.gzipSync('{"error":{"message":"slow down, sk-upstream-secret","type":"rate_limit_error"}}')

/** The head of a compressed error and so many bytes of its body; then nothing, on an open connection. */
function endless(status: string, bytes: number): Script {
  return async (request) => {
    await request.write(head(status, JSON_TYPE, 'content-encoding: gzip', 'retry-after: 7', CHUNKED))
    if (bytes > 0) await request.chunk(ERROR.subarray(0, bytes))
    await request.hang()
  }
}

// With a credential to be kept from the client.
const entry = { apiKey: { env: 'UPSTREAM_KEY' } }

for (const status of [
  '429 Too Many Requests',
  '403 Forbidden',
  '500 Internal Server Error',
  '400 Bad Request',
])
  for (const bytes of [0, 20, ERROR.length])
    test(`a compressed error with status ${status} that does not end behind ${bytes} bytes is judged by its status`, async () => {
      const isNext = !status.startsWith('400')
      await withTargets(
        [endless(status, bytes), ANSWER],
        async ({ ask, upstreams, record }) => {
          const response = await ask()
          assert.is(response.status, isNext ? 200 : 400)
          assert.ok(response.complete)
          assert.is(upstreams[1]?.requests.length, isNext ? 1 : 0)
          assert.is((await record()).upstream, isNext ? 'b' : 'a')
          assert.is.not(await (await upstreams[0]?.request(0))?.ended(), 'left')
        },
        { entry },
      )
    })

test('a compressed error that does not end is the answer where no other target is left', () =>
  withTargets(
    [endless('429 Too Many Requests', 20)],
    async ({ ask }) => {
      const response = await ask()
      assert.is(response.status, 429)
      assert.ok(response.complete)
      assert.is(response.header('retry-after'), '7')
      assert.is(response.header('content-encoding'), undefined)
      assert.is(JSON.parse(response.body.toString()).error.type, 'server_error')
    },
    { entry },
  ))

test.run()
