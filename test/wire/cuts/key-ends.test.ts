import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { revokeKey } from '../../../src/access/key-changes.js'
import { headerOf } from '../../support/client.js'
import { withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'
import { CHUNKED, head, SSE } from '../../support/upstream.js'

const BODY = '{"model":"m","stream":true,"messages":[{"role":"user","content":"Tell me a story."}]}'
const EVENT =
  'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Once"}}]}\n\n'

function post(auth: string): string {
  return `POST /v1/chat/completions HTTP/1.1\r\n${auth}content-length: ${BODY.length}\r\n\r\n${BODY}`
}

test('with keys.cutStreams a stream is cut when its key is revoked, its upstream too, and the record says why', () =>
  withRelay(
    () => {},
    async (scene) => {
      const { relay } = scene
      const bystander = relay.addKey('team2')
      const other = await scene.client()
      other.send(post(`host: relay\r\nauthorization: Bearer ${bystander}\r\n`))
      const stays = await scene.upstream.request(0)
      await stays.write(head('200 OK', SSE, CHUNKED))
      await stays.chunk(EVENT)
      await other.sees('Once')
      const client = await scene.client()
      client.send(post(scene.auth))
      const request = await scene.upstream.request(1)
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(EVENT)
      await client.sees('Once')
      revokeKey(relay.keyFile, relay.key)
      await client.closed()
      await until(() => request.closed, 'the upstream to be cancelled')
      assert.not.match(client.text, '\r\n0\r\n')
      const [record] = await relay.records(1)
      assert.equal(
        [record?.end, record?.error_code, record?.status, record?.usage_source],
        ['revoked', 'revoked_api_key', 200, 'estimated'],
      )
      await stays.chunk('data: [DONE]\n\n')
      await stays.lastChunk()
      assert.match((await other.response()).body.toString(), 'DONE')
    },
    { keys: { cutStreams: true } },
  ))

test('with keys.cutStreams a request that has no response yet gets an error', () =>
  withRelay(
    () => {},
    async (scene) => {
      const client = await scene.client()
      client.send(post(scene.auth))
      const request = await scene.upstream.request(0)
      revokeKey(scene.relay.keyFile, scene.relay.key)
      const response = await client.response()
      assert.equal([response.status, headerOf(response, 'x-thinwire-error')], [401, 'revoked_api_key'])
      await until(() => request.closed, 'the upstream to be cancelled')
      const [record] = await scene.relay.records(1)
      // The upstream has got the prompt, and may bill it.
      assert.equal([record?.end, record?.status, record?.usage_source], ['revoked', 401, 'estimated'])
      assert.equal(scene.relay.inspect().bufferedBytes, 0)
    },
    { keys: { cutStreams: true } },
  ))

for (const cutStreams of [true, false])
  test(`a request that is still being sent is refused when its key is revoked: keys.cutStreams ${cutStreams}`, () =>
    withRelay(
      () => {},
      async (scene) => {
        const client = await scene.client()
        // Without a model no target is known: nothing is sent on before the end.
        client.send(
          `POST /v1/chat/completions HTTP/1.1\r\n${scene.auth}content-length: 100000\r\n\r\n{"messages":[`,
        )
        await until(() => scene.relay.inspect().exchanges[0]?.phase === 'read', 'the request')
        await until(() => scene.relay.inspect().bufferedBytes > 0, 'the body')
        revokeKey(scene.relay.keyFile, scene.relay.key)
        const response = await client.response()
        assert.equal([response.status, headerOf(response, 'x-thinwire-error')], [401, 'revoked_api_key'])
        assert.is(scene.upstream.requests.length, 0)
        client.destroy()
        const [record] = await scene.relay.records(1)
        assert.equal([record?.end, record?.phase, record?.usage_source], ['refused', 'read', 'none'])
        assert.is(scene.relay.inspect().bufferedBytes, 0)
      },
      { keys: { cutStreams } },
    ))

test('with keys.cutStreams a shared response goes on for the other client', () =>
  withRelay(
    () => {},
    async (scene) => {
      const { relay } = scene
      const other = relay.addKey('team1')
      const body = '{"model":"m","prompt":"Once upon","stream":true}'
      const ask = async (key: string) => {
        const client = await scene.client()
        client.send(
          `POST /v1/completions HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        )
        return client
      }
      const payer = await ask(relay.key)
      const request = await scene.upstream.request(0)
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(EVENT)
      await payer.sees('Once')
      const joined = await ask(other)
      await joined.sees('Once')
      assert.is(scene.upstream.requests.length, 1)
      revokeKey(relay.keyFile, relay.key)
      await payer.closed()
      await request.chunk('data: [DONE]\n\n')
      await request.lastChunk()
      assert.match((await joined.response()).body.toString(), 'DONE')
      const records = await relay.records(2)
      assert.equal(
        records.map(({ end, attempts }) => [end, attempts]),
        [
          ['revoked', 0],
          ['done', 1],
        ],
      )
    },
    { keys: { cutStreams: true }, cache: { scope: 'team' } },
  ))

test('by default a stream runs to its end after its key was revoked, and the next request is refused', () =>
  withRelay(
    () => {},
    async (scene) => {
      const { relay } = scene
      const client = await scene.client()
      client.send(post(scene.auth))
      const request = await scene.upstream.request(0)
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(EVENT)
      await client.sees('Once')
      revokeKey(relay.keyFile, relay.key)
      relay.app.reloadKeys()
      const refused = await scene.ask(post(scene.auth))
      assert.equal([refused.status, headerOf(refused, 'x-thinwire-error')], [401, 'revoked_api_key'])
      await request.chunk('data: [DONE]\n\n')
      await request.lastChunk()
      assert.match((await client.response()).body.toString(), 'DONE')
      const records = await relay.records(2)
      assert.equal(records.map(({ end }) => end).sort(), ['done', 'refused'])
    },
  ))

test.run()
