import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Certificate, selfSigned } from '../../../scripts/certificate.js'
import { EndingWatch } from '../../support/client.js'
import { auth, startRelay, type TestRelay } from '../../support/relay.js'
import { OK } from '../../support/scene.js'
import { until } from '../../support/until.js'
import { ScriptedUpstream } from '../../support/upstream.js'

const first = selfSigned('first.example')

interface Scene {
  readonly relay: TestRelay
  readonly upstream: ScriptedUpstream
  readonly write: (part: keyof Certificate, text: string) => void
  readonly connect: (options?: ConnectionOptions) => Promise<TLSSocket>
}

async function withTls(
  act: (scene: Scene) => Promise<void>,
  settings: Record<string, unknown> = {},
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-tls-'))
  const write: Scene['write'] = (part, text) => writeFileSync(join(folder, `${part}.pem`), text)
  write('cert', first.cert)
  write('key', first.key)
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  const upstream = await ScriptedUpstream.start(OK)
  const env = { UPSTREAM_KEY: 'sk-upstream-secret' }
  const relay = await startRelay(
    upstream.url,
    { listen: { address: '127.0.0.1:0', tls }, ...settings },
    env,
    20,
  )
  const sockets: TLSSocket[] = []
  const open: Scene['connect'] = (options = {}) =>
    new Promise((resolve, reject) => {
      const socket = connectTls({
        port: relay.port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        ...options,
      })
      sockets.push(socket)
      socket.once('error', reject)
      socket.once('secureConnect', () => resolve(socket))
    })
  try {
    await act({ relay, upstream, write, connect: open })
  } finally {
    for (const socket of sockets) socket.destroy()
    await relay.close()
    await upstream.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const nameOf = (socket: TLSSocket): unknown => socket.getPeerCertificate().subject.CN

const hasCurl = spawnSync('curl', ['--version']).error === undefined
const curlTest = hasCurl ? test : test.skip
if (!hasCurl) process.stdout.write('curl is not installed here: its test is skipped\n')

test('a client that trusts the certificate gets its answer over TLS, as HTTP/1.1', () =>
  withTls(async ({ relay, connect }) => {
    const socket = await connect({
      ca: first.cert,
      servername: 'first.example',
      rejectUnauthorized: true,
      ALPNProtocols: ['h2', 'http/1.1'],
    })
    assert.is(socket.alpnProtocol, 'http/1.1')
    let text = ''
    socket.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
    socket.write(`GET /v1/x HTTP/1.1\r\n${auth(relay)}connection: close\r\n\r\n`)
    await until(() => text.endsWith('ok'), 'the answer')
    const [line] = await relay.requests(1)
    assert.is(line?.end, 'done')
  }))

test('a client that speaks HTTP/2 alone is refused within the handshake', () =>
  withTls(async ({ connect }) => {
    const error = await connect({ ALPNProtocols: ['h2'] }).then(
      () => null,
      (thrown: NodeJS.ErrnoException) => thrown,
    )
    assert.match(error?.code ?? '', /NO_APPLICATION_PROTOCOL/)
  }))

for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'CONNECT', 'PRI'])
  test(`plain HTTP (${method}) on the HTTPS port gets 400 and a text that says what to change`, () =>
    withTls(async ({ relay }) => {
      const socket = connect(relay.port, '127.0.0.1')
      const watch = new EndingWatch(socket)
      let text = ''
      socket.on('data', (piece: Buffer) => {
        text += piece.toString()
      })
      socket.write(`${method} /healthz HTTP/1.1\r\nhost: relay\r\nx: ${'y'.repeat(5_000)}\r\n\r\n`)
      await until(() => watch.closed, 'the end of the connection')
      assert.match(
        text,
        /^HTTP\/1\.1 400 Bad Request\r\n.*This port speaks HTTPS: begin the URL with https:\/\/\n$/s,
      )
      const line = relay.lines.find(({ msg }) => /^refused: .*plain HTTP/.test(String(msg)))
      assert.match(String(line?.cause), /^ERR_SSL_(?:HTTP_REQUEST|HTTPS_PROXY_REQUEST|WRONG_VERSION_NUMBER)$/)
      assert.is(line?.address, '127.0.0.1')
    }))

test('a handshake that takes longer than timeouts.headersMs is closed, and counted', () =>
  withTls(
    async ({ relay }) => {
      const sockets = [connect(relay.port, '127.0.0.1'), connect(relay.port, '127.0.0.1')]
      const watches = sockets.map((socket) => new EndingWatch(socket.resume()))
      // The beginning of a record of 512 bytes, of which no more come.
      sockets[1]?.write(Buffer.from('1603010200', 'hex'))
      await until(() => watches.every(({ closed }) => closed), 'the end of the connections')
      assert.equal(relay.inspect().boundsHit, { headersMs: 2 })
    },
    { timeouts: { headersMs: 100 } },
  ))

