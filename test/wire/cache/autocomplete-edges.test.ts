import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tcpSocketOf } from '../../../src/lib/tls-parent.js'
import { runClock, stopClock } from '../../support/clock.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { gate, until, wait } from '../../support/until.js'
import { CHUNKED, head, type Received, SSE, whole } from '../../support/upstream.js'

const USAGE = { prompt_tokens: 5, completion_tokens: 2 }
const ANSWER = JSON.stringify({ model: 'm', choices: [{ text: 'one two' }], usage: USAGE })
const JSON_TYPE = 'content-type: application/json'

test.after.each(runClock)

function event(text: string): string {
  return `data: ${JSON.stringify({ model: 'm', choices: [{ text, index: 0, finish_reason: null }] })}\n\n`
}

const LAST = `data: ${JSON.stringify({ model: 'm', choices: [], usage: USAGE })}\n\ndata: [DONE]\n\n`

function ask(scene: Scene, prompt: string, headers = '', version = '1.1'): string {
  const body = JSON.stringify({ model: 'm', prompt })
  return `POST /v1/completions HTTP/${version}\r\n${scene.auth}${headers}content-length: ${body.length}\r\n\r\n${body}`
}

async function answer(request: Received): Promise<void> {
  await request.write(whole('200 OK', ANSWER, JSON_TYPE))
}

const silent = async (): Promise<void> => {}

function live(scene: Scene, count: number): Promise<void> {
  return until(() => scene.relay.inspect().openCount === count, `${count} exchanges`)
}

test('a prompt larger than the rules allow reaches the upstream unchanged and is not cached', () =>
  withRelay(answer, async (scene) => {
    const body = JSON.stringify({
      model: 'm',
      max_tokens: 16,
      temperature: 0,
      messages: [],
      filler: 'x'.repeat(150_000),
    })
    for (const path of ['/v1/chat/completions', '/v1/completions']) {
      const client = await scene.client()
      client.send(
        `POST ${path} HTTP/1.1\r\n${scene.auth}content-length: ${body.length}\r\n\r\n${body.slice(0, 2_000)}`,
      )
      await wait(30)
      client.send(body.slice(2_000))
      assert.is((await client.response()).header('x-thinwire-cache'), undefined)
      assert.is(scene.asked.at(-1)?.body.toString(), body)
    }
  }))

test('a request that arrives in several packets can join a response or get a cached one', () =>
  withRelay(silent, async (scene) => {
    const message = ask(scene, 'a')
    const clients = [await scene.client(), await scene.client(), await scene.client()]
    const send = async (n: number): Promise<void> => {
      for (const part of [message.slice(0, -20), message.slice(-20, -9), message.slice(-9)]) {
        clients[n]?.send(part)
        await wait(10)
      }
    }
    await send(0)
    const request = await scene.upstream.request(0)
    await send(1)
    await answer(request)
    await clients[0]?.response()
    await send(2)
    const responses = await Promise.all(clients.map((client) => client.response()))
    assert.equal(
      responses.map((response) => response.header('x-thinwire-cache')),
      ['miss', 'joined', 'hit'],
    )
    for (const response of responses) assert.is(response.body.toString(), ANSWER)
  }))

/** A client that leaves after `[DONE]`, before the last chunk. */
async function leftAtTheEnd(scene: Scene): Promise<Received> {
  const client = await scene.client()
  client.send(ask(scene, 'a'))
  const request = await scene.upstream.request(0)
  await request.write(head('200 OK', SSE, CHUNKED))
  await request.chunk(event('one') + LAST)
  await client.sees('[DONE]')
  client.destroy()
  return request
}

test('the tokens of a client that leaves after [DONE], before the last chunk, are recorded', () =>
  withRelay(silent, async (scene) => {
    const request = await leftAtTheEnd(scene)
    const [record] = await scene.relay.records(1)
    assert.equal(
      [record?.end, record?.cache, record?.prompt_tokens, record?.completion_tokens, record?.usage_source],
      ['done', 'miss', 5, 2, 'upstream'],
    )
    // The response is complete and can be cached.
    await request.lastChunk()
    const again = async () => (await scene.ask(ask(scene, 'a'))).header('x-thinwire-cache')
    let outcome = await again()
    while (outcome === 'joined') outcome = await again()
    assert.is(outcome, 'hit')
    assert.is(scene.upstream.connections, 1)
  }))

