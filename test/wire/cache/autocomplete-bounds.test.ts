import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { CacheInspection } from '../../../src/app/inspect.js'
import type { RawClient, Response } from '../../support/client.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { wait } from '../../support/until.js'
import { CHUNKED, chunk, head, LAST_CHUNK, type Received, SSE, whole } from '../../support/upstream.js'

interface Ask {
  readonly prompt: string
  readonly stream: boolean
}

function ask(scene: Scene, prompt: string, stream = false): string {
  const body = JSON.stringify({ model: 'm', prompt, stream })
  return `POST /v1/completions HTTP/1.1\r\n${scene.auth}content-length: ${body.length}\r\n\r\n${body}`
}

/** An upstream whose texts have this length. `n` makes each of them different. */
function answerOf(characters: number): (request: Received) => Promise<void> {
  let n = 0
  return async (request) => {
    const { stream } = JSON.parse(request.body.toString()) as Ask
    const text = `answer ${n++}`.padEnd(characters, '.')
    const json = JSON.stringify({ model: 'm', choices: [{ text, index: 0, finish_reason: 'stop' }] })
    if (stream)
      await request.write(
        `${head('200 OK', SSE, CHUNKED)}${chunk(`data: ${json}\n\ndata: [DONE]\n\n`)}${LAST_CHUNK}`,
      )
    else await request.write(whole('200 OK', json, 'content-type: application/json'))
  }
}

function outcome(response: Response): string | undefined {
  return response.header('x-thinwire-cache')
}

function cacheOf({ relay }: Scene): CacheInspection {
  return relay.inspect().cache as CacheInspection
}

async function askOn(client: RawClient, bytes: string): Promise<Response> {
  client.pieces.length = 0
  client.send(bytes)
  const response = await client.response()
  assert.ok(response.complete)
  return response
}

const LIMIT = 200_000

test('distinct prompts from many clients at once stay within cache.bytes, and the newest are cached', () =>
  withRelay(
    answerOf(6_000),
    async (scene) => {
      let most = 0
      const check = (): void => {
        most = Math.max(most, cacheOf(scene).bytes)
        assert.ok(most <= LIMIT, `${most} bytes`)
      }
      const flood = async (who: number): Promise<void> => {
        const client = await scene.client()
        for (let i = 0; i < 40; i++) {
          assert.is(outcome(await askOn(client, ask(scene, `${who} ${i}`, i % 2 === 0))), 'miss')
          check()
        }
        // Too little was cached since then to evict it.
        assert.is(outcome(await askOn(client, ask(scene, `${who} 39`))), 'hit')
      }
      await Promise.all([0, 1, 2, 3, 4, 5].map(flood))
      assert.ok(most > LIMIT / 2, `no more than ${most} bytes were ever kept`)
      assert.is(cacheOf(scene).openResponses.length, 0)
      const asked = scene.asked.length
      assert.is(outcome(await scene.ask(ask(scene, '0 0', true))), 'miss')
      assert.is(scene.asked.length, asked + 1)
    },
    { cache: { bytes: LIMIT, ttlMs: 60_000 } },
  ))

test('a response that would not fit in cache.bytes is not cached and evicts no other', () =>
  withRelay(
    async (request) =>
      answerOf((JSON.parse(request.body.toString()) as Ask).prompt.length > 5 ? 100_000 : 10)(request),
    async (scene) => {
      assert.is(outcome(await scene.ask(ask(scene, 'small'))), 'miss')
      for (let i = 0; i < 2; i++) assert.is(outcome(await scene.ask(ask(scene, 'too large'))), 'miss')
      assert.is(outcome(await scene.ask(ask(scene, 'small'))), 'hit')
    },
    { cache: { bytes: 80_000, entryBytes: 256_000, ttlMs: 60_000 } },
  ))

for (const stream of [false, true]) {
  test(`a cached response expires although it is requested all the time (${stream ? 'stream' : 'json'})`, () =>
    withRelay(
      answerOf(10),
      async (scene) => {
        const client = await scene.client()
        const first = await askOn(client, ask(scene, 'a', stream))
        assert.is(outcome(first), 'miss')
        for (let kept = true; kept; await wait(3)) {
          const response = await askOn(client, ask(scene, 'a', stream))
          kept = outcome(response) === 'hit'
          assert.is(
            response.body.equals(first.body),
            kept,
            'a hit must be the first response, and a miss a new one',
          )
          // A hit does not extend the lifetime.
          assert.ok(Number(response.header('age') ?? 0) <= 1)
        }
        assert.is(scene.asked.length, 2)
      },
      { cache: { ttlMs: 150 } },
    ))
}

test.run()
