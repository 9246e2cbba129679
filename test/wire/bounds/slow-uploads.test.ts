import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OK, withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'

const LIMITED = { limits: { maxConcurrentRequests: 2 } }

/** The head and the beginning of a request that names its model, and whose body is still to come. */
const begin = (auth: string): string =>
  `POST /v1/chat/completions HTTP/1.1\r\n${auth}content-length: 100000\r\n\r\n{"model":"m","messages":[`

test('uploads that go on for long hold no place of an upstream with a limit', () =>
  withRelay(
    OK,
    async (scene) => {
      const slow = await Promise.all(Array.from({ length: 20 }, () => scene.client()))
      for (const client of slow) client.send(begin(scene.auth))
      await until(() => scene.relay.inspect().openCount === slow.length, 'the uploads to be open')
      const [up] = scene.relay.inspect().upstreams
      for (let i = 0; i < 5; i++) {
        assert.not.ok(up?.full)
        await scene.relayed(`GET /v1/${i} HTTP/1.1\r\n${scene.auth}\r\n`)
      }
      assert.is(scene.asked.length, 5)
      // One that is complete is sent, whole.
      const body = `{"model":"m","messages":[${'1,'.repeat(49_986)}1]}`.padEnd(100_000)
      slow[0]?.send(body.slice('{"model":"m","messages":['.length))
      assert.is((await slow[0]?.response())?.status, 200)
      assert.is((await scene.upstream.request(5)).body.toString(), body)
    },
    {},
    LIMITED,
  ))

test('an upload to an upstream without a limit begins as soon as the model is known', () =>
  withRelay(OK, async (scene) => {
    const [client] = [await scene.client()]
    client.send(begin(scene.auth))
    await until(() => scene.upstream.connections === 1, 'the upload to begin')
    client.destroy()
  }))

test.run()
