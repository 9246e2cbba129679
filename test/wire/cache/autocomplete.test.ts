import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RawClient, Response } from '../../support/client.js'
import { runClock, stopClock } from '../../support/clock.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, chunk, head, LAST_CHUNK, type Received, SSE, whole } from '../../support/upstream.js'

const USAGE = { prompt_tokens: 5, completion_tokens: 2 }
const DONE = 'data: [DONE]\n\n'

test.after.each(runClock)

function event(text: string): string {
  return `data: ${JSON.stringify({ model: 'm', choices: [{ text, index: 0, finish_reason: null }] })}\n\n`
}

const LAST = `data: ${JSON.stringify({ model: 'm', choices: [], usage: USAGE })}\n\n${DONE}`
const STREAM = `${event('one')}${event(' two')}${LAST}`
const ANSWER = JSON.stringify({ model: 'm', choices: [{ text: 'one two' }], usage: USAGE })

function ask(scene: Scene, prompt: string, headers = '', path = '/v1/completions'): string {
  const body = JSON.stringify({ model: 'm', prompt, stream: prompt.startsWith('stream') })
  return `POST ${path} HTTP/1.1\r\n${scene.auth}${headers}content-length: ${body.length}\r\n\r\n${body}`
}

function outcome(response: Response): string | undefined {
  return response.header('x-thinwire-cache')
}

async function answer(request: Received): Promise<void> {
  if (JSON.parse(request.body.toString()).stream)
    await request.write(`${head('200 OK', SSE, CHUNKED, 'x-up: 1')}${chunk(STREAM)}${LAST_CHUNK}`)
  else await request.write(whole('200 OK', ANSWER, 'content-type: application/json', 'x-up: 1'))
}

for (const kind of ['stream', 'json']) {
  test(`a repeated request gets the cached response, with the upstream's bytes and headers (${kind})`, () =>
    withRelay(answer, async (scene) => {
      const pass = stopClock()
      const client = await scene.client()
      const responses: Response[] = []
      for (let i = 0; i < 3; i++) {
        if (i === 2) pass(2_999)
        client.send(ask(scene, kind))
        responses.push(await client.response(i))
      }
      assert.equal(responses.map(outcome), ['miss', 'hit', 'hit'])
      assert.is(scene.asked.length, 1)
      for (const response of responses) {
        assert.is(response.status, 200)
        assert.is(response.body.toString(), kind === 'stream' ? STREAM : ANSWER)
        assert.is(response.header('x-up'), '1')
        assert.is(
          response.header('content-type'),
          kind === 'stream' ? 'text/event-stream' : 'application/json',
        )
      }
      assert.is(responses[0]?.header('age'), undefined)
      assert.is(responses[1]?.header('age'), '0')
      assert.is(responses[2]?.header('age'), '2')
      const records = await scene.relay.records(3)
      assert.equal(
        records.map(
          ({ cache, prompt_tokens, completion_tokens, usage_source, saved_tokens, attempts, end }) => [
            cache,
            prompt_tokens,
            completion_tokens,
            usage_source,
            saved_tokens,
            attempts,
            end,
          ],
        ),
        [
          ['miss', 5, 2, 'upstream', null, 1, 'done'],
          ['hit', 0, 0, 'cache', 7, 0, 'done'],
          ['hit', 0, 0, 'cache', 7, 0, 'done'],
        ],
      )
    }))
}

test('a response is cached no longer than cache.ttlMs', () =>
  withRelay(
    answer,
    async (scene) => {
      const pass = stopClock()
      assert.is(outcome(await scene.ask(ask(scene, 'a'))), 'miss')
      pass(40)
      assert.is(outcome(await scene.ask(ask(scene, 'a'))), 'hit')
      pass(1)
      assert.is(outcome(await scene.ask(ask(scene, 'a'))), 'miss')
      assert.is(scene.asked.length, 2)
    },
    { cache: { ttlMs: 40 } },
  ))

