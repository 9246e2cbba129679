import Anthropic from '@anthropic-ai/sdk'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { gate, until } from '../support/until.js'
import { CHUNKED, head, SSE } from '../support/upstream.js'
import {
  Attempts,
  type Both,
  type BothScripted,
  collect,
  failureOf,
  normalised,
  sameFailure,
  sameResult,
  shared,
  UPSTREAM_KEY,
  type Way,
  withDemo,
  withScript,
} from './both.js'

const REQUEST: Anthropic.MessageCreateParamsNonStreaming = {
  model: 'claude-demo',
  max_tokens: 1024,
  system: 'Be brief.',
  messages: [{ role: 'user', content: 'Grüß Gott 🦊' }],
}

const TOOLS: Anthropic.Tool[] = [
  {
    name: 'get_weather',
    description: 'the weather of a place',
    input_schema: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' } },
      required: ['city'],
    },
  },
]

const ANTHROPIC = { auth: 'anthropic' } as const

/** Its base URL has no /v1, unlike OpenAI's. */
function clientOf(way: Way, attempts = new Attempts()): Anthropic {
  return new Anthropic({ baseURL: way.origin, apiKey: way.key, authToken: null, fetch: attempts.fetch })
}

function demo(run: (both: Both) => Promise<void>): () => Promise<void> {
  return () => withDemo(run, ANTHROPIC)
}

test(
  'a message is the same through the relay, with its headers and request id',
  demo(async (both) => {
    const { data, requestId } = await sameResult(both, async (way) => {
      const answer = await clientOf(way).messages.create(REQUEST).withResponse()
      return { data: answer.data, requestId: answer.request_id, headers: shared(answer.response.headers) }
    })
    const [block] = data.content
    assert.match(block?.type === 'text' ? block.text : '', 'Grüß Gott 🦊')
    assert.is(data.stop_reason, 'end_turn')
    assert.match(requestId ?? '', /^req_[0-9a-f]{24}$/)
    const [line] = await both.relay.requests(1)
    assert.is(line?.end, 'done')
    assert.is(line?.path, '/v1/messages')
    assert.is(line?.model, 'claude-demo')
  }),
)

test(
  "the log has Anthropic's request id, by which its support finds a request",
  demo(async (both) => {
    const { request_id } = await clientOf(both.relayed).messages.create(REQUEST).withResponse()
    const [line] = await both.relay.requests(1)
    assert.is(line?.upstream_request_id, request_id)
  }),
)

test(
  'a streamed message has the same events through the relay, and the same message at its end',
  demo(async (both) => {
    const events = await sameResult(both, async (way) =>
      collect(await clientOf(way).messages.create({ ...REQUEST, stream: true })),
    )
    assert.is(events[0]?.type, 'message_start')
    assert.is(events.at(-1)?.type, 'message_stop')
    assert.ok(events.length > 10)
    const { texts, final } = await sameResult(both, async (way) => {
      const texts: string[] = []
      const stream = clientOf(way).messages.stream(REQUEST)
      stream.on('text', (text) => texts.push(text))
      return { final: await stream.finalMessage(), texts }
    })
    const [block] = final.content
    assert.is(texts.join(''), block?.type === 'text' ? block.text : null)
    const lines = await both.relay.requests(2)
    assert.ok(lines.every((line) => line.end === 'done' && line.stream === true))
  }),
)

test(
  'a tool is used and answered the same through the relay, streamed or not',
  demo(async (both) => {
    const asked: Anthropic.MessageCreateParamsNonStreaming = {
      ...REQUEST,
      tools: TOOLS,
      messages: [{ role: 'user', content: 'Call get_weather for Graz' }],
    }
    const whole = await sameResult(both, (way) => clientOf(way).messages.create(asked))
    const streamed = await sameResult(both, (way) => clientOf(way).messages.stream(asked).finalMessage())
    assert.equal(
      normalised({ content: whole.content, stop: whole.stop_reason }),
      normalised({ content: streamed.content, stop: streamed.stop_reason }),
    )
    assert.is(streamed.stop_reason, 'tool_use')
    const [use] = streamed.content
    if (use?.type !== 'tool_use') throw new Error('no tool was used')
    assert.is(use.name, 'get_weather')
    const answer = await sameResult(both, (way) =>
      clientOf(way).messages.create({
        ...asked,
        messages: [
          ...asked.messages,
          { role: 'assistant', content: [use] },
          {
            role: 'user',
            content: [{ type: 'tool_result', tool_use_id: use.id, content: 'snow in the morning' }],
          },
        ],
      }),
    )
    const [block] = answer.content
    assert.match(block?.type === 'text' ? block.text : '', 'snow in the morning')
  }),
)

test(
  'tokens are counted the same through the relay',
  demo(async (both) => {
    const count = await sameResult(both, (way) =>
      clientOf(way).messages.countTokens({ model: 'claude-demo', messages: REQUEST.messages, tools: TOOLS }),
    )
    assert.ok(count.input_tokens > 10)
  }),
)

