import { request } from 'node:http'
import { connect } from 'node:net'
import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import WebSocket from 'ws'
import { type Demo, startDemo } from '../../src/demo/server.js'
import { send } from './wire.js'

let demo: Demo

const chat = { model: 'm', messages: [{ role: 'user', content: 'hi' }] }

test.before(async () => {
  demo = await startDemo({ paceMs: 0 })
})
test.after(() => demo.close())

test('the model list has the format of the OpenAI API, and every name has a model', async () => {
  const client = new OpenAI({ apiKey: 'any', baseURL: `${demo.origin}/v1` })
  const page = await client.models.list()
  assert.equal(
    page.data.map((model) => model.id),
    ['thinwire-demo', 'thinwire-demo-tools'],
  )
  assert.is((await client.models.retrieve('vendor/name')).id, 'vendor/name')
  const { text } = await send(`${demo.origin}/v1/models`, 'GET')
  assert.equal(Object.keys(JSON.parse(text)), ['object', 'data'])
  assert.equal(Object.keys(JSON.parse(text).data[0]), ['id', 'object', 'created', 'owned_by'])
})

test('HEAD responds as GET does, without the body', async () => {
  const get = await send(`${demo.origin}/v1/models`, 'GET')
  const head = await send(`${demo.origin}/v1/models`, 'HEAD')
  assert.is(head.status, 200)
  assert.is(head.headers['content-length'], get.headers['content-length'])
  assert.is(head.text, '')
})

test('a response has the headers of the OpenAI API', async () => {
  const whole = await send(`${demo.origin}/v1/chat/completions`, 'POST', chat)
  assert.is(whole.headers['content-type'], 'application/json')
  assert.is(Number(whole.headers['content-length']), Buffer.byteLength(whole.text))
  const stream = await send(`${demo.origin}/v1/chat/completions`, 'POST', { ...chat, stream: true })
  assert.is(stream.headers['content-type'], 'text/event-stream; charset=utf-8')
  assert.is(stream.headers['cache-control'], 'no-cache')
  for (const { headers } of [whole, stream]) {
    assert.match(String(headers['x-request-id']), /^req_[0-9a-f]{24}$/)
    assert.match(String(headers['openai-processing-ms']), /^\d+$/)
    assert.is(headers['openai-version'], '2020-10-01')
    assert.is(headers['x-ratelimit-limit-requests'], '10000')
  }
  assert.is.not(whole.headers['x-request-id'], stream.headers['x-request-id'])
})

test('a response under /v1/messages has the headers of the Anthropic API', async () => {
  const { headers } = await send(`${demo.origin}/v1/messages`, 'POST', { ...chat, max_tokens: 1 })
  assert.match(String(headers['request-id']), /^req_[0-9a-f]{24}$/)
  assert.is(headers['x-request-id'], undefined)
  assert.is(headers['anthropic-ratelimit-requests-limit'], '10000')
})

test('an unknown path is not found, and a known path names its methods', async () => {
  for (const path of ['/', '/v1', '/v1/models/', '/v1/embeddings', '/v1/chat/completions/x', '/__proto__']) {
    const response = await send(demo.origin + path, 'POST', {})
    assert.is(response.status, 404, path)
    assert.equal(Object.keys(JSON.parse(response.text).error), ['message', 'type', 'param', 'code'])
  }
  const get = await send(`${demo.origin}/v1/chat/completions`, 'GET')
  assert.is(get.status, 405)
  assert.is(get.headers.allow, 'POST')
  assert.is((await send(`${demo.origin}/v1/models`, 'DELETE')).headers.allow, 'GET, HEAD')
  assert.is((await send(`${demo.origin}/v1/models/%zz`, 'GET')).status, 404)
})

test('a body that is not a JSON object is refused', async () => {
  for (const body of ['', '{', '[]', 'null', '"text"']) {
    const response = await send(`${demo.origin}/v1/chat/completions`, 'POST', body)
    assert.is(response.status, 400, body)
    const { error } = JSON.parse(response.text)
    assert.is(error.type, 'invalid_request_error')
    assert.is(error.code, 'invalid_json')
  }
})

test('a body of more than 64 MiB is refused, and the client can read the error', async () => {
  const body = ' '.repeat(64 * 1024 * 1024 + 1)
  const response = await send(`${demo.origin}/v1/chat/completions`, 'POST', body)
  assert.is(response.status, 413)
  assert.is(JSON.parse(response.text).error.code, 'request_too_large')
})

