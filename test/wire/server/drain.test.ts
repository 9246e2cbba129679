import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf, RawClient } from '../../support/client.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { gate, until } from '../../support/until.js'
import { CHUNKED, head, type Script, SSE, whole } from '../../support/upstream.js'

const get = (scene: Scene, path = '/v1/x'): string => `GET ${path} HTTP/1.1\r\n${scene.auth}\r\n`

/** A stream of two events, the second when the test says so; `/v1/short` is answered at once. */
function twoEvents(second: Promise<void>): Script {
  return async (request) => {
    if (request.target === '/v1/short') return request.write(whole('200 OK', 'ok'))
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk('data: 1\n\n')
    await second
    await request.chunk('data: 2\n\n')
    await request.lastChunk()
  }
}

const ENDLESS = twoEvents(new Promise(() => {}))

/** Whether somebody takes connections at this port. */
async function listens(port: number): Promise<boolean> {
  try {
    const client = await RawClient.connect(port)
    client.destroy()
    return true
  } catch {
    return false
  }
}

test('a drain takes no new connections, and lets an open stream come to its end', () => {
  const second = gate()
  return withRelay(twoEvents(second.opened), async (scene) => {
    const client = await scene.client()
    client.send(get(scene))
    await client.sees('data: 1')
    let over = false
    const drained = scene.relay.app.drain().then((cut) => {
      over = true
      return cut
    })
    assert.is(await listens(scene.relay.port), false)
    assert.is(over, false)
    assert.is(client.ending, null)
    second.open()
    const response = await client.response()
    assert.ok(response.complete)
    assert.is(response.body.toString(), 'data: 1\n\ndata: 2\n\n')
    // It began before the drain and so could not be told `connection: close`; it is closed all the same.
    assert.is(await client.closed(), 'fin')
    assert.is(await drained, 0)
    const [line] = await scene.relay.requests(1)
    assert.is(line?.end, 'done')
    assert.equal(scene.relay.inspect().boundsHit, {})
  })
})

test('an answer that begins while the relay drains is the last of its connection, and says so', () => {
  const answer = gate()
  const script: Script = async (request) => {
    await answer.opened
    await request.write(whole('200 OK', 'ok'))
  }
  return withRelay(script, async (scene) => {
    const client = await scene.client()
    client.send(get(scene))
    await scene.upstream.request(0)
    const drained = scene.relay.app.drain()
    answer.open()
    const response = await client.response()
    assert.is(response.status, 200)
    assert.is(response.body.toString(), 'ok')
    assert.is(headerOf(response, 'connection'), 'close')
    assert.is(await client.closed(), 'fin')
    assert.is(await drained, 0)
  })
})

test('a body that is still coming when the drain begins is served', () =>
  withRelay(
    (request) => request.write(whole('200 OK', request.body)),
    async (scene) => {
      const client = await scene.client()
      client.send(`POST /v1/x HTTP/1.1\r\n${scene.auth}content-length: 8\r\n\r\nhalf`)
      await until(() => scene.relay.inspect().openCount === 1, 'the request to be read')
      const drained = scene.relay.app.drain()
      client.send('half')
      const response = await client.response()
      assert.is(response.body.toString(), 'halfhalf')
      assert.is(headerOf(response, 'connection'), 'close')
      assert.is(await drained, 0)
    },
  ))

test('an idle connection is closed at once, while another still streams', () => {
  const second = gate()
  return withRelay(twoEvents(second.opened), async (scene) => {
    const kept = await scene.client()
    kept.send(get(scene, '/v1/short'))
    const response = await kept.response()
    assert.is(headerOf(response, 'connection'), 'keep-alive')
    const stream = await scene.client()
    stream.send(get(scene))
    await stream.sees('data: 1')
    const drained = scene.relay.app.drain()
    assert.is(await kept.closed(), 'fin')
    assert.is(stream.ending, null)
    second.open()
    assert.ok((await stream.response()).complete)
    assert.is(await drained, 0)
  })
})

