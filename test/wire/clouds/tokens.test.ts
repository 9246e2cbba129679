import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf } from '../../support/client.js'
import { auth, post, startRelay, type TestRelay } from '../../support/relay.js'
import { OK } from '../../support/scene.js'
import { type TokenAnswer, type TokenAsked, TokenEndpoint } from '../../support/token-endpoint.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, head, type Script, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
const keyFile = join(folder, 'account.json')
writeFileSync(
  keyFile,
  JSON.stringify({
    type: 'service_account',
    project_id: 'p-of-the-key',
    private_key_id: 'k1',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: 'relay@p.iam.gserviceaccount.com',
    token_uri: 'https://oauth2.googleapis.com/token',
  }),
)

interface Scene {
  readonly relay: TestRelay
  readonly upstream: ScriptedUpstream
  readonly endpoint: TokenEndpoint
}

type Answer = (asked: TokenAsked, n: number) => TokenAnswer | null

/** The n-th token, from 1. */
const numbered: Answer = (_, n) => ({
  body: { access_token: `token-of-the-relay-${n + 1}`, expires_in: 3_600 },
})

/** @param entry of the upstream, for the URL of the token endpoint */
async function withTokens(
  script: Script,
  entry: (tokenUrl: string) => object,
  act: (scene: Scene) => Promise<void>,
  answer: Answer = numbered,
  settings: Record<string, unknown> = {},
): Promise<void> {
  const upstream = await ScriptedUpstream.start(script)
  const endpoint = await TokenEndpoint.start(answer)
  const baseUrl = `http://127.0.0.1:${upstream.port}`
  const entries = { up: { baseUrl, ...entry(`${endpoint.url}/token`) } }
  const relay = await startRelay(
    entries,
    settings,
    { AZURE_CLIENT_SECRET: 'client-secret-of-the-relay' },
    NEVER,
  )
  try {
    await relay.app.connectUpstreams()
    await act({ relay, upstream, endpoint })
  } finally {
    await relay.close()
    await upstream.close()
    await endpoint.close()
  }
}

/** The config file is read again only when a test says so. */
const NEVER = 3_600_000

const vertex = (tokenUrl: string) => ({
  preset: 'vertex',
  google: { location: 'europe-west1', credentials: { file: keyFile }, tokenUrl },
})
const entra = (tokenUrl: string) => ({
  preset: 'azure',
  entra: { tenant: 't', clientId: 'c', tokenUrl },
})

const PLACE = '/projects/p-of-the-key/locations/europe-west1'

/** As a client asks, and as Vertex is asked. The client's project and location are another's. */
const VERTEX_PATHS: [string, string][] = [
  ['/v1/chat/completions', `/v1${PLACE}/endpoints/openapi/chat/completions`],
  [
    '/v1/projects/mine/locations/us-east5/endpoints/openapi/chat/completions',
    `/v1${PLACE}/endpoints/openapi/chat/completions`,
  ],
  [
    '/v1beta1/projects/mine/locations/global/publishers/google/models/gemini-3-pro:streamGenerateContent?alt=sse',
    `/v1beta1${PLACE}/publishers/google/models/gemini-3-pro:streamGenerateContent?alt=sse`,
  ],
  [
    '/models/gemini-3-pro:generateContent',
    `/v1beta1${PLACE}/publishers/google/models/gemini-3-pro:generateContent`,
  ],
  [
    '/v1/projects/mine/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5%4020250929:rawPredict',
    `/v1${PLACE}/publishers/anthropic/models/claude-sonnet-4-5%4020250929:rawPredict`,
  ],
]

for (const [asked, target] of VERTEX_PATHS) {
  test(`a request for ${asked} goes to the project of the relay, with its token`, () =>
    withTokens(OK, vertex, async ({ relay, upstream }) => {
      const body = '{ "anthropic_version":"vertex-2023-10-16" }'
      assert.is((await post(relay, asked, body)).status, 200)
      const request = await upstream.request(0)
      assert.is(request.target, target)
      assert.is(request.header('authorization'), 'Bearer token-of-the-relay-1')
      assert.is(request.body.toString(), body)
      assert.not.ok(request.raw.includes(relay.key))
    }))
}

test('a stream of Claude at Vertex passes, and its usage is recorded under the model of the path', () =>
  withTokens(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk(
        'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-sonnet-4-5","usage":{"input_tokens":7,"cache_read_input_tokens":100,"output_tokens":1}}}\n\n',
      )
      await request.chunk(
        'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":42}}\n\n',
      )
      await request.chunk('event: message_stop\ndata: {"type":"message_stop"}\n\n')
      await request.lastChunk()
    },
    vertex,
    async ({ relay, upstream }) => {
      const path = '/v1/projects/p/locations/l/publishers/anthropic/models/team-claude:streamRawPredict'
      const response = await post(relay, path, '{"stream":true}')
      assert.match(response.body.toString(), /message_stop"\}\n\n$/)
      const [line] = await relay.records(1)
      assert.equal(
        [line?.end, line?.model, line?.prompt_tokens, line?.completion_tokens, line?.request_class],
        ['done', 'team-claude', 107, 42, 'chat'],
      )
      assert.is(
        (await upstream.request(0)).target,
        `/v1${PLACE}/publishers/anthropic/models/claude-sonnet-4-5%4020250929:streamRawPredict`,
      )
    },
    numbered,
    { models: { 'team-claude': { upstream: 'up', model: 'claude-sonnet-4-5@20250929' } } },
  ))

