import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket, WebSocketServer } from 'ws'
import { selfSigned } from '../../../scripts/certificate.js'
import type { Response } from '../../support/client.js'
import { post, startRelay, type TestRelay } from '../../support/relay.js'
import { socketOrigin } from '../../support/tls-mode.js'
import { until } from '../../support/until.js'

const HOST = 'api.upstream.example'
const CREDENTIALS = `Basic ${Buffer.from('me:proxy-secret').toString('base64')}`
const certificate = selfSigned(HOST)
const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
const caFile = join(folder, 'ca.pem')
writeFileSync(caFile, certificate.cert)
test.after(() => rmSync(folder, { recursive: true }))

/** A proxy that connects every CONNECT to one port, and remembers the request heads. */
class TestProxy {
  readonly heads: string[] = []
  /** Sent instead of opening a tunnel. */
  refusal: string | null = null
  private readonly sockets = new Set<Socket>()
  private readonly server: Server

  constructor(port: () => number) {
    this.server = createServer((socket) => {
      this.keep(socket)
      socket.once('data', (piece) => {
        this.heads.push(piece.toString())
        if (this.refusal !== null) {
          if (this.refusal !== 'silence') socket.end(this.refusal)
          return
        }
        const upstream = connect(port(), '127.0.0.1', () => {
          // In two pieces, because a network may cut it.
          socket.write('HTTP/1.1 200 Connection estab')
          setImmediate(() => socket.write('lished\r\nvia: test\r\n\r\n'))
          socket.pipe(upstream).pipe(socket)
        })
        this.keep(upstream)
      })
    })
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
  }

  get authority(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket)
    socket.on('error', () => {}).on('close', () => this.sockets.delete(socket))
  }
}

interface Stage {
  readonly relay: TestRelay
  readonly proxy: TestProxy
  readonly paths: string[]
  ask(body: string): Promise<Response>
}

/** Runs a relay, a proxy and an upstream whose name only the proxy can resolve. */
async function withProxy(
  scheme: 'http' | 'https',
  act: (stage: Stage) => Promise<void>,
  entry: Record<string, unknown> = {},
): Promise<void> {
  const paths: string[] = []
  const server = scheme === 'https' ? createHttpsServer(certificate) : createHttpServer()
  server.on('request', (req, res) => {
    paths.push(req.url ?? '')
    req.resume().on('end', () => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write('data: 1\n\n')
      setImmediate(() => res.end('data: [DONE]\n\n'))
    })
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('message', (data: Buffer) => socket.send(`echo ${data}`)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy = new TestProxy(() => (server.address() as AddressInfo).port)
  await proxy.listen()
  const relay = await startRelay(
    {
      up: {
        baseUrl: `${scheme}://${HOST}/v1`,
        apiKey: { env: 'UPSTREAM_KEY' },
        proxy: { env: 'PROXY' },
        tls: { caFile },
        timeouts: { connectMs: 2_000 },
        ...entry,
      },
    },
    {},
    { UPSTREAM_KEY: 'sk-upstream-secret', PROXY: `http://me:proxy-secret@${proxy.authority}` },
  )
  const ask = async (body: string): Promise<Response> => {
    return post(relay, '/v1/chat/completions', body)
  }
  try {
    await act({ relay, proxy, paths, ask })
    assert.not.match(JSON.stringify(relay.lines), /proxy-secret|Basic/)
    assert.not.match(JSON.stringify(relay.lines), new RegExp(CREDENTIALS))
  } finally {
    await relay.close()
    proxy.close()
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  }
}

const PORTS = { http: 80, https: 443 } as const

for (const scheme of ['http', 'https'] as const) {
  test(`${scheme} requests go through the proxy by CONNECT, on connections that stay open`, () =>
    withProxy(scheme, async ({ proxy, ask, paths }) => {
      for (let i = 0; i < 3; i++) {
        const response = await ask('{"model":"m"}')
        assert.is(response.status, 200, response.body.toString())
        assert.ok(response.complete)
        assert.is(response.body.toString(), 'data: 1\n\ndata: [DONE]\n\n')
      }
      assert.is(paths.length, 3)
      assert.is(proxy.heads.length, 1)
      assert.match(proxy.heads[0] ?? '', new RegExp(`^CONNECT ${HOST}:${PORTS[scheme]} HTTP/1\\.1\r\n`))
      assert.ok(proxy.heads[0]?.includes(`\r\nhost: ${HOST}:${PORTS[scheme]}\r\n`))
      assert.ok(proxy.heads[0]?.includes(`\r\nproxy-authorization: ${CREDENTIALS}\r\n`))
      assert.not.match(proxy.heads[0] ?? '', /sk-upstream/)
    }))

  test(`WebSockets to ${scheme} upstreams go through the proxy too`, () =>
    withProxy(scheme, async ({ relay, proxy, paths }) => {
      const headers = { authorization: `Bearer ${relay.key}` }
      const socket = new WebSocket(`${socketOrigin(relay.port)}/v1/realtime?model=m`, { headers })
      const messages: string[] = []
      socket
        .on('message', (data: Buffer) => messages.push(data.toString()))
        .on('open', () => socket.send('hello'))
      await until(() => messages.length > 0, 'the echo')
      assert.equal(messages, ['echo hello'])
      assert.is(proxy.heads.length, 1)
      assert.equal(paths, [])
      socket.terminate()
    }))
}

const REFUSALS: Array<[string, string, string]> = [
  ['asks for another password', 'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n', 'PROXY_407'],
  ['forbids it', 'HTTP/1.0 403 Forbidden\r\nx: proxy-secret\r\n\r\nno', 'PROXY_403'],
  ['speaks no HTTP', 'SSH-2.0-x\r\n\r\n', 'PROXY_INVALID'],
  ['sends an endless head', 'x'.repeat(40_000), 'PROXY_INVALID'],
  ['hangs up', '', 'PROXY_CLOSED'],
]

for (const [what, refusal, code] of REFUSALS) {
  test(`a proxy that ${what} counts as an unreachable upstream, and its credentials are not shown`, () =>
    withProxy('https', async ({ relay, proxy, ask }) => {
      proxy.refusal = refusal
      const response = await ask('{}')
      assert.is(response.status, 502)
      assert.is(JSON.parse(response.body.toString()).error.code, 'upstream_unreachable')
      assert.match(response.body.toString(), new RegExp(code))
      assert.not.match(response.body.toString(), /secret|Basic/)
      const [line] = await relay.requests(1)
      assert.is(line?.cause, code)
    }))
}

test('a proxy that sends nothing gives a connect timeout', () =>
  withProxy(
    'https',
    async ({ proxy, ask }) => {
      proxy.refusal = 'silence'
      const response = await ask('{}')
      assert.is(response.status, 504)
      assert.is(JSON.parse(response.body.toString()).error.code, 'upstream_connect_timeout')
    },
    { timeouts: { connectMs: 300 } },
  ))

test('the certificate of the upstream is also verified through a proxy', () =>
  withProxy(
    'https',
    async ({ ask, paths }) => {
      const response = await ask('{}')
      assert.is(response.status, 502)
      assert.match(response.body.toString(), /DEPTH_ZERO_SELF_SIGNED_CERT/)
      assert.equal(paths, [])
    },
    { tls: {} },
  ))

test.run()