test('a request can join a stream between its [DONE] and its last chunk', () =>
  withRelay(silent, async (scene) => {
    const request = await leftAtTheEnd(scene)
    await live(scene, 0)
    const joined = await scene.client()
    joined.send(ask(scene, 'a'))
    await joined.sees('[DONE]')
    // Longer than an upstream may take once its clients have left.
    await wait(1_100)
    await request.lastChunk()
    const response = await joined.response()
    assert.ok(response.complete)
    assert.is(response.body.toString(), event('one') + LAST)
    const records = await scene.relay.records(2)
    assert.equal(
      records.map((record) => [record.cache, record.completion_tokens]),
      [
        ['miss', 2],
        ['joined', 0],
      ],
    )
  }))

test('when the billed client is cut off as too slow, the tokens go to the record of another one', () =>
  withRelay(
    silent,
    async (scene) => {
      const clients = [await scene.client(), await scene.client()]
      clients[0]?.send(ask(scene, 'a'))
      const request = await scene.upstream.request(0)
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(event('first'))
      clients[1]?.send(ask(scene, 'a'))
      await clients[1]?.sees('first')
      clients[0]?.pause()
      const text = event('x'.repeat(1_000_000))
      for (let i = 0; i < 15; i++) {
        await request.chunk(text)
        await clients[1]?.until((client) => client.bytes.length > (i + 1) * 1_000_000, `piece ${i}`)
      }
      await request.chunk(LAST)
      await request.lastChunk()
      assert.ok((await clients[1]?.response())?.complete)
      clients[0]?.resume()
      await clients[0]?.closed()
      const records = await scene.relay.records(2)
      assert.equal(
        records.map(({ end, cache, completion_tokens }) => [end, cache, completion_tokens]).sort(),
        [
          ['client_stalled', 'joined', 0],
          ['done', 'miss', 2],
        ],
      )
    },
    { cache: { entryBytes: 500_000 } },
  ))

test('the time in which the upstream of a shared response had to wait for a client does not count as silence', () =>
  withRelay(
    silent,
    async (scene) => {
      const pass = stopClock()
      const client = await scene.client()
      client.send(ask(scene, 'a'))
      const request = await scene.upstream.request(0)
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(event('first'))
      await client.sees('first')
      client.pause()
      const [exchange] = scene.relay.inspect().exchanges
      // Sends until the relay pauses the upstream and nothing more is on its way.
      while (exchange?.isUpstreamBlocked === false) {
        await request.chunk(event('x'.repeat(20_000)))
        await wait(1)
      }
      pass(600)
      scene.relay.app.tick(performance.now())
      client.resume()
      await until(() => exchange?.isUpstreamBlocked === false, 'the upstream to be read again')
      pass(400)
      scene.relay.app.tick(performance.now())
      await request.chunk(LAST)
      await request.lastChunk()
      assert.ok((await client.response()).complete)
    },
    { cache: { entryBytes: 10_000 }, timeouts: { idleMs: 400 } },
  ))

for (const status of ['204 No Content', '304 Not Modified']) {
  test(`a response without a body ends with its head (${status})`, () =>
    withRelay(
      async (request) => {
        if (request.header('x-empty') === undefined) return answer(request)
        return request.write(head(status, 'etag: "x"', 'content-length: 5'))
      },
      async (scene) => {
        const client = await scene.client()
        client.send(ask(scene, 'a', 'x-empty: 1\r\n'))
        assert.is((await client.response()).status, Number(status.slice(0, 3)))
        client.send(ask(scene, 'a'))
        assert.is((await client.response(1)).header('x-thinwire-cache'), 'miss')
        const records = await scene.relay.records(2)
        assert.equal(
          records.map((record) => record.end),
          ['done', 'done'],
        )
      },
    ))
}
test('an empty response is not cached', () =>
  withRelay(
    (request) => request.write(whole('200 OK', '', JSON_TYPE)),
    async (scene) => {
      for (let i = 0; i < 2; i++)
        assert.is((await scene.ask(ask(scene, 'a'))).header('x-thinwire-cache'), 'miss')
    },
  ))

