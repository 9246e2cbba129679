import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { changeKey, issueKey, revokeKey, rotateKey } from '../../../src/access/key-changes.js'
import { encodeFrame } from '../../../src/relay/websocket/frames.js'
import type { TestRelay } from '../../support/relay.js'
import { until } from '../../support/until.js'
import { answer, codeOf, create, withSockets } from './sockets.js'

/** What ends a key, and the code that its connections are closed with. */
const WAYS: readonly (readonly [string, (relay: TestRelay) => void, string])[] = [
  ['is revoked', (relay) => void revokeKey(relay.keyFile, relay.key), 'revoked_api_key'],
  [
    'expires',
    (relay) =>
      void changeKey(relay.keyFile, relay.key, { expiresAt: new Date(Date.now() + 50).toISOString() }),
    'expired_api_key',
  ],
  [
    'is rotated without an overlap',
    (relay) => void rotateKey(relay.keyFile, relay.key, 0),
    'expired_api_key',
  ],
  [
    'is limited to other addresses',
    (relay) => void changeKey(relay.keyFile, relay.key, { addresses: ['10.0.0.0/8'] }),
    'forbidden_address',
  ],
  ['is deleted from the file', (relay) => removeLines(relay), 'revoked_api_key'],
]

/** Another key has to stay: an empty file counts as one that is about to be written. */
function removeLines({ keyFile }: TestRelay): void {
  issueKey(keyFile, { env: 'test', team: 'team1', user: 'other' })
  const lines = readFileSync(keyFile, 'utf8').split('\n')
  writeFileSync(keyFile, lines.slice(1).join('\n'))
}

for (const [what, endKey, code] of WAYS) {
  for (const path of ['/v1/responses', '/v1/realtime?model=m'])
    test(`an idle connection at ${path} is closed when its key ${what}`, () =>
      withSockets(async ({ relay, open, connections }) => {
        const client = open(path)
        await client.opened()
        endKey(relay)
        assert.equal(await client.closed(), { code: 1008, reason: code })
        assert.is(codeOf(client.events[0]), code)
        const [connection] = await connections(1)
        assert.equal([connection?.end, connection?.error_code], ['done', code])
      }))

  test(`a response on a WebSocket is cut when its key ${what}, and its record says why`, () =>
    withSockets(async ({ relay, up, open, connections, responses }) => {
      const client = open()
      await client.opened()
      client.send(create('m'))
      const { peer } = await up.connection(0)
      await peer.event(0)
      peer.send(...answer('r1', 'm', null))
      await client.event(2)
      endKey(relay)
      assert.equal(await client.closed(), { code: 1008, reason: code })
      assert.is(codeOf(client.events[3]), code)
      await peer.closed()
      const [response] = await responses(1)
      assert.equal([response?.end, response?.error_code, response?.status], ['revoked', code, 200])
      assert.is(response?.usage_source, 'estimated')
      const [connection] = await connections(1)
      assert.equal([connection?.end, connection?.error_code], ['revoked', code])
      assert.is(relay.inspect().openCount, 0)
    }))
}

test('connections of other keys stay open, and the key takes no other one', () =>
  withSockets(async ({ relay, up, open }) => {
    const other = open('/v1/responses', { key: relay.addKey('team2') })
    const client = open()
    await Promise.all([other.opened(), client.opened()])
    revokeKey(relay.keyFile, relay.key)
    await client.closed()
    other.send(create('m'))
    const { peer } = await up.connection(0)
    await peer.event(0)
    peer.send(...answer('r1', 'm'))
    await other.event(3)
    assert.is((await open().refused()).status, 401)
  }))

test('a handshake that an upstream has not answered yet is refused when its key is revoked', async () => {
  const silent = createServer((socket) => void socket.on('error', () => {}).resume())
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as { port: number }
  let accepted = 0
  silent.on('connection', () => accepted++)
  await withSockets(
    async ({ relay, open, connections }) => {
      const client = open('/v1/realtime?model=m')
      await until(() => accepted === 1, 'the handshake')
      revokeKey(relay.keyFile, relay.key)
      const { status, body } = await client.refused()
      assert.equal([status, JSON.parse(body).error.code], [401, 'revoked_api_key'])
      const [connection] = await connections(1)
      assert.equal([connection?.end, connection?.error_code], ['revoked', 'revoked_api_key'])
    },
    {},
    { up: { baseUrl: `http://127.0.0.1:${port}/v1` } },
  )
  silent.close()
})

test('a connection that waits for its upstream is closed when its key is revoked', async () => {
  const silent = createServer((socket) => void socket.on('error', () => {}).resume())
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as { port: number }
  let open = 0
  silent.on('connection', (socket) => {
    open++
    socket.on('close', () => open--)
  })
  await withSockets(
    async ({ relay, open: connect, responses }) => {
      const client = connect()
      await client.opened()
      client.send(create('m'))
      await until(() => open === 1, 'the handshake')
      revokeKey(relay.keyFile, relay.key)
      assert.equal(await client.closed(), { code: 1008, reason: 'revoked_api_key' })
      await until(() => open === 0, 'the connection to the upstream to be closed')
      assert.is((await responses(1))[0]?.end, 'revoked')
    },
    {},
    { up: { baseUrl: `http://127.0.0.1:${port}/v1` } },
  )
  silent.close()
})

test('a close frame waits a moment for the end of a frame that the client is getting, and not for ever', async () => {
  const event = Buffer.from(JSON.stringify(answer('r1', 'm')[0]))
  const frame = encodeFrame(1, event, null)
  for (const isEnded of [true, false])
    await withSockets(async ({ relay, up, open }) => {
      const client = open()
      await client.opened()
      client.send(create('m'))
      const { peer } = await up.connection(0)
      await peer.event(0)
      const raw = (peer.socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket
      raw.write(frame.subarray(0, 9))
      await until(() => Number(relay.inspect().exchanges[0]?.bytesOut) >= 9, 'the part of the frame')
      revokeKey(relay.keyFile, relay.key)
      relay.app.reloadKeys()
      if (isEnded) raw.write(frame.subarray(9))
      const { code } = await client.closed()
      // Without the rest of the frame nothing can follow it: the connection just ends.
      assert.is(code, isEnded ? 1008 : 1006)
      if (isEnded) assert.is(client.events[0]?.type, 'response.created')
    })
})

test.run()
