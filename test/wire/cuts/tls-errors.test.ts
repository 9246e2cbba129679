import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { selfSigned } from '../../../scripts/certificate.js'
import { auth, post, startRelay } from '../../support/relay.js'
import { TcpProxy } from '../../support/tcp-proxy.js'
import { gate } from '../../support/until.js'
import { ScriptedUpstream, whole } from '../../support/upstream.js'

const NAME = 'upstream.example'
const certificate = selfSigned(NAME)
const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
const caFile = join(folder, 'ca.pem')
writeFileSync(caFile, certificate.cert)
test.after(() => rmSync(folder, { recursive: true }))

const CHAT = '/v1/chat/completions'
const BODY = '{"model":"m","messages":[]}'

/**
 * Flips one bit in the last byte of the next piece, which belongs to the tag of a TLS record. Nothing passes after it:
 * an upstream that gets the relay's alert would close the connection itself.
 */
function flipNext(proxy: TcpProxy): void {
  proxy.spoil = (piece) => {
    proxy.silence()
    const spoiled = Buffer.from(piece)
    spoiled[piece.length - 1] = (piece[piece.length - 1] as number) ^ 1
    return spoiled
  }
}

interface Secure {
  readonly server: Server
  readonly proxy: TcpProxy
  readonly entry: Record<string, unknown>
  close(): Promise<void>
}

async function startSecure(server: Server): Promise<Secure> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy = await TcpProxy.start((server.address() as AddressInfo).port)
  const entry = { baseUrl: `https://127.0.0.1:${proxy.port}/v1`, tls: { caFile, servername: NAME } }
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    server.close()
    await proxy.close()
  }
  return { server, proxy, entry, close }
}

test('a TLS record that was changed within a stream cuts the response at once', async () => {
  const more = gate()
  const secure = await startSecure(
    createServer(certificate, async (_, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write('data: 1\n\n')
      await more.opened
      res.write('data: 2\n\n')
    }),
  )
  const relay = await startRelay({ up: secure.entry })
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await client.sees('data: 1\n\n')
  flipNext(secure.proxy)
  more.open()
  await client.closed()
  const response = await client.response()
  assert.is(response.complete, false, 'a cut that looks like the end')
  assert.is(response.body.toString(), 'data: 1\n\n')
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'upstream_cut')
  await relay.close()
  await secure.close()
})

for (const kept of [false, true]) {
  const how = kept ? 'kept' : 'new'
  test(`a TLS record that was changed before the response on a ${how} connection leads to the next target at once`, async () => {
    let requests = 0
    const secure = await startSecure(
      createServer(certificate, (req, res) => {
        requests++
        if (kept && requests === 1) {
          res.end('first')
          return
        }
        req.resume()
        flipNext(secure.proxy)
        res.end('spoiled')
      }),
    )
    const other = await ScriptedUpstream.start((request) => request.write(whole('200 OK', 'from the other')))
    const relay = await startRelay(
      { up: secure.entry, other: { baseUrl: other.url } },
      { routes: [{ targets: [{ upstream: 'up' }, { upstream: 'other' }] }] },
    )
    if (kept) assert.is((await post(relay, CHAT, BODY)).body.toString(), 'first')
    const response = await post(relay, CHAT, BODY)
    assert.is(response.status, 200)
    assert.is(response.body.toString(), 'from the other')
    await relay.close()
    await secure.close()
    await other.close()
  })
}

test.run()
