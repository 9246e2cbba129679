import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RawClient, type Response } from '../../support/client.js'
import { auth, startRelay, type TestRelay } from '../../support/relay.js'
import { type Script, ScriptedUpstream, whole } from '../../support/upstream.js'

const failing: Script = (request) =>
  request.write(
    request.target === '/v1/moderations'
      ? whole('429 Too Many Requests', '{}', 'retry-after: 60')
      : whole('500 Broken', '{}'),
  )

async function send(relay: TestRelay, bytes: string): Promise<Response> {
  const client = await RawClient.connect(relay.port)
  client.send(bytes)
  const response = await client.response()
  client.destroy()
  return response
}

async function ready(relay: TestRelay, ...lines: string[]): Promise<Record<string, unknown>> {
  const response = await send(
    relay,
    `GET /readyz HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`,
  )
  return JSON.parse(response.body.toString())
}

const post = (relay: TestRelay, path: string, model: string): string => {
  const body = JSON.stringify({ model })
  return `POST ${path} HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n${body}`
}

test('/readyz names unhealthy targets to clients on the same machine only, and gives counts to all', async () => {
  const upstream = await ScriptedUpstream.start(failing)
  const entry = { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' } }
  const relay = await startRelay(
    { one: entry, two: entry, three: entry },
    {
      routes: [{ upstream: 'one' }],
      models: { fast: { upstream: 'two', model: 'vendor/real' }, third: { upstream: 'three' } },
    },
  )
  try {
    const before = await ready(relay, 'host: localhost')
    assert.equal(before.unhealthy, { open: [], half_open: [], cooling: [], refused: [] })
    assert.equal(before.unwell, { open: [], trial: [], cooling: [] })
    for (let i = 0; i < 5; i++) await send(relay, post(relay, '/v1/completions', 'fast'))
    await send(relay, post(relay, '/v1/moderations', 'third'))
    const unhealthy = { open: ['two/vendor/real'], half_open: [], cooling: ['three'], refused: [] }
    const unwell = { open: ['two/vendor/real'], trial: [], cooling: ['three'] }
    for (const host of ['localhost:4000', '127.0.0.1', '[::1]:4000']) {
      const body = await ready(relay, `host: ${host}`)
      assert.equal(body.unhealthy, unhealthy)
      assert.equal(body.unwell, unwell)
      assert.equal(body.targets, { closed: 2, open: 1, half_open: 0, trial: 0, cooling: 1, refused: 0 })
      assert.not.match(JSON.stringify(body), /sk-upstream|127\.0\.0\.1/)
    }
    // Other clients get only counts, also through a proxy on this machine.
    for (const lines of [
      ['host: relay.example.com'],
      ['host: localhost', 'origin: https://example.com'],
      ['host: 127.0.0.1:4000', 'X-Forwarded-For: 192.0.2.1'],
      ['host: 127.0.0.1:4000', 'Forwarded: for=192.0.2.1'],
      ['host: 127.0.0.1:4000', 'Via: 1.1 proxy'],
    ]) {
      const body = await ready(relay, ...lines)
      assert.is(body.unhealthy, undefined)
      assert.is(body.unwell, undefined)
      assert.equal(body.targets, { closed: 2, open: 1, half_open: 0, trial: 0, cooling: 1, refused: 0 })
    }
  } finally {
    await relay.close()
    await upstream.close()
  }
})

test.run()
