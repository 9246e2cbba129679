import * as zlib from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { limitKeys } from '../../support/limit-keys.js'
import { auth, startRelay, type TestRelay } from '../../support/relay.js'
import { TokenEndpoint } from '../../support/token-endpoint.js'
import { ScriptedUpstream, whole } from '../../support/upstream.js'

const OPEN = 'open-1'
const SECRET = 'secret-1'
const CHAT = '"max_tokens":9,"messages":[{"role":"user","content":"hi"}]'

/** Requests that name the open model in one place and the forbidden one in another: a path, and a body. */
const REQUESTS: readonly (readonly [string, string])[] = [
  [`/openai/deployments/${OPEN}/chat/completions`, `{"model":"${SECRET}",${CHAT}}`],
  [`/openai/deployments/${OPEN}/messages`, `{"model":"${SECRET}",${CHAT}}`],
  [`/openai/deployments/${OPEN}/messages`, `{"model":"${OPEN}","Model":"${SECRET}",${CHAT}}`],
  [`/openai/deployments/${OPEN}/messages/count_tokens`, `{"model":"${SECRET}",${CHAT}}`],
  [`/openai/deployments/${OPEN}/messages/count_tokens`, `{"model":"${SECRET}","model":"${OPEN}",${CHAT}}`],
  [`/openai/deployments/${OPEN}/models/${SECRET}:generateContent`, '{"contents":[]}'],
  [`/openai/deployments/${OPEN}/models/${SECRET}:generateContent`, ''],
  [`/openai/deployments/${OPEN}/model/${SECRET}/invoke`, `{${CHAT}}`],
  [`/openai/deployments/${OPEN}/publishers/anthropic/models/${SECRET}:rawPredict`, `{${CHAT}}`],
  [`/openai/deployments/${OPEN}/realtime/client_secrets`, `{"session":{"model":"${SECRET}"}}`],
  [`/openai/deployments/${OPEN}/messages/batches`, `{"requests":[{"params":{"model":"${SECRET}"}}]}`],
  [`/model/${OPEN}/invoke`, `{"model":"${SECRET}",${CHAT}}`],
  [`/bedrock/model/${SECRET}/converse`, `{${CHAT}}`],
  [`/publishers/anthropic/models/${OPEN}:rawPredict`, `{"model":"${SECRET}",${CHAT}}`],
  ['/publishers/anthropic/models/count-tokens:rawPredict', `{"model":"${SECRET}",${CHAT}}`],
  [`/v1beta/models/${OPEN}:batchEmbedContents`, `{"requests":[{"model":"models/${SECRET}","content":{}}]}`],
  [
    `/v1beta/models/${OPEN}:batchEmbedContents`,
    `{"model":"${OPEN}","x":"${'.'.repeat(70_000)}","requests":[{"model":"models/${SECRET}","content":{}}]}`,
  ],
  [`/v1beta/models/${OPEN}:countTokens`, `{"generateContentRequest":{"model":"models/${SECRET}"}}`],
  [
    `/v1beta/models/${OPEN}:batchGenerateContent`,
    `{"batch":{"inputConfig":{"requests":{"requests":[{"request":{"model":"models/${SECRET}"}}]}}}}`,
  ],
  ['/v1/realtime/client_secrets', `{"model":"${OPEN}","session":{"model":"${SECRET}"}}`],
  ['/v1/realtime/client_secrets', `{"session":{"model":"${OPEN}"},"model":"${SECRET}"}`],
  [
    `/v1/realtime/client_secrets?model=${OPEN}`,
    `{"model":"${OPEN}","x":"${'.'.repeat(70_000)}","session":{"model":"${SECRET}"}}`,
  ],
  ['/v1/realtime/client_secrets', `{"session":{"model":"${OPEN}"},"session":{"model":"${SECRET}"}}`],
  ['/v1/realtime/client_secrets', `{"session":{"model":"${SECRET}","model":"${OPEN}"}}`],
  ['/v1/realtime/client_secrets', `{"session":{"Model":"${SECRET}","model":"${OPEN}"}}`],
  ['/v1/messages/batches', `{"requests":[{"params":{"model":"${OPEN}"}},{"params":{"model":"${SECRET}"}}]}`],
  [
    '/v1/messages/batches',
    `{"model":"${OPEN}","x":"${'.'.repeat(70_000)}","requests":[{"params":{"model":"${SECRET}"}}]}`,
  ],
]

const BOUNDARY = 'thinwire-boundary'

