import { gzipSync } from 'node:zlib'
import OpenAI from 'openai'
import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Response } from '../../support/client.js'
import { auth, startRelay, type TestRelay } from '../../support/relay.js'
import { CHUNKED, head, type Script, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

const JSON_TYPE = 'content-type: application/json'

/** A request of Cursor's agent to a model of the gpt family. */
const RESPONSES_BODY =
  '{"model":"gpt-x-test","input":[{"role":"system","content":"You edit code."},{"role":"user","content":[{"type":"input_text","text":"rename foo"}]}],' +
  '"tools":[{"type":"function","name":"Shell","description":"run","parameters":{"type":"object","properties":{"command":{"type":"string"}}}},' +
  '{"type":"custom","name":"ApplyPatch","description":"patch","format":{"type":"grammar","syntax":"lark","definition":"start: /.+/"}}],' +
  '"tool_choice":"auto","stream":true,"stream_options":{"include_usage":true},"include":["reasoning.encrypted_content"],' +
  '"reasoning":{"effort":"medium","summary":"auto"},"store":false,"metadata":{"cursorConversationId":"c-1"},"user":"u_hash_01"}'

/** A request of Cursor's agent to a Claude model. */
const MESSAGES_BODY =
  '{"model":"claude-test-1","max_tokens":4096,"stream":true,"stream_options":{"include_usage":true},' +
  '"system":[{"type":"text","text":"You edit code.","cache_control":{"type":"ephemeral"}}],' +
  '"messages":[{"role":"user","content":[{"type":"text","text":"list files"}]}],' +
  '"tools":[{"name":"LS","description":"list","input_schema":{"type":"object","properties":{"path":{"type":"string"}}}}],"tool_choice":{"type":"auto"}}'

const CHAT_BODY =
  '{"model":"relay-test","temperature":0,"messages":[{"role":"user","content":"do it"}],' +
  '"tools":[{"type":"function","function":{"name":"read_file","parameters":{"type":"object"}}},{"type":"function","name":"flat","parameters":{"type":"object"}}],' +
  '"tool_choice":{"type":"auto"},"stream":true}'

const event = (type: string, rest: string): string => `event: ${type}\ndata: {"type":"${type}",${rest}}\n\n`

const RESPONSES_STREAM = [
  event(
    'response.created',
    '"sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1700000000,"status":"in_progress","model":"gpt-x-test","output":[],"usage":null}',
  ),
  event(
    'response.output_text.delta',
    '"sequence_number":1,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"hi"',
  ),
  event(
    'response.output_item.added',
    '"sequence_number":2,"output_index":1,"item":{"id":"fc_1","type":"function_call","status":"in_progress","arguments":"","call_id":"call_A","name":"Shell"}',
  ),
  event(
    'response.function_call_arguments.delta',
    '"sequence_number":3,"item_id":"fc_1","output_index":1,"delta":"{\\"command\\":"',
  ),
  event(
    'response.function_call_arguments.delta',
    '"sequence_number":4,"item_id":"fc_1","output_index":1,"delta":"\\"ls\\"}"',
  ),
  event(
    'response.completed',
    '"sequence_number":5,"response":{"id":"resp_1","object":"response","status":"completed","model":"gpt-x-test","output":[],"usage":{"input_tokens":12,"input_tokens_details":{"cached_tokens":4},"output_tokens":3,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":15}}',
  ),
]

const MESSAGES_STREAM = [
  event(
    'message_start',
    '"message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-test-1","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":10,"output_tokens":1}}',
  ),
  event('content_block_start', '"index":0,"content_block":{"type":"text","text":""}'),
  event('content_block_delta', '"index":0,"delta":{"type":"text_delta","text":"hi"}'),
  event('content_block_stop', '"index":0'),
  event(
    'content_block_start',
    '"index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"LS","input":{}}',
  ),
  event(
    'content_block_delta',
    '"index":1,"delta":{"type":"input_json_delta","partial_json":"{\\"path\\":\\".\\"}"}',
  ),
  event('content_block_stop', '"index":1'),
  event(
    'message_delta',
    '"delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":7}',
  ),
  event('message_stop', '').replace(',}', '}'),
]

const CHAT_STREAM = [
  'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"relay-test","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n',
  'data: [DONE]\n\n',
]

const streaming =
  (events: readonly string[]): Script =>
  async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    for (const each of events) await request.chunk(each)
    await request.lastChunk()
  }