test('a body that nests deeper than the stack fails only its own request', async () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  const body = (stream: boolean) => `{"model":"m","input":"hi","metadata":${deep},"stream":${stream}}`
  assert.is((await send(`${demo.origin}/v1/responses`, 'POST', body(false))).status, 500)
  try {
    await send(`${demo.origin}/v1/responses`, 'POST', body(true))
    assert.unreachable()
  } catch (error) {
    assert.is((error as NodeJS.ErrnoException).code, 'ECONNRESET')
  }
  assert.is((await send(`${demo.origin}/v1/models`, 'GET')).status, 200)
})

test('the error model responds with 429 and all headers that clients read, and is not retried', async () => {
  let requests = 0
  const client = new OpenAI({
    apiKey: 'any',
    baseURL: `${demo.origin}/v1`,
    fetch: (input, init) => {
      requests++
      return fetch(input, init)
    },
  })
  try {
    await client.chat.completions.create({
      model: 'thinwire-demo-error',
      stream: true,
      messages: [{ role: 'user', content: 'hi' }],
    })
    assert.unreachable()
  } catch (error) {
    if (!(error instanceof OpenAI.RateLimitError)) throw error
    assert.is(error.code, 'rate_limit_exceeded')
    assert.is(error.headers.get('retry-after-ms'), '100')
    assert.is(error.headers.get('retry-after'), '1')
    assert.is(error.headers.get('x-should-retry'), 'false')
    assert.is(error.headers.get('x-ratelimit-remaining-requests'), '0')
    assert.match(error.requestID ?? '', /^req_/)
  }
  assert.is(requests, 1)
})

test('a WebSocket request gets 426, so that the client falls back to HTTP', async () => {
  const socket = new WebSocket(`${demo.origin.replace('http', 'ws')}/v1/responses`)
  const status = await new Promise((resolve) => {
    socket.on('unexpected-response', (_, res) => resolve(res.statusCode))
  })
  assert.is(status, 426)
  const response = await send(`${demo.origin}/v1/responses`, 'GET', undefined, {
    connection: 'Upgrade',
    upgrade: 'websocket',
  })
  assert.equal(Object.keys(JSON.parse(response.text).error), ['message', 'type', 'param', 'code'])
})

test('an offer to upgrade to HTTP/2 is ignored', async () => {
  const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': '' }
  assert.is((await send(`${demo.origin}/v1/models`, 'GET', undefined, headers)).status, 200)
})

test('a client that waits for 100 Continue gets it', async () => {
  const status = await new Promise((resolve, reject) => {
    const req = request(`${demo.origin}/v1/chat/completions`, {
      method: 'POST',
      agent: false,
      headers: { expect: '100-continue' },
    })
    req.on('continue', () => req.end(JSON.stringify(chat)))
    req.on('response', (res) => {
      res.resume()
      resolve(res.statusCode)
    })
    req.on('error', reject)
    req.flushHeaders()
  })
  assert.is(status, 200)
})

test('connections stay open longer than a pool keeps them idle', async () => {
  const { headers } = await send(`${demo.origin}/v1/models`, 'GET', undefined, { connection: 'keep-alive' })
  assert.is(headers['keep-alive'], 'timeout=75')
})

test('a demo that cannot listen on its address rejects', async () => {
  try {
    await startDemo({ port: Number(new URL(demo.origin).port) })
    assert.unreachable()
  } catch (error) {
    assert.is((error as NodeJS.ErrnoException).code, 'EADDRINUSE')
  }
})

test('close cuts open connections, leaves no timers, and may be called twice', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  const own = await startDemo({ paceMs: 3_600_000 })
  const { hostname, port } = new URL(own.origin)
  const body = JSON.stringify({ ...chat, stream: true })
  const streaming = connect(Number(port), hostname)
  const silent = connect(Number(port), hostname)
  let received = ''
  const cut = Promise.all(
    [streaming, silent].map((socket) => new Promise((resolve) => socket.on('close', resolve))),
  )
  for (const socket of [streaming, silent]) socket.on('error', () => socket.destroy())
  await new Promise<void>((resolve) => {
    streaming.on('data', (piece) => {
      received += piece.toString()
      // The first chunk is out; an hour of waiting for the second has begun.
      if (received.includes('"role"')) resolve()
    })
    silent.on('connect', () => {
      streaming.write(
        `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      )
    })
  })
  await Promise.all([own.close(), own.close()])
  await cut
  await own.close()
  assert.not.ok(received.includes('\r\n0\r\n'), 'the stream must not look as if it had ended')
  assert.is(timers(), before)
  try {
    await send(`${own.origin}/v1/models`, 'GET')
    assert.unreachable()
  } catch (error) {
    assert.is((error as NodeJS.ErrnoException).code, 'ECONNREFUSED')
  }
})

test.run()