/** A call of the Realtime API: a form with a session description and the settings of the session. */
function writeCall(...sessions: readonly string[]): string {
  const field = (name: string, type: string, value: string): string =>
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\nContent-Type: ${type}\r\n\r\n${value}\r\n`
  const texts = sessions.map((session) => field('session', 'application/json', session))
  return `${field('sdp', 'application/sdp', 'v=0\r\ns="\r\n')}${texts.join('')}--${BOUNDARY}--\r\n`
}

const CALLS: readonly string[] = [
  writeCall(`{"model":"${SECRET}"}`),
  writeCall(`{"model":"${OPEN}"}`, `{"model":"${SECRET}"}`),
  writeCall(`{"model":"${SECRET}"}`, `{"model":"${OPEN}"}`),
  writeCall(`{"model":"${OPEN}","model":"${SECRET}"}`),
  writeCall(`{"model":"${OPEN}","Model":"${SECRET}"}`),
  writeCall(`{"model":"${OPEN}"`, `"model":"${SECRET}"}`),
]

/** Presets of the upstream: each puts the model in another place. */
const ENTRIES = ['openai', 'bedrock', 'vertex'] as const

const ENV = {
  UPSTREAM_KEY: 'sk-upstream-secret',
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'not-a-secret',
  AWS_REGION: 'eu-west-1',
}

const RULES: readonly (readonly [string, readonly string[] | null, Record<string, unknown>])[] = [
  ['the models of the key', [OPEN], {}],
  ['a route for a model', null, { routes: [{ model: OPEN, upstream: 'up' }] }],
  [
    'a private model before any other',
    null,
    { routes: [{ model: SECRET, upstream: 'private' }, { upstream: 'up' }] },
  ],
]

async function withEntry(
  preset: (typeof ENTRIES)[number],
  models: readonly string[] | null,
  settings: Record<string, unknown>,
  act: (relay: TestRelay, upstream: ScriptedUpstream) => Promise<void>,
): Promise<void> {
  const upstream = await ScriptedUpstream.start((request) => request.write(whole('200 OK', '{}')))
  const other = await ScriptedUpstream.start((request) => request.write(whole('200 OK', '{}')))
  const endpoint = await TokenEndpoint.start(() => ({ body: { access_token: 'token-1', expires_in: 3_600 } }))
  const google = { project: 'my-project', location: 'us-east5', source: 'instance', tokenUrl: endpoint.url }
  const entry = {
    openai: { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' } },
    bedrock: { preset, baseUrl: `http://127.0.0.1:${upstream.port}` },
    vertex: { preset, baseUrl: `http://127.0.0.1:${upstream.port}`, google },
  }[preset]
  const upstreams = { up: entry, private: { baseUrl: other.url, apiKey: { env: 'UPSTREAM_KEY' } } }
  const relay = await startRelay(upstreams, settings, ENV)
  try {
    limitKeys(relay, models)
    await relay.app.connectUpstreams()
    await act(relay, upstream)
  } finally {
    await relay.close()
    await upstream.close()
    await other.close()
    await endpoint.close()
  }
}

async function send(
  relay: TestRelay,
  path: string,
  body: Buffer,
  headers: readonly string[],
): Promise<number> {
  const client = await relay.client()
  const type = headers.some((line) => line.startsWith('content-type'))
    ? []
    : ['content-type: application/json']
  const lines = [`POST ${path} HTTP/1.1`, ...type, ...headers]
  client.send(
    Buffer.concat([
      Buffer.from(`${lines.join('\r\n')}\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n`),
      body,
    ]),
  )
  const { status } = await client.response()
  client.destroy()
  return status
}

for (const preset of ENTRIES)
  for (const [name, models, settings] of RULES)
    test(`${name}, ${preset}: of two names in one request, the forbidden one is not reached`, () =>
      withEntry(preset, models, settings, async (relay, upstream) => {
        const reached: string[] = []
        for (const [path, text] of REQUESTS) {
          for (const coding of ['identity', 'gzip']) {
            const count = upstream.requests.length
            const body = coding === 'gzip' ? zlib.gzipSync(text) : Buffer.from(text)
            const status = await send(relay, path, body, [`content-encoding: ${coding}`])
            for (const request of upstream.requests.slice(count)) {
              const isEncoded = request.header('content-encoding') === 'gzip'
              const sent = (isEncoded ? zlib.gunzipSync(request.body) : request.body).toString()
              if (request.target.includes(SECRET) || sent.includes(SECRET))
                reached.push(`${path} ${coding} ${text.slice(0, 80)}: ${status}`)
            }
          }
        }
        assert.equal(reached, [])
      }))

/** What clients do send: the names are the same, or one of them leads nowhere. */
const SOUND: readonly (readonly [string, string])[] = [
  [`/openai/deployments/${OPEN}/chat/completions`, `{"model":"${OPEN}",${CHAT}}`],
  ['/publishers/anthropic/models/count-tokens:rawPredict', `{"model":"${OPEN}",${CHAT}}`],
  [`/v1beta/models/${OPEN}:batchEmbedContents`, `{"requests":[{"model":"models/${OPEN}","content":{}}]}`],
  [
    `/v1beta/models/${OPEN}:countTokens`,
    '{"contents":[{"parts":[{"functionCall":{"args":{"model":"x"}}}]}]}',
  ],
  ['/v1/realtime/client_secrets', `{"model":"${OPEN}","session":{"model":"${OPEN}"}}`],
  ['/v1/messages/batches', `{"requests":[{"params":{"model":"${OPEN}"}},{"params":{"model":"${OPEN}"}}]}`],
]

