import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf, type Response } from '../../support/client.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'
import { CHUNKED, head, type Received, SSE, whole } from '../../support/upstream.js'

const get = (scene: Scene, path: string): string => `GET ${path} HTTP/1.1\r\n${scene.auth}\r\n`

/** The response contains neither the address of the upstream nor its credential. */
function assertDiscreet(scene: Scene, response: Response): void {
  const text = JSON.stringify(response.headers) + response.body.toString()
  assert.not.match(text, /sk-upstream-secret|127\.0\.0\.1|localhost/)
  assert.not(text.includes(String(scene.upstream.port)), 'the port of the upstream')
  assert.not.match(text, /hostile-banner/)
}

/**
 * Runs an upstream that misbehaves once. Meanwhile the stream of another client must continue, and afterwards a request
 * to `/v1/good` must succeed.
 */
function hostile(
  name: string,
  misbehave: (request: Received) => Promise<void>,
  act: (scene: Scene) => Promise<void>,
): void {
  test(name, () =>
    withRelay(
      (request) =>
        request.target === '/v1/good' ? request.write(whole('200 OK', 'good')) : misbehave(request),
      async (scene) => {
        const stream = await scene.bystander()
        await stream.goesOn()
        await act(scene)
        await stream.goesOn()
        assert.is((await scene.ask(get(scene, '/v1/good'))).body.toString(), 'good')
        await stream.ends()
      },
    ),
  )
}

/** Bytes that come instead of a response head. */
const NO_RESPONSES: Array<[string, string]> = [
  ['an SSH banner', 'SSH-2.0-hostile-banner\r\n\r\n'],
  ['a TLS alert', '\x15\x03\x01\x00\x02\x02\x28'],
  ['NUL bytes', '\x00'.repeat(1000)],
  ['an HTTP/2 head', 'HTTP/2 200\r\ncontent-length: 0\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 hostile-banner\r\n\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 hostile-banner\r\n\r\n'],
  ['status 0', 'HTTP/1.1 000 hostile-banner\r\ncontent-length: 0\r\n\r\n'],
  ['status 99', 'HTTP/1.1 099 hostile-banner\r\ncontent-length: 0\r\n\r\n'],
  ['a word for a status', 'HTTP/1.1 OK hostile-banner\r\n\r\n'],
  ['a control character in a value', head('200 OK', 'content-length: 0', 'x: hostile-banner\x01')],
  ['a NUL in a value', head('200 OK', 'content-length: 0', 'x: hostile-banner\x00')],
  ['a DEL in a value', head('200 OK', 'content-length: 0', 'x: hostile-banner\x7f')],
  [
    'a bare carriage return in a value',
    head('200 OK', 'content-length: 0', 'x: a\rset-cookie: hostile-banner'),
  ],
  ['a space in a name', head('200 OK', 'content-length: 0', 'hostile banner: 1')],
  ['a name in another script', head('200 OK', 'content-length: 0', '\u00e9: 1')],
  ['a line that is no header', head('200 OK', 'content-length: 0', 'hostile-banner')],
  ['content-length and transfer-encoding', `${head('200 OK', 'content-length: 3', CHUNKED)}0\r\n\r\n`],
  ['transfer-encoding and content-length', `${head('200 OK', CHUNKED, 'content-length: 3')}0\r\n\r\n`],
  ['two lengths', `${head('200 OK', 'content-length: 3', 'content-length: 4')}abcd`],
  ['a length that is no number', `${head('200 OK', 'content-length: 3a')}abc`],
  [
    'a protocol that nobody asked for',
    `${head('101 Switching Protocols', 'connection: upgrade', 'upgrade: x')}abc`,
  ],
  [
    'a flood of headers',
    head('200 OK', ...Array.from({ length: 4000 }, (_, i) => `x-${i}: ${'y'.repeat(100)}`)),
  ],
  ['a header without end', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(300_000)}`],
]
for (const [what, bytes] of NO_RESPONSES) {
  hostile(
    `${what} instead of a response gives 502 in the client's error format, without details of the upstream`,
    async (request) => {
      await request.write(Buffer.from(bytes, 'latin1'))
    },
    async (scene) => {
      const openai = await scene.ask(get(scene, '/v1/chat/completions'))
      assert.is(openai.status, 502)
      assert.is(openai.reason, 'Bad Gateway')
      const { error, ...rest } = JSON.parse(openai.body.toString())
      assert.equal(rest, {})
      assert.equal(Object.keys(error).sort(), ['code', 'message', 'param', 'type'])
      assert.is(error.type, 'server_error')
      assert.is(headerOf(openai, 'content-type'), 'application/json; charset=utf-8')
      assertDiscreet(scene, openai)

      const anthropic = await scene.ask(get(scene, '/v1/messages'))
      assert.is(anthropic.status, 502)
      const body = JSON.parse(anthropic.body.toString())
      assert.is(body.type, 'error')
      assert.is(body.error.type, 'api_error')
      assert.type(body.error.message, 'string')
      assertDiscreet(scene, anthropic)

      const lines = await scene.relay.requests(2)
      assert.equal(
        lines.map((line) => line.end),
        ['upstream_failed', 'upstream_failed'],
      )
      assert.not.match(JSON.stringify(lines), /sk-upstream-secret|hostile-banner/)
    },
  )
}

