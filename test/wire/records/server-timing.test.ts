import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OK, withRelay } from '../../support/scene.js'
import { CHUNKED, chunk, head, LAST_CHUNK, SSE, whole } from '../../support/upstream.js'

test("server-timing shows the duration of each phase, and the record the relay's own share", () =>
  withRelay(OK, async (scene) => {
    const client = await scene.client()
    client.send(`POST /v1/chat/completions HTTP/1.1\r\n${scene.auth}content-length: 13\r\n\r\n{"model":`)
    await new Promise((resolve) => setTimeout(resolve, 60))
    client.send('"m"}')
    const response = await client.response()
    const timing = response.header('server-timing') ?? ''
    const [, read] =
      /^admit;dur=[\d.]+, read;dur=([\d.]+), plan;dur=[\d.]+, attempt;dur=[\d.]+$/.exec(timing) ?? []
    assert.ok(Number(read) >= 20, timing)
    const [record] = await scene.relay.records(1)
    assert.is(record?.read_ms, Number(read))
    // The overhead does not include the upload.
    assert.ok(Number(record?.overhead_us) / 1_000 < Number(record?.total_ms) - Number(read) + 1)
    assert.ok(Number(record?.overhead_us) > 0)
  }))

test("an upstream's own server-timing header is kept", () =>
  withRelay(
    (request) => request.write(whole('200 OK', 'ok', 'server-timing: db;dur=1')),
    async (scene) => {
      const response = await scene.ask(`GET /v1/models/x HTTP/1.1\r\n${scene.auth}\r\n`)
      const timings = response.headers.filter(([name]) => name.toLowerCase() === 'server-timing')
      assert.is(timings.length, 2)
      assert.is(timings[0]?.[1], 'db;dur=1')
      assert.match(timings[1]?.[1] ?? '', /^admit;dur=[\d.]+, attempt;dur=[\d.]+$/)
    },
  ))

test('responses that the relay makes itself have a server-timing header too', () =>
  withRelay(OK, async (scene) => {
    for (const request of ['GET /readyz', 'GET /v1/models', 'POST /v1/./x'])
      assert.match(
        (await scene.ask(`${request} HTTP/1.1\r\nhost: relay\r\n\r\n`)).header('server-timing') ?? '',
        /^admit;dur=[\d.]+$/,
      )
  }))

test('a request whose response comes before the end of its body has no read_ms and no overhead_us', () =>
  withRelay(
    (request) => request.write(`${head('200 OK', SSE, CHUNKED)}${chunk('data: {}\n\n')}${LAST_CHUNK}`),
    async (scene) => {
      const client = await scene.client()
      client.send(
        `POST /v1/chat/completions HTTP/1.1\r\n${scene.auth}content-length: 100\r\n\r\n{"model":"m",`,
      )
      await new Promise((resolve) => setTimeout(resolve, 20))
      client.destroy()
      const [record] = await scene.relay.records(1)
      assert.is(record?.read_ms, null)
      assert.is(record?.overhead_us, null)
    },
  ))

test.run()