for (const [name, models, settings] of RULES)
  test(`${name}: a request that names its model twice alike is sent`, () =>
    withEntry('openai', models, settings, async (relay) => {
      for (const [path, text] of SOUND) assert.is(await send(relay, path, Buffer.from(text), []), 200, path)
    }))

test('a session may name another model that transcribes, which no rule is for', () =>
  withEntry(
    'openai',
    null,
    { models: { voice: { upstream: 'up', model: OPEN } } },
    async (relay, upstream) => {
      const body = '{"session":{"model":"voice","audio":{"input":{"transcription":{"model":"whisper-1"}}}}}'
      assert.is(await send(relay, '/v1/realtime/client_secrets', Buffer.from(body), []), 200)
      assert.is((await upstream.request(0)).body.toString(), body.replace('voice', OPEN))
      const both = '{"model":"voice","session":{"model":"voice"}}'
      assert.is(await send(relay, '/v1/realtime/client_secrets', Buffer.from(both), []), 200)
      assert.is((await upstream.request(1)).body.toString(), both.replaceAll('voice', OPEN))
    },
  ))

for (const preset of ['bedrock', 'vertex'] as const)
  test(`${preset}: an encoded request of Messages is decoded, as it has to be changed`, () =>
    withEntry(preset, null, {}, async (relay, upstream) => {
      const body = zlib.gzipSync(`{"model":"${OPEN}",${CHAT}}`)
      assert.is(await send(relay, '/v1/messages', body, ['content-encoding: gzip']), 200)
      const request = await upstream.request(0)
      assert.ok(request.target.includes(OPEN), request.target)
      assert.is(request.header('content-encoding'), undefined)
      assert.match(request.body.toString(), /^\{"max_tokens":9,.*"anthropic_version":"[a-z0-9-]+"\}$/)
    }))

test('on the path for Cursor, only chats have variants of names, and only chats are checks of a key', () =>
  withEntry(
    'openai',
    ['base'],
    { models: { base: { upstream: 'up', model: OPEN } }, cursor: { answerKeyCheck: true } },
    async (relay, upstream) => {
      const check =
        '"messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"Test prompt using gpt-4"}]'
      for (const path of ['messages', 'responses', 'completions', 'embeddings']) {
        const variant = await send(
          relay,
          `/cursor/v1/${path}`,
          Buffer.from(`{"model":"base-high",${CHAT}}`),
          [],
        )
        assert.is(variant, 403, path)
        const checked = await send(
          relay,
          `/cursor/v1/${path}`,
          Buffer.from(`{"model":"${SECRET}",${check}}`),
          [],
        )
        assert.is(checked, 403, path)
      }
      assert.equal(upstream.requests, [])
      const chat = '/cursor/v1/chat/completions'
      assert.is(await send(relay, chat, Buffer.from(`{"model":"base-high",${CHAT}}`), []), 200)
      assert.is(await send(relay, chat, Buffer.from(`{"model":"${SECRET}",${check}}`), []), 200)
      assert.is(upstream.requests.length, 1)
    },
  ))

test('the model in the form of a call leads it, and is named as its target does', () =>
  withEntry(
    'openai',
    ['voice'],
    { models: { voice: { upstream: 'up', model: OPEN } } },
    async (relay, upstream) => {
      const type = `content-type: multipart/form-data; boundary=${BOUNDARY}`
      const body = writeCall('{"type":"realtime","model":"voice"}')
      assert.is(await send(relay, '/v1/realtime/calls', Buffer.from(body), [type]), 200)
      assert.is((await upstream.request(0)).body.toString(), body.replace('voice', OPEN))
      const other = writeCall('{"model":"voice","audio":{"input":{"transcription":{"model":"whisper-1"}}}}')
      assert.is(await send(relay, '/v1/realtime/calls', Buffer.from(other), [type]), 403)
    },
  ))

for (const [name, models, settings] of RULES)
  test(`${name}: no form of a call reaches the forbidden model`, () =>
    withEntry('openai', models, settings, async (relay, upstream) => {
      const type = `content-type: multipart/form-data; boundary=${BOUNDARY}`
      for (const body of CALLS) await send(relay, '/v1/realtime/calls', Buffer.from(body), [type])
      assert.equal(
        upstream.requests.map(({ body }) => body.toString()).filter((text) => text.includes(SECRET)),
        [],
      )
      assert.is(
        await send(relay, '/v1/realtime/calls', Buffer.from(writeCall(`{"model":"${OPEN}"}`)), [type]),
        200,
      )
    }))

test.run()