hostile(
  'a response with a control character in its reason reaches the client without the character',
  (request) => request.write(whole('200 O\x01K', 'ok')),
  async (scene) => {
    const response = await scene.ask(get(scene, '/v1/x'))
    assert.is(response.status, 200)
    assert.not(response.reason.includes('\x01'))
    assert.is(response.body.toString(), 'ok')
  },
)

/** A response with a good head and a bad body, the body bytes before the fault, and whether the connection ends. */
const CUTS: Array<[string, string, string, boolean]> = [
  ['fewer bytes than its length', `${head('200 OK', 'content-length: 10')}hello`, 'hello', true],
  ['an invalid chunk size', `${head('200 OK', SSE, CHUNKED)}5\r\nhello\r\nzz\r\n`, 'hello', false],
  ['a chunk longer than its size', `${head('200 OK', SSE, CHUNKED)}5\r\nhello, you\r\n`, 'hello', false],
  ['chunks that never end', `${head('200 OK', SSE, CHUNKED)}5\r\nhello\r\n`, 'hello', true],
  ['a chunk that breaks off', `${head('200 OK', SSE, CHUNKED)}a\r\nhello`, 'hello', true],
]
for (const [what, bytes, good, ends] of CUTS) {
  hostile(
    `a response with ${what} is cut for the client too`,
    async (request) => {
      await request.write(bytes)
      if (ends) request.end()
    },
    async (scene) => {
      const client = await scene.client()
      client.send(get(scene, '/v1/x'))
      await client.closed()
      const response = await client.response()
      assert.is(response.status, 200)
      assert.is(response.complete, false, 'a cut that looks like the end')
      assert.is(response.body.toString(), good)
      const [line] = await scene.relay.requests(1)
      assert.is(line?.end, 'upstream_cut')
    },
  )
}

const POISON = whole('200 OK', 'poisoned').toString()
const EXCESS: Array<[string, string, string]> = [
  ['more bytes than its length', `${head('200 OK', 'content-length: 5')}hello, and more`, 'hello'],
  ['a second response', `${head('200 OK', 'content-length: 5')}hello${POISON}`, 'hello'],
  ['bytes behind the last chunk', `${head('200 OK', CHUNKED)}5\r\nhello\r\n0\r\n\r\n and more`, 'hello'],
  ['a response behind the last chunk', `${head('200 OK', CHUNKED)}5\r\nhello\r\n0\r\n\r\n${POISON}`, 'hello'],
  ['a body behind a 204', `${head('204 No Content')}hello`, ''],
  ['a response behind a 304', `${head('304 Not Modified')}${POISON}`, ''],
]
for (const [what, bytes, good] of EXCESS) {
  hostile(
    `after ${what} the client gets only its own response, and the next request only its own`,
    (request) => request.write(bytes),
    async (scene) => {
      const client = await scene.client()
      client.send(get(scene, '/v1/x'))
      const response = await client.response()
      assert.ok(response.complete)
      assert.is(response.body.toString(), good)
      client.send(get(scene, '/v1/good'))
      const next = await client.response(1)
      assert.is(next.body.toString(), 'good')
      assert.equal(
        (await scene.relay.requests(2)).map((line) => line.end),
        ['done', 'done'],
      )
    },
  )
}

hostile(
  'bytes that arrive on an idle upstream connection are never taken as a response',
  (request) => request.write(whole('200 OK', 'first')),
  async (scene) => {
    const client = await scene.client()
    client.send(get(scene, '/v1/x'))
    assert.is((await client.response()).body.toString(), 'first')
    const request = await scene.upstream.request(1)
    await request.write(POISON)
    await until(() => request.closed, 'the relay to give the connection up')
    client.send(get(scene, '/v1/good'))
    assert.is((await client.response(1)).body.toString(), 'good')
  },
)

test.run()
