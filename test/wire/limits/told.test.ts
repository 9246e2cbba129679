import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Response } from '../../support/client.js'
import { withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'
import { type Received, type Script, whole } from '../../support/upstream.js'
import { answer, codeOf, create, USAGE, withSockets } from '../websocket/sockets.js'
import { answers, chat, completion, limitsOf, MODEL, outcomeOf, posting } from './limit-scene.js'

const JSON_TYPE = 'content-type: application/json'

/** Headers of a response whose names begin like this, in lower case. */
const named = (response: Response, prefix: string): Record<string, string> => {
  const { headers } = response
  const found: Record<string, string> = {}
  for (const [name, value] of headers)
    if (name.toLowerCase().startsWith(prefix)) found[name.toLowerCase()] = value
  return found
}

const MESSAGES = JSON.stringify({
  model: 'claude-haiku-4-5',
  max_tokens: 10,
  messages: [{ role: 'user', content: 'Hi' }],
})
const CONTENTS = JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] })

/** A request of each format, also as a stream, and where its error has the message. */
const FORMATS: readonly (readonly [
  name: string,
  path: string,
  body: string,
  field: (body: Told) => unknown,
])[] = [
  ['chat', '/v1/chat/completions', chat(), ({ error }) => error.message],
  ['a stream of chat', '/v1/chat/completions', chat(MODEL, { stream: true }), ({ error }) => error.message],
  ['Cursor', '/cursor/v1/chat/completions', chat(MODEL, { stream: true }), ({ error }) => error.message],
  ['Responses', '/v1/responses', JSON.stringify({ model: MODEL, input: 'Hi' }), ({ error }) => error.message],
  [
    'embeddings',
    '/v1/embeddings',
    JSON.stringify({ model: MODEL, input: 'Hi' }),
    ({ error }) => error.message,
  ],
  ['Messages', '/v1/messages', MESSAGES, ({ error }) => error.message],
  [
    'a stream of Messages',
    '/v1/messages',
    MESSAGES.replace('{', '{"stream":true,'),
    ({ error }) => error.message,
  ],
  ['Gemini', '/v1beta/models/gemini-2.5-flash:generateContent', CONTENTS, ({ error }) => error.message],
  [
    'a stream of Gemini',
    '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
    CONTENTS,
    ({ error }) => error.message,
  ],
  ['Ollama', '/api/chat', chat(), ({ error }) => error],
  ['Cohere', '/v2/chat', chat(), ({ message }) => message],
  [
    'Bedrock',
    '/model/anthropic.claude-haiku/converse-stream',
    JSON.stringify({ messages: [{ role: 'user', content: [{ text: 'Hi' }] }] }),
    ({ message }) => message,
  ],
]

interface Told {
  readonly error: { readonly message: string }
  readonly message: string
}

for (const [name, path, body, field] of FORMATS)
  test(`${name}: a spent budget is a JSON error that a page can read, and no stream`, () =>
    withRelay(
      answers(10, 5),
      async (scene) => {
        assert.is(outcomeOf(await scene.ask(posting(scene.relay, chat()))), '200')
        await scene.relay.requests(1)
        const response = await scene.ask(posting(scene.relay, body, path, 'origin: https://page.example\r\n'))
        assert.is(outcomeOf(response), '429 budget_exceeded')
        assert.match(response.header('content-type') ?? '', /^application\/json/)
        const told = field(JSON.parse(response.body.toString()))
        assert.match(
          String(told),
          /^You exceeded your current quota: the rule "team" allows 15 tokens a day for each team, and 15 tokens are used\. It resets at \d{4}-\d\d-\d\d 00:00 Europe\/Berlin \(UTC\+0[12]:00\)\. Ask platform@ for more\.$/,
        )
        assert.is(response.header('x-should-retry'), 'false')
        const exposed = (response.header('access-control-expose-headers') ?? '').split(', ')
        for (const shown of ['x-should-retry', 'x-request-id', 'x-thinwire-error'])
          assert.ok(exposed.includes(shown), shown)
        assert.is(exposed.includes('retry-after'), response.header('retry-after') !== undefined)
        assert.equal(named(response, 'x-thinwire-limit-'), {})
        assert.is(scene.asked.length, 1)
      },
      limitsOf({
        team: {
          per: 'team',
          tokens: { day: 15 },
          timezone: 'Europe/Berlin',
          message: 'Ask platform@ for more.',
        },
      }),
    ))

