import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CHAT_STREAM, MESSAGES_STREAM } from '../support/fixtures.js'
import { startRelay, type TestRelay } from '../support/relay.js'
import { CHUNKED, chunk, head, type Script, ScriptedUpstream, SSE, step, whole } from '../support/upstream.js'
import { Attempts, collect, type Failure, failureOf } from './both.js'

const JSON_TYPE = 'content-type: application/json'

interface Sdk {
  readonly name: string
  readonly entry: Record<string, unknown>
  /** A whole stream of its API. */
  readonly stream: Buffer
  /** A whole answer. */
  readonly answer: Record<string, unknown>
  /** Its error for a 529. */
  readonly overloaded: string
  /** The body of an error. */
  error(type: string, message: string): string
  /** Asks once, by itself. @returns the model that has answered */
  ask(relay: TestRelay, stream: boolean, attempts?: Attempts): Promise<string | undefined>
}

const PROMPT = { model: 'fixture', messages: [{ role: 'user' as const, content: 'hi' }] }

const SDKS: readonly Sdk[] = [
  {
    name: "OpenAI's SDK",
    entry: {},
    stream: CHAT_STREAM,
    answer: { id: 'c', object: 'chat.completion', created: 1, model: 'gpt-fixture', choices: [] },
    overloaded: 'InternalServerError',
    error: (type, message) => JSON.stringify({ error: { message, type, param: null, code: type } }),
    async ask({ url, key }, stream, attempts = new Attempts()) {
      const client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0, fetch: attempts.fetch })
      if (!stream) return (await client.chat.completions.create(PROMPT)).model
      const chunks = await collect(await client.chat.completions.create({ ...PROMPT, stream: true }))
      assert.is(chunks.at(-1)?.usage?.completion_tokens, 11)
      return chunks[0]?.model
    },
  },
  {
    name: "Anthropic's SDK",
    entry: { auth: 'anthropic' },
    stream: MESSAGES_STREAM,
    answer: { id: 'msg', type: 'message', role: 'assistant', model: 'claude-fixture', content: [] },
    overloaded: 'OverloadedError',
    error: (type, message) =>
      JSON.stringify({ type: 'error', error: { type, message }, request_id: 'req_1' }),
    async ask({ url, key }, stream, attempts = new Attempts()) {
      const options = { apiKey: key, authToken: null, maxRetries: 0, fetch: attempts.fetch }
      const client = new Anthropic({ baseURL: url.replace(/\/v1$/, ''), ...options })
      const params = { ...PROMPT, max_tokens: 64 }
      if (!stream) return (await client.messages.create(params)).model
      const message = await client.messages.stream(params).finalMessage()
      assert.is(message.usage.output_tokens, 9)
      return message.model
    },
  },
]

interface Stage {
  readonly relay: TestRelay
  readonly first: ScriptedUpstream
  readonly second: ScriptedUpstream
}

async function withTargets(
  { entry }: Sdk,
  [one, two]: readonly [Script, Script],
  act: (stage: Stage) => Promise<void>,
  firstByteMs = 30_000,
): Promise<void> {
  const first = await ScriptedUpstream.start(one)
  const second = await ScriptedUpstream.start(two)
  const common = { apiKey: { env: 'UPSTREAM_KEY' }, ...entry }
  const relay = await startRelay(
    {
      first: { baseUrl: first.url, ...common, timeouts: { firstByteMs } },
      second: { baseUrl: second.url, ...common },
    },
    { routes: [{ targets: [{ upstream: 'first' }, { upstream: 'second' }] }] },
  )
  try {
    await act({ relay, first, second })
  } finally {
    await relay.close()
    await first.close().catch(() => {})
    await second.close()
  }
}

function answers({ stream, answer }: Sdk): Script {
  return (request) => {
    const asked = JSON.parse(request.body.toString()) as { stream?: boolean }
    return request.write(
      asked.stream === true
        ? whole('200 OK', stream, SSE)
        : whole('200 OK', JSON.stringify(answer), JSON_TYPE),
    )
  }
}

/** An error as an upstream tells it. */
function says(status: string, body: string, ...headers: string[]): Script {
  return (request) => request.write(whole(status, body, JSON_TYPE, ...headers))
}

/** Its stream up to an event with content. */
function beginningOf({ stream }: Sdk): string {
  const text = stream.toString()
  return text.slice(0, text.indexOf('\n\n', text.search(/hello|"content":"[^"]/)) + 2)
}

