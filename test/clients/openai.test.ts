import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { whole } from '../support/upstream.js'
import { Attempts, collect, failureOf, sameResult, shared, type Way, withDemo, withScript } from './both.js'

const MODEL = 'thinwire-demo'
const HELLO: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Grüß Gott 🦊' }]

const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'the weather of a place',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' } },
      required: ['city'],
    },
  },
} as const

function clientOf(way: Way): OpenAI {
  return new OpenAI({ baseURL: `${way.origin}/v1`, apiKey: way.key })
}

test('a chat completion is the same through the relay, with its headers and request id', async () => {
  await withDemo(async (both) => {
    const { data, headers, requestId } = await sameResult(both, async (way) => {
      const answer = await clientOf(way)
        .chat.completions.create({ model: MODEL, messages: HELLO })
        .withResponse()
      return {
        data: answer.data,
        status: answer.response.status,
        headers: shared(answer.response.headers),
        requestId: answer.request_id,
      }
    })
    assert.match(data.choices[0]?.message.content ?? '', 'Grüß Gott 🦊')
    assert.match(requestId ?? '', /^req_[0-9a-f]{24}$/)
    assert.is(headers['openai-organization'], 'thinwire-demo')
    const [line] = await both.relay.requests(1)
    assert.is(line?.end, 'done')
    assert.is(line?.model, MODEL)
    assert.is(line?.stream, null)
    assert.is(line?.upstream_request_id, requestId)
  })
})

test('a streamed chat completion has the same chunks through the relay', async () => {
  await withDemo(async (both) => {
    const chunks = await sameResult(both, async (way) =>
      collect(await clientOf(way).chat.completions.create({ model: MODEL, messages: HELLO, stream: true })),
    )
    assert.ok(chunks.length > 10)
    assert.is(chunks.at(-1)?.choices[0]?.finish_reason, 'stop')
    const [line] = await both.relay.requests(1)
    assert.is(line?.end, 'done')
    assert.is(line?.stream, true)
  })
})

test('the usage chunk of a stream comes through, and only if it was asked for', async () => {
  await withDemo(async (both) => {
    const chunks = await sameResult(both, async (way) =>
      collect(
        await clientOf(way).chat.completions.create({
          model: MODEL,
          messages: HELLO,
          stream: true,
          stream_options: { include_usage: true },
        }),
      ),
    )
    const last = chunks.at(-1)
    assert.equal(last?.choices, [])
    assert.ok((last?.usage?.completion_tokens ?? 0) > 0)
  })
})

test("a streamed tool call is put together by the client's helper in the same steps", async () => {
  await withDemo(async (both) => {
    const { steps, final } = await sameResult(both, async (way) => {
      const stream = clientOf(way).chat.completions.stream({
        model: MODEL,
        messages: [{ role: 'user', content: 'Call get_weather for Graz' }],
        tools: [WEATHER],
      })
      const steps: string[] = []
      stream.on('tool_calls.function.arguments.delta', (event) => steps.push(event.arguments_delta))
      return { final: await stream.finalChatCompletion(), steps }
    })
    const call = final.choices[0]?.message.tool_calls?.[0]
    assert.is(final.choices[0]?.finish_reason, 'tool_calls')
    assert.is(call?.function.name, 'get_weather')
    assert.is(steps.join(''), call?.function.arguments)
    assert.ok(steps.length > 1)
  })
})

test("an agent's loop runs its tool and comes to the same end", async () => {
  await withDemo(async (both) => {
    const { messages, asked } = await sameResult(both, async (way) => {
      const asked: unknown[] = []
      const runner = clientOf(way).chat.completions.runTools({
        model: MODEL,
        stream: true,
        messages: [{ role: 'user', content: 'Call get_weather for Graz' }],
        tools: [
          {
            type: 'function',
            function: {
              ...WEATHER.function,
              parameters: { ...WEATHER.function.parameters, required: ['city'] },
              parse: (text: string): unknown => JSON.parse(text),
              function: (given: unknown) => {
                asked.push(given)
                return 'snow in the morning'
              },
            },
          },
        ],
      })
      await runner.done()
      return { messages: runner.messages, asked }
    })
    assert.is(asked.length, 1)
    assert.equal(
      messages.map((message) => message.role),
      ['user', 'assistant', 'tool', 'assistant'],
    )
    assert.match(String(messages.at(-1)?.content), 'snow in the morning')
    assert.is((await both.relay.requests(2)).length, 2)
  })
})

test('a completion is the same through the relay, streamed or not', async () => {
  await withDemo(async (both) => {
    const prompt = 'Once upon a time'
    await sameResult(both, (way) => clientOf(way).completions.create({ model: MODEL, prompt }))
    const chunks = await sameResult(both, async (way) =>
      collect(await clientOf(way).completions.create({ model: MODEL, prompt, stream: true })),
    )
    assert.is(chunks.at(-1)?.choices[0]?.finish_reason, 'stop')
  })
})

test('a response of the Responses API is the same through the relay, streamed or not', async () => {
  await withDemo(async (both) => {
    const given = { model: MODEL, input: 'Grüß Gott 🦊', instructions: 'Be brief.' }
    const answer = await sameResult(both, (way) => clientOf(way).responses.create(given))
    assert.match(answer.output_text, 'Grüß Gott 🦊')
    const events = await sameResult(both, async (way) =>
      collect(await clientOf(way).responses.create({ ...given, stream: true })),
    )
    assert.is(events[0]?.type, 'response.created')
    assert.is(events.at(-1)?.type, 'response.completed')
    const final = await sameResult(both, (way) => clientOf(way).responses.stream(given).finalResponse())
    assert.is(final.output_text, answer.output_text)
    const lines = await both.relay.requests(3)
    assert.ok(lines.every((line) => line.end === 'done' && line.path === '/v1/responses'))
  })
})

