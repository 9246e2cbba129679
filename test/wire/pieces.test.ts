import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf } from '../support/client.js'
import { auth, startRelay } from '../support/relay.js'
import { CHUNKED, head, ScriptedUpstream, SSE } from '../support/upstream.js'
import { gate } from '../support/until.js'

test('each piece of a stream is with the client before the next one is sent', async () => {
  const second = gate()
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 Fine', SSE, CHUNKED))
    await request.chunk('data: 1\n\n')
    await second.opened
    await request.chunk('data: 2\n\n')
    await request.lastChunk()
  })
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await client.sees('data: 1\n\n')
  second.open()
  const response = await client.response()
  assert.is(response.status, 200)
  assert.is(response.reason, 'Fine')
  assert.is(headerOf(response, 'content-type'), 'text/event-stream')
  assert.is(response.body.toString(), 'data: 1\n\ndata: 2\n\n')
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'done')
  await relay.close()
  await upstream.close()
})

test.run()
