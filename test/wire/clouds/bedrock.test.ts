import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { writeChunkEvent, writeConverseEvent, writeException } from '../../support/aws-events.js'
import { findSignatureFault } from '../../support/aws-signature.js'
import { headerOf } from '../../support/client.js'
import { auth, post, startRelay, type TestRelay } from '../../support/relay.js'
import { CHUNKED, chunk, head, type Script, ScriptedUpstream, whole } from '../../support/upstream.js'

const KEY = { id: 'AKIDEXAMPLE', secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
const ENV = { AWS_ACCESS_KEY_ID: KEY.id, AWS_SECRET_ACCESS_KEY: KEY.secret, AWS_REGION: 'eu-west-1' }
const MODEL = 'anthropic.claude-sonnet-4-5-20250929-v1:0'
const STREAM = 'content-type: application/vnd.amazon.eventstream'

interface Scene {
  readonly relay: TestRelay
  readonly upstream: ScriptedUpstream
}

async function withBedrock(
  script: Script,
  act: (scene: Scene) => Promise<void>,
  {
    entry = {},
    settings = {},
    env = ENV,
  }: {
    entry?: object
    settings?: Record<string, unknown>
    env?: Record<string, string>
  } = {},
): Promise<void> {
  const upstream = await ScriptedUpstream.start(script)
  const baseUrl = `http://127.0.0.1:${upstream.port}`
  const relay = await startRelay({ aws: { preset: 'bedrock', baseUrl, ...entry } }, settings, env)
  try {
    await act({ relay, upstream })
  } finally {
    await relay.close()
    await upstream.close()
  }
}

const JSON_BODY = JSON.stringify({
  content: [{ type: 'text', text: 'Hi' }],
  stop_reason: 'end_turn',
  usage: { input_tokens: 7, cache_read_input_tokens: 100, cache_creation_input_tokens: 0, output_tokens: 42 },
})
const ANSWER: Script = (request) =>
  request.write(whole('200 OK', JSON_BODY, 'content-type: application/json'))

const PATHS: readonly [string, string][] = [
  [`/model/${encodeURIComponent(MODEL)}/invoke`, `/model/${encodeURIComponent(MODEL)}/invoke`],
  [`/model/${MODEL}/converse`, `/model/${encodeURIComponent(MODEL)}/converse`],
  [`/v1/model/${MODEL}/invoke`, `/model/${encodeURIComponent(MODEL)}/invoke`],
  [`/bedrock/model/${MODEL}/invoke`, `/model/${encodeURIComponent(MODEL)}/invoke`],
  [
    '/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.x/invoke',
    '/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.x/invoke',
  ],
  ["/model/it's(a)*test!/invoke?b=2&a=1", "/model/it's(a)*test!/invoke?b=2&a=1"],
]

for (const [asked, target] of PATHS) {
  test(`a request for ${asked} is signed as AWS wants it, and its body passes byte for byte`, () =>
    withBedrock(ANSWER, async ({ relay, upstream }) => {
      const body = '{ "anthropic_version":"bedrock-2023-05-31",\n"messages":[] }'
      const response = await post(relay, asked, body)
      assert.is(response.body.toString(), JSON_BODY)
      const request = await upstream.request(0)
      assert.is(request.target, target)
      assert.is(request.body.toString(), body)
      assert.is(findSignatureFault(request, KEY, 'eu-west-1'), null)
      assert.not.ok(request.raw.includes(relay.key))
    }))
}

test('a body that arrives in pieces is signed whole, also where the upload of others begins before its end', () =>
  withBedrock(ANSWER, async ({ relay, upstream }) => {
    const body = `{"model":"m","messages":["${'Grüße '.repeat(40_000)}"]}`
    const client = await relay.client()
    const bytes = Buffer.from(body)
    client.send(`POST /model/m/invoke HTTP/1.1\r\n${auth(relay)}content-length: ${bytes.length}\r\n\r\n`)
    for (let at = 0; at < bytes.length; at += 50_001) {
      client.send(bytes.subarray(at, at + 50_001))
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.is((await client.response()).status, 200)
    const request = await upstream.request(0)
    assert.ok(request.body.equals(bytes))
    assert.is(findSignatureFault(request, KEY, 'eu-west-1'), null)
    client.destroy()
  }))

test("a client's own signature ends at the relay, whatever it signs", () =>
  withBedrock(ANSWER, async ({ relay, upstream }) => {
    const client = await relay.client()
    const lines = [
      'host: relay',
      'authorization: AWS4-HMAC-SHA256 Credential=AKIDOFTHECLIENT/20150830/eu-west-1/bedrock/aws4_request, SignedHeaders=host, Signature=00',
      'x-amz-date: 20150830T123600Z',
      'x-amz-security-token: token-of-the-client',
      'x-amz-content-sha256: hash-of-the-client',
      'amz-sdk-invocation-id: kept',
      `x-api-key: ${relay.key}`,
    ]
    client.send(`POST /model/m/invoke HTTP/1.1\r\n${lines.join('\r\n')}\r\ncontent-length: 2\r\n\r\n{}`)
    assert.is((await client.response()).status, 200)
    const request = await upstream.request(0)
    assert.is(findSignatureFault(request, KEY, 'eu-west-1'), null)
    assert.not.match(request.head, /of-the-client|AKIDOFTHECLIENT|20150830T123600Z|lc_/i)
    assert.is(request.header('amz-sdk-invocation-id'), 'kept')
    client.destroy()
  }))

test('a temporary key of the environment is sent with its session token', () =>
  withBedrock(
    ANSWER,
    async ({ relay, upstream }) => {
      await post(relay, '/model/m/converse', '{}')
      const token = 'FQoGZXIvYXdzEXAMPLE=='
      assert.is(findSignatureFault(await upstream.request(0), { ...KEY, token }, 'eu-west-1'), null)
    },
    { env: { ...ENV, AWS_SESSION_TOKEN: 'FQoGZXIvYXdzEXAMPLE==' } },
  ))

test('an API key of Bedrock is sent as a bearer token, and nothing is signed', () =>
  withBedrock(
    ANSWER,
    async ({ relay, upstream }) => {
      await post(relay, '/model/m/converse', '{}')
      const request = await upstream.request(0)
      assert.is(request.header('authorization'), 'Bearer bedrock-api-key-of-the-relay')
      assert.is(request.header('x-amz-date'), undefined)
    },
    { env: { ...ENV, AWS_BEARER_TOKEN_BEDROCK: 'bedrock-api-key-of-the-relay' } },
  ))

test('a model of the config is replaced in the path, and the signature is of that path', () =>
  withBedrock(
    ANSWER,
    async ({ relay, upstream }) => {
      await post(relay, '/model/team-best/invoke', '{}')
      const request = await upstream.request(0)
      assert.is(request.target, `/model/${encodeURIComponent(MODEL)}/invoke`)
      assert.is(request.body.toString(), '{}')
      assert.is(findSignatureFault(request, KEY, 'eu-west-1'), null)
      const [line] = await relay.records(1)
      assert.is(line?.model, 'team-best')
    },
    { settings: { models: { 'team-best': { upstream: 'aws', model: MODEL } } } },
  ))

test('a rule for a model cannot be passed by an unusual spelling of the path', () =>
  withBedrock(
    ANSWER,
    async ({ relay, upstream }) => {
      const spellings = [
        '/model/secret/invoke',
        '/model/secret/%69nvoke',
        '/model/%73ecret/invoke',
        '/v1/v1/model/secret/invoke',
        '/model/secret/invoke/',
        '//model//secret//invoke',
        '/bedrock/model/secret/convers%65',
      ]
      for (const path of spellings) assert.is((await post(relay, path, '{}')).status, 404, path)
      assert.is((await post(relay, '/model/open/invoke', '{}')).status, 200)
      assert.is(upstream.requests.length, 1)
    },
    { settings: { routes: [{ model: 'open', upstream: 'aws' }] } },
  ))

const USAGE = {
  inputTokens: 7,
  outputTokens: 42,
  totalTokens: 149,
  cacheReadInputTokens: 100,
  cacheWriteInputTokens: 0,
}
const CONVERSE = [
  writeConverseEvent('messageStart', { role: 'assistant' }),
  writeConverseEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Grüße' } }),
  writeConverseEvent('messageStop', { stopReason: 'end_turn' }),
  writeConverseEvent('metadata', { usage: USAGE, metrics: { latencyMs: 9 } }),
]
const CLAUDE = [
  writeChunkEvent({
    type: 'message_start',
    message: { usage: { input_tokens: 7, cache_read_input_tokens: 100, output_tokens: 1 } },
  }),
  writeChunkEvent({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Grüße' } }),
  writeChunkEvent({
    type: 'message_delta',
    delta: { stop_reason: 'end_turn' },
    usage: { output_tokens: 42 },
  }),
  writeChunkEvent({ type: 'message_stop' }),
]

const STREAMS = [
  ['converse-stream', CONVERSE],
  ['invoke-with-response-stream', CLAUDE],
] as const

for (const [method, events] of STREAMS) {
  const body = Buffer.concat(events)
  for (const size of [1, 7, 64, body.length]) {
    test(`a stream of ${method} passes byte for byte in chunks of ${size}, and its usage is recorded`, () =>
      withBedrock(
        async (request) => {
          await request.write(head('200 OK', STREAM, CHUNKED))
          for (let at = 0; at < body.length; at += size) await request.chunk(body.subarray(at, at + size))
          await request.lastChunk()
        },
        async ({ relay }) => {
          const response = await post(relay, `/model/${MODEL}/${method}`, '{"messages":[]}')
          assert.ok(response.body.equals(body))
          assert.is(headerOf(response, 'content-type'), 'application/vnd.amazon.eventstream')
          assert.is(headerOf(response, 'x-accel-buffering'), 'no')
          const [line] = await relay.records(1)
          assert.equal(
            [line?.end, line?.model, line?.stream, line?.prompt_tokens, line?.cached_tokens],
            ['done', MODEL, true, 107, 100],
          )
          assert.equal(
            [line?.completion_tokens, line?.finish_reason, line?.request_class],
            [42, 'end_turn', 'chat'],
          )
        },
      ))
  }

  test(`a stream of ${method} that is cut is cut for the client too`, () =>
    withBedrock(
      async (request) => {
        await request.write(head('200 OK', STREAM, CHUNKED))
        await request.chunk(body.subarray(0, body.length - 9))
        request.destroy()
      },
      async ({ relay }) => {
        const client = await relay.client()
        client.send(`POST /model/m/${method} HTTP/1.1\r\n${auth(relay)}content-length: 2\r\n\r\n{}`)
        const [line] = await relay.records(1)
        assert.is(line?.end, 'upstream_cut')
        assert.not.ok(client.text.endsWith('0\r\n\r\n'))
        client.destroy()
      },
    ))

  test(`an exception within a stream of ${method} passes, and is in the record`, () =>
    withBedrock(
      async (request) => {
        const all = Buffer.concat([events[0] as Buffer, writeException('throttlingException', 'slow down')])
        await request.write(
          Buffer.concat([Buffer.from(head('200 OK', STREAM, CHUNKED)), Buffer.from(chunk(all))]),
        )
        await request.lastChunk()
      },
      async ({ relay }) => {
        const response = await post(relay, `/model/m/${method}`, '{}')
        assert.ok(response.body.includes('throttlingException'))
        const [line] = await relay.records(1)
        assert.is(line?.stream_error, 'throttlingException')
      },
    ))
}

test('usage of a whole answer is recorded, of a model without it by the head', () =>
  withBedrock(
    (request) =>
      request.target.includes('embed')
        ? request.write(
            whole(
              '200 OK',
              '{"embedding":[1]}',
              'content-type: application/json',
              'X-Amzn-Bedrock-Input-Token-Count: 12',
            ),
          )
        : ANSWER(request),
    async ({ relay }) => {
      await post(relay, `/model/${MODEL}/invoke`, '{}')
      await post(relay, '/model/amazon.titan-embed-text-v2%3A0/invoke', '{}')
      const lines = await relay.records(2)
      assert.equal(
        lines.map((line) => [line.prompt_tokens, line.completion_tokens]),
        [
          [107, 42],
          [12, 0],
        ],
      )
    },
  ))

test('a refused signature repeats no secret, and AWS tells what it expected', () =>
  withBedrock(
    (request) =>
      request.write(
        whole(
          '403 Forbidden',
          `{"message":"The Canonical String should have been x-amz-security-token:${request.header('x-amz-security-token')}"}`,
          'x-amzn-errortype: InvalidSignatureException',
        ),
      ),
    async ({ relay }) => {
      const response = await post(relay, '/model/m/invoke', '{}')
      assert.is(response.status, 403)
      assert.match(response.body.toString(), /Canonical String should have been x-amz-security-token:\*+"/)
      assert.not.match(JSON.stringify(relay.lines), /session-token-of-the-relay|wJalrXUtnFEMI/)
    },
    { env: { ...ENV, AWS_SESSION_TOKEN: 'session-token-of-the-relay' } },
  ))

test("a clock that is wrong is corrected by the upstream's after a refusal", () =>
  withBedrock(
    (request) =>
      request.write(
        whole(
          request.connection > 0 && request.header('x-amz-date')?.startsWith('2001') === true
            ? '200 OK'
            : '403 Forbidden',
          '{}',
          'x-amzn-errortype: InvalidSignatureException:http://internal.amazon.com/',
          'date: Mon, 05 Feb 2001 10:00:00 GMT',
        ),
      ),
    async ({ relay, upstream }) => {
      assert.is((await post(relay, '/model/m/invoke', '{}')).status, 403)
      assert.is((await post(relay, '/model/m/invoke', '{}')).status, 200)
      assert.match((await upstream.request(1)).header('x-amz-date') ?? '', /^20010205T10/)
      assert.is(findSignatureFault(await upstream.request(1), KEY, 'eu-west-1'), null)
    },
  ))

test.run()