test("a client's cache headers override the rules", () =>
  withRelay(answer, async (scene) => {
    const off = 'x-thinwire-cache: off\r\n'
    const on = 'x-thinwire-cache: on\r\n'
    const chat = '/v1/chat/completions'
    assert.is(outcome(await scene.ask(ask(scene, 'a'))), 'miss')
    assert.is(outcome(await scene.ask(ask(scene, 'a', off))), 'off')
    assert.is(outcome(await scene.ask(ask(scene, 'a', 'cache-control: no-cache\r\n'))), 'off')
    assert.is(outcome(await scene.ask(ask(scene, 'a'))), 'hit')
    assert.is(outcome(await scene.ask(ask(scene, 'a', '', chat))), undefined)
    assert.is(outcome(await scene.ask(ask(scene, 'a', on, chat))), 'miss')
    assert.is(outcome(await scene.ask(ask(scene, 'a', on, chat))), 'hit')
    // The header does not reach the upstream.
    assert.ok(scene.asked.every((request) => request.header('x-thinwire-cache') === undefined))
  }))

test('requests are neither shared nor cached with cache.enabled false', () =>
  withRelay(
    answer,
    async (scene) => {
      for (let i = 0; i < 2; i++) assert.is(outcome(await scene.ask(ask(scene, 'a'))), undefined)
      assert.is(scene.asked.length, 2)
    },
    { cache: { enabled: false } },
  ))

const NOT_KEPT: Readonly<Record<string, (request: Received) => Promise<void>>> = {
  'an error': (request) =>
    request.write(whole('429 Too Many Requests', '{"error":{}}', 'content-type: application/json')),
  'another status': (request) =>
    request.write(whole('201 Created', ANSWER, 'content-type: application/json')),
  'a stream with an error in it': (request) =>
    request.write(
      `${head('200 OK', SSE, CHUNKED)}${chunk(`${event('x')}data: {"error":{"code":"x"}}\n\n${DONE}`)}${LAST_CHUNK}`,
    ),
  'a stream without an end mark': (request) =>
    request.write(`${head('200 OK', SSE, CHUNKED)}${chunk(event('x'))}${LAST_CHUNK}`),
  'broken JSON': (request) => request.write(whole('200 OK', '{"a":', 'content-type: application/json')),
  'a plain text': (request) => request.write(whole('200 OK', 'x', 'content-type: text/plain')),
  'a response beyond cache.entryBytes': (request) =>
    request.write(`${head('200 OK', SSE, CHUNKED)}${chunk(event('x'.repeat(2_000)) + STREAM)}${LAST_CHUNK}`),
}

for (const [what, script] of Object.entries(NOT_KEPT)) {
  test(`${what} is not cached`, () =>
    withRelay(
      script,
      async (scene) => {
        const first = await scene.ask(ask(scene, 'a'))
        const second = await scene.ask(ask(scene, 'a'))
        assert.equal([outcome(first), outcome(second)], ['miss', 'miss'])
        assert.ok(first.complete && second.body.equals(first.body))
        assert.is(scene.asked.length, 2)
      },
      { cache: { entryBytes: 1_500 } },
    ))
}

/** A stream that sends an event at each call of `sendEvent`. */
interface Stage {
  readonly scene: Scene
  readonly request: Received
  readonly clients: RawClient[]
  sendEvent(text: string): Promise<void>
  end(): Promise<void>
}

/** Runs `act` when `count` clients share one stream and have its head and its first event. */
function together(
  count: number,
  act: (stage: Stage) => Promise<void>,
  settings: Record<string, unknown> = {},
): Promise<void> {
  return withRelay(
    async () => {},
    async (scene) => {
      const clients: RawClient[] = []
      const first = await scene.client()
      first.send(ask(scene, 'stream'))
      clients.push(first)
      const request = await scene.upstream.request(0)
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(event('first'))
      for (let i = 1; i < count; i++) {
        const client = await scene.client()
        client.send(ask(scene, 'stream'))
        clients.push(client)
      }
      for (const client of clients) await client.sees('first')
      await act({
        scene,
        request,
        clients,
        sendEvent: (text) => request.chunk(event(text)),
        async end() {
          await request.chunk(LAST)
          await request.lastChunk()
        },
      })
    },
    settings,
  )
}

