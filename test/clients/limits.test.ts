import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { startRelay, type TestRelay } from '../support/relay.js'
import { until } from '../support/until.js'
import {
  CHUNKED,
  head,
  type Received,
  type Script,
  ScriptedUpstream,
  SSE,
  whole,
} from '../support/upstream.js'
import { type Failure, failureOf } from './both.js'

const JSON_TYPE = 'content-type: application/json'

/** Tokens of each answer: 300 together. */
const [PROMPT, COMPLETION] = [100, 200]

const CHAT = JSON.stringify({
  id: 'c1',
  object: 'chat.completion',
  model: 'gpt-4o-mini',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: PROMPT, completion_tokens: COMPLETION, total_tokens: PROMPT + COMPLETION },
})
const MESSAGE = JSON.stringify({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-haiku-4-5',
  content: [{ type: 'text', text: 'Hello.' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: PROMPT, output_tokens: COMPLETION },
})

/** A 429 as it came. */
interface Refusal {
  readonly headers: Headers
  readonly message: string
}

/** The `fetch` of a client: what came back for each of its calls. */
class Calls {
  readonly statuses: number[] = []
  readonly refusals: Refusal[] = []
  /** Called after each refusal, before the client gets it. */
  onRefused: () => Promise<void> = async () => {}
  readonly fetch: typeof fetch = async (input, init) => {
    const response = await fetch(input, init)
    const { status, headers } = response
    this.statuses.push(status)
    if (status !== 429) return response
    const body = await response.text()
    this.refusals.push({ headers, message: JSON.parse(body).error.message })
    await this.onRefused()
    return new Response(body, { status, headers })
  }
}

/** An official client with its usual number of retries. */
interface Client {
  readonly ask: (stream?: boolean) => Promise<string>
  readonly calls: Calls
}

interface Vendor {
  readonly name: string
  readonly answer: string
  readonly model: string
  readonly make: (relay: TestRelay) => Client
  /** Class, type and code of the error that a refusal becomes. */
  readonly limited: (type: 'requests' | 'tokens') => Partial<Failure>
  readonly spent: Partial<Failure>
  readonly barred: Partial<Failure>
}

const VENDORS: readonly Vendor[] = [
  {
    name: 'openai',
    answer: CHAT,
    model: 'gpt-4o-mini',
    make(relay) {
      const calls = new Calls()
      const client = new OpenAI({ baseURL: relay.url, apiKey: relay.key, fetch: calls.fetch })
      const request = {
        model: 'gpt-4o-mini',
        max_tokens: 1_000,
        messages: [{ role: 'user' as const, content: 'Say hello.' }],
      }
      return {
        calls,
        async ask(stream = false) {
          if (!stream)
            return (await client.chat.completions.create(request)).choices[0]?.message.content ?? ''
          let text = ''
          for await (const { choices } of await client.chat.completions.create({ ...request, stream }))
            text += choices[0]?.delta.content ?? ''
          return text
        },
      }
    },
    limited: (type) => ({ thrown: 'RateLimitError', code: 'rate_limit_exceeded', type }),
    spent: { thrown: 'RateLimitError', code: 'insufficient_quota', type: 'insufficient_quota' },
    barred: { thrown: 'PermissionDeniedError', code: 'model_not_allowed', type: 'invalid_request_error' },
  },
  {
    name: 'anthropic',
    answer: MESSAGE,
    model: 'claude-haiku-4-5',
    make(relay) {
      const calls = new Calls()
      const client = new Anthropic({
        baseURL: `http://127.0.0.1:${relay.port}`,
        apiKey: relay.key,
        authToken: null,
        fetch: calls.fetch,
      })
      const request = {
        model: 'claude-haiku-4-5',
        max_tokens: 1_000,
        messages: [{ role: 'user' as const, content: 'Say hello.' }],
      }
      return {
        calls,
        async ask(stream = false) {
          const message = stream
            ? await client.messages.stream(request).finalMessage()
            : await client.messages.create(request)
          return message.content[0]?.type === 'text' ? message.content[0].text : ''
        },
      }
    },
    limited: () => ({ thrown: 'RateLimitError', type: 'rate_limit_error' }),
    spent: { thrown: 'RateLimitError', type: 'billing_error' },
    barred: { thrown: 'PermissionDeniedError', type: 'permission_error' },
  },
]

interface Stage {
  readonly relay: TestRelay
  readonly upstream: ScriptedUpstream
}

/** Runs a test with a relay that has one rule. */
async function withRule(
  vendor: Vendor,
  rule: object,
  act: (stage: Stage) => Promise<void>,
  script: Script = (request) => request.write(whole('200 OK', vendor.answer, JSON_TYPE)),
): Promise<void> {
  const upstream = await ScriptedUpstream.start(script)
  const auth = vendor.name === 'anthropic' ? 'anthropic' : 'bearer'
  const relay = await startRelay(
    { up: { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' }, auth } },
    { limits: { rules: [{ name: 'team1-rule', message: 'Ask platform@ for more.', ...rule }] } },
  )
  try {
    await act({ relay, upstream })
  } finally {
    await relay.close()
    await upstream.close()
  }
}

/** Asks once, and waits until what was used is counted. */
async function use(relay: TestRelay, client: Client, before = 0): Promise<void> {
  assert.is(await client.ask(), 'Hello.')
  await relay.requests(before + 1)
}

/** Anthropic's client shows the body as it came. */
const wordsOf = ({ message }: Failure): string => message.replaceAll('\\"', '"')

const has = (failure: Failure, expected: Partial<Failure>): void => {
  for (const [name, value] of Object.entries(expected)) assert.is(failure[name as keyof Failure], value, name)
}

/** What is refused until the end of the period: one call, and no more. */
const SPENT: readonly (readonly [string, object, RegExp])[] = [
  [
    'of money',
    { usd: { day: 0.000001 } },
    /allows \$0\.000001 a day for all its users together, and \$0\.0\d+ is used\./,
  ],
  [
    'of tokens',
    { per: 'key', tokens: { month: 300 } },
    /allows 300 tokens a month for each key, and 300 tokens are used\./,
  ],
]

for (const vendor of VENDORS) {
  for (const [name, rule, words] of SPENT)
    for (const stream of [false, true])
      test(`${vendor.name}: a budget ${name} that is used up ends a ${stream ? 'stream' : 'request'} after one call`, () =>
        withRule(vendor, rule, async ({ relay, upstream }) => {
          await use(relay, vendor.make(relay))
          const client = vendor.make(relay)
          const failure = await failureOf(() => client.ask(stream))
          has(failure, { ...vendor.spent, status: 429 })
          assert.match(wordsOf(failure), /You exceeded your current quota: the rule "team1-rule" allows/)
          assert.match(wordsOf(failure), words)
          assert.match(wordsOf(failure), /It resets at \d{4}-\d\d-\d\d 00:00 UTC\. Ask platform@ for more\./)
          assert.is(failure.headers['x-should-retry'], 'false')
          assert.ok(Number(failure.headers['retry-after']) >= 1)
          assert.match(failure.headers['content-type'] ?? '', /^application\/json/)
          assert.equal(client.calls.statuses, [429])
          assert.is((await relay.requests(2)).length, 2)
          assert.is(upstream.requests.length, 1)
        }))

  test(`${vendor.name}: a model that is not allowed is refused after one call`, () =>
    withRule(vendor, { models: { deny: vendor.model } }, async ({ relay, upstream }) => {
      const client = vendor.make(relay)
      const failure = await failureOf(() => client.ask())
      has(failure, { ...vendor.barred, status: 403 })
      assert.match(wordsOf(failure), /The rule "team1-rule" does not allow this model\./)
      assert.match(wordsOf(failure), /Ask platform@ for more\./)
      assert.equal(client.calls.statuses, [403])
      assert.is(upstream.requests.length, 0)
    }))
}

/** What comes back soon: the client waits as long as it is told, and is served. */
const SHORT: readonly (readonly [string, 'requests' | 'tokens', object])[] = [
  ['requests', 'requests', { requestsPerMinute: 300, requestBurst: 1 }],
  // An answer uses 300 tokens, so that 200 are owed when it is over.
  ['tokens', 'tokens', { tokensPerMinute: 60_000, tokenBurst: 100 }],
]

for (const vendor of VENDORS)
  for (const [name, unit, rule] of SHORT)
    test(`${vendor.name}: a rate of ${name} makes the client wait as long as told, and then serves it`, () =>
      withRule(vendor, rule, async ({ relay }) => {
        const client = vendor.make(relay)
        const { calls } = client
        // A slow machine may be slower than the rate: then nothing is refused, and it is asked again.
        for (let round = 0; calls.refusals.length === 0; round++) {
          assert.ok(round < 100, 'nothing was refused')
          calls.statuses.length = 0
          assert.is(await client.ask(), 'Hello.')
          // What it has used is counted.
          await relay.requests(round + 1)
        }
        assert.equal(calls.statuses, [429, 200])
        const [refusal] = calls.refusals
        const told = refusal?.headers
        const waitMs = Number(told?.get('retry-after-ms'))
        assert.ok(waitMs > 0 && waitMs <= 2_000, String(waitMs))
        assert.is(told?.get('retry-after'), String(Math.ceil(waitMs / 1_000)))
        assert.is(told?.get('x-should-retry'), 'true')
        const limit =
          vendor.name === 'anthropic' ? `anthropic-ratelimit-${unit}-limit` : `x-ratelimit-limit-${unit}`
        assert.is(told?.get(limit), unit === 'requests' ? '1' : '100')
        const again = `Please try again in ${waitMs / 1_000}s.`
        assert.ok(refusal?.message.includes(again), refusal?.message)
      }))

for (const vendor of VENDORS)
  test(`${vendor.name}: a rate that comes back after a minute is an error after one call`, () =>
    // An answer takes more than the rate gives in two minutes.
    withRule(vendor, { tokensPerMinute: 100 }, async ({ relay }) => {
      await use(relay, vendor.make(relay))
      const client = vendor.make(relay)
      const failure = await failureOf(() => client.ask())
      has(failure, { ...vendor.limited('tokens'), status: 429 })
      assert.is(failure.headers['x-should-retry'], 'false')
      assert.equal(client.calls.statuses, [429])
    }))

/** What another request has taken, and gives back when it is over. */
const TAKEN: readonly (readonly [string, object, RegExp])[] = [
  [
    'places',
    { concurrent: 1 },
    /allows 1 requests? at one time for all its users together, and 1 (?:is|are) in flight\./,
  ],
  [
    'the rest of a budget',
    // What one request is expected to use is less than this, and what two are is more.
    { tokens: { day: 1_200 } },
    /allows 1,200 tokens a day for all its users together, of which 0 tokens are used, and the rest is held for requests in flight\./,
  ],
]

for (const vendor of VENDORS)
  for (const [name, rule, words] of TAKEN)
    for (const stream of [false, true])
      test(`${vendor.name}: a ${stream ? 'stream' : 'request'} waits for ${name} that another request has, and is served`, () => {
        let first: Received | null = null
        const answer = whole('200 OK', vendor.answer, JSON_TYPE)
        const events = [head('200 OK', SSE, CHUNKED)]
        return withRule(
          vendor,
          rule,
          async ({ relay, upstream }) => {
            const running = vendor.make(relay).ask()
            await until(() => first !== null, 'the first request to arrive')
            const client = vendor.make(relay)
            const { calls } = client
            calls.onRefused = async () => {
              await first?.write(answer)
              assert.is(await running, 'Hello.')
              await until(() => relay.inspect().isIdle, 'the first request to be over')
            }
            assert.is(await client.ask(stream), 'Hello.')
            assert.equal(calls.statuses, [429, 200])
            const [refusal] = calls.refusals
            assert.match(refusal?.headers.get('content-type') ?? '', /^application\/json/)
            assert.is(refusal?.headers.get('x-should-retry'), 'true')
            assert.match(refusal?.message ?? '', words)
            assert.match(refusal?.message ?? '', /Please try again in 1s\./)
            assert.is(upstream.requests.length, 2)
          },
          async (request) => {
            if (first === null) first = request
            else if (!stream) await request.write(answer)
            else {
              for (const bytes of events) await request.write(bytes)
              for (const event of eventsOf(vendor)) await request.chunk(event)
              await request.lastChunk()
            }
          },
        )
      })

/** The same answer as a stream. */
function eventsOf({ name, model }: Vendor): readonly string[] {
  if (name === 'openai') {
    const chunk = (choice: object): string =>
      `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', model, choices: [{ index: 0, ...choice }] })}\n\n`
    return [
      chunk({ delta: { role: 'assistant', content: 'Hello.' }, finish_reason: null }),
      chunk({ delta: {}, finish_reason: 'stop' }),
      'data: [DONE]\n\n',
    ]
  }
  const event = (type: string, more: object): string =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
  const { content: _, ...message } = JSON.parse(MESSAGE) as Record<string, unknown>
  return [
    event('message_start', { message: { ...message, content: [] } }),
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hello.' } }),
    event('content_block_stop', { index: 0 }),
    event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 3 } }),
    event('message_stop', {}),
  ]
}

test.run()
