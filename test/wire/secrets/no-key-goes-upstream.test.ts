import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { startRelay } from '../../support/relay.js'
import { socketOrigin } from '../../support/tls-mode.js'
import { until } from '../../support/until.js'
import { ScriptedUpstream, whole } from '../../support/upstream.js'
import { SocketUpstream } from '../websocket/sockets.js'

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`

/** Heads by which a client is admitted, with its key in a place where clients put theirs. */
const ADMITTED: readonly ((key: string) => string)[] = [
  (key) => `authorization: Bearer ${key}`,
  (key) => `Authorization:   bearer\t${key}`,
  (key) => `authorization: ${key}`,
  (key) => `authorization: ${basic(`${key}:`)}`,
  (key) => `authorization: ${basic(`user:${key}`)}`,
  (key) => `x-api-key: ${key}`,
  (key) => `api-key: ${key}`,
  (key) => `x-goog-api-key: ${key}`,
  (key) => `x-litellm-api-key: ${key}`,
  (key) => `openai-api-key: ${key}`,
  (key) => `xi-api-key: ${key}`,
  (key) => `ocp-apim-subscription-key: ${key}`,
  (key) => `cf-aig-authorization: Bearer ${key}`,
]

/** Heads that are not looked at for a key, and must not pass with one. */
const CARRIED: readonly ((key: string) => string)[] = [
  (key) => `x-anything: ${key}`,
  (key) => `X-Anything: before ${key}, behind`,
  (key) => `x-json: {"virtual_key":"${key}"}`,
  (key) => `x-encoded: ${key.replace('lc_', 'lc%5f')}`,
  (key) => `x-base64: ${Buffer.from(`{"k":"${key}"}`).toString('base64')}`,
  (key) => `${key}: 1`,
  (key) => `cookie: session=${key}`,
  (key) => `proxy-authorization: Bearer ${key}`,
  (key) => `referer: https://x/?key=${key}`,
  (key) => `user-agent: client/${key}`,
  (key) => `helicone-auth: Bearer ${key}`,
  (key) => `x-claude-code-session-id: ${key}`,
  (key) => `x-claude-code-agent-id: ${key}`,
]

const QUERIES: readonly ((key: string) => string)[] = [
  () => '',
  (key) => `?a=1&key=${key}`,
  (key) => `?api_key=${key}`,
  (key) => `?anything=${key}&b=2`,
  (key) => `?${key}`,
  (key) => `?x=${key.replace('_', '%5F')}`,
  (key) => `?x=${Buffer.from(key).toString('base64')}`,
  (key) => `?x=%62${Buffer.from(key).toString('base64').slice(1)}`,
]

test('the key of a client never goes upstream, in whatever header or parameter it came', async () => {
  const upstream = await ScriptedUpstream.start((request) => request.write(whole('200 OK', '{}')))
  const relay = await startRelay(upstream.url)
  try {
    const heads = [
      ...ADMITTED,
      ...CARRIED.map((carry) => (key: string) => `authorization: Bearer ${key}\r\n${carry(key)}`),
    ]
    let count = 0
    for (const head of heads) {
      for (const query of QUERIES) {
        const client = await relay.client()
        const lines = `host: relay\r\n${head(relay.key)}\r\nx-kept: 1\r\n`
        client.send(
          `POST /v1/chat/completions${query(relay.key)} HTTP/1.1\r\n${lines}content-length: 2\r\n\r\n{}`,
        )
        assert.is((await client.response()).status, 200, lines)
        client.destroy()
        const { raw, head: sent } = await upstream.request(count++)
        const text = raw.toString('latin1')
        assert.not.match(decodeURIComponent(text), /lc_|bGNf/, lines)
        assert.match(sent, /x-kept: 1/)
        assert.match(sent, /sk-upstream-secret/)
      }
    }
    const told = JSON.stringify([await relay.records(count), relay.lines])
    assert.not.match(told, new RegExp(`${relay.key.slice(-20)}|bGNf`))
  } finally {
    await relay.close()
    await upstream.close()
  }
})

test('a path that contains a key is refused', async () => {
  const upstream = await ScriptedUpstream.start((request) => request.write(whole('200 OK', '{}')))
  const relay = await startRelay(upstream.url)
  try {
    const { key } = relay
    const encoded = [...key].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join('')
    const paths = [key, key.replace('lc_', '%6cc_'), encoded].flatMap((text) => [
      `/v1/${text}/chat/completions`,
      `/v1/files/${text}`,
      `/openai/deployments/${text}/chat/completions`,
      `/model/${text}/invoke`,
      `/v1beta/models/${text}:generateContent`,
    ])
    for (const path of paths) {
      for (const method of ['GET', 'POST']) {
        const client = await relay.client()
        client.send(`${method} ${path} HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${key}\r\n\r\n`)
        assert.is((await client.response()).status, 400, path)
        client.destroy()
      }
      const socket = new WebSocket(`${socketOrigin(relay.port)}${path}`, {
        headers: { authorization: `Bearer ${key}` },
      })
      socket.on('error', () => {})
      await until(() => socket.readyState === WebSocket.CLOSED, path)
    }
    assert.is(upstream.requests.length, 0)
    const told = JSON.stringify([await relay.records(3 * paths.length), relay.lines])
    assert.not.ok(told.includes(key.slice(-20)) || told.includes(encoded.slice(-60)))
  } finally {
    await relay.close()
    await upstream.close()
  }
})

test('nor does it go upstream with the handshake of a WebSocket', async () => {
  const upstream = new SocketUpstream()
  const relay = await startRelay({ up: { baseUrl: await upstream.start(), apiKey: { env: 'UPSTREAM_KEY' } } })
  try {
    const { key, port } = relay
    const socket = new WebSocket(`${socketOrigin(port)}/v1/realtime?model=m&api_key=${key}&x=${key}`, {
      protocol: `realtime, openai-insecure-api-key.${key}`,
      headers: { 'x-other': key, authorization: `Bearer ${key}` },
    })
    socket.on('error', () => {})
    await until(() => socket.readyState === WebSocket.OPEN, 'the socket to open')
    const { target, headers } = await upstream.connection(0)
    assert.not.match(`${target} ${JSON.stringify(headers)}`, /lc_/)
    assert.is(target, '/v1/realtime?model=m')
    socket.terminate()
  } finally {
    await relay.close()
    upstream.close()
  }
})

test.run()