test('a request that joins a running response gets the bytes so far at once, and the rest live', () =>
  together(3, async ({ scene, clients, sendEvent, end }) => {
    await sendEvent('second')
    for (const client of clients) await client.sees('second')
    await end()
    const responses = await Promise.all(clients.map((client) => client.response()))
    assert.equal(responses.map(outcome), ['miss', 'joined', 'joined'])
    for (const response of responses) {
      assert.ok(response.complete)
      assert.is(response.body.toString(), event('first') + event('second') + LAST)
    }
    assert.is(scene.asked.length, 1)
    const records = await scene.relay.records(3)
    assert.equal(
      records.map((record) => [record.cache, record.completion_tokens, record.saved_tokens]).sort(),
      [
        ['joined', 0, 7],
        ['joined', 0, 7],
        ['miss', 2, null],
      ],
    )
    assert.is(outcome(await scene.ask(ask(scene, 'stream'))), 'hit')
  }))

test('a client that joins before the response head gets it together with the first client', () =>
  withRelay(
    async () => {},
    async (scene) => {
      const clients = [await scene.client(), await scene.client()]
      for (const client of clients) client.send(ask(scene, 'stream'))
      const request = await scene.upstream.request(0)
      await wait(10)
      assert.is(scene.asked.length, 1)
      await request.write(head('200 OK', SSE, CHUNKED))
      for (const client of clients) await client.sees('\r\n\r\n')
      await request.chunk(STREAM)
      await request.lastChunk()
      for (const client of clients) assert.is((await client.response()).body.toString(), STREAM)
    },
  ))

test('the first client may leave a shared response: the others go on, and one of them has the tokens in its record', () =>
  together(3, async ({ scene, clients, request, sendEvent, end }) => {
    clients[0]?.destroy()
    await until(() => scene.relay.inspect().openCount === 2, 'the first to be gone')
    await sendEvent('second')
    await clients[1]?.sees('second')
    assert.not(request.closed)
    await end()
    for (const client of clients.slice(1)) {
      const response = await client.response()
      assert.is(response.body.toString(), event('first') + event('second') + LAST)
    }
    const records = await scene.relay.records(3)
    assert.equal(records.map(({ end, cache, completion_tokens }) => [end, cache, completion_tokens]).sort(), [
      ['client_gone', 'joined', 0],
      ['done', 'joined', 0],
      ['done', 'miss', 2],
    ])
  }))

test('when the last client leaves a shared response, the upstream is cancelled and its usage estimated', () =>
  together(3, async ({ scene, clients, request }) => {
    for (const client of clients) client.destroy()
    assert.is(await request.ended(), 'fin')
    const records = await scene.relay.records(3)
    const [miss, ...others] = records.filter((record) => record.cache === 'miss')
    assert.is(others.length, 0)
    assert.equal([miss?.end, miss?.usage_source, miss?.completion_tokens], ['client_gone', 'estimated', 1])
  }))

test('the other clients get the shared response if the first one leaves before it begins', () =>
  withRelay(
    async () => {},
    async (scene) => {
      const clients = [await scene.client(), await scene.client()]
      clients[0]?.send(ask(scene, 'a'))
      const request = await scene.upstream.request(0)
      clients[1]?.send(ask(scene, 'a'))
      await until(() => scene.relay.inspect().openCount === 2, 'both to be there')
      clients[0]?.destroy()
      await until(() => scene.relay.inspect().openCount === 1, 'one to be gone')
      await answer(request)
      assert.is((await clients[1]?.response())?.body.toString(), ANSWER)
    },
  ))

test('a cut by the upstream reaches all clients that share the response', () =>
  together(3, async ({ scene, clients, request }) => {
    request.reset()
    for (const client of clients) {
      const response = await client.response()
      assert.not(response.complete)
      assert.is(response.body.toString(), event('first'))
    }
    const records = await scene.relay.records(3)
    assert.equal(
      records.map((record) => record.end),
      ['upstream_cut', 'upstream_cut', 'upstream_cut'],
    )
  }))

test('an upstream failure before the response gives an error to all clients that share it', () =>
  withRelay(
    async () => {},
    async (scene) => {
      const clients = [await scene.client(), await scene.client()]
      for (const client of clients) client.send(ask(scene, 'a'))
      const request = await scene.upstream.request(0)
      await until(() => scene.relay.inspect().openCount === 2, 'both to be there')
      request.reset()
      for (const client of clients) {
        const response = await client.response()
        assert.is(response.status, 502)
        assert.is(response.header('x-thinwire-error'), 'upstream_cut')
      }
    },
  ))

const SUPERSEDING = { cache: { supersede: true } }

