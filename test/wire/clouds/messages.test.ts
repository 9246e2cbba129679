import Anthropic from '@anthropic-ai/sdk'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { writeChunkEvent, writeException } from '../../support/aws-events.js'
import { findSignatureFault } from '../../support/aws-signature.js'
import { headerOf } from '../../support/client.js'
import { auth, post, startRelay, type TestRelay } from '../../support/relay.js'
import { TokenEndpoint } from '../../support/token-endpoint.js'
import { CHUNKED, head, type Script, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

const KEY = { id: 'AKIDEXAMPLE', secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
const ENV = { AWS_ACCESS_KEY_ID: KEY.id, AWS_SECRET_ACCESS_KEY: KEY.secret, AWS_REGION: 'eu-west-1' }
const MODEL = 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0'
const AWS_STREAM = 'content-type: application/vnd.amazon.eventstream'
const JSON_TYPE = 'content-type: application/json'

const EVENTS: readonly (Record<string, unknown> & { readonly type: string })[] = [
  {
    type: 'message_start',
    message: {
      id: 'msg_bdrk_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-4-5-20250929',
      content: [],
      stop_reason: null,
      usage: {
        input_tokens: 7,
        cache_read_input_tokens: 100,
        cache_creation_input_tokens: 0,
        output_tokens: 1,
      },
    },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Grüße' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 42 } },
  { type: 'message_stop', 'amazon-bedrock-invocationMetrics': { inputTokenCount: 7, outputTokenCount: 42 } },
]
const AS_SSE = EVENTS.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
const AS_AWS = Buffer.concat(EVENTS.map(writeChunkEvent))
const WHOLE = JSON.stringify({
  id: 'msg_bdrk_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5-20250929',
  content: [{ type: 'text', text: 'Grüße' }],
  stop_reason: 'end_turn',
  usage: { input_tokens: 7, cache_read_input_tokens: 100, cache_creation_input_tokens: 0, output_tokens: 42 },
})

/** Streams in pieces of so many bytes, or answers whole, as the path asks. */
function bedrock(size: number): Script {
  return async (request) => {
    if (!request.target.endsWith('stream')) {
      await request.write(whole('200 OK', WHOLE, JSON_TYPE))
      return
    }
    await request.write(head('200 OK', AWS_STREAM, CHUNKED))
    for (let at = 0; at < AS_AWS.length; at += size) await request.chunk(AS_AWS.subarray(at, at + size))
    await request.lastChunk()
  }
}

async function withBedrock(
  script: Script,
  act: (relay: TestRelay, upstream: ScriptedUpstream) => Promise<void>,
): Promise<void> {
  const upstream = await ScriptedUpstream.start(script)
  const entry = { preset: 'bedrock', baseUrl: `http://127.0.0.1:${upstream.port}` }
  const settings = { models: { 'team-best': { upstream: 'aws', model: MODEL } } }
  const relay = await startRelay({ aws: entry }, settings, ENV)
  try {
    await act(relay, upstream)
  } finally {
    await relay.close()
    await upstream.close()
  }
}

const PROMPT = '"max_tokens":16,"messages":[{"role":"user","content":"Grüße  {}"}]'

for (const size of [1, 13, 4096]) {
  test(`a stream of Messages is Claude's at Bedrock, as Anthropic would send it, in pieces of ${size}`, () =>
    withBedrock(bedrock(size), async (relay, upstream) => {
      const body = `{ "model": "team-best", "stream" : true,${PROMPT} }`
      const client = await relay.client()
      const beta =
        'anthropic-version: 2023-06-01\r\nanthropic-beta: context-1m-2025-08-07, claude-code-20250219\r\n'
      const length = Buffer.byteLength(body)
      client.send(
        `POST /v1/messages?beta=true HTTP/1.1\r\n${auth(relay)}${beta}content-length: ${length}\r\n\r\n${body}`,
      )
      const response = await client.response()
      assert.is(response.body.toString(), AS_SSE)
      assert.match(headerOf(response, 'content-type') ?? '', /^text\/event-stream/)
      const request = await upstream.request(0)
      assert.is(request.target, `/model/${encodeURIComponent(MODEL)}/invoke-with-response-stream`)
      assert.is(
        request.body.toString(),
        `{ ${PROMPT},"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["context-1m-2025-08-07"] }`,
      )
      assert.is(request.header('anthropic-beta'), undefined)
      assert.is(findSignatureFault(request, KEY, 'eu-west-1'), null)
      const [line] = await relay.records(1)
      assert.equal(
        [line?.end, line?.model, line?.prompt_tokens, line?.cached_tokens, line?.completion_tokens],
        ['done', 'team-best', 107, 100, 42],
      )
      client.destroy()
    }))
}

test('a whole answer passes byte for byte, and an error gets the form of Anthropic', () =>
  withBedrock(
    (request) =>
      request.body.includes('bad')
        ? request.write(
            whole(
              '400 Bad Request',
              '{"message":"messages: at least one message is required"}',
              JSON_TYPE,
              'x-amzn-errortype: ValidationException',
            ),
          )
        : bedrock(1)(request),
    async (relay) => {
      const answer = await post(relay, '/v1/messages', '{"model":"team-best","messages":[]}')
      assert.is(answer.body.toString(), WHOLE)
      const refused = await post(relay, '/v1/messages', '{"model":"team-best","messages":"bad"}')
      assert.is(refused.status, 400)
      assert.equal(JSON.parse(refused.body.toString()), {
        type: 'error',
        error: { type: 'invalid_request_error', message: 'messages: at least one message is required' },
      })
    },
  ))

test("Anthropic's client reads streams, answers and errors within a stream", () =>
  withBedrock(
    async (request) => {
      if (!request.body.includes('fail')) return bedrock(64)(request)
      await request.write(head('200 OK', AWS_STREAM, CHUNKED))
      await request.chunk(writeChunkEvent(EVENTS[0]))
      await request.chunk(writeException('throttlingException', 'Too many tokens'))
      await request.lastChunk()
    },
    async (relay) => {
      const client = new Anthropic({
        apiKey: relay.key,
        baseURL: relay.url.replace('/v1', ''),
        maxRetries: 0,
      })
      const ask = (content: string) =>
        client.messages
          .stream({ model: 'team-best', max_tokens: 16, messages: [{ role: 'user', content }] })
          .finalMessage()
      const message = await ask('hi')
      assert.equal([message.stop_reason, message.usage.output_tokens], ['end_turn', 42])
      assert.equal(message.content, [{ type: 'text', text: 'Grüße' }])
      let failure = ''
      await ask('fail').catch((error: Error) => {
        failure = error.message
      })
      assert.match(failure, /rate_limit_error.*Too many tokens/)
    },
  ))

test("Cursor's chat completions reach Claude at Bedrock, streamed and whole", () =>
  withBedrock(bedrock(50), async (relay, upstream) => {
    for (const stream of [true, false]) {
      const body = `{"model":"team-best","stream":${stream},"messages":[{"role":"user","content":"hi"}]}`
      const response = await post(relay, '/cursor/v1/chat/completions', body)
      assert.is(response.status, 200)
      assert.match(
        response.body.toString(),
        stream ? /"content":"Grüße"[\s\S]*data: \[DONE\]/ : /"content":"Grüße"/,
      )
    }
    const sent = await Promise.all([upstream.request(0), upstream.request(1)])
    assert.equal(
      sent.map(({ target }) => target.split('/').at(-1)),
      ['invoke-with-response-stream', 'invoke'],
    )
    for (const request of sent) {
      const { anthropic_version: version, model, stream } = JSON.parse(request.body.toString())
      assert.equal([version, model, stream], ['bedrock-2023-05-31', undefined, undefined])
      assert.is(findSignatureFault(request, KEY, 'eu-west-1'), null)
    }
    const lines = await relay.records(2)
    assert.equal(
      lines.map((line) => [line.prompt_tokens, line.completion_tokens]),
      [
        [107, 42],
        [107, 42],
      ],
    )
  }))

test('a stream that is cut, or has a wrong checksum, is no success', () =>
  withBedrock(
    async (request) => {
      await request.write(head('200 OK', AWS_STREAM, CHUNKED))
      if (request.body.includes('cut')) {
        await request.chunk(AS_AWS.subarray(0, AS_AWS.length - 3))
        request.destroy()
        return
      }
      const damaged = Buffer.from(AS_AWS)
      damaged[damaged.length - 1] = (damaged[damaged.length - 1] as number) ^ 1
      await request.chunk(damaged)
      await request.lastChunk()
    },
    async (relay) => {
      const client = await relay.client()
      const body = '{"model":"team-best","stream":true,"messages":"cut"}'
      client.send(`POST /v1/messages HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n${body}`)
      assert.is((await relay.records(1))[0]?.end, 'upstream_cut')
      assert.not.match(client.text, /message_stop|\r\n0\r\n\r\n/)
      client.destroy()
      const damaged = await post(relay, '/v1/messages', body.replace('cut', 'ok'))
      assert.not.match(damaged.body.toString(), /message_stop/)
      assert.match(damaged.body.toString(), /event: error\ndata: .*"api_error"/)
    },
  ))

/** `post` counts characters. */
const ASCII = PROMPT.replace('Grüße', 'hi')

test('Messages reach Claude at Vertex as they are, with the model in the path', async () => {
  const upstream = await ScriptedUpstream.start(async (request) => {
    if (!request.target.includes(':stream'))
      return request.write(whole('200 OK', '{"input_tokens":3}', JSON_TYPE))
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk(AS_SSE)
    await request.lastChunk()
  })
  const endpoint = await TokenEndpoint.start(() => ({ body: { access_token: 'token-1', expires_in: 3_600 } }))
  const entry = {
    preset: 'vertex',
    baseUrl: `http://127.0.0.1:${upstream.port}`,
    google: {
      project: 'my-project',
      location: 'us-east5',
      source: 'instance',
      tokenUrl: `${endpoint.url}/token`,
    },
  }
  const models = { 'team-best': { upstream: 'up', model: 'claude-sonnet-4-5@20250929' } }
  const relay = await startRelay({ up: entry }, { models }, {})
  await relay.app.connectUpstreams()
  try {
    const place = '/v1/projects/my-project/locations/us-east5/publishers/anthropic/models'
    const response = await post(relay, '/v1/messages', `{"model":"team-best","stream":true,${ASCII}}`)
    assert.is(response.body.toString(), AS_SSE)
    const streamed = await upstream.request(0)
    assert.is(streamed.target, `${place}/claude-sonnet-4-5%4020250929:streamRawPredict`)
    assert.is(streamed.body.toString(), `{"stream":true,${ASCII},"anthropic_version":"vertex-2023-10-16"}`)
    assert.is(streamed.header('authorization'), 'Bearer token-1')
    const counted = await post(relay, '/v1/messages/count_tokens', `{"model":"team-best",${ASCII}}`)
    assert.is(counted.body.toString(), '{"input_tokens":3}')
    const count = await upstream.request(1)
    assert.is(count.target, `${place}/count-tokens:rawPredict`)
    assert.match(count.body.toString(), /^\{"model":"claude-sonnet-4-5@20250929",/)
    const chat = await post(
      relay,
      '/cursor/v1/chat/completions',
      '{"model":"team-best","stream":true,"messages":[{"role":"user","content":"hi"}]}',
    )
    assert.match(chat.body.toString(), /"content":"Grüße"[\s\S]*data: \[DONE\]/)
    const [line] = await relay.records(3)
    assert.equal([line?.prompt_tokens, line?.completion_tokens], [107, 42])
  } finally {
    await relay.close()
    await upstream.close()
    await endpoint.close()
  }
})

test.run()
