import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { post, startRelay, type TestRelay } from '../../support/relay.js'
import { TcpProxy } from '../../support/tcp-proxy.js'
import { type Gate, gate, until } from '../../support/until.js'
import { type Received, ScriptedUpstream, whole } from '../../support/upstream.js'

const CHAT = '/v1/chat/completions'
const FILES = '/v1/files'
const BODY = '{"model":"m","messages":[]}'
const KEPT = 10

/** Sends so many requests at once, each of which gets its response when all have reached the upstream. */
async function fill(relay: TestRelay, upstream: ScriptedUpstream, all: Gate): Promise<void> {
  const before = upstream.requests.length
  const responses = Array.from({ length: KEPT }, () => post(relay, CHAT, BODY))
  await until(() => upstream.requests.length === before + KEPT, 'all requests')
  all.open()
  for (const response of await Promise.all(responses)) assert.is(response.status, 200)
}

interface Loss {
  readonly name: string
  readonly lose: (request: Received) => void
}

const LOSSES: Loss[] = [
  { name: 'reset', lose: (request) => request.reset() },
  { name: 'closed', lose: (request) => request.end() },
]

for (const { name, lose } of LOSSES) {
  test(`five requests at once over ten kept connections that are ${name} by any request all succeed on new ones`, async () => {
    const all = gate()
    const upstream = await ScriptedUpstream.start(async (request) => {
      const isSecond =
        upstream.requests.filter(({ connection }) => connection === request.connection).length > 1
      if (request.connection <= KEPT && isSecond) return lose(request)
      await all.opened
      await request.write(whole('200 OK', 'fine'))
    })
    const relay = await startRelay(upstream.url)
    await fill(relay, upstream, all)
    assert.is(upstream.connections, KEPT)
    const responses = await Promise.all(Array.from({ length: 5 }, () => post(relay, CHAT, BODY)))
    assert.equal(
      responses.map((response) => response.status),
      [200, 200, 200, 200, 200],
    )
    // Each second try has opened a connection of its own.
    assert.is(upstream.connections, KEPT + 5)
    await until(() => upstream.openSockets === 5, 'the other kept connections to be closed')
    // What is kept now is used again.
    assert.is((await post(relay, CHAT, BODY)).status, 200)
    assert.is(upstream.connections, KEPT + 5)
    await relay.close()
    await upstream.close()
  })
}

test('a request that may not be sent twice gets no connection that was unused for longer than upstreamReuseMs', async () => {
  const upstream = await ScriptedUpstream.start((request) => request.write(whole('200 OK', 'fine')))
  const proxy = await TcpProxy.start(upstream.port)
  const relay = await startRelay(`http://127.0.0.1:${proxy.port}/v1`, { timeouts: { upstreamReuseMs: 0 } })
  assert.is((await post(relay, CHAT, BODY)).status, 200)
  await until(() => relay.inspect().upstreams[0]?.connected === 1, 'the connection to be kept')
  // A connection that was forgotten on the way would hold this request up for `firstByteMs`.
  proxy.silence()
  assert.is((await post(relay, FILES, BODY)).status, 200)
  assert.is(proxy.connections, 2)
  await relay.close()
  await proxy.close()
  await upstream.close()
})

test('a request that may not be sent twice uses a connection that had a request within upstreamReuseMs', async () => {
  const upstream = await ScriptedUpstream.start((request) => request.write(whole('200 OK', 'fine')))
  const relay = await startRelay(upstream.url, { timeouts: { upstreamReuseMs: 600_000 } })
  for (let i = 0; i < 3; i++) {
    const before = upstream.connections
    assert.is((await post(relay, FILES, BODY)).status, 200)
    assert.is(upstream.connections, Math.max(1, before))
    // undici takes a connection back a turn later.
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await relay.close()
  await upstream.close()
})

/** Elsewhere nothing tells what was acknowledged. */
const onLinux = process.platform === 'linux' ? test : test.skip

onLinux('a request that a kept connection does not acknowledge is sent again on a new one', async () => {
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(whole('200 OK', `from ${request.connection}`))
    // What the kernel has no room for is not acknowledged, as if packets were dropped.
    if (request.connection <= 2) request.socket.pause()
  })
  const relay = await startRelay(upstream.url, { timeouts: { upstreamAckMs: 400 } })
  const first = await Promise.all([post(relay, CHAT, BODY), post(relay, CHAT, BODY)])
  assert.equal(first.map((response) => response.body.toString()).sort(), ['from 1', 'from 2'])
  await until(() => relay.inspect().upstreams[0]?.connected === 2, 'the connections to be kept')
  const large = `{"model":"m","messages":[{"role":"user","content":"${'x'.repeat(24 * 1024 * 1024)}"}]}`
  const response = await post(relay, CHAT, large)
  assert.is(response.status, 200, response.body.toString())
  assert.match(response.body.toString(), /^from [34]$/)
  // The other kept connection, which is as old, is not tried any more.
  assert.match((await post(relay, CHAT, BODY)).body.toString(), /^from [34]$/)
  const [, , line] = await relay.requests(4)
  assert.match(String(line?.failed_attempts), /upstreamAckMs/)
  await relay.close()
  await upstream.close()
})

onLinux(
  'a request that a kept connection has acknowledged waits for its response, and is sent once',
  async () => {
    const answer = gate()
    const upstream = await ScriptedUpstream.start(async (request) => {
      if (upstream.requests.length > 1) await answer.opened
      await request.write(whole('200 OK', 'fine'))
    })
    const relay = await startRelay(upstream.url, { timeouts: { upstreamAckMs: 40 } })
    await post(relay, CHAT, BODY)
    await until(() => relay.inspect().upstreams[0]?.connected === 1, 'the connection to be kept')
    const response = post(relay, CHAT, BODY)
    await upstream.request(1)
    // Several readings of the kernel's table.
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    answer.open()
    assert.is((await response).status, 200)
    assert.is(upstream.requests.length, 2)
    await relay.close()
    await upstream.close()
  },
)

test.run()