for (const sdk of SDKS) {
  const model = sdk.answer.model as string

  const FAILING: Array<[string, Script]> = [
    ['has too many requests', says('429 Too Many Requests', sdk.error('rate_limit_error', 'slow down'))],
    ['is overloaded', says('529 Overloaded', sdk.error('overloaded_error', 'Overloaded'))],
    ['is not available', says('503 Service Unavailable', 'upstream connect error', 'x-should-retry: true')],
    ['resets the connection', step.reset()],
    ['closes the connection', step.end()],
    ['does not begin to answer', step.hang()],
  ]
  for (const [what, failing] of FAILING) {
    test(`${sdk.name} has its answer, whole or streamed, where the first upstream ${what}`, async () => {
      for (const stream of [false, true]) {
        const act = async ({ relay, first, second }: Stage): Promise<void> => {
          const attempts = new Attempts()
          assert.is(await sdk.ask(relay, stream, attempts), model)
          assert.is(attempts.count, 1)
          assert.is(first.requests.length, 1)
          assert.equal((await second.request(0)).body, (await first.request(0)).body)
          const [record] = await relay.records(1)
          assert.equal([record?.end, record?.upstream, record?.attempts], ['done', 'second', 2])
        }
        await withTargets(sdk, [failing, answers(sdk)], act, 1_000)
      }
    })
  }

  test(`${sdk.name} has its answer where the first upstream cannot be reached`, () =>
    withTargets(sdk, [step.hang(), answers(sdk)], async ({ relay, first }) => {
      await first.close()
      for (const stream of [false, true]) assert.is(await sdk.ask(relay, stream), model)
    }))

  const limited = says(
    '429 Too Many Requests',
    sdk.error('rate_limit_error', 'this key has had its requests for the minute'),
    'retry-after: 17',
    'retry-after-ms: 16500',
    'x-should-retry: true',
    'x-ratelimit-remaining-requests: 0',
    'anthropic-ratelimit-requests-remaining: 0',
    'x-request-id: req_of_the_one',
    'request-id: req_of_the_one',
  )

  /** What the upstream said, and nothing of the relay's. */
  const assertLimited = ({ thrown, status, message, type, requestId, headers }: Failure): void => {
    assert.is(thrown, 'RateLimitError')
    assert.is(status, 429)
    assert.match(message, 'this key has had its requests for the minute')
    assert.is(type, 'rate_limit_error')
    assert.is(requestId, 'req_of_the_one')
    assert.is(headers['retry-after'], '17')
    assert.is(headers['retry-after-ms'], '16500')
    assert.is(headers['x-should-retry'], 'true')
    assert.is(headers['x-ratelimit-remaining-requests'], '0')
    assert.is(headers['anthropic-ratelimit-requests-remaining'], '0')
    assert.is(headers['x-thinwire-error'], undefined)
  }

  const OTHERS: Array<[string, readonly [Script, Script]]> = [
    ['all say so', [says('429 Too Many', sdk.error('rate_limit_error', 'of the first')), limited]],
    ['the other is reset', [limited, step.reset()]],
    ['the other was reset before', [step.reset(), limited]],
  ]
  for (const [what, scripts] of OTHERS) {
    test(`${sdk.name} throws the RateLimitError of the upstream where ${what}, whole or streamed`, () =>
      withTargets(sdk, scripts, async ({ relay, first, second }) => {
        for (const stream of [false, true]) assertLimited(await failureOf(() => sdk.ask(relay, stream)))
        // Both had asked to be left alone for a while, and are asked all the same where there is nobody else.
        assert.is(first.requests.length, 2)
        assert.is(second.requests.length, 2)
      }))
  }

  test(`${sdk.name} throws what an overloaded upstream said, also if that is said within a stream`, async () => {
    const overloaded = says('529 Overloaded', sdk.error('overloaded_error', 'Overloaded, by itself'))
    await withTargets(sdk, [step.end(), overloaded], async ({ relay }) => {
      const { thrown, status, message, type } = await failureOf(() => sdk.ask(relay, true))
      assert.equal([thrown, status, type], [sdk.overloaded, 529, 'overloaded_error'])
      assert.match(message, 'Overloaded, by itself')
    })
    const within: Script = (request) =>
      request.write(
        whole(
          '200 OK',
          `${beginningOf(sdk)}event: error\ndata: ${sdk.error('overloaded_error', 'in the middle')}\n\n`,
          SSE,
        ),
      )
    await withTargets(sdk, [within, answers(sdk)], async ({ relay, second }) => {
      const { message, type } = await failureOf(() => sdk.ask(relay, true))
      assert.match(message, 'in the middle')
      assert.is(type, 'overloaded_error')
      assert.is(second.requests.length, 0)
    })
  })

  test(`${sdk.name} throws where a stream breaks off, and is not given the beginning of another`, async () => {
    const cut: Script = async (request) => {
      await request.write(`${head('200 OK', SSE, CHUNKED)}${chunk(beginningOf(sdk))}`)
      request.end()
    }
    await withTargets(sdk, [cut, answers(sdk)], async ({ relay, second }) => {
      await failureOf(() => sdk.ask(relay, true))
      assert.is(second.requests.length, 0)
      const [record] = await relay.records(1)
      assert.equal([record?.end, record?.attempts], ['upstream_cut', 1])
    })
  })

  test(`${sdk.name} throws an error of the relay's own only where no upstream has said anything`, () =>
    withTargets(sdk, [step.reset(), step.end()], async ({ relay }) => {
      const { thrown, status, headers } = await failureOf(() => sdk.ask(relay, false))
      assert.equal(
        [thrown, status, headers['x-thinwire-error']],
        ['InternalServerError', 502, 'upstream_cut'],
      )
    }))
}

test.run()
