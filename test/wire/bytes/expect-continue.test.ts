import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf } from '../../support/client.js'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, head as responseHead, type Script, SSE } from '../../support/upstream.js'

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

/** The head of a request that waits for 100 Continue. */
function head(scene: Scene, ...lines: string[]): string {
  return `POST /v1/x HTTP/1.1\r\n${scene.auth}${['Expect: 100-continue', ...lines].join('\r\n')}\r\n\r\n`
}

test('a client that waits for 100 Continue gets it, sends its body, and gets the response', () =>
  withRelay(OK, async (scene) => {
    const client = await scene.client()
    for (const [n, expect] of ['100-continue', '100-Continue'].entries()) {
      const before = client.bytes.length
      client.send(`POST /v1/x HTTP/1.1\r\n${scene.auth}expect: ${expect}\r\ncontent-length: 5\r\n\r\n`)
      await until(() => client.text.slice(before) === CONTINUE, 'the interim response')
      assert.is(scene.upstream.requests.length, n)
      client.send('hello')
      const response = await client.response(n)
      assert.equal(response.interim, [100])
      assert.is(response.status, 200)
      assert.is(scene.upstream.requests[n]?.body.toString(), 'hello')
    }
  }))

test('a client with a chunked body gets 100 Continue too', () =>
  withRelay(OK, async (scene) => {
    const client = await scene.client()
    client.send(head(scene, 'transfer-encoding: chunked'))
    await client.sees(CONTINUE)
    client.send('5\r\nhello\r\n0\r\n\r\n')
    assert.is((await client.response()).status, 200)
    assert.is(scene.upstream.requests[0]?.body.toString(), 'hello')
  }))

test('a client that sends Expect but does not wait gets its response', () =>
  withRelay(OK, async (scene) => {
    const client = await scene.client()
    client.send(`${head(scene, 'content-length: 5')}hello`)
    const response = await client.response()
    assert.is(response.status, 200)
    assert.is(scene.upstream.requests[0]?.body.toString(), 'hello')
  }))

test('the Expect header never reaches the upstream', () =>
  withRelay(OK, async (scene) => {
    const request = await scene.relayed(`${head(scene, 'content-length: 5')}hello`)
    assert.is(request.header('expect'), undefined)
    assert.not.match(request.head, /100-continue/i)
  }))

test('a request that is not admitted is refused without a 100 Continue', () =>
  withRelay(
    OK,
    async (scene) => {
      const refusals: Array<[string, number]> = [
        ['POST /v1/x HTTP/1.1\r\nhost: relay\r\nExpect: 100-continue\r\ncontent-length: 5\r\n\r\n', 401],
        ['POST /v1/x HTTP/1.1\r\nhost: relay\r\nExpect: 100-continue\r\ncontent-length: 500000\r\n\r\n', 401],
        [
          'POST /v1/x HTTP/1.1\r\nhost: relay\r\nExpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n',
          401,
        ],
        [head(scene, 'content-length: 5000'), 413],
        [head(scene, 'content-length: 5000000'), 413],
      ]
      for (const [bytes, status] of refusals) {
        const client = await scene.client()
        client.send(bytes)
        const response = await client.response()
        assert.is(response.status, status)
        assert.equal(response.interim, [])
        assert.ok(response.complete)
        assert.is(typeof JSON.parse(response.body.toString()).error.message, 'string')
      }
      assert.is(scene.upstream.requests.length, 0)
    },
    { limits: { bodyBytes: 1024 } },
  ))

test('a client that sends its body after a refusal can go on using the connection, or sees it close', () =>
  withRelay(OK, async (scene) => {
    const client = await scene.client()
    client.send('POST /v1/x HTTP/1.1\r\nhost: relay\r\nExpect: 100-continue\r\ncontent-length: 5\r\n\r\n')
    const first = await client.response()
    assert.is(first.status, 401)
    client.send('hello')
    if (headerOf(first, 'connection') === 'close') {
      assert.is(await client.closed(), 'fin')
    } else {
      client.send(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
      assert.is((await client.response(1)).status, 200)
    }
  }))

for (const count of [1, 2])
  test(`a pipelined client gets its 100 Continue in its turn, and not within another response, where ${count} are served at one time`, () => {
    const script: Script = async (request) => {
      if (request.method === 'POST') return OK(request)
      await request.write(responseHead('200 OK', SSE, CHUNKED))
      await request.chunk('data: 1\n\n')
    }
    return withRelay(
      script,
      async (scene) => {
        const client = await scene.client()
        client.send(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n${head(scene, 'content-length: 5')}`)
        await client.sees('data: 1\n\n')
        await until(() => scene.relay.inspect().openCount === count, 'as many requests as are served')
        const first = await scene.upstream.request(0)
        for (let i = 2; i < 5; i++) {
          await first.chunk(`data: ${i}\n\n`)
          await client.sees(`data: ${i}\n\n`)
          await wait(10)
        }
        assert.not.match(client.text, /100 Continue/)
        await first.lastChunk()
        await client.sees(CONTINUE)
        client.send('hello')
        const responses = [await client.response(0), await client.response(1)]
        assert.is(responses[0]?.body.toString(), 'data: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n')
        assert.equal(responses[1]?.interim, [100])
        assert.is(responses[1]?.body.toString(), 'ok')
        assert.is((await scene.upstream.request(1)).body.toString(), 'hello')
      },
      { limits: { unansweredRequestsPerConnection: count } },
    )
  })

test('an unknown expectation is refused with 417', () =>
  withRelay(OK, async (scene) => {
    const response = await scene.ask(
      `POST /v1/x HTTP/1.1\r\n${scene.auth}Expect: a-miracle\r\ncontent-length: 5\r\n\r\nhello`,
    )
    assert.is(response.status, 417)
    assert.is(headerOf(response, 'x-thinwire-error'), 'expectation_failed')
    assert.is(JSON.parse(response.body.toString()).error.code, 'expectation_failed')
    const [line] = await scene.relay.requests(1)
    assert.is(line?.end, 'refused')
    assert.is(scene.upstream.requests.length, 0)
  }))

test('an HTTP/1.0 client is not sent 100 Continue, which it does not know', () =>
  withRelay(OK, async (scene) => {
    const client = await scene.client()
    client.send(
      `POST /v1/x HTTP/1.0\r\nauthorization: Bearer ${scene.relay.key}\r\nExpect: 100-continue\r\ncontent-length: 5\r\n\r\nhello`,
    )
    const response = await client.response()
    assert.is(response.status, 200)
    assert.equal(response.interim, [])
  }))

test.run()
