import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { selfSigned } from '../../../scripts/certificate.js'
import { loadConfig } from '../../../src/config/config.js'
import type { UpstreamConfig } from '../../../src/config/upstreams.js'
import { type ClientKind, ConnectionPool } from '../../../src/upstream/connection-pool.js'
import { until, wait } from '../../support/until.js'
import { Recorder } from './scene.js'

const NAME = 'upstream.example'
const certificate = selfSigned(NAME)
const CLIENTS: readonly ClientKind[] = ['own', 'undici']
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

function readConfig(entry: Record<string, unknown>, env: Record<string, string> = {}): UpstreamConfig {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
  try {
    writeFileSync(join(folder, 'ca.pem'), certificate.cert)
    writeFileSync(join(folder, 'thinwire.json'), JSON.stringify({ upstreams: { up: entry } }))
    const [config] = loadConfig({ env, cwd: folder }).upstreams
    assert.ok(config !== undefined)
    return config
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function ask(pool: ConnectionPool, handler = new Recorder(), headers: string[] = []): Recorder {
  pool.dispatch({ method: 'GET', path: '/', headers, body: null }, handler)
  return handler
}

const tls = suite('over TLS')

/** Runs a pool against a server that answers each request by a function. */
async function withTls(
  client: ClientKind,
  answer: (socket: TLSSocket) => void,
  act: (pool: ConnectionPool, sockets: TLSSocket[]) => Promise<void>,
): Promise<void> {
  const sockets: TLSSocket[] = []
  const server = createTlsServer(certificate, (socket) => {
    sockets.push(socket)
    socket.on('data', () => answer(socket)).on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const tls = { caFile: 'ca.pem', servername: NAME }
  const pool = new ConnectionPool(
    readConfig({ baseUrl: `https://127.0.0.1:${port}/v1`, tls }),
    16_384,
    client,
  )
  try {
    await act(pool, sockets)
  } finally {
    await pool.destroy()
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

for (const client of CLIENTS) {
  tls(`a response is read, and its connection is used again, by ${client}`, () =>
    withTls(
      client,
      (socket) => socket.write(OK),
      async (pool, sockets) => {
        for (let i = 0; i < 3; i++) {
          const handler = ask(pool)
          await until(() => handler.end !== '', 'the response')
          assert.equal([handler.end, handler.body], ['complete', 'ok'])
          await wait(5)
        }
        assert.is(sockets.length, 1)
      },
    ),
  )

  tls(`a response that is cut is told as cut by ${client}`, () =>
    withTls(
      client,
      (socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell'),
      async (pool) => {
        const handler = ask(pool)
        await until(() => handler.end !== '', 'the end')
        assert.equal([handler.end, handler.body], ['UND_ERR_SOCKET', 'hell'])
      },
    ),
  )
}

// undici's parser asserts that no end comes in a pause, and here one does: it ends the process.
tls('many records that come while the handler is paused lose nothing', () =>
  withTls(
    'own',
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n')
      // Each is a record, and many are in one read.
      for (let i = 0; i < 2_000; i++) socket.write(`${i},`)
      socket.end()
    },
    async (pool) => {
      const handler = new Recorder()
      let pauses = 0
      handler.act = (name) => {
        if (name !== 'onData' && name !== 'onHeaders') return true
        assert.is(isPaused, false)
        isPaused = true
        pauses++
        setImmediate(() => {
          isPaused = false
          handler.resume()
        })
        return false
      }
      let isPaused = false
      ask(pool, handler)
      await until(() => handler.end !== '', 'the response')
      assert.is(handler.end, 'complete')
      assert.is(handler.body, Array.from({ length: 2_000 }, (_, i) => `${i},`).join(''))
      assert.ok(pauses > 1)
    },
  ),
)

tls.run()

const proxied = suite('through a proxy')

/** A proxy that is the upstream, too: it writes this behind a CONNECT, and then answers requests. */
async function withProxy(
  client: ClientKind,
  establish: (socket: Socket) => void,
  act: (pool: ConnectionPool, seen: string[]) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>()
  const seen: string[] = []
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', (head: Buffer) => {
      seen.push(head.toString())
      establish(socket)
      socket.on('data', (data: Buffer) => {
        seen.push(data.toString())
        socket.write(OK)
      })
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const config = readConfig(
    { baseUrl: 'http://upstream.example/v1', proxy: { env: 'PROXY' } },
    { PROXY: proxy },
  )
  const pool = new ConnectionPool(config, 16_384, client)
  try {
    await act(pool, seen)
  } finally {
    await pool.destroy()
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

const ESTABLISHED = 'HTTP/1.1 200 Connection established\r\n\r\n'

for (const client of CLIENTS) {
  proxied(`requests use one tunnel, by ${client}`, () =>
    withProxy(
      client,
      (socket) => {
        socket.write(ESTABLISHED.slice(0, 9))
        setImmediate(() => socket.write(ESTABLISHED.slice(9)))
      },
      async (pool, seen) => {
        for (let i = 0; i < 3; i++) {
          const handler = ask(pool)
          await until(() => handler.end !== '', 'the response')
          assert.equal([handler.end, handler.body], ['complete', 'ok'])
          await wait(5)
        }
        assert.is(seen.length, 4)
        assert.match(seen[0] as string, /^CONNECT upstream\.example:80 HTTP\/1\.1\r\n/)
      },
    ),
  )

  proxied(`a tunnel that ends with the head of the proxy fails the request, in ${client}`, () =>
    withProxy(
      client,
      (socket) => void socket.end(ESTABLISHED),
      async (pool) => {
        const handler = ask(pool)
        await until(() => handler.end !== '', 'the end')
        assert.not(handler.end === 'complete')
      },
    ),
  )
}

// undici waits for its timeout.
proxied('what comes behind the head of the proxy is no response', () =>
  withProxy(
    'own',
    (socket) => void socket.write(`${ESTABLISHED}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`),
    async (pool) => {
      const handler = ask(pool)
      await until(() => handler.end !== '', 'the end')
      assert.is(handler.end, 'UND_ERR_SOCKET')
      assert.is(handler.body, '')
    },
  ),
)

proxied.run()

const plain = suite('on plain sockets')

for (const client of CLIENTS) {
  plain(
    `a server that sends FIN with its response, or resets later, loses nobody a request, by ${client}`,
    async () => {
      let connections = 0
      const server = createServer((socket) => {
        connections++
        const how = connections % 3
        socket
          .on('error', () => {})
          .on('data', () => {
            if (how === 0) socket.end(OK)
            else if (how === 1) socket.write(OK, () => setImmediate(() => socket.resetAndDestroy()))
            else socket.write(OK)
          })
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const pool = new ConnectionPool(readConfig({ baseUrl: `http://127.0.0.1:${port}/v1` }), 16_384, client)
      try {
        for (let i = 0; i < 100; i++) {
          let handler = ask(pool)
          await until(() => handler.end !== '', 'the response')
          if (handler.end !== 'complete') {
            assert.ok(handler.wasReused(handler.told.includes('onConnect')), handler.end)
            handler = new Recorder()
            pool.dispatch({ method: 'GET', path: '/', headers: [], body: null }, handler, 'none')
            await until(() => handler.end !== '', 'the second response')
          }
          assert.equal([handler.end, handler.body], ['complete', 'ok'])
          if (i % 4 === 0) await wait(1)
        }
      } finally {
        await pool.destroy()
        server.close()
      }
    },
  )
}

plain.run()
