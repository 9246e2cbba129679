import { createServer, type IncomingHttpHeaders, type Server, request as sendRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RawClient } from '../../support/client.js'
import { startRelay, type TestRelay } from '../../support/relay.js'
import { ScriptedUpstream, whole } from '../../support/upstream.js'

// The tunnels of scripts/deploy/TUNNELS.md: each calls the relay from this machine, and names the client in its own way.

/** Where the client is that a tunnel sees. */
const CLIENT = '203.0.113.7'

/** What a tunnel does with the headers of a request. @param sent what the client sent as `X-Forwarded-For` */
type Tunnel = (sent: string | undefined, client: string) => Record<string, string | string[]>

const append = (sent: string | undefined, client: string): string =>
  sent === undefined ? client : `${sent},${client}`

const TUNNELS: Readonly<Record<string, Tunnel>> = {
  // Cloudflare's edge appends, and sets CF-Connecting-IP.
  cloudflared: (sent, client) => ({ 'x-forwarded-for': append(sent, client), 'cf-connecting-ip': client }),
  // ngrok appends: "use the last value", says its reference of headers.
  ngrok: (sent, client) => ({ 'x-forwarded-for': append(sent, client).replaceAll(',', ', ') }),
  'ngrok, with a field of its own': (sent, client) => ({
    'x-forwarded-for': sent === undefined ? client : [sent, client],
  }),
  // tailscaled overwrites.
  'tailscale funnel': (_, client) => ({ 'x-forwarded-for': client, 'x-forwarded-proto': 'https' }),
}

/** Forwards each request to the relay as a tunnel's program on this machine does. */
async function startTunnel(relay: TestRelay, tunnel: Tunnel, client: string, host?: string): Promise<Server> {
  const server = createServer((req, res) => {
    const sent = req.headers['x-forwarded-for'] as string | undefined
    const headers: IncomingHttpHeaders = {
      ...req.headers,
      ...tunnel(sent, client),
      ...(host === undefined ? {} : { host }),
    }
    const forwarded = sendRequest({
      port: relay.port,
      host: '127.0.0.1',
      path: req.url,
      method: req.method,
      headers,
    })
    forwarded.on('response', (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(res)
    })
    forwarded.on('error', () => res.destroy())
    req.pipe(forwarded)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

/** Sends a request through a tunnel. @returns its status and what its record says of the client */
async function sendThrough(
  tunnel: Tunnel,
  fields: readonly string[],
  options: { trustedProxies?: string[]; mode?: 'off'; client?: string; host?: string } = {},
) {
  const upstream = await ScriptedUpstream.start((request) => request.write(whole('200 OK', '{}')))
  const { trustedProxies = ['127.0.0.1', '::1'], mode, client = CLIENT, host } = options
  const relay = await startRelay(upstream.url, {
    trustedProxies,
    ...(mode === undefined ? {} : { keys: { mode } }),
  })
  const server = await startTunnel(relay, tunnel, client, host)
  const raw = await RawClient.connect((server.address() as AddressInfo).port)
  try {
    const lines = [
      'host: laptop.example',
      `authorization: Bearer ${relay.key}`,
      ...fields,
      'connection: close',
    ]
    raw.send(`GET /v1/x HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    const { status } = await raw.response()
    const [record] = await relay.records(1)
    return { status, address: record?.client_address, reached: upstream.requests.length }
  } finally {
    raw.destroy()
    server.closeAllConnections()
    server.close()
    await relay.close()
    await upstream.close()
  }
}

const FORGERIES: Readonly<Record<string, readonly string[]>> = {
  'nothing else': [],
  'a forged address': ['x-forwarded-for: 198.51.100.1'],
  'the address of a trusted proxy': ['x-forwarded-for: 127.0.0.1'],
  'a forged address before that of a trusted proxy': ['x-forwarded-for: 198.51.100.1, ::1'],
  'two forged headers': ['x-forwarded-for: 198.51.100.1', 'x-forwarded-for: 198.51.100.2'],
  'a header that is no list': ['x-forwarded-for: ,,unknown,"'],
  'headers that other proxies set': [
    'cf-connecting-ip: 198.51.100.1',
    'true-client-ip: 198.51.100.1',
    'x-real-ip: 198.51.100.1',
    'forwarded: for=198.51.100.1',
  ],
}

for (const [name, tunnel] of Object.entries(TUNNELS)) {
  for (const [forgery, fields] of Object.entries(FORGERIES))
    test(`behind ${name} the record has the client's address if it sends ${forgery}`, async () => {
      const { status, address } = await sendThrough(tunnel, fields)
      assert.is(status, 200)
      assert.is(address, CLIENT)
    })

  test(`behind ${name} the record has the address of a client of IPv6`, async () => {
    const { address } = await sendThrough(tunnel, ['x-forwarded-for: ::1'], { client: '2001:db8::7' })
    assert.is(address, '2001:db8::7')
  })

  test(`behind ${name} the record has this machine's address without trustedProxies`, async () => {
    const { address } = await sendThrough(tunnel, ['x-forwarded-for: 198.51.100.1'], { trustedProxies: [] })
    assert.is(address, '127.0.0.1')
  })

  test(`behind ${name} a relay without keys serves nobody, also if localhost is the Host that it sends`, async () => {
    for (const host of [undefined, 'localhost:4000']) {
      const { status, reached } = await sendThrough(tunnel, [], {
        mode: 'off',
        ...(host === undefined ? {} : { host }),
      })
      assert.is(status, 403, host)
      assert.is(reached, 0)
    }
  })
}

test.run()