test(
  'the list of models is the same through the relay',
  demo(async (both) => {
    const models = await sameResult(both, async (way) => collect(clientOf(way).models.list()))
    assert.is(models[0]?.type, 'model')
    await sameResult(both, (way) => clientOf(way).models.retrieve('claude-demo'))
  }),
)

test('the upstream gets the same request as without the relay, but for the key', async () => {
  await withScript(
    answerF10,
    async (both) => {
      for (const way of [both.direct, both.relayed]) {
        const client = new Anthropic({
          baseURL: way.origin,
          apiKey: way.key,
          authToken: null,
          defaultHeaders: {
            'anthropic-beta': 'one-2026-01-01,two-2026-01-01',
            // Some clients send both, and each of them has to end at the relay.
            authorization: `Bearer ${way.key}`,
          },
        })
        // Claude Code's query.
        await collect(await client.messages.create({ ...REQUEST, stream: true }, { query: { beta: 'true' } }))
      }
      const [direct, relayed] = both.upstream.requests
      assert.is(relayed?.target, '/v1/messages?beta=true')
      assert.is(relayed?.target, direct?.target)
      assert.equal(relayed?.body, direct?.body)
      const ends = ['host', 'connection', 'authorization', 'x-api-key', 'sec-fetch-mode']
      const kept = (request: typeof direct): string[] =>
        (request?.headers ?? [])
          .map(([name, value]) => [name.toLowerCase(), value] as const)
          .filter(([name]) => !ends.includes(name))
          .map(([name, value]) => `${name}: ${value}`)
          .sort()
      assert.equal(kept(relayed), kept(direct))
      assert.is(relayed?.header('x-api-key'), UPSTREAM_KEY)
      assert.is(relayed?.header('authorization'), undefined)
    },
    ANTHROPIC,
  )
})

test(
  'a base URL with /v1 already in it works as well',
  demo(async (both) => {
    for (const path of ['/v1', '/v1/', '/']) {
      const client = new Anthropic({
        baseURL: both.relayed.origin + path,
        apiKey: both.relayed.key,
        authToken: null,
      })
      assert.is((await client.messages.create(REQUEST)).type, 'message', path)
    }
  }),
)

/** The same error with as many attempts on both ways. */
async function sameTries(both: Both, run: (client: Anthropic) => Promise<unknown>) {
  const direct = new Attempts()
  const relayed = new Attempts()
  const failure = await sameFailure(both, (way) =>
    run(clientOf(way, way.name === 'direct' ? direct : relayed)),
  )
  assert.is(relayed.count, direct.count)
  return { failure, tries: relayed.count }
}

test(
  'a bad request is the same BadRequestError through the relay, with its request id',
  demo(async (both) => {
    const { failure, tries } = await sameTries(both, (client) =>
      client.messages.create({ ...REQUEST, max_tokens: 0 }),
    )
    assert.is(failure.thrown, 'BadRequestError')
    assert.is(failure.type, 'invalid_request_error')
    assert.match(String(failure.requestId), /^req_[0-9a-f]{24}$/)
    assert.is(tries, 1)
  }),
)

test(
  'a rate limit is the same RateLimitError through the relay, after as many attempts',
  demo(async (both) => {
    const { failure, tries } = await sameTries(both, (client) =>
      client.messages.create({ ...REQUEST, model: 'thinwire-demo-error' }),
    )
    assert.is(failure.thrown, 'RateLimitError')
    assert.is(failure.type, 'rate_limit_error')
    assert.is(failure.headers['retry-after'], '1')
    assert.is(failure.headers['x-should-retry'], 'false')
    assert.is(failure.headers['anthropic-ratelimit-requests-remaining'], '0')
    assert.is(tries, 1)
  }),
)

for (const [name, options] of [
  ['an API key', { apiKey: 'sk-ant-someone-elses', authToken: null }],
  ['a token', { apiKey: null, authToken: 'sk-ant-someone-elses' }],
] as const) {
  test(
    `a wrong key, sent as ${name}, is an AuthenticationError in words, and is not tried again`,
    demo(async (both) => {
      const attempts = new Attempts()
      const client = new Anthropic({ baseURL: both.relayed.origin, ...options, fetch: attempts.fetch })
      let caught: unknown
      await client.messages.create({ ...REQUEST, stream: true }).catch((error: unknown) => {
        caught = error
      })
      if (!(caught instanceof Anthropic.AuthenticationError)) throw caught
      assert.is(caught.status, 401)
      assert.is(caught.type, 'authentication_error')
      assert.match(caught.apiMessage ?? '', /^Incorrect API key provided: .*This is not a Thinwire key: /)
      assert.not.match(caught.message, 'someone-elses')
      assert.is(attempts.count, 1)
      const [line] = await both.relay.requests(1)
      assert.is(line?.end, 'refused')
    }),
  )
}

test(
  "an error of the relay's own has a request id where the client looks for it, the one in the log",
  demo(async (both) => {
    const client = new Anthropic({ baseURL: both.relayed.origin, apiKey: 'wrong', authToken: null })
    const failure = await failureOf(() => client.messages.create(REQUEST))
    const [line] = await both.relay.requests(1)
    assert.is(failure.requestId, line?.id)
  }),
)

