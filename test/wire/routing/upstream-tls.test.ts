import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createSecureServer as createHttp2Server } from 'node:http2'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket, WebSocketServer } from 'ws'
import { selfSigned } from '../../../scripts/certificate.js'
import { auth, post, startRelay } from '../../support/relay.js'
import { socketOrigin } from '../../support/tls-mode.js'
import { until } from '../../support/until.js'

const NAME = 'upstream.example'
const certificate = selfSigned(NAME)
const other = selfSigned('other.example')
const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
writeFileSync(join(folder, 'ca.pem'), `a comment\n${other.cert}${certificate.cert}`)
writeFileSync(join(folder, 'other.pem'), other.cert)
test.after(() => rmSync(folder, { recursive: true }))

interface Tried {
  /** Status of the response to a request. */
  readonly status: number
  readonly body: string
  /** The message that a WebSocket got, or its error. */
  readonly echo: string
}

/** Sends a request and a WebSocket handshake to an upstream on this machine, whose certificate is for `NAME`. */
async function tryUpstream(tls: Record<string, unknown>): Promise<Tried> {
  const server = createServer(certificate, (req, res) => req.resume().on('end', () => res.end('fine')))
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.send('hello'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const relay = await startRelay({ up: { baseUrl: `https://127.0.0.1:${port}/v1`, tls } })
  const client = await relay.client()
  try {
    client.send(`POST /v1/x HTTP/1.1\r\n${auth(relay)}content-length: 2\r\n\r\n{}`)
    const response = await client.response()
    const headers = { authorization: `Bearer ${relay.key}` }
    const socket = new WebSocket(`${socketOrigin(relay.port)}/v1/realtime`, { headers })
    let echo = ''
    socket.on('message', (data: Buffer) => {
      echo = data.toString()
    })
    socket.on('error', (error) => {
      echo = error.message
    })
    await until(() => echo !== '', 'the socket')
    socket.terminate()
    return { status: response.status, body: response.body.toString(), echo }
  } finally {
    client.destroy()
    await relay.close()
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  }
}

test('an upstream with a private certificate is trusted by tls.caFile and tls.servername', async () => {
  const tried = await tryUpstream({ caFile: join(folder, 'ca.pem'), servername: NAME })
  assert.equal(tried, { status: 200, body: 'fine', echo: 'hello' })
})

const UNTRUSTED: Array<[string, Record<string, unknown>, RegExp]> = [
  ['without its certificate file', { servername: NAME }, /DEPTH_ZERO_SELF_SIGNED_CERT/],
  [
    'with the certificate file of another',
    { caFile: join(folder, 'other.pem'), servername: NAME },
    /SELF_SIGNED|SIGNATURE/,
  ],
  ['under another name', { caFile: join(folder, 'ca.pem') }, /ERR_TLS_CERT_ALTNAME_INVALID/],
]

for (const [how, tls, cause] of UNTRUSTED) {
  test(`an upstream ${how} is not trusted, even if NODE_TLS_REJECT_UNAUTHORIZED is 0`, async () => {
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    try {
      const { status, body, echo } = await tryUpstream(tls)
      assert.is(status, 502)
      assert.match(body, cause)
      assert.match(echo, /502/)
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    }
  })
}

const ADVICE: Array<[string, Record<string, unknown>, RegExp]> = [
  ['an unknown authority', { servername: NAME }, /DEPTH_ZERO_SELF_SIGNED_CERT: .*tls\.caFile/],
  ['a wrong name', { caFile: join(folder, 'ca.pem') }, /ERR_TLS_CERT_ALTNAME_INVALID: .*tls\.servername/],
]
for (const [what, tls, advice] of ADVICE) {
  test(`the error of an upstream with ${what} names the setting to change`, async () => {
    assert.match((await tryUpstream(tls)).body, advice)
  })
}

test('the error of an upstream that speaks HTTP/2 alone names the protocol', async () => {
  const server = createHttp2Server({ ...certificate, allowHTTP1: false })
  server.on('sessionError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const tls = { caFile: join(folder, 'ca.pem'), servername: NAME }
  const relay = await startRelay({ up: { baseUrl: `https://127.0.0.1:${port}/v1`, tls } })
  const response = await post(relay, '/v1/x', '{}')
  assert.is(response.status, 502)
  assert.match(response.body.toString(), /does not speak HTTP\/1\.1/)
  await relay.close()
  server.close()
})

test('a certificate file that is replaced is followed without a signal', async () => {
  const server = createServer(certificate, (req, res) => req.resume().on('end', () => res.end('fine')))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const caFile = join(folder, 'replaced.pem')
  writeFileSync(caFile, other.cert)
  const tls = { caFile, servername: NAME }
  const relay = await startRelay({ up: { baseUrl: `https://127.0.0.1:${port}/v1`, tls } }, {}, {}, 20)
  assert.is((await post(relay, '/v1/x', '{}')).status, 502)
  writeFileSync(`${caFile}.new`, `${other.cert}${certificate.cert}`)
  renameSync(`${caFile}.new`, caFile)
  const used = (): boolean =>
    relay.lines.some(({ msg }) => msg === 'the config was read again and is in use now')
  await until(used, 'the new file to be used')
  assert.is((await post(relay, '/v1/x', '{}')).status, 200)
  await relay.close()
  server.closeAllConnections()
  server.close()
})

test.run()
