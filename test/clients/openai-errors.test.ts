import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { gate } from '../support/until.js'
import { CHUNKED, head, SSE, whole } from '../support/upstream.js'
import {
  Attempts,
  type Both,
  type Failure,
  failureOf,
  normalised,
  sameFailure,
  type Way,
  withDemo,
  withScript,
} from './both.js'

const JSON_TYPE = 'content-type: application/json'
const REQUEST: OpenAI.ChatCompletionCreateParamsNonStreaming = {
  model: 'm',
  messages: [{ role: 'user', content: 'hello' }],
}

function clientOf(way: Way, attempts = new Attempts()): OpenAI {
  return new OpenAI({ baseURL: `${way.origin}/v1`, apiKey: way.key, fetch: attempts.fetch })
}

/** The same error with as many attempts on both ways. */
async function sameTries(
  both: Both,
  run: (client: OpenAI) => Promise<unknown>,
): Promise<{ failure: Failure; tries: number }> {
  const direct = new Attempts()
  const relayed = new Attempts()
  const failure = await sameFailure(both, (way) =>
    run(clientOf(way, way.name === 'direct' ? direct : relayed)),
  )
  assert.is(relayed.count, direct.count)
  return { failure, tries: relayed.count }
}

test('a bad request is the same BadRequestError through the relay, with its code and param', async () => {
  await withDemo(async (both) => {
    const { failure, tries } = await sameTries(both, (client) =>
      client.chat.completions.create({ ...REQUEST, n: 2 }),
    )
    assert.is(failure.thrown, 'BadRequestError')
    assert.is(failure.status, 400)
    assert.is(failure.param, 'n')
    assert.is(failure.code, 'invalid_value')
    assert.match(String(failure.requestId), /^req_[0-9a-f]{24}$/)
    assert.is(tries, 1)
    const [line] = await both.relay.requests(1)
    assert.is(line?.end, 'done')
    assert.is(line?.status, 400)
  })
})

test('a rate limit that says not to try again is the same RateLimitError, after one attempt', async () => {
  await withDemo(async (both) => {
    for (const stream of [false, true]) {
      const { failure, tries } = await sameTries(both, (client) =>
        client.chat.completions.create({ ...REQUEST, model: 'thinwire-demo-error', stream }),
      )
      assert.is(failure.thrown, 'RateLimitError')
      assert.is(failure.code, 'rate_limit_exceeded')
      assert.match(String(failure.requestId), /^req_[0-9a-f]{24}$/)
      assert.is(failure.headers['retry-after'], '1')
      assert.is(failure.headers['retry-after-ms'], '100')
      assert.is(failure.headers['x-should-retry'], 'false')
      assert.is(failure.headers['x-ratelimit-remaining-requests'], '0')
      assert.is(tries, 1)
    }
  })
})

const RETRIED: Array<[string, string, string[]]> = [
  ['a rate limit', '429 Too Many Requests', ['retry-after-ms: 3', 'retry-after: 60']],
  ['a server error', '500 Internal Server Error', ['retry-after-ms: 3']],
  ['an error that asks for it', '400 Bad Request', ['x-should-retry: true', 'retry-after-ms: 3']],
]

for (const [name, status, headers] of RETRIED) {
  test(`${name} is tried again as often as without the relay, which does not try by itself`, async () => {
    const body = JSON.stringify({
      error: { message: 'not now', type: 'requests', param: null, code: 'slow' },
    })
    await withScript(
      (request) => request.write(whole(status, body, JSON_TYPE, 'x-request-id: req_9', ...headers)),
      async (both) => {
        const { failure, tries } = await sameTries(both, (client) => client.chat.completions.create(REQUEST))
        assert.is(failure.code, 'slow')
        assert.is(failure.requestId, 'req_9')
        assert.is(tries, 3)
        assert.equal(
          both.upstream.requests.map((request) => request.header('x-stainless-retry-count')),
          ['0', '1', '2', '0', '1', '2'],
        )
        assert.is((await both.relay.requests(3)).length, 3)
      },
    )
  })
}

const ODD: Array<[string, string, string, string]> = [
  ['an HTML page', '524 A Timeout Occurred', 'text/html', '<html><body>error 524</body></html>'],
  ['a text', '403 Forbidden', 'text/plain', 'no entry'],
  ['nothing', '404 Not Found', 'application/json', ''],
  ['JSON of another form', '400 Bad Request', 'application/json', '[{"error":{"code":400,"status":"BAD"}}]'],
  [
    'a code that is a number',
    '402 Payment Required',
    'application/json',
    '{"error":{"message":"pay","code":402}}',
  ],
]