const START =
  'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_T1","type":"message","role":"assistant","model":"claude-test-1","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":10,"output_tokens":1}}}\n\n' +
  'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n' +
  'event: ping\ndata: {"type":"ping"}\n\n' +
  'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}\n\n'
const END =
  'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n' +
  'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7}}\n\n' +
  'event: message_stop\ndata: {"type":"message_stop"}\n\n'
const OVERLOADED =
  'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'

type Scripted = BothScripted['upstream']['requests'][number]

async function answerF10(request: Scripted): Promise<void> {
  await request.write(head('200 OK', SSE, CHUNKED, 'cache-control: no-cache', 'request-id: req_T1'))
  await request.chunk(START)
  await request.chunk(END)
  await request.lastChunk()
}

test('the counts of a stream, which come in two places, are put together the same through the relay', async () => {
  await withScript(
    answerF10,
    async (both) => {
      const final = await sameResult(both, (way) => clientOf(way).messages.stream(REQUEST).finalMessage())
      assert.is(final.usage.input_tokens, 25)
      assert.is(final.usage.output_tokens, 7)
    },
    ANTHROPIC,
  )
})

/** What a stream gave until it threw, and what it threw. */
async function brokenStream(way: Way, onEvent: () => void = () => {}) {
  const stream = await clientOf(way).messages.create({ ...REQUEST, stream: true })
  const events: string[] = []
  const failure = await failureOf(async () => {
    for await (const event of stream) {
      events.push(event.type)
      onEvent()
    }
  })
  const { headers: _, ...rest } = failure
  return { events, failure: rest }
}

test('an error event within a stream throws the same through the relay, after the same events', async () => {
  await withScript(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED, 'request-id: req_T1'))
      await request.chunk(START)
      await request.chunk(OVERLOADED)
      await request.lastChunk()
    },
    async (both) => {
      const direct = await brokenStream(both.direct)
      const relayed = await brokenStream(both.relayed)
      assert.equal(relayed, direct)
      assert.equal(relayed.events, ['message_start', 'content_block_start', 'content_block_delta'])
      assert.is(relayed.failure.type, 'overloaded_error')
      assert.is(relayed.failure.requestId, 'req_T1')
      assert.match(relayed.failure.message, 'Overloaded')
      const [line] = await both.relay.requests(1)
      assert.is(line?.end, 'done')
    },
    ANTHROPIC,
  )
})

for (const [name, cut] of [
  ['closed', 'end'],
  ['reset', 'reset'],
] as const) {
  test(`a stream whose connection is ${name} before its end throws, as without the relay`, async () => {
    let seen = gate()
    await withScript(
      async (request) => {
        await request.write(head('200 OK', SSE, CHUNKED))
        await request.chunk(START)
        // A reset may take away what was not read yet.
        await seen.opened
        request[cut]()
      },
      async (both) => {
        const direct = await brokenStream(both.direct, () => seen.open())
        seen = gate()
        const relayed = await brokenStream(both.relayed, () => seen.open())
        assert.equal(relayed.events, direct.events)
        assert.is(relayed.failure.thrown, direct.failure.thrown)
        const [line] = await both.relay.requests(1)
        assert.is(line?.end, 'upstream_cut')
      },
      ANTHROPIC,
    )
  })
}

test('an abort before the answer began closes the connection at the upstream, as without the relay', async () => {
  await withScript(
    () => {},
    async (both) => {
      for (const [n, way] of [both.direct, both.relayed].entries()) {
        const controller = new AbortController()
        const pending = failureOf(() =>
          clientOf(way).messages.create({ ...REQUEST, stream: true }, { signal: controller.signal }),
        )
        const request = await both.upstream.request(n)
        controller.abort()
        assert.is((await pending).thrown, 'APIUserAbortError')
        await until(() => request.closed, `the upstream connection to close (${way.name})`)
      }
      const [line] = await both.relay.requests(1)
      assert.is(line?.end, 'client_gone')
      assert.is(line?.phase, 'attempt')
    },
    ANTHROPIC,
  )
})

test('an abort within a stream closes the connection at the upstream, as without the relay', async () => {
  await withScript(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(START)
    },
    async (both) => {
      for (const [n, way] of [both.direct, both.relayed].entries()) {
        const stream = clientOf(way).messages.stream(REQUEST)
        stream.once('text', () => stream.abort())
        assert.is((await failureOf(() => stream.finalMessage())).thrown, 'APIUserAbortError')
        const request = await both.upstream.request(n)
        await until(() => request.closed, `the upstream connection to close (${way.name})`)
      }
      const [line] = await both.relay.requests(1)
      assert.is(line?.end, 'client_gone')
      assert.is(line?.phase, 'respond')
    },
    ANTHROPIC,
  )
})

test('an abort after the end of a stream changes nothing: the request is done', async () => {
  await withScript(
    answerF10,
    async (both) => {
      const stream = clientOf(both.relayed).messages.stream(REQUEST)
      await stream.finalMessage()
      stream.abort()
      const [line] = await both.relay.requests(1)
      assert.is(line?.end, 'done')
    },
    ANTHROPIC,
  )
})

test.run()
