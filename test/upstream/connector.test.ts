import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { buildConnector, Pool } from 'undici'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readErrorCode } from '../../src/lib/error-code.js'
import { wasConnectionReused } from '../../src/upstream/connection-loss.js'
import { type RawSocket, takeRawSocket } from '../../src/upstream/raw-socket.js'
import { tapConnector } from '../../src/upstream/reference/tapped-connector.js'
import { until, wait } from '../support/until.js'
import { CHUNKED, chunk, head, LAST_CHUNK, ScriptedUpstream, whole } from '../support/upstream.js'

/** A pre-shared key takes the place of certificates (RFC 4279), so that the repository needs none. */
const TLS = { ciphers: 'PSK', maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' } as const
const SHARED = { identity: 'thinwire', psk: Buffer.alloc(32, 7) }

test('chunks are read from a TLS connection as they came, and the connection is used again', async () => {
  const large = Buffer.alloc(100_000, 'y')
  let connections = 0
  const server = createServer({ ...TLS, pskCallback: () => SHARED.psk }, (socket: TLSSocket) => {
    connections++
    socket.on('data', () => {
      socket.write(head('200 OK', CHUNKED))
      socket.write(chunk('hello'))
      socket.write(chunk(large))
      socket.write(LAST_CHUNK)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const connect = tapConnector(
    buildConnector({
      ...TLS,
      pskCallback: () => SHARED,
      checkServerIdentity: () => undefined,
      rejectUnauthorized: false,
    }),
  )
  const pool = new Pool(`https://127.0.0.1:${port}`, { connect })
  for (let i = 0; i < 2; i++) {
    const taken: Buffer[] = []
    let bytes = 0
    let rawSocket: RawSocket | null = null
    const wanted = chunk('hello').length + chunk(large).length
    const parsed: Buffer[] = []
    const ended = new Promise<void>((resolve, reject) => {
      pool.dispatch(
        { method: 'GET', path: '/' },
        {
          onRequestStart() {},
          onResponseStart() {
            rawSocket = takeRawSocket()
            assert.is(takeRawSocket(), null)
            rawSocket?.take({
              onWire(piece) {
                const rest = Math.min(piece.length, wanted - bytes)
                taken.push(piece.subarray(0, rest))
                bytes += rest
                return rest === piece.length || (rawSocket as RawSocket).giveBack(piece.subarray(rest))
              },
            })
          },
          onResponseData: (_controller, piece) => void parsed.push(piece),
          onResponseEnd: () => resolve(),
          onResponseError: (_controller, error) => reject(error),
        },
      )
    })
    await ended
    assert.ok(rawSocket !== null)
    assert.ok(Buffer.concat(taken).equals(Buffer.concat([chunk('hello'), chunk(large)])))
    assert.is(parsed.length, 0)
    // undici takes a connection back one tick later.
    await wait(5)
  }
  assert.is(connections, 1)
  await pool.destroy()
  server.close()
})

test('there is no raw socket to take outside of the call that reports the head of a chunked response', () => {
  assert.is(takeRawSocket(), null)
})

test('a request that waited for a kept connection when it was reset is known not to have been sent', async () => {
  const upstream = await ScriptedUpstream.start((request) => request.write(whole('200 OK', 'ok')))
  const sockets: Socket[] = []
  const connect = tapConnector(buildConnector({}))
  const pool = new Pool(`http://127.0.0.1:${upstream.port}`, {
    connect: (target, callback) =>
      connect(target, (...result) => {
        if (result[1] !== null) sockets.push(result[1])
        callback(...result)
      }),
  })
  const ask = (): Promise<unknown> =>
    new Promise((resolve) => {
      pool.dispatch(
        { method: 'GET', path: '/' },
        {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData() {},
          onResponseEnd: () => resolve(null),
          onResponseError: (_controller, error) => resolve(error),
        },
      )
    })
  try {
    assert.is(await ask(), null)
    await wait(5)
    const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    sockets[0]?.destroy(reset)
    const error = await ask()
    assert.ok(error instanceof Error)
    assert.ok(wasConnectionReused(error, false))
    // A response had come before the last write.
    assert.not(wasConnectionReused(error, true))
    assert.not(wasConnectionReused(reset, false))
    assert.is(upstream.requests.length, 1)
  } finally {
    await pool.destroy()
    await upstream.close()
  }
})

for (const given of [null, new Error('the relay shuts down')]) {
  const how = given === null ? '' : 'with an error '
  test(`a pool that is destroyed ${how}fails each request by the state of its own connection`, async () => {
    // undici gives one error to all connections of the pool.
    const upstream = await ScriptedUpstream.start(async (request) => {
      if (request.target === '/silent') return
      if (request.target !== '/half') return request.write(whole('200 OK', 'ok'))
      await request.write(head('200 OK', CHUNKED))
      await request.chunk('half')
    })
    const pool = new Pool(`http://127.0.0.1:${upstream.port}`, { connect: tapConnector(buildConnector({})) })
    const ask = (path: string, onData: () => void = () => {}): Promise<Error | null> =>
      new Promise((resolve) => {
        pool.dispatch(
          { method: 'GET', path },
          {
            onRequestStart() {},
            onResponseStart() {},
            onResponseData: onData,
            onResponseEnd: () => resolve(null),
            onResponseError: (_controller, error) => resolve(error),
          },
        )
      })
    try {
      // Five connections, four of which are kept from an earlier response.
      const first = Array.from({ length: 4 }, () => ask('/whole'))
      assert.equal(await Promise.all(first), [null, null, null, null])
      await wait(5)
      let halves = 0
      const half = (): Promise<Error | null> => ask('/half', () => halves++)
      const requests = [half(), ask('/silent'), half(), ask('/silent'), ask('/silent')]
      await until(() => halves === 2 && upstream.requests.length === 9, 'all to be under way')
      assert.is(upstream.connections, 5)
      await (given === null ? pool.destroy() : pool.destroy(given))
      const errors = await Promise.all(requests)
      assert.equal(
        errors.map((error) => [wasConnectionReused(error, true), wasConnectionReused(error, false)]),
        [
          [false, true],
          [true, true],
          [false, true],
          [true, true],
          [false, false],
        ],
      )
      // What is logged of them is the error that undici has given.
      const code = given === null ? 'UND_ERR_DESTROYED' : 'Error'
      assert.equal(errors.map(readErrorCode), Array(5).fill(code))
      if (given !== null) assert.not(wasConnectionReused(given, true) || wasConnectionReused(given, false))
    } finally {
      await upstream.close()
    }
  })
}

test.run()