test('Azure gets a token of Entra ID, and no key of the environment', () =>
  withTokens(OK, entra, async ({ relay, upstream, endpoint }) => {
    await post(relay, '/v1/chat/completions', '{}')
    const request = await upstream.request(0)
    assert.is(request.target, '/openai/v1/chat/completions')
    assert.is(request.header('authorization'), 'Bearer token-of-the-relay-1')
    assert.is(request.header('api-key'), undefined)
    assert.is(endpoint.asked[0]?.form.get('client_secret'), 'client-secret-of-the-relay')
    assert.is(endpoint.asked.length, 1)
  }))

test('a refused token is replaced once, and later requests have the new one', () =>
  withTokens(
    (request) =>
      request.write(
        request.header('authorization')?.endsWith('-1') === true
          ? whole('401 Unauthorized', `{"error":"${request.header('authorization')}"}`)
          : whole('200 OK', 'ok'),
      ),
    entra,
    async ({ relay, upstream, endpoint }) => {
      const refused = await post(relay, '/v1/chat/completions', '{}')
      assert.is(refused.status, 401)
      assert.match(refused.body.toString(), /^\{"error":"Bearer \*+"\}$/)
      await until(() => endpoint.asked.length === 2, 'the early refresh')
      while ((await post(relay, '/v1/chat/completions', '{}')).status !== 200) await wait(5)
      assert.is(upstream.requests.at(-1)?.header('authorization'), 'Bearer token-of-the-relay-2')
      assert.is(endpoint.asked.length, 2)
      assert.not.match(JSON.stringify(relay.lines), /of-the-relay/)
    },
  ))

test('a token that comes back in a header or a page is hidden, the current one and the one before', () =>
  withTokens(
    (request) =>
      request.write(
        whole('404 Not Found', `${request.header('authorization')}`, 'x-echo: token-of-the-relay-1'),
      ),
    entra,
    async ({ relay }) => {
      const response = await post(relay, '/v1/chat/completions', '{}')
      assert.match(response.body.toString(), /^Bearer \*+$/)
      assert.is(headerOf(response, 'x-echo'), '***')
    },
  ))

test('without a token nothing is sent, and the log says why without a secret', () =>
  withTokens(
    OK,
    entra,
    async ({ relay, upstream }) => {
      const response = await post(relay, '/v1/chat/completions', '{}')
      assert.ok(response.status >= 500)
      assert.is(upstream.requests.length, 0)
      const told = relay.lines.filter(({ msg }) => String(msg).startsWith('no new credential'))
      assert.is(told.length, 1)
      assert.is(told[0]?.cause, 'TOKEN_STATUS_401 invalid_client')
      assert.not.match(JSON.stringify(relay.lines), /client-secret-of-the-relay|description-1/)
    },
    () => ({ status: 401, body: { error: 'invalid_client', error_description: 'description-1' } }),
  ))

test('a reload keeps the token of an upstream that it does not change, and gets one for a new upstream', () =>
  withTokens(OK, entra, async ({ relay, upstream, endpoint }) => {
    const baseUrl = `http://127.0.0.1:${upstream.port}`
    const up = { warm: false, baseUrl, ...entra(`${endpoint.url}/token`) }
    const change = (upstreams: object): void => {
      writeFileSync(relay.config.file as string, JSON.stringify({ listen: '127.0.0.1:0', upstreams }))
      relay.app.reload()
    }
    change({ up, other: { warm: false, baseUrl } })
    await post(relay, '/v1/chat/completions', '{}')
    assert.is(endpoint.asked.length, 1)
    change({ up: { ...up, entra: { ...up.entra, clientId: 'another' } } })
    await until(() => endpoint.asked.length === 2, 'a token of the changed upstream')
    assert.is(endpoint.asked[1]?.form.get('client_id'), 'another')
    await relay.app.connectUpstreams()
    await post(relay, '/v1/chat/completions', '{}')
    assert.is(upstream.requests.at(-1)?.header('authorization'), 'Bearer token-of-the-relay-2')
  }))

test('the list of models of an upstream without a token is left out, and the others are listed', () =>
  withTokens(
    (request) => request.write(whole('200 OK', '{"data":[{"id":"m1"}]}', 'content-type: application/json')),
    (tokenUrl) => ({ entra: { tenant: 't', clientId: 'c', tokenUrl } }),
    async ({ relay, upstream }) => {
      const baseUrl = `http://127.0.0.1:${upstream.port}`
      const { upstreams } = JSON.parse(readFileSync(relay.config.file as string, 'utf8'))
      const settings = { listen: '127.0.0.1:0', upstreams: { ...upstreams, other: { warm: false, baseUrl } } }
      const routes = [{ model: 'x', upstream: 'up' }, { upstream: 'other' }]
      writeFileSync(relay.config.file as string, JSON.stringify({ ...settings, routes }))
      relay.app.reload()
      const client = await relay.client()
      client.send(`GET /v1/models HTTP/1.1\r\n${auth(relay)}\r\n`)
      const response = await client.response()
      assert.is(response.status, 200)
      assert.equal(
        JSON.parse(response.body.toString()).data.map(({ id }: { id: string }) => id),
        ['m1'],
      )
      client.destroy()
    },
    () => ({ status: 500, body: '' }),
  ))

test.run()