test('the client gets one age and one x-thinwire-cache if the upstream sends them too, and a web page may read them', () =>
  withRelay(
    (request) => request.write(whole('200 OK', ANSWER, JSON_TYPE, 'age: 7', 'X-Thinwire-Cache: hit')),
    async (scene) => {
      stopClock()
      const origin = 'origin: https://a.example\r\n'
      for (const [wish, outcome, age] of [
        ['', 'miss', '7'],
        ['', 'hit', '7'],
        ['x-thinwire-cache: off\r\n', 'off', '7'],
      ]) {
        const response = await scene.ask(ask(scene, 'a', origin + wish))
        const all = (name: string) =>
          response.headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value)
        assert.equal(all('x-thinwire-cache'), [outcome])
        assert.equal(all('age'), [age])
        const exposed = response.header('access-control-expose-headers')?.split(', ') ?? []
        assert.ok(exposed.includes('age') && exposed.includes('x-thinwire-cache'), exposed.join())
      }
    },
  ))

test('a compressed response is cached only for requests with the same accept-encoding', () =>
  withRelay(
    (request) => {
      const gzip = request.header('accept-encoding') === 'gzip'
      return request.write(
        gzip
          ? whole('200 OK', gzipSync(ANSWER), JSON_TYPE, 'content-encoding: gzip')
          : whole('200 OK', ANSWER, JSON_TYPE),
      )
    },
    async (scene) => {
      const seen: unknown[] = []
      for (const coding of ['gzip', 'identity', 'gzip', 'identity']) {
        const response = await scene.ask(ask(scene, 'a', `accept-encoding: ${coding}\r\n`))
        seen.push(response.header('content-encoding'), response.header('x-thinwire-cache'))
        await scene.relay.records(seen.length / 2)
      }
      assert.equal(seen, ['gzip', 'miss', undefined, 'miss', 'gzip', 'hit', undefined, 'hit'])
    },
  ))

test('a fault of the relay in one request leaves the others that share its response alone', () =>
  withRelay(silent, async (scene) => {
    const clients = [await scene.client(), await scene.client()]
    clients[0]?.send(ask(scene, 'a'))
    const request = await scene.upstream.request(0)
    clients[1]?.send(ask(scene, 'a'))
    await live(scene, 2)
    const crash = (): void => {
      const exchange = scene.relay.inspect().exchanges.find((one) => one.cache === 'miss')
      if (exchange?.stage == null) throw new Error('nobody pays')
      exchange.stage.onTick = () => {
        throw new Error('a fault')
      }
      scene.relay.app.tick(performance.now())
    }
    crash()
    assert.is((await clients[0]?.response())?.status, 500)
    await live(scene, 1)
    assert.not(request.closed)
    crash()
    assert.is((await clients[1]?.response())?.status, 500)
    assert.is(await request.ended(), 'fin')
    const records = await scene.relay.records(2)
    assert.equal(
      records.map(({ end, cache }) => [end, cache]),
      [
        ['crashed', 'joined'],
        ['crashed', 'miss'],
      ],
    )
  }))

test('a shutdown cuts all clients of a shared response, and the usage is in one record', () =>
  withRelay(
    silent,
    async (scene) => {
      const clients = [await scene.client(), await scene.client(), await scene.client()]
      clients[0]?.send(ask(scene, 'a'))
      const request = await scene.upstream.request(0)
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(event('first'))
      clients[1]?.send(ask(scene, 'a'))
      clients[2]?.send(ask(scene, 'a', '', '1.0'))
      for (const client of clients) await client.sees('first')
      assert.is(await scene.relay.app.drain(), 3)
      assert.is(await request.ended(), 'fin')
      for (const client of clients.slice(0, 2)) assert.not((await client.response()).complete)
      const records = await scene.relay.records(3)
      assert.equal(records.map(({ end, cache, usage_source }) => [end, cache, usage_source]).sort(), [
        ['shutdown', 'joined', 'cache'],
        ['shutdown', 'joined', 'cache'],
        ['shutdown', 'miss', 'estimated'],
      ])
    },
    { timeouts: { drainMs: 50 } },
  ))

