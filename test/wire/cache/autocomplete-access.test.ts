import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { issueKey, revokeKey } from '../../../src/access/keyring.js'
import type { RawClient, Response } from '../../support/client.js'
import { boundsHit, type Scene, withRelay } from '../../support/scene.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, head, type Received, SSE, whole } from '../../support/upstream.js'

const ANSWER = JSON.stringify({ model: 'm', choices: [{ text: 'kept words' }] })
const DONE = 'data: [DONE]\n\n'

function event(text: string): string {
  return `data: ${JSON.stringify({ model: 'm', choices: [{ text, index: 0, finish_reason: null }] })}\n\n`
}

function ask(key: string, prompt: string): string {
  const body = JSON.stringify({ model: 'm', prompt })
  return `POST /v1/completions HTTP/1.1\r\nhost: relay\r\nx-api-key: ${key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}

async function answer(request: Received): Promise<void> {
  await request.write(whole('200 OK', ANSWER, 'content-type: application/json'))
}

const silent = async (): Promise<void> => {}

function outcome(response: Response): string | undefined {
  return response.header('x-thinwire-cache') ?? response.header('x-thinwire-error')
}

/** Revokes a key and waits until the relay has read the key file again. */
async function revoke(scene: Scene, key: string): Promise<void> {
  revokeKey(scene.relay.keyFile, key)
  const other = `GET /v1/models HTTP/1.1\r\nhost: relay\r\nx-api-key: ${key}\r\n\r\n`
  while (outcome(await scene.ask(other)) !== 'revoked_api_key') await wait(5)
}

/** Issues a key of the same team and waits until the relay knows it. */
async function colleague(scene: Scene): Promise<string> {
  const { key } = issueKey(scene.relay.keyFile, { env: 'test', team: 'team1', user: 'user2' })
  const known = `GET /v1/models HTTP/1.1\r\nhost: relay\r\nx-api-key: ${key}\r\n\r\n`
  while ((await scene.ask(known)).status === 401) await wait(5)
  return key
}

function whenGet(script: (request: Received) => Promise<void>): (request: Received) => Promise<void> {
  return (request) => (request.method === 'GET' ? request.write(whole('200 OK', '{}')) : script(request))
}

for (const scope of ['key', 'team'] as const) {
  test(`a revoked key gets no cached response, on its open connections neither (scope ${scope})`, () =>
    withRelay(
      whenGet(answer),
      async (scene) => {
        const { key } = scene.relay
        const other = await colleague(scene)
        const client = await scene.client()
        for (const [i, wanted] of ['miss', 'hit'].entries()) {
          client.send(ask(key, 'a'))
          assert.is(outcome(await client.response(i)), wanted)
        }
        await revoke(scene, key)
        client.send(ask(key, 'a'))
        const refused = await client.response(2)
        assert.equal([refused.status, outcome(refused)], [401, 'revoked_api_key'])
        assert.not(refused.body.includes('kept words'))
        assert.is(outcome(await scene.ask(ask(key, 'a'))), 'revoked_api_key')
        // The responses to its requests still belong to its team.
        assert.is(outcome(await scene.ask(ask(other, 'a'))), scope === 'team' ? 'hit' : 'miss')
      },
      { cache: { scope } },
    ))
}

/** Starts a stream that two clients share, each with its own key. The first one is billed. */
async function shareStream(
  scene: Scene,
  keys: readonly [string, string],
): Promise<[RawClient, RawClient, Received]> {
  const before = scene.upstream.requests.length
  const [first, second] = [await scene.client(), await scene.client()]
  first.send(ask(keys[0], 'a'))
  const request = await scene.upstream.request(before)
  await request.write(head('200 OK', SSE, CHUNKED))
  await request.chunk(event('first'))
  second.send(ask(keys[1], 'a'))
  for (const client of [first, second]) await client.sees('first')
  return [first, second, request]
}

for (const revoked of ['the client that is billed', 'a client that has joined'] as const) {
  test(`${revoked} gets its response to the end when its key is revoked, and no further one`, () =>
    withRelay(
      whenGet(silent),
      async (scene) => {
        const keys: [string, string] = [scene.relay.key, await colleague(scene)]
        const [first, second, request] = await shareStream(scene, keys)
        const gone = keys[revoked === 'the client that is billed' ? 0 : 1] as string
        await revoke(scene, gone)
        // The revoked key may not join the open response any more.
        const refused = await scene.ask(ask(gone, 'a'))
        assert.equal([refused.status, outcome(refused)], [401, 'revoked_api_key'])
        await request.chunk(event('last') + DONE)
        await request.lastChunk()
        for (const client of [first, second]) {
          const response = await client.response()
          assert.ok(response.complete)
          assert.is(response.body.toString(), event('first') + event('last') + DONE)
        }
        assert.is(outcome(await scene.ask(ask(gone, 'a'))), 'revoked_api_key')
        const left = keys[revoked === 'the client that is billed' ? 1 : 0] as string
        assert.is(outcome(await scene.ask(ask(left, 'a'))), 'hit')
      },
      { cache: { scope: 'team' } },
    ))
}

test('a request that has joined counts in limits.maxConcurrentRequestsPerKey until it ends', () =>
  withRelay(
    silent,
    async (scene) => {
      const { key, inspect } = scene.relay
      const [first, second, request] = await shareStream(scene, [key, key])
      const busy = await scene.ask(ask(key, 'a'))
      assert.equal([busy.status, outcome(busy)], [429, 'key_busy'])
      assert.equal(await boundsHit(scene), { maxConcurrentRequestsPerKey: 1 })
      // A joined client that leaves makes room for another request.
      second.destroy()
      await until(() => inspect().openCount === 1, 'one to be gone')
      const third = await scene.client()
      third.send(ask(key, 'a'))
      await third.sees('first')
      assert.is((await scene.ask(ask(key, 'a'))).status, 429)
      // So does the client that is billed, although the upstream request continues.
      first.destroy()
      await until(() => inspect().openCount === 1, 'the first to be gone')
      const fourth = await scene.client()
      fourth.send(ask(key, 'a'))
      await fourth.sees('first')
      await request.chunk(event('last') + DONE)
      await request.lastChunk()
      for (const client of [third, fourth]) assert.is(outcome(await client.response()), 'joined')
      await until(() => inspect().openCount === 0, 'all to be over')
      assert.is(scene.upstream.requests.length, 1)
      for (let i = 0; i < 3; i++) assert.is(outcome(await scene.ask(ask(key, 'a'))), 'hit')
      assert.equal(await boundsHit(scene), { maxConcurrentRequestsPerKey: 2 })
    },
    { limits: { maxConcurrentRequestsPerKey: 2 } },
  ))

test('requests that share a failed response are no longer counted for their key', () =>
  withRelay(
    (request) => request.hang(),
    async (scene) => {
      const { key, inspect } = scene.relay
      for (let round = 0; round < 3; round++) {
        const clients = [await scene.client(), await scene.client(), await scene.client()]
        for (const client of clients) client.send(ask(key, 'a'))
        const request = await scene.upstream.request(round)
        await until(() => inspect().openCount === 3, 'all three to be there')
        request.reset()
        for (const client of clients) assert.is((await client.response()).status, 502)
        await until(() => inspect().openCount === 0, 'all to be over')
      }
      assert.equal(await boundsHit(scene), {})
    },
    { limits: { maxConcurrentRequestsPerKey: 3 } },
  ))

test.run()
