import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Router } from '../../../src/routing/router.js'
import { headerOf } from '../../support/client.js'
import { auth, startRelay } from '../../support/relay.js'
import { gate } from '../../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE } from '../../support/upstream.js'

/** Makes every router of this process throw for one path: a fault of the relay itself. */
function breakRouters(): void {
  const { findRoute } = Router.prototype
  Router.prototype.findRoute = function (path, model, team) {
    if (path === '/fault') throw new Error('a fault with sk-a-secret-in-it')
    return findRoute.call(this, path, model, team)
  }
}

test('a fault of the relay gives 500 to that request only, and is recorded and logged', async () => {
  const end = gate()
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk('data: 1\n\n')
    await end.opened
    await request.lastChunk()
  })
  const relay = await startRelay(upstream.url)
  breakRouters()
  const bystander = await relay.client()
  bystander.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await bystander.sees('data: 1\n\n')

  const client = await relay.client()
  client.send(`POST /v1/fault HTTP/1.1\r\n${auth(relay)}content-length: 2\r\n\r\n{}`)
  client.send(`GET /v1/fault HTTP/1.1\r\n${auth(relay)}\r\n`)
  for (const n of [0, 1]) {
    const response = await client.response(n)
    assert.is(response.status, 500)
    assert.is(headerOf(response, 'x-thinwire-error'), 'internal_error')
    assert.not.match(response.body.toString(), /fault|secret/)
  }
  client.send(`GET /v1/fault HTTP/1.1\r\n${auth(relay)}connection: upgrade\r\nupgrade: websocket\r\n\r\n`)
  assert.is((await client.response(2)).status, 500)
  const lines = await relay.requests(3)
  assert.equal(
    lines.map((line) => line.end),
    ['crashed', 'crashed', 'crashed'],
  )
  assert.is(relay.lines.filter((line) => line.msg === 'internal error while handling a request').length, 3)

  end.open()
  assert.ok((await bystander.response()).complete)
  await relay.close()
  await upstream.close()
})

test.run()