test('a newer request of the same session ends the older one with an error if it has no response yet', () =>
  withRelay(
    async () => {},
    async (scene) => {
      const [older, newer, other] = [await scene.client(), await scene.client(), await scene.client()]
      older.send(ask(scene, 'a', 'x-thinwire-session: s1\r\n'))
      const request = await scene.upstream.request(0)
      other.send(ask(scene, 'b', 'x-thinwire-session: s2\r\n'))
      await scene.upstream.request(1)
      newer.send(ask(scene, 'ab', 'x-thinwire-session: s1\r\n'))
      const response = await older.response()
      assert.is(response.status, 409)
      assert.is(response.header('x-thinwire-error'), 'superseded')
      assert.is(response.header('x-should-retry'), 'false')
      await request.ended()
      await answer(await scene.upstream.request(2))
      assert.is((await newer.response()).body.toString(), ANSWER)
      assert.is(other.ending, null)
      const [record] = await scene.relay.records(2)
      assert.equal(
        [record?.end, record?.error_code, record?.usage_source],
        ['superseded', 'superseded', 'estimated'],
      )
    },
    SUPERSEDING,
  ))

test('a newer request cuts the response of the older one, and others that share it go on', () =>
  together(
    2,
    async ({ scene, clients, request, end }) => {
      const newer = await scene.client()
      // Without a session header, the request belongs to the session of the last client.
      newer.send(ask(scene, 'stream on'))
      const response = await (clients[1] as RawClient).response()
      assert.not(response.complete)
      assert.not(request.closed)
      await end()
      assert.ok((await clients[0]?.response())?.complete)
    },
    SUPERSEDING,
  ))

test('a repeated request does not supersede itself, and a finished one cannot be superseded', () =>
  withRelay(
    answer,
    async (scene) => {
      for (const prompt of ['a', 'a', 'b', 'stream', 'a'])
        assert.ok((await scene.ask(ask(scene, prompt))).complete)
      const records = await scene.relay.records(5)
      assert.ok(records.every((record) => record.end === 'done'))
    },
    SUPERSEDING,
  ))

test('a slow client does not slow down another one that shares its response', () =>
  together(
    2,
    async ({ clients, sendEvent, end }) => {
      const [slow, fast] = clients as [RawClient, RawClient]
      slow.pause()
      const text = 'x'.repeat(1_000_000)
      for (let i = 0; i < 8; i++) {
        await sendEvent(text)
        await fast.until((client) => client.bytes.length > (i + 1) * 1_000_000, `piece ${i}`)
      }
      await end()
      assert.ok((await fast.response()).complete)
      slow.resume()
      assert.is((await slow.response()).body.length, (await fast.response()).body.length)
    },
    { cache: { entryBytes: 20_000_000 } },
  ))

test('a client that is too far behind is cut off while others share its response', () =>
  together(
    2,
    async ({ scene, clients, sendEvent, end }) => {
      const [slow, fast] = clients as [RawClient, RawClient]
      slow.pause()
      const text = 'x'.repeat(1_000_000)
      for (let i = 0; i < 15; i++) {
        await sendEvent(text)
        await fast.until((client) => client.bytes.length > (i + 1) * 1_000_000, `piece ${i}`)
      }
      await end()
      assert.ok((await fast.response()).complete)
      slow.resume()
      assert.not((await slow.response()).complete)
      const records = await scene.relay.records(2)
      assert.equal(records.map((record) => record.end).sort(), ['client_stalled', 'done'])
    },
    { cache: { entryBytes: 500_000 } },
  ))

test('a slow client that shares its response with nobody pauses the upstream and gets everything', () =>
  together(
    1,
    async ({ clients, request, sendEvent, end }) => {
      const [slow] = clients as [RawClient]
      slow.pause()
      const text = 'x'.repeat(1_000_000)
      let sent = 0
      const all = (async () => {
        for (; sent < 20; sent++) await sendEvent(text)
        await end()
      })()
      await wait(200)
      assert.ok(sent < 20, 'the upstream was never paused')
      assert.not(request.closed)
      slow.resume()
      await all
      const { body, complete } = await slow.response()
      assert.ok(complete)
      assert.is(body.length, event('first').length + 20 * event(text).length + LAST.length)
    },
    { cache: { entryBytes: 500_000 } },
  ))

test.run()
