import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf, parseResponses } from '../../support/client.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { CHUNKED, head, whole } from '../../support/upstream.js'

const get = (scene: Scene): string => `GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`

test('a HEAD response has the length of the body that is not sent, and the connection stays in use', () =>
  withRelay(
    (request) =>
      request.write(
        request.method === 'HEAD'
          ? head('200 OK', 'content-length: 1234', 'X-Kept: 1')
          : whole('200 OK', 'ok'),
      ),
    async (scene) => {
      const client = await scene.client()
      client.send(`HEAD /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
      await client.sees('\r\n\r\n')
      const [first] = parseResponses(client.bytes, false, 'HEAD')
      assert.is(first?.status, 200)
      assert.is(first && headerOf(first, 'content-length'), '1234')
      const headLength = client.bytes.length
      client.send(get(scene))
      await client.sees('\r\n\r\nok')
      const [second] = parseResponses(client.bytes.subarray(headLength), false)
      assert.is(second?.status, 200)
      assert.is(second?.body.toString(), 'ok')
      const ends = (await scene.relay.requests(2)).map((line) => line.end)
      assert.equal(ends, ['done', 'done'])
    },
  ))

test('the response to a HEAD request has no body where the upstream says that it is chunked', () =>
  withRelay(
    (request) => request.write(request.method === 'HEAD' ? head('200 OK', CHUNKED) : whole('200 OK', 'ok')),
    async (scene) => {
      const client = await scene.client()
      client.send(`HEAD /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
      await client.sees('\r\n\r\n')
      const headLength = client.bytes.length
      client.send(get(scene))
      await client.sees('\r\n\r\nok')
      assert.is(parseResponses(client.bytes.subarray(headLength), false)[0]?.status, 200)
    },
  ))

const BODILESS: Array<[string, string[]]> = [
  ['204 No Content', []],
  ['304 Not Modified', ['ETag: "x"']],
  // The length that the body of a 200 would have had (RFC 9110, 8.6).
  ['304 Not Modified', ['ETag: "x"', 'Content-Length: 10']],
]
for (const [status, lines] of BODILESS) {
  test(`a ${status}${lines.length > 1 ? ' with a length' : ''} has no body, and the connection stays in use`, () =>
    withRelay(
      (request) =>
        request.write(
          request.connection > 0 && request.target.endsWith('?')
            ? whole('200 OK', 'ok')
            : head(status, ...lines),
        ),
      async (scene) => {
        const client = await scene.client()
        client.send(get(scene))
        const response = await client.response()
        assert.is(`${response.status} ${response.reason}`, status)
        assert.equal(
          response.headers.slice(0, lines.length).map(([name, value]) => `${name}: ${value}`),
          lines,
        )
        assert.is(headerOf(response, 'transfer-encoding'), undefined)
        client.send(`GET /v1/x? HTTP/1.1\r\n${scene.auth}\r\n`)
        assert.is((await client.response(1)).body.toString(), 'ok')
      },
    ))
}

test.run()
