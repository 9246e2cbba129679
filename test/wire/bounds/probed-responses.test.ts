import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth } from '../../support/relay.js'
import { targetsOf, withTargets } from '../../support/targets.js'
import { gate, until } from '../../support/until.js'
import { CHUNKED, head, type Script, SSE, step, whole } from '../../support/upstream.js'

const STALLING = { route: { firstTokenMs: 5_000 } }
const OK: Script = (request) => request.write(whole('200 OK', 'ok'))
const POST = 'POST /v1/chat/completions HTTP/1.1\r\n'

/** A stream that sends comments, waits for `opened`, then sends `last`. */
function keepsAlive(comments: readonly string[], last: string, opened: Promise<void>): Script {
  return async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    for (const comment of comments) await request.chunk(comment)
    await opened
    await request.chunk(last)
    await request.lastChunk()
  }
}

test('the held-back beginning of a response counts in bufferedBytes until it is sent', () => {
  const go = gate()
  const comments = [`: ${'x'.repeat(5_000)}\n`, `: ${'y'.repeat(5_000)}\n\n`]
  return withTargets(
    [keepsAlive(comments, 'data: 1\n\n', go.opened), OK],
    async ({ relay }) => {
      const client = await relay.client()
      client.send(`${POST}${auth(relay)}content-length: 2\r\n\r\n{}`)
      await until(() => relay.inspect().bufferedBytes > 10_000, 'the beginning to be held')
      assert.is(client.bytes.length, 0)
      go.open()
      assert.is((await client.response()).body.toString(), `${comments.join('')}data: 1\n\n`)
      assert.is(relay.inspect().bufferedBytes, 0)
      client.destroy()
    },
    STALLING,
  )
})

test('a response is not held back where limits.bufferedBytes has no room for it', () =>
  withTargets(
    [keepsAlive([`: ${'x'.repeat(3_000)}\n\n`], 'data: 1\n\n', new Promise(() => {})), OK],
    async ({ relay }) => {
      const client = await relay.client()
      client.send(`${POST}${auth(relay)}content-length: 2\r\n\r\n{}`)
      await client.sees('xxx\n\n')
      client.destroy()
    },
    { ...STALLING, settings: { limits: { bufferedBytes: 2_000, bodyBytes: 1_024 } } },
  ))

test('a client that leaves while its response is held back cancels the upstream request', () =>
  withTargets(
    [keepsAlive([': wait\n\n'], '', new Promise(() => {})), OK],
    async ({ relay, upstreams: [a] }) => {
      const client = await relay.client()
      client.send(`${POST}${auth(relay)}content-length: 2\r\n\r\n{}`)
      await until(() => relay.inspect().bufferedBytes > 2, 'the beginning to be held')
      client.destroy()
      await (await a?.request(0))?.ended()
    },
    STALLING,
  ))

test('the first event with content is found wherever the chunks are cut', async () => {
  const text = ': data: dat\nd da dat d\ndata: x\n\n'
  for (let size = 1; size <= 6; size++) {
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
      text.slice(i * size, (i + 1) * size),
    )
    const script: Script = async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      for (const piece of pieces) {
        await request.chunk(piece)
        await new Promise(setImmediate)
      }
      await request.hang()
    }
    await withTargets(
      [script, OK],
      async ({ relay }) => {
        const client = await relay.client()
        client.send(`${POST}${auth(relay)}content-length: 2\r\n\r\n{}`)
        await client.until(({ bytes }) => bytes.length > 0, 'the answer')
        client.destroy()
      },
      // Longer than the client waits: only the event releases the response.
      { route: { firstTokenMs: 60_000 } },
    )
  }
})

test('an error response that breaks off does not replace an earlier one that was complete', () =>
  withTargets(
    [
      (request) => request.write(whole('429 Slow Down', 'later', 'retry-after: 1')),
      async (request) => {
        await request.write(`${head('503 Busy', 'content-length: 10')}bu`)
        request.reset()
      },
      step.end(),
    ],
    async ({ relay, ask, record }) => {
      const response = await ask()
      assert.is(response.status, 429)
      assert.is(response.body.toString(), 'later')
      assert.is((await record()).upstream, 'a')
      assert.is(relay.inspect().bufferedBytes, 0)
    },
  ))

test('a client that leaves while the relay reads an error response cancels that response', () => {
  const half: Script = (request) => request.write(`${head('503 Busy', 'content-length: 4')}bu`)
  return withTargets([half, step.end()], async ({ relay, upstreams: [a, b], record }) => {
    const client = await relay.client()
    client.send(`${POST}${auth(relay)}content-length: 2\r\n\r\n{}`)
    await (await b?.request(0))?.ended()
    client.destroy()
    await (await a?.request(0))?.ended()
    assert.is((await record()).end, 'client_gone')
  })
})

test('a request whose body the first target did not get in full goes to the next target', () =>
  withTargets(
    [step.hang(), OK],
    async ({ relay, upstreams: [a, b] }) => {
      a?.pause()
      const client = await relay.client()
      const body = `{"model":"m","prompt":"${'x'.repeat(24_000_000)}"}`
      client.send(
        `POST /v1/images/generations HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n`,
      )
      client.send(body)
      // With what the memory of each piece costs besides.
      await until(() => relay.inspect().bufferedBytes >= body.length, 'all of it to come')
      assert.ok(relay.inspect().bufferedBytes < body.length * 1.05)
      for (const socket of a?.sockets ?? []) socket.resetAndDestroy()
      assert.is((await client.response()).status, 200)
      assert.is((await b?.request(0))?.body.length, body.length)
      client.destroy()
    },
    { settings: { limits: { bodyBytes: 32_000_000 } } },
  ))

test('a target at its limit of concurrent requests gets no failover request', () => {
  const busy: Script = (request) => request.write(whole('503 Busy', 'busy'))
  return withTargets(
    [busy, step.hang()],
    async ({ relay, ask, upstreams: [, b] }) => {
      const client = await relay.client()
      client.send(`${POST}${auth(relay)}content-length: 2\r\n\r\n{}`)
      await b?.request(0)
      assert.is((await ask()).status, 503)
      assert.is(b?.requests.length, 1)
      client.destroy()
    },
    { entry: { limits: { maxConcurrentRequests: 1 } } },
  )
})

test('a response head that cannot be sent to the client leads to the next target, held back or not', async () => {
  const odd: Script = (request) => request.write(whole('200 OK', 'odd', 'x-odd: a\x01b'))
  for (const route of [{}, { firstTokenMs: 5_000 }]) {
    await withTargets(
      [odd, OK],
      async ({ ask, relay }) => {
        const response = await ask()
        assert.is(response.body.toString(), response.header('x-odd') === undefined ? 'ok' : 'odd')
        assert.is(targetsOf(relay)[0]?.breaker.inFlight, 0)
      },
      { route },
    )
  }
})

test.run()