test('connections of an address are limited before their handshake', () =>
  withTls(
    async ({ relay }) => {
      const sockets = Array.from({ length: 5 }, () => connect(relay.port, '127.0.0.1'))
      const watches = sockets.map((socket) => new EndingWatch(socket.resume()))
      await until(() => watches.filter(({ closed }) => closed).length === 3, 'the end of three')
      assert.equal(relay.inspect().boundsHit, { connectionsPerAddress: 3 })
      for (const socket of sockets) socket.destroy()
    },
    { limits: { connectionsPerAddress: 2 } },
  ))

test('many connections that send no TLS leave a few lines in the log, and then one', () =>
  withTls(
    async ({ relay }) => {
      // A TCP check of a balancer leaves within the handshake: that is no line.
      const check = connect(relay.port, '127.0.0.1').resume()
      const left = new EndingWatch(check.end())
      await until(() => left.closed, 'the end of the check')
      for (let i = 0; i < 20; i++) {
        const socket = connect(relay.port, '127.0.0.1')
        const watch = new EndingWatch(socket.resume())
        socket.write(i % 2 === 0 ? 'not TLS at all, nor HTTP\r\n\r\n' : 'GET / HTTP/1.1\r\n\r\n')
        await until(() => watch.closed, 'the end of the connection')
      }
      assert.is(relay.lines.filter(({ msg }) => String(msg).startsWith('refused: ')).length, 3)
    },
    { limits: { refusalsPerAddressPerMinute: 3 } },
  ))

test('a drain does not wait for handshakes', () =>
  withTls(async ({ relay }) => {
    const socket = connect(relay.port, '127.0.0.1')
    const watch = new EndingWatch(socket.resume())
    await new Promise((resolve) => socket.once('connect', resolve))
    // Connections are accepted in their order.
    ;(await relay.client()).destroy()
    assert.is(await relay.app.drain(), 0)
    await until(() => watch.closed, 'the end of the connection')
  }))

test('files that change are used for new connections, and those that are open go on', () =>
  withTls(async ({ relay, write, connect }) => {
    const before = await connect()
    assert.is(nameOf(before), 'first.example')
    const second = selfSigned('second.example')
    write('cert', second.cert)
    write('key', second.key)
    await until(
      () => relay.lines.some(({ msg }) => /^the certificate was read again/.test(String(msg))),
      'the line',
    )
    assert.is(nameOf(await connect()), 'second.example')
    let text = ''
    before.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
    before.write('GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n')
    await until(() => text.includes('"status":"ok"'), 'an answer on the old connection')
  }))

test('a reload with files that do not fit keeps the certificate, and says so in one line without the key', () =>
  withTls(async ({ relay, write, connect }) => {
    const second = selfSigned('second.example')
    write('key', second.key)
    relay.app.reload()
    const lines = relay.lines.filter(({ msg }) => /^the certificate files are not used/.test(String(msg)))
    assert.is(lines.length, 1)
    assert.match(
      String(lines[0]?.msg),
      /listen\.tls\.key: the private key in .* is not that of the certificate in/,
    )
    assert.is(nameOf(await connect()), 'first.example')
    for (const line of second.key.split('\n').slice(1, -2))
      assert.not(JSON.stringify(relay.lines).includes(line))
  }))

test('the metrics have the time until the certificate expires', () =>
  withTls(
    async ({ relay }) => {
      const metrics = await (await fetch(`http://127.0.0.1:${relay.metricsPort}/metrics`)).text()
      const [, seconds] = /^thinwire_tls_certificate_expiry_seconds (\S+)$/m.exec(metrics) ?? []
      const expected = (Date.parse('2049-12-31T23:59:59Z') - Date.now()) / 1000
      assert.ok(Math.abs(Number(seconds) - expected) < 3_600, `${seconds} of ${expected}`)
    },
    { metrics: { listen: '127.0.0.1:0' } },
  ))

test('an upgrade offer that is ignored is served on the same TLS connection, which counts once', () =>
  withTls(
    async ({ relay }) => {
      const client = await relay.client()
      try {
        const offer =
          'connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n'
        for (let i = 0; i < 3; i++) {
          client.send(`GET /healthz HTTP/1.1\r\nhost: relay\r\n${offer}\r\n`)
          assert.is((await client.response(i)).status, 200)
        }
        assert.equal(relay.inspect().boundsHit, {})
      } finally {
        client.destroy()
      }
    },
    { limits: { connectionsPerAddress: 1 } },
  ))

curlTest('curl takes the certificate of its authority, and gets the answer', () =>
  withTls(async ({ relay }) => {
    const { cert } = relay.config.listen.tls ?? { cert: '' }
    const child = spawn('curl', [
      ...['--cacert', cert, '--resolve', `first.example:${relay.port}:127.0.0.1`, '-sS', '--max-time', '20'],
      ...['-H', `authorization: Bearer ${relay.key}`, `https://first.example:${relay.port}/v1/x`],
    ])
    let out = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (piece: Buffer) => {
        out += piece.toString()
      })
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
    assert.is(code, 0, out)
    assert.is(out, 'ok')
  }),
)

test.run()
