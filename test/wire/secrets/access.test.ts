import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mintKey } from '../../../src/access/key.js'
import { issueKey, revokeKey } from '../../../src/access/keyring.js'
import { headerOf, type Response } from '../../support/client.js'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { until, wait } from '../../support/until.js'

const OWNER = { env: 'test', team: 'team1', user: 'user2' }

function get(path: string, ...lines: string[]): string {
  return `GET ${path} HTTP/1.1\r\n${['host: relay', ...lines].join('\r\n')}\r\n\r\n`
}

/** The key with its last character changed: whole, but with a wrong checksum. */
function mistyped(key: string): string {
  return key.slice(0, -1) + (key.endsWith('a') ? 'b' : 'a')
}

/** Issues a key and revokes it. */
function revoked(scene: Scene): string {
  const { key } = issueKey(scene.relay.keyFile, OWNER)
  revokeKey(scene.relay.keyFile, key)
  return key
}

/** Repeats the request until it gets `status`: the relay reads the key file again from time to time. */
async function eventually(scene: Scene, request: string, status: number): Promise<Response> {
  for (let tries = 0; ; tries++) {
    const response = await scene.ask(request)
    if (response.status === status || tries === 200) return response
    await wait(5)
  }
}

async function revocationIsKnown(scene: Scene, lines: string[]): Promise<void> {
  for (let code: string | undefined; code !== 'revoked_api_key'; await wait(5)) {
    code = headerOf(await scene.ask(get('/v1/x', ...lines)), 'x-thinwire-error')
  }
}

test('a key is accepted in any of three headers, also beside empty and wrong ones', () =>
  withRelay(OK, async (scene) => {
    const { key } = scene.relay
    const ways = [
      [`Authorization: Bearer ${key}`],
      [`authorization: bearer   ${key} `],
      [`X-Api-Key: ${key}`],
      [`api-key: ${key}`],
      ['Authorization: Bearer', `x-api-key: ${key}`],
      ['Authorization: Bearer ', 'x-api-key:', `api-key: ${key}`],
      ['x-api-key: ', `Authorization: Bearer ${key}`],
      ['Authorization: Bearer sk-of-somebody', `x-api-key: ${key}`],
      [`Authorization: Bearer ${mistyped(key)}`, `api-key: ${key}`],
      [`Authorization: Bearer ${key}`, `x-api-key: ${mintKey(OWNER)}`],
      ['Authorization: Basic eDp5', `x-api-key: ${key}`],
      ['Authorization: Bearer wrong', `Authorization: Bearer ${key}`],
      [`Authorization: Bearer ${key}`, `x-api-key: ${key}`, `api-key: ${key}`],
    ]
    for (const lines of ways) {
      const request = await scene.relayed(get('/v1/x', ...lines))
      assert.is(request.header('authorization'), 'Bearer sk-upstream-secret')
      for (const secret of [key, 'sk-of-somebody', 'eDp5', 'wrong']) {
        assert.not(request.head.includes(secret), 'a credential of the client went upstream')
      }
    }
  }))

type Refusal = readonly [code: string, lines: (scene: Scene) => string[]]
const REFUSALS: Refusal[] = [
  ['missing_api_key', () => []],
  ['missing_api_key', () => ['Authorization: Bearer ', 'x-api-key:']],
  ['missing_api_key', () => ['Authorization: Basic eDp5']],
  ['malformed_api_key', () => ['Authorization: Bearer sk-proj-abcdefgh']],
  ['mistyped_api_key', (scene) => [`x-api-key: ${scene.relay.key}${scene.relay.key}`]],
  ['mistyped_api_key', (scene) => [`Authorization: Bearer ${scene.relay.key.slice(0, -3)}`]],
  ['malformed_api_key', (scene) => [`x-api-key: ${scene.relay.key.toUpperCase()}`]],
  ['mistyped_api_key', (scene) => [`api-key: ${mistyped(scene.relay.key)}`]],
  ['unknown_api_key', () => [`x-api-key: ${mintKey(OWNER)}`]],
  ['revoked_api_key', (scene) => [`Authorization: Bearer ${revoked(scene)}`]],
  // Of several wrong keys, the error is about the one that is closest to a valid key.
  [
    'unknown_api_key',
    (scene) => [`Authorization: Bearer ${mintKey(OWNER)}`, `x-api-key: ${mistyped(scene.relay.key)}`],
  ],
]