const LIMITS_OF_UPSTREAM = [
  'x-ratelimit-limit-requests: 500',
  'x-ratelimit-remaining-requests: 499',
  'x-ratelimit-reset-requests: 120ms',
]

test("a response has what is left of its key's limits, beside the upstream's own", () =>
  withRelay(
    (request) => request.write(whole('200 OK', completion(10, 5), JSON_TYPE, ...LIMITS_OF_UPSTREAM)),
    async (scene) => {
      const response = await scene.ask(
        posting(scene.relay, chat(), undefined, 'origin: https://page.example\r\n'),
      )
      const { 'x-thinwire-limit-reset-usd': reset, ...rest } = named(response, 'x-thinwire-limit-')
      assert.equal(rest, {
        'x-thinwire-limit-requests': '5',
        'x-thinwire-limit-remaining-requests': '4',
        'x-thinwire-limit-reset-requests': '12',
        'x-thinwire-limit-usd': '60',
        'x-thinwire-limit-remaining-usd': '60',
      })
      assert.ok(Number(reset) >= 0 && Number(reset) <= 86_400, String(reset))
      assert.equal(named(response, 'x-ratelimit-'), {
        'x-ratelimit-limit-requests': '500',
        'x-ratelimit-remaining-requests': '499',
        'x-ratelimit-reset-requests': '120ms',
      })
      const exposed = (response.header('access-control-expose-headers') ?? '').split(', ')
      assert.ok(exposed.includes('x-thinwire-limit-remaining-usd'))
    },
    limitsOf({ all: { requestsPerMinute: 5, usd: { day: 60 } } }),
  ))

test('a request without limits has no header of them', () =>
  withRelay(answers(10, 5), async (scene) => {
    assert.equal(named(await scene.ask(posting(scene.relay, chat())), 'x-thinwire-limit-'), {})
  }))

const PLAN = [
  'anthropic-ratelimit-unified-status: allowed',
  'anthropic-ratelimit-unified-reset: 1785518400',
  'anthropic-ratelimit-unified-representative-claim: five_hour',
  'anthropic-ratelimit-unified-5h-status: allowed',
  'anthropic-ratelimit-unified-5h-utilization: 0.41',
  'anthropic-ratelimit-unified-fallback-percentage: 0.5',
  'anthropic-ratelimit-unified-overage-status: rejected',
]
const planned: Script = (request) =>
  request.write(whole('200 OK', completion(10, 5), JSON_TYPE, 'anthropic-ratelimit-tokens-limit: 7', ...PLAN))

test('Claude Code gets the budget of its key in place of the plan of the account, the whole family', () =>
  withRelay(
    planned,
    async (scene) => {
      const response = await scene.ask(posting(scene.relay, MESSAGES, '/v1/messages'))
      const family = named(response, 'anthropic-ratelimit-')
      const end = family['anthropic-ratelimit-unified-reset']
      assert.ok(Number(end) * 1_000 > Date.now())
      assert.equal(family, {
        'anthropic-ratelimit-tokens-limit': '7',
        'anthropic-ratelimit-unified-status': 'allowed',
        'anthropic-ratelimit-unified-reset': end,
        'anthropic-ratelimit-unified-representative-claim': 'seven_day',
        'anthropic-ratelimit-unified-7d-status': 'allowed',
        'anthropic-ratelimit-unified-7d-utilization': '0',
        'anthropic-ratelimit-unified-7d-reset': end,
      })
    },
    limitsOf({ all: { usd: { month: 500 }, requestsPerMinute: 100 } }),
  ))

test('without a budget Claude Code gets the plan of the account as it came', () =>
  withRelay(
    planned,
    async (scene) => {
      const response = await scene.ask(posting(scene.relay, MESSAGES, '/v1/messages'))
      const lines = Object.entries(named(response, 'anthropic-ratelimit-unified-'))
      assert.equal(
        lines.map(([name, value]) => `${name}: ${value}`),
        PLAN,
      )
    },
    limitsOf({ all: { requestsPerMinute: 100, tokensPerMinute: 100_000 } }),
  ))