for (const [name, status, type, body] of ODD) {
  test(`an error with ${name} for a body reaches the client as without the relay`, async () => {
    await withScript(
      (request) =>
        request.write(
          whole(status, body, `content-type: ${type}`, 'x-should-retry: false', 'x-request-id: r1'),
        ),
      async (both) => {
        const { failure } = await sameTries(both, (client) => client.chat.completions.create(REQUEST))
        assert.is(failure.status, Number(status.slice(0, 3)))
      },
    )
  })
}

const CHUNK =
  'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"one"},"finish_reason":null}]}\n\n'

/** What a stream gave until it threw, and what it threw. */
async function brokenStream(way: Way, onChunk: () => void = () => {}) {
  const stream = await clientOf(way).chat.completions.create({ ...REQUEST, stream: true })
  const chunks: unknown[] = []
  const failure = await failureOf(async () => {
    for await (const chunk of stream) {
      chunks.push(chunk)
      onChunk()
    }
  })
  return { chunks, failure }
}

const MID_STREAM: Array<[string, string]> = [
  [
    'an error in the data',
    'data: {"error":{"message":"test","type":"server_error","param":null,"code":"oops"}}\n\n',
  ],
  [
    'an error in the data and [DONE]',
    'data: {"error":{"message":"test","type":"InternalServerError","param":null,"code":500}}\n\ndata: [DONE]\n\n',
  ],
  [
    'an event called error',
    'event: error\ndata: {"error":{"message":"test","type":"server_error","param":null,"code":"server_error"}}\n\n',
  ],
  [
    'an error beside choices',
    'data: {"id":"g","object":"chat.completion.chunk","created":1,"model":"m","error":{"code":502,"message":"test","metadata":{}},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}\n\n',
  ],
]

for (const [name, event] of MID_STREAM) {
  test(`${name} within a stream throws the same through the relay, after the same chunks`, async () => {
    await withScript(
      async (request) => {
        await request.write(head('200 OK', SSE, CHUNKED, 'x-request-id: r1', 'cache-control: no-cache'))
        await request.chunk(CHUNK)
        await request.chunk(event)
        await request.lastChunk()
      },
      async (both) => {
        const direct = await brokenStream(both.direct)
        const relayed = await brokenStream(both.relayed)
        assert.equal(normalised(relayed), normalised(direct))
        assert.is(relayed.chunks.length, 1)
        assert.is(relayed.failure.message, 'test')
        assert.is(relayed.failure.thrown, 'APIError')
      },
    )
  })
}

for (const [name, cut] of [
  ['closed', 'end'],
  ['reset', 'reset'],
] as const) {
  test(`a stream whose connection is ${name} before its end throws, as without the relay`, async () => {
    let seen = gate()
    await withScript(
      async (request) => {
        await request.write(head('200 OK', SSE, CHUNKED))
        await request.chunk(CHUNK)
        // A reset may take away what was not read yet.
        await seen.opened
        request[cut]()
      },
      async (both) => {
        const direct = await brokenStream(both.direct, () => seen.open())
        seen = gate()
        const relayed = await brokenStream(both.relayed, () => seen.open())
        assert.equal(relayed.chunks, direct.chunks)
        assert.is(relayed.chunks.length, 1)
        assert.is(relayed.failure.thrown, direct.failure.thrown)
        const [line] = await both.relay.requests(1)
        assert.is(line?.end, 'upstream_cut')
      },
    )
  })

  test(`an answer whose connection is ${name} before its end throws, as without the relay`, async () => {
    await withScript(
      async (request) => {
        await request.write(head('200 OK', JSON_TYPE, 'content-length: 100'))
        await request.write('{"id":"c"}')
        request[cut]()
      },
      async (both) => {
        for (const way of [both.direct, both.relayed]) {
          const client = new OpenAI({ baseURL: `${way.origin}/v1`, apiKey: way.key, maxRetries: 0 })
          const failure = await failureOf(() => client.chat.completions.create(REQUEST))
          assert.ok(failure.message, way.name)
        }
        const [line] = await both.relay.requests(1)
        assert.is(line?.end, 'upstream_cut')
      },
    )
  })
}

test('an upstream that dies before it answers is an error with a code, tried again as a server error is', async () => {
  await withScript(
    (request) => request.end(),
    async (both) => {
      const attempts = new Attempts()
      const failure = await failureOf(() =>
        clientOf(both.relayed, attempts).chat.completions.create(REQUEST, { maxRetries: 1 }),
      )
      assert.is(failure.thrown, 'InternalServerError')
      assert.is(failure.status, 502)
      assert.is(failure.code, 'upstream_cut')
      assert.is(attempts.count, 2)
      assert.is(both.upstream.requests.length, 2)
    },
  )
})

test.run()