test('a connection whose stream has ended is closed while another still streams', () => {
  const gates = [gate(), gate()]
  const script: Script = (request) =>
    twoEvents(gates[request.connection - 1]?.opened ?? Promise.resolve())(request)
  return withRelay(script, async (scene) => {
    const [first, second] = [await scene.client(), await scene.client()]
    for (const client of [first, second]) {
      client.send(get(scene))
      await client.sees('data: 1')
    }
    const drained = scene.relay.app.drain()
    gates[0]?.open()
    assert.ok((await first.response()).complete)
    assert.is(await first.closed(), 'fin')
    assert.is(second.ending, null)
    gates[1]?.open()
    assert.ok((await second.response()).complete)
    assert.is(await drained, 0)
  })
})

test('a relay with nothing but idle connections is drained at once', () =>
  withRelay(ENDLESS, async (scene) => {
    const kept = await scene.client()
    kept.send(get(scene, '/v1/short'))
    await kept.response()
    const silent = await scene.client()
    assert.is(await scene.relay.app.drain(), 0)
    assert.is(await kept.closed(), 'fin')
    await silent.closed()
  }))

test('a request whose head arrives during the drain is refused, so that the client can retry elsewhere', () => {
  const second = gate()
  return withRelay(twoEvents(second.opened), async (scene) => {
    const stream = await scene.client()
    stream.send(get(scene))
    await stream.sees('data: 1')
    const late = await scene.client()
    const request = get(scene)
    // Newer versions of Node close a connection on which nothing has come yet.
    // Its beginning comes with a request that is answered, so that it is known to have come.
    late.send(`GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n${request.slice(0, 10)}`)
    await late.response()
    const drained = scene.relay.app.drain()
    late.send(request.slice(10))
    const response = await late.response(1)
    assert.is(response.status, 503)
    assert.is(headerOf(response, 'x-thinwire-error'), 'draining')
    assert.is(headerOf(response, 'x-should-retry'), 'true')
    assert.is(headerOf(response, 'retry-after'), '1')
    assert.is(headerOf(response, 'connection'), 'close')
    assert.is(await late.closed(), 'fin')
    assert.is(scene.upstream.requests.length, 1)
    second.open()
    assert.is(await drained, 0)
  })
})

const SHORT = { timeouts: { drainMs: 100 } }

test('what is left after drainMs is cut, and never looks whole', () =>
  withRelay(
    ENDLESS,
    async (scene) => {
      const client = await scene.client()
      client.send(get(scene))
      await client.sees('data: 1')
      const waiting = await scene.client()
      waiting.send(`POST /v1/x HTTP/1.1\r\n${scene.auth}content-length: 100\r\n\r\nhalf`)
      await until(() => scene.relay.inspect().openCount === 2, 'both requests')
      assert.is(await scene.relay.app.drain(), 2)
      await client.closed()
      const response = await client.response()
      assert.is(response.complete, false)
      assert.is(response.body.toString(), 'data: 1\n\n')
      await waiting.closed()
      const request = await scene.upstream.request(0)
      await until(() => request.closed, 'the upstream request to be cancelled')
      const lines = await scene.relay.requests(2)
      assert.equal(
        lines.map((line) => line.end),
        ['shutdown', 'shutdown'],
      )
      assert.equal(scene.relay.inspect().boundsHit, { drainMs: 1 })
    },
    SHORT,
  ))

test('what is cut by a drain does not look whole to a client of HTTP/1.0 either', () =>
  withRelay(
    ENDLESS,
    async (scene) => {
      const client = await scene.client()
      client.send(`GET /v1/x HTTP/1.0\r\n${scene.auth}\r\n`)
      await client.sees('data: 1')
      assert.is(await scene.relay.app.drain(), 1)
      // Its body ends with the connection, so a FIN would say that this was all.
      assert.is(await client.closed(), 'reset')
    },
    SHORT,
  ))

test('a drain of no time at all closes everything', () =>
  withRelay(
    ENDLESS,
    async (scene) => {
      const client = await scene.client()
      client.send(get(scene))
      await client.sees('data: 1')
      assert.is(await scene.relay.app.drain(), 1)
      await client.closed()
      assert.is((await client.response()).complete, false)
      assert.is(await listens(scene.relay.port), false)
    },
    { timeouts: { drainMs: 0 } },
  ))

test.run()
