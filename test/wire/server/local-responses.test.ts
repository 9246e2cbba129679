import { createHash } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf, parseResponses } from '../../support/client.js'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'
import { whole } from '../../support/upstream.js'

const BARE = 'host: relay\r\n\r\n'

test('health probes need no key', () =>
  withRelay(OK, async (scene) => {
    for (const path of ['/', '/v1', '/v1/', '//', '/?x=1', '/healthz', '/v1/healthz', '/readyz']) {
      const response = await scene.ask(`GET ${path} HTTP/1.1\r\n${BARE}`)
      assert.is(response.status, 200, path)
      assert.is(headerOf(response, 'content-type'), 'application/json; charset=utf-8')
      assert.is(headerOf(response, 'cache-control'), 'no-store')
      assert.type(JSON.parse(response.body.toString()), 'object')
      assert.not.match(response.body.toString(), /sk-upstream|127\.0\.0\.1|\bup\b/)
    }
    assert.is(scene.upstream.requests.length, 0)
  }))

test('a HEAD probe gets the head of the GET response without a body, and the connection stays in use', () =>
  withRelay(OK, async (scene) => {
    const client = await scene.client()
    for (const path of ['/', '/v1', '/healthz', '/readyz']) {
      const before = client.bytes.length
      client.send(`HEAD ${path} HTTP/1.1\r\n${BARE}`)
      await until(() => client.text.slice(before).includes('\r\n\r\n'), 'the head')
      const [response] = parseResponses(client.bytes.subarray(before), false, 'HEAD')
      assert.is(response?.status, 200)
      assert.ok(Number(response && headerOf(response, 'content-length')) > 0)
      assert.ok(client.text.endsWith('\r\n\r\n'), 'a body')
    }
  }))

test('other methods and paths than the probes need a key', () =>
  withRelay(OK, async (scene) => {
    for (const line of [
      'POST /',
      'DELETE /healthz',
      'GET /healthz/x',
      'GET /v1/models',
      'GET /metrics',
      'PUT /readyz',
    ]) {
      assert.is((await scene.ask(`${line} HTTP/1.1\r\n${BARE}`)).status, 401, line)
    }
    assert.is(scene.upstream.requests.length, 0)
  }))

test('readyz counts the requests in flight and their bytes', () =>
  withRelay(
    () => {},
    async (scene) => {
      const ready = async (): Promise<Record<string, unknown>> =>
        JSON.parse((await scene.ask(`GET /readyz HTTP/1.1\r\n${BARE}`)).body.toString())
      const empty = await ready()
      assert.is(empty.status, 'ready')
      assert.is(empty.in_flight, 0)
      const client = await scene.client()
      client.send(`POST /v1/x HTTP/1.1\r\n${scene.auth}content-length: 9\r\n\r\n{"a": 12}`)
      await scene.upstream.request(0)
      const busy = await ready()
      assert.is(busy.in_flight, 1)
      assert.is(busy.buffered_bytes, 9)
    },
  ))