test('a function call of the Responses API streams the same through the relay', async () => {
  await withDemo(async (both) => {
    const final = await sameResult(both, (way) =>
      clientOf(way)
        .responses.stream({
          model: MODEL,
          input: 'Call get_weather for Graz',
          tools: [
            {
              type: 'function',
              name: 'get_weather',
              parameters: { type: 'object', properties: { city: { type: 'string' } } },
              strict: false,
            },
          ],
        })
        .finalResponse(),
    )
    const [item] = final.output
    assert.is(item?.type, 'function_call')
    if (item?.type === 'function_call') assert.equal(Object.keys(JSON.parse(item.arguments)), ['city'])
  })
})

test('the list of models and a single one are the same through the relay', async () => {
  await withDemo(async (both) => {
    const names = await sameResult(both, async (way) =>
      (await collect(clientOf(way).models.list())).map((model) => model.id),
    )
    assert.ok(names.includes(MODEL))
    await sameResult(both, (way) => clientOf(way).models.retrieve(MODEL))
    const strange = await sameResult(both, (way) => clientOf(way).models.retrieve('ft:x/y z%2e#ü'))
    assert.is(strange.id, 'ft:x/y z%2e#ü')
  })
})

test('embeddings, which the client asks for in base64, are the same numbers through the relay', async () => {
  const numbers = Float32Array.from({ length: 256 }, (_, i) => Math.fround(Math.sin(i)))
  const embedding = Buffer.from(numbers.buffer).toString('base64')
  const body = JSON.stringify({
    object: 'list',
    data: [{ object: 'embedding', index: 0, embedding }],
    model: 'm',
    usage: { prompt_tokens: 2, total_tokens: 2 },
  })
  await withScript(
    (request) => request.write(whole('200 OK', body, 'content-type: application/json')),
    async (both) => {
      const answer = await sameResult(both, (way) =>
        clientOf(way).embeddings.create({ model: 'm', input: 'two words' }),
      )
      assert.equal(answer.data[0]?.embedding, [...numbers])
      const [direct, relayed] = both.upstream.requests
      assert.is(relayed?.target, '/v1/embeddings')
      assert.ok(relayed !== undefined && direct?.body.equals(relayed.body))
    },
  )
})

test('the upstream gets the same request from the client as without the relay, but for the key', async () => {
  await withScript(
    (request) => request.write(whole('200 OK', '{}', 'content-type: application/json')),
    async (both) => {
      for (const way of [both.direct, both.relayed]) {
        const client = new OpenAI({
          baseURL: `${way.origin}/v1`,
          apiKey: way.key,
          organization: 'org-1',
          project: 'proj_1',
          defaultQuery: { 'api-version': '2026-01-01', odd: 'a b/ü' },
          defaultHeaders: { 'X-Client-Request-Id': 'mine', 'X-Empty': '' },
        })
        await client.chat.completions.create({ model: MODEL, messages: HELLO })
      }
      const [direct, relayed] = both.upstream.requests
      assert.is(relayed?.target, direct?.target)
      assert.is(relayed?.method, direct?.method)
      assert.equal(relayed?.body, direct?.body)
      // The host and connection are the relay's own; the last is what a page's fetch adds, which ends at the relay.
      const ends = ['host', 'connection', 'authorization', 'sec-fetch-mode']
      const kept = (request: typeof direct): string[] =>
        (request?.headers ?? [])
          .map(([name, value]) => [name.toLowerCase(), value] as const)
          .filter(([name]) => !ends.includes(name))
          .map(([name, value]) => `${name}: ${value}`)
          .sort()
      assert.equal(kept(relayed), kept(direct))
      assert.is(relayed?.header('authorization'), 'Bearer sk-upstream-secret')
    },
  )
})

test('a base URL without /v1, or with a trailing slash, works with the client as well', async () => {
  await withDemo(async (both) => {
    for (const path of ['', '/', '/v1/', '/v1/v1']) {
      const client = new OpenAI({ baseURL: both.relayed.origin + path, apiKey: both.relayed.key })
      const answer = await client.chat.completions.create({ model: MODEL, messages: HELLO })
      assert.is(answer.object, 'chat.completion', path)
    }
  })
})

for (const [key, code] of [
  ['sk-someone-elses', 'malformed_api_key'],
  ['lc_dev_team_user_AAAAAAAAAAAAAAAAAAAAAAAAAAAA', 'mistyped_api_key'],
]) {
  test(`a key that is wrong (${code}) is an AuthenticationError that says why, and is not tried again`, async () => {
    await withDemo(async (both) => {
      const attempts = new Attempts()
      const client = new OpenAI({ baseURL: `${both.relayed.origin}/v1`, apiKey: key, fetch: attempts.fetch })
      const failure = await failureOf(() =>
        client.chat.completions.create({ model: MODEL, messages: HELLO, stream: true }),
      )
      assert.is(failure.thrown, 'AuthenticationError')
      assert.is(failure.status, 401)
      assert.is(failure.code, code)
      assert.match(failure.message, /^401 Incorrect API key provided: .*This .*Thinwire key/)
      assert.is(typeof failure.requestId, 'string')
      assert.is(attempts.count, 1)
      const [line] = await both.relay.requests(1)
      assert.is(line?.end, 'refused')
      assert.is(line?.error_code, code)
      assert.is(line?.id, failure.requestId)
    })
  })
}

test.run()