test('a cached response hides the usage that only the relay asked for', () => {
  const joined = gate()
  return withRelay(
    async (request) => {
      assert.equal(JSON.parse(request.body.toString()).stream_options, { include_usage: true })
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(event('one').replace('"choices"', '"usage":null,"choices"'))
      await joined.opened
      await request.chunk(LAST)
      await request.lastChunk()
    },
    async (scene) => {
      const body = '{"model":"m","stream":true,"max_tokens":9,"temperature":0,"messages":[]}'
      const message = `POST /v1/chat/completions HTTP/1.1\r\n${scene.auth}content-length: ${body.length}\r\n\r\n${body}`
      const clients = [await scene.client(), await scene.client()]
      clients[0]?.send(message)
      await scene.upstream.request(0)
      clients[1]?.send(message)
      await live(scene, 2)
      joined.open()
      const responses = await Promise.all(clients.map((client) => client.response()))
      responses.push(await scene.ask(message))
      assert.equal(
        responses.map((response) => response.header('x-thinwire-cache')),
        ['miss', 'joined', 'hit'],
      )
      for (const { body } of responses) assert.is(body.toString(), `${event('one')}data: [DONE]\n\n`)
      const records = await scene.relay.records(3)
      assert.equal(
        records
          .map(({ cache, completion_tokens, saved_tokens }) => [cache, completion_tokens, saved_tokens])
          .sort(),
        [
          ['hit', 0, 7],
          ['joined', 0, 7],
          ['miss', 2, null],
        ],
      )
    },
    {},
    { requestUsage: true },
  )
})

test('an HTTP/1.0 client that stalls gets a reset, so that the response does not look complete', () =>
  withRelay(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      while (!request.closed) await request.chunk(event('x'.repeat(1_000_000)))
    },
    async (scene) => {
      for (const wish of ['on', 'off']) {
        const client = await scene.client()
        client.send(ask(scene, wish, `x-thinwire-cache: ${wish}\r\n`, '1.0'))
        await client.sees('xxx')
        const socket = scene.relay.inspect().exchanges[0]?.clientSocket
        if (socket === undefined) throw new Error('no connection')
        let resets = 0
        const tcp = tcpSocketOf(socket)
        const reset = tcp.resetAndDestroy.bind(tcp)
        // Counted here: a client that does not read sees no reset, and a Node client would report an end.
        tcp.resetAndDestroy = () => {
          resets++
          return reset()
        }
        client.pause()
        const count = wish === 'on' ? 1 : 2
        const records = await scene.relay.records(count)
        assert.is(records[count - 1]?.end, 'client_stalled')
        assert.is(resets, 1, wish)
      }
    },
    { cache: { entryBytes: 100_000 }, timeouts: { clientStallMs: 200 } },
  ))

test('a cached response that waits for its turn on the connection does not count as stalled', () =>
  withRelay(
    async (request) => {
      if (request.method === 'POST') return answer(request)
      await request.write(head('200 OK', SSE, CHUNKED))
      for (let i = 0; i < 8; i++) {
        await request.chunk(event('x'))
        await wait(60)
      }
      return request.lastChunk()
    },
    async (scene) => {
      await scene.ask(ask(scene, 'a'))
      const client = await scene.client()
      client.send(`GET /v1/slow HTTP/1.1\r\n${scene.auth}\r\n${ask(scene, 'a')}${ask(scene, 'b')}`)
      const off = ask(scene, 'a', 'x-thinwire-cache: off\r\n')
      client.send(off)
      const responses = [0, 1, 2, 3].map((n) => client.response(n))
      for (const response of await Promise.all(responses)) assert.ok(response.complete)
    },
    { timeouts: { clientStallMs: 100 } },
  ))

test('if both clients of a response are too far behind, one is cut off and the upstream waits for the other', () =>
  withRelay(
    silent,
    async (scene) => {
      const clients = [await scene.client(), await scene.client()] as const
      clients[0].send(ask(scene, 'a'))
      const request = await scene.upstream.request(0)
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(event('first'))
      clients[1].send(ask(scene, 'a'))
      for (const client of clients) {
        await client.sees('first')
        client.pause()
      }
      const [exchange] = scene.relay.inspect().exchanges
      const isBlocked = (): boolean => exchange?.isUpstreamBlocked === true
      // Both clients are equally far behind.
      const fill = async (): Promise<void> => {
        while (!isBlocked() && !request.closed) {
          await request.chunk(event('x'.repeat(50_000)))
          await wait(1)
        }
      }
      const writing = fill()
      await until(isBlocked, 'the upstream to wait for the remaining client')
      await writing
      for (const client of clients) client.resume()
      await clients[0].closed()
      assert.not((await clients[0].response()).complete)
      await request.chunk(LAST)
      await request.lastChunk()
      assert.ok((await clients[1].response()).complete)
      const records = await scene.relay.records(2)
      assert.equal(records.map(({ end, cache }) => [end, cache]).sort(), [
        ['client_stalled', 'joined'],
        ['done', 'miss'],
      ])
    },
    { cache: { entryBytes: 10_000 } },
  ))

test.run()
