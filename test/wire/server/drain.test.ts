import { pbkdf2 } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf, RawClient } from '../../support/client.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { gate, until } from '../../support/until.js'
import { CHUNKED, head, type Script, SSE, whole } from '../../support/upstream.js'

const get = (scene: Scene, path = '/v1/x'): string => `GET ${path} HTTP/1.1\r\n${scene.auth}\r\n`

/** A stream of two events, with the second after `second`. `/v1/short` gets a short response at once. */
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

/** Whether this port accepts connections. */
async function listens(port: number): Promise<boolean> {
  try {
    const client = await RawClient.connect(port)
    client.destroy()
    return true
  } catch {
    return false
  }
}

test('a drain accepts no new connections, and waits for the end of an open stream', () => {
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
    // The response began before the drain, without `connection: close`, but the connection is closed nevertheless.
    assert.is(await client.closed(), 'fin')
    assert.is(await drained, 0)
    const [line] = await scene.relay.requests(1)
    assert.is(line?.end, 'done')
    assert.equal(scene.relay.inspect().boundsHit, {})
  })
})

test('a response that begins during a drain has connection: close and ends its connection', () => {
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

test('a request whose body is still arriving when the drain begins is served', () =>
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

test('a drain closes an idle connection at once while another one streams', () => {
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

test('a drain closes a connection whose stream has ended while another one streams', () => {
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

test('a drain of a relay with only idle connections ends at once', () =>
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
    // Newer versions of Node close a connection on which nothing has arrived. So the beginning follows a complete
    // request, whose response shows that the relay has read both.
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

test('requests that are open after drainMs are cut, and their responses do not look complete', () =>
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

const EVENT = `data: {"object":"chat.completion.chunk","model":"m","choices":[],"usage":{"prompt_tokens":700,"completion_tokens":30,"total_tokens":730}}\n\n`

for (const isWhole of [true, false])
  test(`the usage of a compressed stream that ${isWhole ? 'has just ended' : 'is cut'} is read, though the thread pool is busy`, () => {
    const isBusy = gate()
    const script: Script = async (request) => {
      await request.write(head('200 OK', SSE, 'content-encoding: gzip', CHUNKED))
      await isBusy.opened
      await request.chunk(gzipSync(EVENT))
      if (isWhole) await request.lastChunk()
      else await request.hang()
    }
    return withRelay(
      script,
      async (scene) => {
        const client = await scene.client()
        client.send(get(scene, '/v1/chat/completions'))
        await client.sees('gzip')
        // More than the four threads that Node has.
        const busy = Array.from(
          { length: 8 },
          () => new Promise((resolve) => pbkdf2('a', 'b', 40_000, 64, 'sha512', resolve)),
        )
        isBusy.open()
        if (isWhole) assert.ok((await client.response()).complete)
        else await client.sees(Buffer.from(gzipSync(EVENT).subarray(0, 3)).toString('latin1'))
        await scene.relay.app.drain()
        const [record] = await scene.relay.records(1)
        assert.equal(
          [record?.end, record?.prompt_tokens, record?.completion_tokens, record?.usage_source],
          [isWhole ? 'done' : 'shutdown', 700, 30, 'upstream'],
        )
        await Promise.all(busy)
      },
      { timeouts: { drainMs: 0 } },
    )
  })

test('an HTTP/1.0 client sees a cut by a drain as a reset', () =>
  withRelay(
    ENDLESS,
    async (scene) => {
      const client = await scene.client()
      client.send(`GET /v1/x HTTP/1.0\r\n${scene.auth}\r\n`)
      await client.sees('data: 1')
      assert.is(await scene.relay.app.drain(), 1)
      // The body ends with the connection, so a FIN would look like its end.
      assert.is(await client.closed(), 'reset')
    },
    SHORT,
  ))

test('a drain with drainMs 0 closes everything at once', () =>
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

const READYZ = 'GET /readyz HTTP/1.1\r\nhost: relay\r\n\r\n'
const PATIENT = { timeouts: { readyGraceMs: 60_000, drainMs: 60_000 } }

test('a balancer that asks for /readyz gets 503 ahead of the end, while new requests are still answered', () =>
  withRelay(
    twoEvents(Promise.resolve()),
    async (scene) => {
      assert.is((await scene.ask(READYZ)).status, 200)
      void scene.relay.app.drain()
      const probe = await scene.ask(READYZ)
      assert.is(probe.status, 503)
      assert.is(JSON.parse(probe.body.toString()).status, 'draining')
      const response = await scene.ask(get(scene, '/v1/short'))
      assert.is(response.status, 200)
      assert.is(headerOf(response, 'connection'), 'keep-alive')
    },
    PATIENT,
  ))

test('the listener closes when readyGraceMs are over, and the drain goes on', () => {
  const second = gate()
  return withRelay(
    twoEvents(second.opened),
    async (scene) => {
      assert.is((await scene.ask(READYZ)).status, 200)
      const client = await scene.client()
      client.send(get(scene))
      await client.sees('data: 1')
      const drained = scene.relay.app.drain()
      while (await listens(scene.relay.port)) await new Promise((resolve) => setTimeout(resolve, 5))
      assert.is(client.ending, null)
      second.open()
      assert.ok((await client.response()).complete)
      assert.is(await drained, 0)
    },
    { timeouts: { readyGraceMs: 50, drainMs: 60_000 } },
  )
})

test('a relay whose /readyz nobody has asked for stops accepting at once', () =>
  withRelay(
    twoEvents(Promise.resolve()),
    async (scene) => {
      assert.is((await scene.ask(get(scene, '/v1/short'))).status, 200)
      assert.is(await scene.relay.app.drain(), 0)
      assert.is(await listens(scene.relay.port), false)
    },
    PATIENT,
  ))

test('readyGraceMs is a part of drainMs', () =>
  withRelay(
    ENDLESS,
    async (scene) => {
      assert.is((await scene.ask(READYZ)).status, 200)
      const client = await scene.client()
      client.send(get(scene))
      await client.sees('data: 1')
      assert.is(await scene.relay.app.drain(), 1)
    },
    { timeouts: { readyGraceMs: 60_000, drainMs: 50 } },
  ))

test.run()