test('a relay that is shutting down is not ready, but healthy', () =>
  withRelay(
    () => {},
    async (scene) => {
      // A drain leaves a connection with an incomplete request open as long as another request runs.
      const [ready, healthy, late] = [await scene.client(), await scene.client(), await scene.client()]
      const busy = await scene.client()
      busy.send(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
      await scene.upstream.request(0)
      for (const client of [ready, healthy, late]) {
        // The beginning follows a complete request, whose response shows that the relay has read both.
        client.send(`GET /healthz HTTP/1.1\r\n${BARE}GET `)
        await client.response()
      }
      const drained = scene.relay.app.drain()
      ready.send(`/readyz HTTP/1.1\r\n${BARE}`)
      healthy.send(`/healthz HTTP/1.1\r\n${BARE}`)
      late.send(`/v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
      const answer = await ready.response(1)
      assert.is(answer.status, 503)
      assert.is(JSON.parse(answer.body.toString()).status, 'draining')
      assert.is(headerOf(answer, 'connection'), 'close')
      assert.is((await healthy.response(1)).status, 200)
      const refused = await late.response(1)
      assert.is(refused.status, 503)
      assert.is(headerOf(refused, 'retry-after'), '1')
      assert.is(JSON.parse(refused.body.toString()).error.code, 'draining')
      assert.is(scene.upstream.requests.length, 1)
      busy.destroy()
      await drained
    },
  ))

test("the list of models is the upstream's response, byte for byte", () => {
  const list = '{"object":"list" , "data":[{"id":"gpt-x"}]}'
  return withRelay(
    (request) => request.write(whole('200 OK', list)),
    async (scene) => {
      for (const path of ['/v1/models', '/models', '/v1/models/gpt-x']) {
        const response = await scene.ask(`GET ${path} HTTP/1.1\r\n${scene.auth}\r\n`)
        assert.is(response.body.toString(), list)
      }
      assert.is(scene.upstream.requests.at(-1)?.target, '/v1/models/gpt-x')
    },
  )
})

const ALIASES = {
  models: {
    'tw/fast': { upstream: 'up', model: 'gpt-"5"-\u00e9' },
    same: { upstream: 'up', model: 'same' },
  },
}

test('the models of the config, if there are any, are the list of models', () =>
  withRelay(
    OK,
    async (scene) => {
      const list = await scene.ask(`GET /v1/models HTTP/1.1\r\n${scene.auth}\r\n`)
      const { object, data } = JSON.parse(list.body.toString())
      assert.is(object, 'list')
      assert.equal(
        data.map((model: { id: string; object: string }) => [model.id, model.object]),
        [
          ['tw/fast', 'model'],
          ['same', 'model'],
        ],
      )
      for (const segment of ['tw/fast', 'tw%2Ffast']) {
        const one = await scene.ask(`GET /v1/models/${segment} HTTP/1.1\r\n${scene.auth}\r\n`)
        assert.is(JSON.parse(one.body.toString()).id, 'tw/fast')
      }
      assert.is(scene.upstream.requests.length, 0)
      // A model that the config does not name is looked up upstream.
      const other = await scene.relayed(`GET /v1/models/gpt-x HTTP/1.1\r\n${scene.auth}\r\n`)
      assert.is(other.target, '/v1/models/gpt-x')
    },
    ALIASES,
  ))

const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Sends `before + model + after` and checks that only the bytes of the model change. */
async function assertSpliced(scene: Scene, before: string, model: string, after: string): Promise<void> {
  const body = Buffer.from(before + model + after)
  const head = `POST /v1/chat/completions HTTP/1.1\r\n${scene.auth}content-length: ${body.length}\r\n\r\n`
  const request = await scene.relayed(Buffer.concat([Buffer.from(head), body]))
  const [prefix, suffix] = [Buffer.from(before), Buffer.from(after)]
  const end = request.body.length - suffix.length
  assert.is(hash(request.body.subarray(0, prefix.length)), hash(prefix), 'other bytes before the model')
  assert.is(hash(request.body.subarray(end)), hash(suffix), 'other bytes after the model')
  assert.is(JSON.parse(request.body.subarray(prefix.length, end).toString()), 'gpt-"5"-\u00e9')
  assert.is(request.header('content-length'), String(request.body.length))
}

const PROMPT = `"messages":[{"role":"user","content":"\\"model\\":\\"tw/fast\\" \u{1f600} ${'x'.repeat(100_000)}"}]`
const SPLICES: Array<[string, string, string, string]> = [
  ['first', '{"model":', '"tw/fast"', `,${PROMPT}}`],
  ['last, with odd space', `{ ${PROMPT} ,\r\n\t"model"\n:\t `, '"tw/fast"', ' \n} \n'],
  ['escaped, name and value', '{"x":1.0e+2,"m\\u006fdel":', '"tw\\/f\\u0061st"', ',"stream":true}'],
  [
    'below another of that name',
    '{"a":{"model":"tw/fast"},"b":["model","tw/fast"],"model":',
    '"tw/fast"',
    '}',
  ],
]
for (const [place, before, model, after] of SPLICES) {
  test(`a model name of the config is replaced where it is ${place}, and every other byte stays`, () =>
    withRelay(OK, (scene) => assertSpliced(scene, before, model, after), ALIASES))
}

test('a model name of the config is replaced in each of its copies', () =>
  withRelay(
    OK,
    async (scene) => {
      const body = '{"model":"tw/fast","a":[],"Model" : "tw\\/fast"}'
      const request = await scene.relayed(
        `POST /v1/chat/completions HTTP/1.1\r\n${scene.auth}content-length: ${body.length}\r\n\r\n${body}`,
      )
      const name = JSON.stringify('gpt-"5"-\u00e9')
      assert.is(request.body.toString(), `{"model":${name},"a":[],"Model" : ${name}}`)
    },
    ALIASES,
  ))

test('a body stays unchanged if its model is not in the config or has the same name upstream', () =>
  withRelay(
    OK,
    async (scene) => {
      for (const body of [
        '{ "model": "gpt-x" }',
        '{ "m\\u006fdel": "s\\u0061me" }',
        '{"x":{"model":"tw/fast"}}',
        '{"model":["tw/fast"]}',
      ]) {
        const request = await scene.relayed(
          `POST /v1/x HTTP/1.1\r\n${scene.auth}content-length: ${body.length}\r\n\r\n${body}`,
        )
        assert.is(request.body.toString(), body)
      }
    },
    ALIASES,
  ))

test.run()
