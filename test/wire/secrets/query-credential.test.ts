import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf } from '../../support/client.js'
import { auth, startRelay } from '../../support/relay.js'
import { type Received, ScriptedUpstream, whole } from '../../support/upstream.js'

const SECRET = 'sk-in+the/query=1'
const ENCODED = encodeURIComponent(SECRET)

async function withQuery(
  script: (request: Received) => void | Promise<void>,
  act: (stage: {
    relay: Awaited<ReturnType<typeof startRelay>>
    upstream: ScriptedUpstream
  }) => Promise<void>,
  entry: Record<string, unknown> = {},
  settings: Record<string, unknown> = {},
): Promise<void> {
  const upstream = await ScriptedUpstream.start(script)
  const up = { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' }, auth: 'query', ...entry }
  const relay = await startRelay({ up }, settings, { UPSTREAM_KEY: SECRET })
  try {
    await act({ relay, upstream })
    const records = JSON.stringify(await relay.records(1))
    for (const secret of [SECRET, ENCODED]) {
      assert.not.ok(JSON.stringify(relay.lines).includes(secret), 'the log has it')
      assert.not.ok(records.includes(secret), 'the ledger has it')
    }
  } finally {
    await relay.close()
    await upstream.close()
  }
}

test("a credential with auth query replaces the client's parameter and is in no header", () =>
  withQuery(
    (request) => request.write(whole('200 OK', 'ok')),
    async ({ relay, upstream }) => {
      const client = await relay.client()
      client.send(`GET /v1/x?a=%7E&key=mine&b HTTP/1.1\r\n${auth(relay)}\r\n`)
      assert.is((await client.response()).status, 200)
      const request = await upstream.request(0)
      assert.is(request.target, `/v1/x?a=%7E&b&v=1&key=${ENCODED}`)
      assert.is(request.header('authorization'), undefined)
      assert.not.ok(request.head.slice(request.head.indexOf('\r\n')).includes('sk-in'))
      client.destroy()
    },
    { query: { v: '1' } },
  ))

test("the client's key parameter stays if keyParameter has another name", () =>
  withQuery(
    (request) => request.write(whole('200 OK', 'ok')),
    async ({ relay, upstream }) => {
      const client = await relay.client()
      client.send(`GET /v1/x?key=mine HTTP/1.1\r\n${auth(relay)}\r\n`)
      await client.response()
      assert.is((await upstream.request(0)).target, `/v1/x?key=mine&api_token=${ENCODED}`)
      client.destroy()
    },
    { keyParameter: 'api_token' },
  ))

test('the credential is not added to the query in mode passthrough', () =>
  withQuery(
    (request) => request.write(whole('200 OK', 'ok')),
    async ({ relay, upstream }) => {
      const client = await relay.client()
      client.send('GET /v1/x?key=mine HTTP/1.1\r\nhost: x\r\nauthorization: Bearer own\r\n\r\n')
      await client.response()
      assert.is((await upstream.request(0)).target, '/v1/x?key=mine')
      client.destroy()
    },
    {},
    { keys: { mode: 'passthrough' } },
  ))

test('the credential is removed from a redirect that contains the upstream URL', () =>
  withQuery(
    (request) =>
      request.write(
        whole(
          '307 Temporary Redirect',
          '',
          `location: http://elsewhere/${request.target}`,
          `x-seen: ${SECRET}`,
        ),
      ),
    async ({ relay }) => {
      const client = await relay.client()
      client.send(`GET /v1/x?a=1 HTTP/1.1\r\n${auth(relay)}\r\n`)
      const response = await client.response()
      assert.is(response.status, 307)
      assert.is(headerOf(response, 'location'), 'http://elsewhere//v1/x?a=1&key=***')
      assert.is(headerOf(response, 'x-seen'), '***')
      client.destroy()
    },
  ))

const FAILURES: Array<[string, (request: Received) => void | Promise<void>, number]> = [
  ['cut', (request) => request.destroy(), 502],
  ['no HTTP', (request) => request.write('nonsense\r\n\r\n'), 502],
]

for (const [what, script, status] of FAILURES) {
  test(`logs and errors about an upstream with ${what} do not contain the credential`, () =>
    withQuery(script, async ({ relay }) => {
      const client = await relay.client()
      client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
      const response = await client.response()
      assert.is(response.status, status)
      assert.not.match(JSON.stringify(response.headers) + response.body.toString(), /sk-in|key=/)
      client.destroy()
    }))
}

test('logs and errors about an unreachable upstream do not contain the credential', async () => {
  const gone = await ScriptedUpstream.start(() => {})
  const { url } = gone
  await gone.close()
  await withQuery(
    () => {},
    async ({ relay }) => {
      const client = await relay.client()
      client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
      const response = await client.response()
      assert.is(response.status, 502)
      assert.not.match(response.body.toString(), /sk-in|key=/)
      client.destroy()
    },
    { baseUrl: url },
  )
})

test.run()
