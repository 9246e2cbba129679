import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf } from '../../support/client.js'
import { withRelay } from '../../support/scene.js'
import { wait } from '../../support/until.js'
import { head, type Script, whole } from '../../support/upstream.js'

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

test('a 100 Continue without an Expect, which undici treats as an error, gives 502', () =>
  // RFC 9110, 15.2 wants clients to accept it. No API sends it without an Expect, and the relay never sends an Expect.
  withRelay(
    (request) => request.write(Buffer.concat([Buffer.from(head('100 Continue')), whole('200 OK', 'ok')])),
    async (scene) => {
      const response = await scene.ask(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
      assert.is(response.status, 502)
      assert.is(headerOf(response, 'x-thinwire-error'), 'upstream_cut')
    },
  ))

test.run()