// WebSockets

test('a response that is refused on a WebSocket says what a refused request does, and the connection stays', () =>
  withSockets(
    async ({ relay, up, open, responses }) => {
      const peer = open()
      await peer.opened()
      peer.send(create(MODEL))
      const { peer: upstream } = await up.connection(0)
      await upstream.event(0)
      upstream.send(...answer('r1', MODEL))
      // What it has used is counted.
      await responses(1)
      const errors = () => peer.events.filter(({ type }) => type === 'error')
      for (let n = 1; n <= 2; n++) {
        peer.send(create(MODEL))
        await until(() => errors().length === n, `error ${n}`)
        const event = errors()[n - 1] ?? {}
        assert.is(event.status, 429)
        assert.is(codeOf(event), 'insufficient_quota')
        const { error, headers } = event as { error: Told['error']; headers: Record<string, string> }
        assert.match(
          error.message,
          /^You exceeded your current quota: the rule "small" allows .* for each key,/,
        )
        assert.equal(Object.keys(headers), ['retry-after', 'x-should-retry'])
        assert.is(headers['x-should-retry'], 'false')
      }
      assert.is(upstream.messages.length, 1)
      peer.socket.terminate()
      await until(() => relay.inspect().openCount === 0, 'the connection to end')
    },
    limitsOf({ small: { per: 'key', tokens: { month: USAGE.input_tokens + USAGE.output_tokens } } }),
  ))

// Shared and cached responses

const PREFIX = JSON.stringify({ model: MODEL, prompt: 'a' })
const TEXT = JSON.stringify({
  model: MODEL,
  choices: [{ text: 'one two' }],
  usage: { prompt_tokens: 10, completion_tokens: 5 },
})
const EACH = limitsOf({ all: { per: 'key', requestsPerMinute: 10, usd: { day: 60 } } })

const left = (response: Response): string | undefined =>
  response.header('x-thinwire-limit-remaining-requests')

test('a response from the cache has what is left of the key that asks, and nothing of another one', () =>
  withRelay(
    (request) => request.write(whole('200 OK', TEXT, JSON_TYPE, ...LIMITS_OF_UPSTREAM, ...PLAN)),
    async (scene) => {
      const { relay } = scene
      const first = await scene.ask(posting(relay, PREFIX, '/v1/completions'))
      assert.equal([first.header('x-thinwire-cache'), left(first)], ['miss', '9'])
      const hit = await scene.ask(posting(relay, PREFIX, '/v1/completions'))
      assert.equal([hit.header('x-thinwire-cache'), left(hit)], ['hit', '8'])
      assert.equal(named(hit, 'x-ratelimit-'), {})
      assert.equal(named(hit, 'anthropic-ratelimit-'), {})
      const other = await scene.ask(posting({ key: relay.addKey('team1') }, PREFIX, '/v1/completions'))
      assert.equal([other.header('x-thinwire-cache'), left(other)], ['hit', '9'])
      assert.is(scene.asked.length, 1)
    },
    { ...EACH, cache: { scope: 'team' } },
  ))

test('each client that shares a response has what is left of its own key', () => {
  let request: Received | null = null
  return withRelay(
    (received) => {
      request = received
    },
    async (scene) => {
      const { relay } = scene
      const keys = [relay.key, relay.addKey('team1'), relay.key]
      const clients = []
      for (const [i, key] of keys.entries()) {
        const client = await scene.client()
        client.send(posting({ key }, PREFIX, '/v1/completions'))
        await until(() => relay.inspect().openCount === i + 1 && request !== null, `${i + 1} requests`)
        clients.push(client)
      }
      await until(() => scene.asked.length === 1, 'one upstream request')
      await (request as Received | null)?.write(whole('200 OK', TEXT, JSON_TYPE, ...LIMITS_OF_UPSTREAM))
      const responses = await Promise.all(clients.map((client) => client.response()))
      assert.equal(responses.map(left), ['9', '9', '8'])
      assert.equal(
        responses.map((response) => response.header('x-ratelimit-limit-requests')),
        ['500', undefined, undefined],
      )
    },
    { ...EACH, cache: { scope: 'team' } },
  )
})

test.run()