for (const [code, lines] of REFUSALS) {
  test(`the error ${code} has the format of the client, and the key is in no response and no log`, () =>
    withRelay(OK, async (scene) => {
      const sent = lines(scene)
      const secrets = sent
        .map((line) => line.split(/: (?:Bearer )?/)[1] ?? '')
        .filter((text) => text.length > 7)
      // The relay knows a new key only when it has read the key file again.
      if (code === 'revoked_api_key') await revocationIsKnown(scene, sent)

      const client = await scene.client()
      client.send(get('/v1/chat/completions', ...sent))
      const openai = await client.response()
      assert.is(openai.status, 401)
      assert.is(headerOf(openai, 'content-type'), 'application/json; charset=utf-8')
      assert.is(headerOf(openai, 'x-should-retry'), 'false')
      assert.is(headerOf(openai, 'x-thinwire-error'), code)
      const { error, ...rest } = JSON.parse(openai.body.toString())
      assert.equal(rest, {})
      assert.equal(Object.keys(error).sort(), ['code', 'message', 'param', 'type'])
      assert.is(error.code, code)
      assert.is(error.param, null)
      assert.is(error.type, 'invalid_request_error')
      assert.is(typeof error.message, 'string')

      client.send(get('/v1/messages?beta=true', ...sent))
      const anthropic = await client.response(1)
      assert.is(anthropic.status, 401)
      const { type, error: cause, request_id: requestId, ...none } = JSON.parse(anthropic.body.toString())
      assert.is(type, 'error')
      assert.equal(cause, { type: 'authentication_error', message: error.message })
      assert.is(requestId, headerOf(anthropic, 'x-request-id'))
      assert.equal(none, {})

      const told = (): unknown[] =>
        scene.relay.lines
          .filter((line) => 'end' in line && line.path !== '/v1/x')
          .map((line) => [line.end, line.error_code])
      await until(() => told().length === 2, 'the lines of both')
      assert.equal(told(), [
        ['refused', code],
        ['refused', code],
      ])
      for (const secret of secrets) {
        assert.not(client.text.includes(secret), 'a key in an answer')
        assert.not(JSON.stringify(scene.relay.lines).includes(secret), 'a key in the log')
      }
      assert.is(scene.upstream.requests.length, 0)
    }))
}

test('a key that was pasted into a path, query or model is not in the log', () =>
  withRelay(OK, async (scene) => {
    const { key } = scene.relay
    const body = JSON.stringify({ model: key })
    await scene.ask(
      `POST /v1/${key}?key=${key} HTTP/1.1\r\n${scene.auth}content-length: ${body.length}\r\n\r\n${body}`,
    )
    await scene.relay.requests(1)
    assert.not(JSON.stringify(scene.relay.lines).includes(key), 'a key in the log')
  }))

test('a key that is issued or revoked while the relay runs takes effect without a restart', () =>
  withRelay(OK, async (scene) => {
    const { key } = issueKey(scene.relay.keyFile, OWNER)
    const request = get('/v1/x', `x-api-key: ${key}`)
    assert.is((await eventually(scene, request, 200)).status, 200)
    const { id } = revokeKey(scene.relay.keyFile, key)
    const response = await eventually(scene, request, 401)
    assert.is(headerOf(response, 'x-thinwire-error'), 'revoked_api_key')
    assert.match(id, /^k_/)
    // The other key is still valid.
    assert.is((await scene.ask(get('/v1/x', `x-api-key: ${scene.relay.key}`))).status, 200)
  }))

const PASSTHROUGH = { keys: { mode: 'passthrough' } }

for (const apiKey of [undefined, { env: 'UPSTREAM_KEY' }]) {
  const having = apiKey === undefined ? 'has no key' : 'has a key'
  test(`the client's own credential goes upstream in mode passthrough if the upstream ${having}`, () =>
    withRelay(
      OK,
      async (scene) => {
        const lines = ['authorization: Bearer sk-of-the-client', 'X-Api-Key: sk-ant-of-the-client']
        const request = await scene.relayed(get('/v1/x', ...lines))
        assert.equal(
          request.headers.filter(([name]) => /authorization|api-key/i.test(name)).map(([, value]) => value),
          ['Bearer sk-of-the-client', 'sk-ant-of-the-client'],
        )
        // A client without a credential does not get the relay's.
        const bare = await scene.relayed(get('/v1/x'))
        assert.not.match(bare.head, /authorization|api-key|sk-upstream-secret/i)
        const line = (await scene.relay.requests(2))[0]
        assert.is(line?.key, null)
        assert.not.match(JSON.stringify(scene.relay.lines), /of-the-client/)
      },
      PASSTHROUGH,
      { apiKey },
    ))
}

const OFF = { keys: { mode: 'off' } }

test("a program on this machine needs no key in mode off, and uses the relay's upstream credential", () =>
  withRelay(
    OK,
    async (scene) => {
      const callers = [
        ['host: localhost:4000'],
        ['Host: 127.0.0.1'],
        ['Host: [::1]:4000'],
        ['Host: localhost', 'Origin: vscode-file://vscode-app'],
        ['Host: localhost', 'Origin: http://localhost:5173'],
        ['Host: localhost', 'Authorization: Bearer anything'],
      ]
      for (const lines of callers) {
        const request = await scene.relayed(`GET /v1/x HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
        assert.is(request.header('authorization'), 'Bearer sk-upstream-secret')
      }
    },
    OFF,
  ))

test('a web page is refused in mode off, whatever its host and origin are', () =>
  withRelay(
    OK,
    async (scene) => {
      const callers = [
        ['Host: localhost', 'Origin: https://example.com'],
        ['Host: localhost', 'Origin: null'],
        ['Host: localhost', 'Origin: https://localhost.example.com'],
        ['Host: localhost', 'Origin: https://127.0.0.1.example.com'],
        ['Host: rebound.example.com'],
        ['Host: rebound.example.com:4000', 'Origin: http://localhost'],
      ]
      for (const lines of callers) {
        const response = await scene.ask(`GET /v1/x HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
        assert.is(response.status, 403, lines.join())
        assert.is(JSON.parse(response.body.toString()).error.code, 'forbidden_origin')
      }
      assert.is(scene.upstream.requests.length, 0)
    },
    OFF,
  ))

test.run()
