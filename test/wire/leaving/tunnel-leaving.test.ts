import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth, startRelay } from '../../support/relay.js'
import { gate, until } from '../../support/until.js'
import { CHUNKED, head, ScriptedUpstream } from '../../support/upstream.js'

const UPGRADE = 'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

for (const way of ['destroy', 'reset', 'end'] as const) {
  test(`a client that leaves (${way}) before the response to its handshake closes the upstream connection`, async () => {
    const upstream = await ScriptedUpstream.start(() => {})
    const relay = await startRelay(upstream.url)
    const client = await relay.client()
    client.send(`GET /v1/realtime HTTP/1.1\r\n${auth(relay)}${UPGRADE}\r\n`)
    const request = await upstream.request(0)
    client[way]()
    await until(() => request.closed, 'the upstream connection to close')
    const [line] = await relay.requests(1)
    assert.is(line?.end, 'client_gone')
    await relay.close()
    await upstream.close()
  })

  test(`a client that leaves (${way}) within the refusal of its handshake cancels the refusal upstream`, async () => {
    const upstream = await ScriptedUpstream.start((request) =>
      request.write(`${head('400 N\x01o', CHUNKED)}2\r\nno\r\n`),
    )
    const relay = await startRelay(upstream.url)
    const client = await relay.client()
    client.send(`GET /v1/realtime HTTP/1.1\r\n${auth(relay)}${UPGRADE}\r\n`)
    await client.sees('no')
    client[way]()
    const request = await upstream.request(0)
    await until(() => request.closed, 'the upstream connection to close')
    await until(() => relay.inspect().openCount === 0, 'the exchange to be settled')
    await relay.close()
    await upstream.close()
  })
}

test('the relay notices that a client leaves a refused handshake although it sent much behind it', async () => {
  const upstream = await ScriptedUpstream.start((request) =>
    request.write(`${head('400 No', CHUNKED)}2\r\nno\r\n`),
  )
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.send(`GET /v1/realtime HTTP/1.1\r\n${auth(relay)}${UPGRADE}\r\n${'x'.repeat(300_000)}`)
  await client.sees('no')
  client.destroy()
  const request = await upstream.request(0)
  await until(() => request.closed, 'the upstream connection to close')
  await until(() => relay.inspect().openCount === 0, 'the exchange to be settled')
  await relay.close()
  await upstream.close()
})

test('a refusal of a handshake is cut if the upstream falls silent within it', async () => {
  const upstream = await ScriptedUpstream.start((request) =>
    request.write(`${head('400 No', CHUNKED)}2\r\nno\r\n`),
  )
  const relay = await startRelay(upstream.url, { timeouts: { idleMs: 100 } })
  const client = await relay.client()
  client.send(`GET /v1/realtime HTTP/1.1\r\n${auth(relay)}${UPGRADE}\r\n`)
  await client.closed()
  assert.is((await client.response()).complete, false)
  const request = await upstream.request(0)
  await until(() => request.closed, 'the upstream connection to close')
  await relay.close()
  await upstream.close()
})

test('bytes that a client sends before its handshake is accepted reach the upstream in order and whole', async () => {
  const agree = gate()
  let received = ''
  const upstream = await ScriptedUpstream.start(async (request) => {
    request.socket.on('data', (piece) => {
      received += piece
    })
    await agree.opened
    await request.write(head('101 Switching Protocols', 'connection: upgrade', 'upgrade: websocket'))
  })
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.send(`GET /v1/realtime HTTP/1.1\r\n${auth(relay)}${UPGRADE}\r\nwith the head,`)
  await upstream.request(0)
  client.send(' after it,')
  client.send('x'.repeat(200_000))
  agree.open()
  await client.sees('101')
  client.send(' and later')
  await until(() => received.endsWith('later'), 'all of it at the upstream')
  assert.is(received, `with the head, after it,${'x'.repeat(200_000)} and later`)
  client.destroy()
  await relay.close()
  await upstream.close()
})

test.run()