/** Sends each API's own stream for its path. */
const everything: Script = (request) => {
  if (request.target.startsWith('/v1/responses')) return streaming(RESPONSES_STREAM)(request)
  if (request.target.startsWith('/v1/messages')) return streaming(MESSAGES_STREAM)(request)
  return streaming(CHAT_STREAM)(request)
}

interface Setup {
  readonly relay: TestRelay
  readonly openai: ScriptedUpstream
  readonly claude: ScriptedUpstream
  ask(body: string, path?: string): Promise<Response>
}

/** Runs a relay with an OpenAI and an Anthropic upstream. */
async function withSetup(
  act: (setup: Setup) => Promise<void>,
  { script = everything, settings = {} }: { script?: Script; settings?: Record<string, unknown> } = {},
): Promise<void> {
  const openai = await ScriptedUpstream.start(script)
  const claude = await ScriptedUpstream.start(script)
  const relay = await startRelay(
    {
      openai: { preset: 'openai', baseUrl: openai.url, apiKey: { env: 'UPSTREAM_KEY' } },
      anthropic: { preset: 'anthropic', baseUrl: claude.url, apiKey: { env: 'UPSTREAM_KEY' } },
    },
    settings,
  )
  const ask = async (body: string, path = '/cursor/v1/chat/completions'): Promise<Response> => {
    const client = await relay.client()
    client.send(
      `POST ${path} HTTP/1.1\r\n${auth(relay)}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
    const response = await client.response()
    client.destroy()
    return response
  }
  try {
    await act({ relay, openai, claude, ask })
  } finally {
    await relay.close()
    await openai.close()
    await claude.close()
  }
}

interface Chunk {
  readonly object: string
  readonly choices: readonly { delta: Record<string, unknown>; finish_reason: string | null }[]
  readonly usage?: { prompt_tokens: number; completion_tokens: number } | null
}

/** The chunks of a chat stream, which must be complete. */
function chunksOf(response: Response): Chunk[] {
  assert.ok(response.complete)
  const events = response.body
    .toString()
    .split('\n\n')
    .filter((each) => each.startsWith('data: '))
    .map((each) => each.slice(6))
  assert.is(events.pop(), '[DONE]')
  const chunks = events.map((each) => JSON.parse(each) as Chunk)
  for (const { object } of chunks) assert.is(object, 'chat.completion.chunk')
  return chunks
}

function textOf(chunks: readonly Chunk[]): string {
  return chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')
}

test('a Responses body goes to the Responses API, and its response is translated to chat chunks', async () => {
  await withSetup(async ({ relay, openai, claude, ask }) => {
    const response = await ask(RESPONSES_BODY)
    const got = await openai.request(0)
    assert.is(got.target, '/v1/responses')
    assert.is(claude.requests.length, 0)
    // Only the field that the API refuses is removed.
    assert.is(got.body.toString(), RESPONSES_BODY.replace('"stream_options":{"include_usage":true},', ''))
    assert.is(got.header('accept-encoding'), 'identity')
    const chunks = chunksOf(response)
    assert.is(textOf(chunks), 'hi')
    assert.equal(
      chunks.map(({ choices }) => choices[0]?.finish_reason).filter((reason) => reason != null),
      ['tool_calls'],
    )
    assert.is(chunks.at(-1)?.usage?.prompt_tokens, 12)
    const [record] = await relay.records(1)
    const { dialect, route, prompt_tokens, cached_tokens, completion_tokens, usage_source, end, tool_calls } =
      record ?? {}
    assert.equal(
      { dialect, route, prompt_tokens, cached_tokens, completion_tokens, usage_source, end, tool_calls },
      {
        dialect: 'cursor_responses',
        route: '/cursor/v1/chat/completions',
        prompt_tokens: 12,
        cached_tokens: 4,
        completion_tokens: 3,
        usage_source: 'upstream',
        end: 'done',
        tool_calls: 1,
      },
    )
  })
})

test('a Messages body goes to the Messages API, and its response is translated to chat chunks', async () => {
  await withSetup(async ({ relay, openai, claude, ask }) => {
    const response = await ask(MESSAGES_BODY)
    const got = await claude.request(0)
    assert.is(got.target, '/v1/messages')
    assert.is(openai.requests.length, 0)
    assert.is(got.body.toString(), MESSAGES_BODY.replace('"stream_options":{"include_usage":true},', ''))
    assert.is(got.header('anthropic-version'), '2023-06-01')
    assert.is(got.header('x-api-key'), 'sk-upstream-secret')
    const chunks = chunksOf(response)
    assert.is(textOf(chunks), 'hi')
    assert.is(chunks.at(-1)?.usage?.prompt_tokens, 35)
    const [record] = await relay.records(1)
    assert.is(record?.dialect, 'cursor_messages')
    assert.is(record?.completion_tokens, 7)
  })
})

test('of a chat body only tools in the form of another API are changed', async () => {
  await withSetup(async ({ relay, openai, ask }) => {
    const response = await ask(CHAT_BODY)
    assert.is(response.body.toString(), CHAT_STREAM.join(''))
    const got = await openai.request(0)
    assert.is(got.target, '/v1/chat/completions')
    const sent = JSON.parse(got.body.toString()) as { tools: unknown[]; tool_choice: unknown }
    assert.equal(sent.tools[1], {
      type: 'function',
      function: { name: 'flat', parameters: { type: 'object' } },
    })
    assert.is(sent.tool_choice, 'auto')
    const before = CHAT_BODY.indexOf('"tools"')
    assert.is(got.body.toString().slice(0, before), CHAT_BODY.slice(0, before))
    assert.is((await relay.records(1))[0]?.dialect, 'cursor_chat')
  })
})

test('a body is not translated outside /cursor', async () => {
  await withSetup(async ({ openai, ask }) => {
    await ask(RESPONSES_BODY, '/v1/chat/completions')
    const got = await openai.request(0)
    assert.is(got.target, '/v1/chat/completions')
    assert.is(got.body.toString(), RESPONSES_BODY)
  })
})

test('a translated stream reaches the client event by event', async () => {
  await withSetup(
    async ({ relay, openai }) => {
      const client = await relay.client()
      client.send(
        `POST /cursor/v1/chat/completions HTTP/1.1\r\n${auth(relay)}content-length: ${RESPONSES_BODY.length}\r\n\r\n${RESPONSES_BODY}`,
      )
      const request = await openai.request(0)
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(RESPONSES_STREAM[0] as string)
      await client.sees('"role":"assistant"')
      await request.chunk(RESPONSES_STREAM[1] as string)
      await client.sees('"content":"hi"')
      client.destroy()
      await request.ended()
    },
    { script: () => {} },
  )
})

for (const type of ['content-type: text/plain; charset=utf-8', 'x-no: type']) {
  test(`a stream with the header ${type} is recognized and translated`, async () => {
    await withSetup(
      async ({ relay, openai }) => {
        const client = await relay.client()
        client.send(
          `POST /cursor/v1/chat/completions HTTP/1.1\r\n${auth(relay)}content-length: ${RESPONSES_BODY.length}\r\n\r\n${RESPONSES_BODY}`,
        )
        const request = await openai.request(0)
        await request.write(head('200 OK', type, CHUNKED))
        await request.chunk('\n')
        await client.sees('200 OK')
        await request.chunk('ev')
        await request.chunk(RESPONSES_STREAM[0]?.slice(2) ?? '')
        await client.sees('"role":"assistant"')
        for (const each of RESPONSES_STREAM.slice(1)) await request.chunk(each)
        await request.lastChunk()
        const response = await client.response()
        assert.ok(response.complete)
        assert.match(response.body.toString(), /"content":"hi".*data: \[DONE\]\n\n$/s)
        client.destroy()
      },
      { script: () => {} },
    )
  })
}

test('headers about the exact bytes of a response are removed when it is translated', async () => {
  const digesting: Script = (request) =>
    request.write(
      whole(
        '200 OK',
        '{"type":"message","id":"m","role":"assistant","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn"}',
        ...[JSON_TYPE, 'etag: "1"', 'content-digest: sha-256=:x:', 'x-kept: 1'],
      ),
    )
  for (const settings of [{}, { cache: { rules: [{ tools: true }] } }]) {
    await withSetup(
      async ({ ask }) => {
        const response = await ask(MESSAGES_BODY.replace('"stream":true', '"stream":false'))
        assert.match(response.body.toString(), /"object":"chat.completion"/)
        assert.is(response.header('x-thinwire-cache'), 'cache' in settings ? 'miss' : undefined)
        assert.is(response.header('etag'), undefined)
        assert.is(response.header('content-digest'), undefined)
        assert.is(response.header('x-kept'), '1')
      },
      { script: digesting, settings },
    )
  }
})

test('a Messages body is translated to a chat body for an upstream without the Messages API', async () => {
  await withSetup(
    async ({ openai, ask }) => {
      const response = await ask(MESSAGES_BODY.replace('claude-test-1', 'team-fast'))
      const got = await openai.request(0)
      assert.is(got.target, '/v1/chat/completions')
      const sent = JSON.parse(got.body.toString()) as Record<string, unknown>
      assert.is(sent.model, 'gpt-real')
      assert.equal((sent.messages as unknown[])[0], { role: 'system', content: 'You edit code.' })
      assert.is(response.body.toString(), CHAT_STREAM.join(''))
    },
    { settings: { models: { 'team-fast': { upstream: 'openai', model: 'gpt-real' } } } },
  )
})

test('an error of the Messages API is translated to an error that a chat client can read', async () => {
  const refusing: Script = (request) =>
    request.write(
      whole(
        '400 Bad Request',
        '{"type":"error","error":{"type":"invalid_request_error","message":"no such tool"}}',
        JSON_TYPE,
      ),
    )
  await withSetup(
    async ({ ask }) => {
      const response = await ask(MESSAGES_BODY)
      assert.is(response.status, 400)
      assert.equal(JSON.parse(response.body.toString()), {
        error: { message: 'no such tool', type: 'invalid_request_error', param: null, code: null },
      })
    },
    { script: refusing },
  )
})

test('a translated stream that breaks off is cut for the client, without an invented end', async () => {
  const cutting: Script = async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    for (const each of RESPONSES_STREAM.slice(0, 3)) await request.chunk(each)
    await request.chunk('event: response.function_call_arg')
    request.reset()
  }
  await withSetup(
    async ({ relay, ask }) => {
      const response = await ask(RESPONSES_BODY)
      assert.not(response.complete)
      assert.not.match(response.body.toString(), /DONE|finish_reason":"/)
      assert.is((await relay.records(1))[0]?.end, 'upstream_cut')
    },
    { script: cutting },
  )
})

test('a stream that is compressed against the request and must be translated gives 502', async () => {
  const compressing: Script = (request) =>
    request.write(whole('200 OK', gzipSync(RESPONSES_STREAM.join('')), SSE, 'content-encoding: gzip'))
  await withSetup(
    async ({ relay, openai, ask }) => {
      const response = await ask(RESPONSES_BODY)
      assert.is(response.status, 502)
      assert.is(response.header('x-thinwire-error'), 'upstream_invalid')
      assert.match(response.body.toString(), /UPSTREAM_COMPRESSED/)
      await (await openai.request(0)).ended()
      // This is no failure of the target: requests that need no translation can still use it.
      const breaker = relay.inspect().findRoute('/responses', 'gpt-x', null)?.targets[0]?.breaker
      assert.is(breaker?.snapshot(performance.now()).failures, 0)
      assert.is((await relay.records(1))[0]?.end, 'upstream_failed')
    },
    { script: compressing },
  )
})

test('the memory of a translated request is released when the response has begun', async () => {
  await withSetup(
    async ({ relay, openai }) => {
      const client = await relay.client()
      client.send(
        `POST /cursor/v1/chat/completions HTTP/1.1\r\n${auth(relay)}content-length: ${RESPONSES_BODY.length}\r\n\r\n${RESPONSES_BODY}`,
      )
      const request = await openai.request(0)
      const [exchange] = relay.inspect().exchanges
      assert.is(exchange?.holdsTranslatedRequest, true)
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(RESPONSES_STREAM[0] as string)
      await client.sees('"role":"assistant"')
      assert.is(exchange?.holdsTranslatedRequest, false)
      assert.is(relay.inspect().bufferedBytes, 0)
      client.destroy()
      await request.ended()
    },
    { script: () => {} },
  )
})

test("the relay answers Cursor's key check itself if the config says so, and relays it otherwise", async () => {
  const check =
    '{"model":"gpt-4o-mini","messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"Test prompt using gpt-3.5-turbo"}],"temperature":1,"max_tokens":10,"stream":false}'
  await withSetup(
    async ({ openai, ask }) => {
      const response = await ask(check)
      assert.is(response.status, 200)
      assert.is((JSON.parse(response.body.toString()) as { object: string }).object, 'chat.completion')
      assert.is(openai.requests.length, 0)
    },
    { settings: { cursor: { answerKeyCheck: true } } },
  )
  await withSetup(async ({ openai, ask }) => {
    await ask(check)
    assert.is(openai.requests.length, 1)
  })
})

test('all requests of a Cursor conversation go to one target', async () => {
  const openai = await ScriptedUpstream.start(everything)
  const other = await ScriptedUpstream.start(everything)
  const relay = await startRelay(
    { a: { baseUrl: openai.url }, b: { baseUrl: other.url } },
    { routes: [{ targets: [{ upstream: 'a' }, { upstream: 'b' }], strategy: 'weight' }] },
  )
  const names = ['c-1', 'c-2', 'c-3', 'c-4', 'c-5', 'c-6', 'c-7', 'c-8']
  const withId = names.map((name) => () => RESPONSES_BODY.replace('c-1', name))
  // A chat has no id, but a beginning that stays while it grows.
  const grown = (name: string, turns: number): string => {
    const later = Array.from({ length: turns }, (_, n) => ({
      role: n % 2 ? 'user' : 'assistant',
      content: `${n}`,
    }))
    const messages = [{ role: 'system', content: 'You help.' }, { role: 'user', content: name }, ...later]
    return JSON.stringify({ model: 'm', messages })
  }
  const withoutId = names.map((name) => (turn: number) => grown(name, 2 * turn))
  for (const write of [...withId, ...withoutId]) {
    const before = [openai.requests.length, other.requests.length]
    for (let i = 0; i < 4; i++) {
      const body = write(i)
      const client = await relay.client()
      client.send(
        `POST /cursor/chat/completions HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n${body}`,
      )
      assert.ok((await client.response()).complete)
      client.destroy()
    }
    const asked = [openai.requests.length - (before[0] ?? 0), other.requests.length - (before[1] ?? 0)]
    assert.equal(asked.sort(), [0, 4])
  }
  await relay.close()
  await openai.close()
  await other.close()
})

test('the openai package reads text, tools and usage of translated Responses and Messages streams', async () => {
  await withSetup(async ({ relay }) => {
    const client = new OpenAI({
      baseURL: relay.url.replace('/v1', '/cursor/v1'),
      apiKey: relay.key,
      maxRetries: 0,
    })
    for (const [body, name, args] of [
      [RESPONSES_BODY, 'Shell', '{"command":"ls"}'],
      [MESSAGES_BODY, 'LS', '{"path":"."}'],
    ]) {
      const stream = (await client.chat.completions.create(
        JSON.parse(body as string) as never,
      )) as unknown as {
        toReadableStream(): ReadableStream
      }
      const answer = await ChatCompletionStream.fromReadableStream(
        stream.toReadableStream(),
      ).finalChatCompletion()
      const [choice] = answer.choices
      assert.is(choice?.message.content, 'hi')
      const [call] = choice?.message.tool_calls ?? []
      assert.equal(call?.type === 'function' ? [call.function.name, call.function.arguments] : null, [
        name,
        args,
      ])
      assert.is(choice?.finish_reason, 'tool_calls')
      assert.ok((answer.usage?.total_tokens ?? 0) > 0)
    }
  })
})

test.run()
