import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { startRelay, type TestRelay } from '../../support/relay.js'
import { CHUNKED, chunk, head, LAST_CHUNK, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

const JSON_TYPE = 'content-type: application/json'
const NDJSON = 'content-type: application/x-ndjson'
const SECRET = 'sk-door-secret'

/** An API with its own paths, as its clients use it. */
interface Door {
  readonly name: 'gemini' | 'ollama' | 'cohere'
  readonly preset: string
  /** Behind the address of the upstream. */
  readonly base: string
  readonly env: string
  /** How its clients ask, with `MODEL` in it. */
  readonly path: string
  readonly body: string
  /** As the upstream gets it. */
  readonly sent: { readonly target: string; readonly body: string }
  /** A line in which the upstream gets the relay's credential. */
  readonly credential: readonly [string, string]
  readonly type: string
  readonly parts: readonly string[]
  readonly usage: readonly [prompt: number, completion: number]
  readonly finish: string
  /** What the client gets if its key is wrong. */
  readonly refusal: (body: unknown) => unknown
}

const lines = (...events: unknown[]): string[] => events.map((event) => `${JSON.stringify(event)}\n`)
const sse = (...events: object[]): string[] =>
  events.map(
    (event) => `${'type' in event ? `event: ${event.type}\n` : ''}data: ${JSON.stringify(event)}\n\n`,
  )
const text = (value: string): object => ({ candidates: [{ content: { parts: [{ text: value }] } }] })
const GEMINI_END = {
  candidates: [{ finishReason: 'STOP' }],
  usageMetadata: {
    promptTokenCount: 11,
    candidatesTokenCount: 4,
    thoughtsTokenCount: 3,
    totalTokenCount: 18,
  },
}
const ollama = (content: string): object => ({
  model: 'm',
  message: { role: 'assistant', content },
  done: false,
})

const GEMINI = {
  name: 'gemini',
  preset: 'gemini-native',
  base: '/v1beta',
  env: 'GEMINI_API_KEY',
  body: '{"contents":[{"parts":[{"text":"hi"}]}]}',
  credential: ['x-goog-api-key', SECRET],
  usage: [11, 7],
  finish: 'STOP',
  refusal: (body: unknown) => (body as { error: { status: string } }).error.status === 'UNAUTHENTICATED',
} as const

const DOORS: readonly Door[] = [
  {
    ...GEMINI,
    path: '/v1beta/models/MODEL:streamGenerateContent?alt=sse',
    sent: { target: '/v1beta/models/REAL:streamGenerateContent?alt=sse', body: GEMINI.body },
    type: SSE,
    parts: sse(text('Hel'), text('lo'), GEMINI_END),
  },
  {
    ...GEMINI,
    path: '/v1beta/models/MODEL:streamGenerateContent',
    sent: { target: '/v1beta/models/REAL:streamGenerateContent', body: GEMINI.body },
    type: JSON_TYPE,
    parts: [
      `[${JSON.stringify(text('Hel'), null, 2)}`,
      `,\r\n${JSON.stringify(text('lo'), null, 2)}`,
      `,\r\n${JSON.stringify(GEMINI_END, null, 2)}\r\n]`,
    ],
  },
  {
    name: 'ollama',
    preset: 'ollama-native',
    base: '',
    env: 'OLLAMA_API_KEY',
    path: '/api/chat',
    body: '{"model":"MODEL","messages":[{"role":"user","content":"hi"}]}',
    sent: {
      target: '/api/chat',
      body: '{"model":"REAL","messages":[{"role":"user","content":"hi"}]}',
    },
    credential: ['authorization', `Bearer ${SECRET}`],
    type: NDJSON,
    parts: lines(ollama('Hel'), ollama('lo'), {
      ...ollama(''),
      done: true,
      done_reason: 'stop',
      prompt_eval_count: 11,
      eval_count: 7,
    }),
    usage: [11, 7],
    finish: 'stop',
    refusal: (body) => typeof (body as { error: unknown }).error === 'string',
  },
  {
    name: 'cohere',
    preset: 'cohere',
    base: '/v1',
    env: 'COHERE_API_KEY',
    path: '/v2/chat',
    body: '{"stream":true,"model":"MODEL","messages":[]}',
    sent: { target: '/v2/chat', body: '{"stream":true,"model":"REAL","messages":[]}' },
    credential: ['authorization', `Bearer ${SECRET}`],
    type: SSE,
    parts: sse(
      { type: 'message-start', id: 'c1', delta: { message: { role: 'assistant' } } },
      { type: 'content-delta', index: 0, delta: { message: { content: { text: 'Hel' } } } },
      { type: 'content-delta', index: 0, delta: { message: { content: { text: 'lo' } } } },
      {
        type: 'message-end',
        delta: {
          finish_reason: 'COMPLETE',
          usage: { billed_units: { input_tokens: 11, output_tokens: 7 }, tokens: { input_tokens: 90 } },
        },
      },
    ),
    usage: [11, 7],
    finish: 'COMPLETE',
    refusal: (body) => typeof (body as { message: unknown }).message === 'string',
  },
]

async function withDoor(
  door: Door,
  act: (relay: TestRelay, upstream: ScriptedUpstream) => Promise<void>,
): Promise<void> {
  const upstream = await ScriptedUpstream.start(async (request) => {
    if (request.body.toString().includes('please fail')) {
      request.write(whole('429 Too Many Requests', '{"error":{"message":"no quota"}}', JSON_TYPE))
      return
    }
    await request.write(head('200 OK', door.type, CHUNKED))
    for (const part of door.parts) await request.write(chunk(part))
    request.write(LAST_CHUNK)
  })
  const up = { preset: door.preset, baseUrl: `http://127.0.0.1:${upstream.port}${door.base}` }
  // The route of OpenAI's paths comes first, and must not be taken.
  const relay = await startRelay(
    { other: { baseUrl: upstream.url, apis: ['chat', 'messages'] }, up },
    {
      routes: [{ targets: [{ upstream: 'other' }] }, { targets: [{ upstream: 'up' }] }],
      models: { 'team-model': { upstream: 'up', model: 'real-1' } },
    },
    { [door.env]: SECRET },
  )
  try {
    await act(relay, upstream)
  } finally {
    await relay.close()
    await upstream.close()
  }
}

async function ask(relay: TestRelay, door: Door, model: string, key: string, path = door.path) {
  const client = await relay.client()
  const body = door.body.replace('MODEL', model)
  const target = path.replace('MODEL', model)
  client.send(
    `POST ${target} HTTP/1.1\r\nhost: relay\r\n${key}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  const response = await client.response()
  client.destroy()
  return response
}

for (const door of DOORS) {
  const title = `${door.name}, ${door.path}`

  for (const [model, real] of [
    ['own-1', 'own-1'],
    ['team-model', 'real-1'],
  ] as const)
    test(`${title}: a stream of ${model} passes byte for byte and leaves a record with its usage`, () =>
      withDoor(door, async (relay, upstream) => {
        const response = await ask(relay, door, model, `authorization: Bearer ${relay.key}\r\n`)
        assert.is(response.status, 200)
        assert.is(response.body.toString(), door.parts.join(''))
        const got = await upstream.request(0)
        assert.is(got.target, door.sent.target.replace('REAL', real))
        assert.is(got.body.toString(), door.sent.body.replace('REAL', real))
        assert.is(got.header(door.credential[0]), door.credential[1])
        assert.not.ok(got.raw.includes(relay.key))
        const [record] = await relay.records(1)
        assert.is(record?.dialect, door.name)
        assert.is(record?.request_class, 'chat')
        assert.is(record?.model, model)
        assert.is(record?.stream, true)
        assert.is(record?.end, 'done')
        assert.is(record?.usage_source, 'upstream')
        assert.equal([record?.prompt_tokens, record?.completion_tokens], door.usage)
        assert.is(record?.finish_reason, door.finish)
        assert.is(typeof record?.ttft_ms, 'number')
      }))

  test(`${title}: a key is taken from every usual place, and none of them reaches the upstream`, () =>
    withDoor(door, async (relay, upstream) => {
      const mark = door.path.includes('?') ? '&' : '?'
      const asked: [headers: string, path: string][] = [
        [`authorization: Bearer ${relay.key}\r\n`, door.path],
        [`x-goog-api-key: ${relay.key}\r\n`, door.path],
        [`x-api-key: ${relay.key}\r\napi-key: other\r\n`, door.path],
        ['', `${door.path}${mark}key=${relay.key}`],
        ['', `${door.path}${mark}%6Bey=${relay.key}`],
        [`x-goog-api-key: ${relay.key}\r\n`, `${door.path}${mark}key=${relay.key}&api-key=sk-own`],
      ]
      for (const [headers, path] of asked) {
        const before = upstream.requests.length
        assert.is((await ask(relay, door, 'own-1', headers, path)).status, 200, path)
        const got = await upstream.request(before)
        assert.is(got.target, door.sent.target.replace('REAL', 'own-1'))
        assert.not.ok(got.raw.includes(relay.key), path)
        assert.not.ok(/sk-own|: other/.test(got.raw.toString('latin1')), path)
        assert.is(got.header(door.credential[0]), door.credential[1])
      }
      const records = await relay.records(asked.length)
      assert.not.ok(JSON.stringify(records).includes(relay.key))
      assert.not.ok(JSON.stringify(relay.lines).includes(relay.key))
    }))

  test(`${title}: errors of the relay have the format of the API`, () =>
    withDoor(door, async (relay, upstream) => {
      const response = await ask(relay, door, 'own-1', 'x-api-key: sk-01234567890123456789\r\n')
      assert.is(response.status, 401)
      assert.is(door.refusal(JSON.parse(response.body.toString())), true, response.body.toString())
      assert.match(response.body.toString(), /Incorrect API key provided: sk-\*{4}6789\. /)
      assert.equal(upstream.requests, [])
    }))

  test(`${title}: an error of the upstream passes as it came`, () =>
    withDoor({ ...door, body: door.body.replace('{', '{"please fail":1,') }, async (relay) => {
      const failing = { ...door, body: door.body.replace('{', '{"please fail":1,') }
      const response = await ask(relay, failing, 'own-1', `x-api-key: ${relay.key}\r\n`)
      assert.is(response.status, 429)
      assert.is(response.body.toString(), '{"error":{"message":"no quota"}}')
    }))
}

const MID_ERRORS: readonly [Door, string][] = [
  [DOORS[0] as Door, 'data: {"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}\n\n'],
  [DOORS[1] as Door, ',{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}]'],
  [DOORS[2] as Door, '{"error":"llama runner process has terminated"}\n'],
]

for (const [door, error] of MID_ERRORS)
  test(`${door.name}, ${door.path}: an error behind the first tokens passes, and is in the record`, () =>
    withDoor({ ...door, parts: [door.parts[0] as string, error] }, async (relay) => {
      const response = await ask(relay, door, 'own-1', `x-api-key: ${relay.key}\r\n`)
      assert.is(response.body.toString(), `${door.parts[0]}${error}`)
      const [record] = await relay.records(1)
      assert.is(typeof record?.stream_error, 'string')
      assert.is(record?.usage_source, 'estimated')
    }))

test("Gemini's embeddings name the model in the path and in the body, and both are replaced by an alias", () =>
  withDoor(DOORS[0] as Door, async (relay, upstream) => {
    const body = '{"model": "models/MODEL", "content":{"parts":[{"text":"hi"}]}}'
    const door = { ...(DOORS[0] as Door), body }
    const path = '/v1beta/models/MODEL:embedContent'
    await ask(relay, door, 'team-model', `x-goog-api-key: ${relay.key}\r\n`, path)
    const got = await upstream.request(0)
    assert.is(got.target, '/v1beta/models/real-1:embedContent')
    assert.is(got.body.toString(), body.replace('MODEL', 'real-1'))
    assert.is((await relay.records(1))[0]?.model, 'team-model')
  }))

test("what would change the models of all does not reach Ollama's own API", () =>
  withDoor(DOORS[2] as Door, async (relay, upstream) => {
    for (const path of ['/api/delete', '/api/pull', '/api/create', '/api/push', '/api/copy'])
      await ask(relay, DOORS[2] as Door, 'own-1', `x-api-key: ${relay.key}\r\n`, path)
    for (const { target } of upstream.requests) assert.ok(target.startsWith('/v1/api/'), target)
  }))

test.run()
