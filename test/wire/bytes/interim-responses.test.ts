import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf } from '../../support/client.js'
import { withRelay } from '../../support/scene.js'
import { wait } from '../../support/until.js'
import { CHUNKED, head, type Script, whole } from '../../support/upstream.js'

const INTERIM = `${head('102 Processing')}${head('103 Early Hints', 'Link: </x>')}`

for (const together of [true, false]) {
  test(`interim responses that arrive ${together ? 'together with' : 'before'} the final one are dropped`, () => {
    const script: Script = async (request) => {
      if (together) return request.write(Buffer.concat([Buffer.from(INTERIM), whole('200 OK', 'ok')]))
      await request.write(INTERIM)
      await wait(20)
      await request.write(whole('200 OK', 'ok'))
    }
    return withRelay(script, async (scene) => {
      const response = await scene.ask(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
      assert.is(response.status, 200, response.body.toString())
      assert.is(headerOf(response, 'link'), undefined)
      assert.is(response.body.toString(), 'ok')
    })
  })
}

/** Interim responses as an upstream may send them unasked (RFC 9110, 15.2). */
const UNASKED: readonly string[] = [
  head('100 Continue'),
  head('100 Continue', 'x: y', 'date: now'),
  'HTTP/1.1 100\r\n\r\n',
  'HTTP/1.0 100 Continue\r\n\r\n',
  head('100 Continue').repeat(3),
  `${head('100 Continue')}${head('103 Early Hints', 'link: </x>')}`,
  `${head('102 Processing')}${head('103 Early Hints', 'link: </x>')}`,
  `${head('103 Early Hints', 'link: </x>')}${head('100 Continue')}`,
  `${head('102 Processing')}${head('100 Continue')}${head('103 Early Hints')}${head('100 Continue')}`,
]

const FINALS: ReadonlyArray<readonly [string, string, string]> = [
  ['a length', `${head('200 OK', 'content-length: 2')}ok`, 'ok'],
  ['chunks', `${head('200 OK', CHUNKED)}2\r\nok\r\n0\r\n\r\n`, 'ok'],
  // Bytes of a body are never taken for an interim response.
  [
    'a body that looks like one',
    `${head('200 OK', 'content-length: 25')}${head('100 Continue')}`,
    head('100 Continue'),
  ],
]

for (const [what, final, body] of FINALS) {
  test(`a 100 Continue that nobody asked for is dropped, wherever it is cut, before a response with ${what}`, async () => {
    for (const interim of UNASKED) {
      const bytes = Buffer.from(interim + final)
      for (const cut of [0, 1, 9, 12, 13, interim.length - 1, interim.length, interim.length + 1]) {
        const script: Script = async (request) => {
          if (cut > 0) {
            await request.write(bytes.subarray(0, cut))
            await wait(5)
          }
          await request.write(bytes.subarray(cut))
        }
        await withRelay(script, async (scene) => {
          const client = await scene.client()
          for (let i = 0; i < 2; i++) {
            client.send(
              `POST /v1/x HTTP/1.1\r\n${scene.auth}content-type: application/json\r\ncontent-length: 2\r\n\r\n{}`,
            )
            const response = await client.response(i)
            assert.is(response.status, 200, `${JSON.stringify(interim)} cut at ${cut}: ${response.body}`)
            assert.is(response.body.toString(), body)
            assert.is(headerOf(response, 'link'), undefined)
          }
          assert.is(scene.upstream.connections, 1)
        })
      }
    }
  })
}

test('a connection that ends within a 100 Continue is a lost connection', () =>
  withRelay(
    async (request) => {
      await request.write('HTTP/1.1 100 Con')
      request.end()
    },
    async (scene) => {
      const response = await scene.ask(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
      assert.is(response.status, 502)
      assert.is(headerOf(response, 'x-thinwire-error'), 'upstream_cut')
    },
  ))

test.run()
