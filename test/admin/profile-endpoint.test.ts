import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createPage, MetricsServer } from '../../src/admin/metrics-server.js'
import { Metrics, type MetricsSource } from '../../src/observe/metrics.js'
import { RawClient } from '../support/client.js'
import { until } from '../support/until.js'

const source = { targetHealth: new Map(), ledgerState: null } as unknown as MetricsSource

interface Scene {
  readonly server: MetricsServer
  readonly port: number
  /** What was logged. */
  readonly logged: string[]
  connect(): Promise<RawClient>
}

/** Runs a test's act against a metrics server. */
async function withServer(act: (scene: Scene) => Promise<void>, host = '127.0.0.1'): Promise<void> {
  const logged: string[] = []
  const log = { info: (_: object, text: string) => void logged.push(text) }
  const server = new MetricsServer(createPage(new Metrics(), source), ['metrics.example.com'], log)
  const { port } = await server.listen({ host, port: 0 })
  const clients: RawClient[] = []
  try {
    const connect = async (): Promise<RawClient> => {
      const client = await RawClient.connect(port)
      clients.push(client)
      return client
    }
    await act({ server, port, logged, connect })
  } finally {
    for (const client of clients) client.destroy()
    server.close()
  }
}

const ASK = 'POST /profile?seconds=1'
const OWN = 'x-thinwire-profile: 1'

function request(line: string, ...headers: readonly string[]): string {
  const host = headers.some((header) => header.startsWith('host:')) ? [] : ['host: 127.0.0.1:9464']
  return `${[`${line} HTTP/1.1`, ...host, 'content-length: 0', ...headers].join('\r\n')}\r\n\r\n`
}

const NO_PAGES = 'profiles are not for web pages: the header x-thinwire-profile is missing'
const SECONDS = 'seconds must be a whole number from 1 to 60'
const HERE = 'profiles are for programs on this machine'

/** Requests that get no profile: a web page may send some of them, a proxy others. */
const REFUSED: ReadonlyArray<readonly [what: string, bytes: string, status: number, why: string]> = [
  ['a GET', request('GET /profile?seconds=1', OWN), 405, 'POST /profile?seconds=10'],
  [
    'a preflight',
    request('OPTIONS /profile?seconds=1', 'origin: http://evil'),
    405,
    'POST /profile?seconds=10',
  ],
  ['a form of a page', request(ASK, 'origin: http://evil.example.com'), 403, HERE],
  ['a form of a page that is open at loopback', request(ASK, 'origin: http://localhost:3000'), 403, NO_PAGES],
  ['a page with our header', request(ASK, OWN, 'origin: http://localhost:3000'), 403, NO_PAGES],
  ['a sandboxed page', request(ASK, OWN, 'origin: null'), 403, HERE],
  ['a browser that sends no origin', request(ASK, OWN, 'sec-fetch-site: same-origin'), 403, NO_PAGES],
  ['a program without our header', request(ASK), 403, NO_PAGES],
  [
    'a name that a page may have',
    request(ASK, OWN, 'host: evil.example.com'),
    421,
    'This name is not known here.',
  ],
  ['a name of metrics.hosts', request(ASK, OWN, 'host: metrics.example.com'), 403, HERE],
  ['a name without a dot', request(ASK, OWN, 'host: thinwire'), 403, HERE],
  ['a proxy', request(ASK, OWN, 'x-forwarded-for: 203.0.113.7'), 403, HERE],
  ['a proxy that only says so', request(ASK, OWN, 'via: 1.1 front'), 403, HERE],
  ...[
    '',
    '?',
    '?seconds=',
    '?seconds=0',
    '?seconds=61',
    '?seconds=-1',
    '?seconds=1.5',
    '?seconds=1e1',
    '?seconds=ten',
  ].map(
    (query) =>
      [`the query ${JSON.stringify(query)}`, request(`POST /profile${query}`, OWN), 400, SECONDS] as const,
  ),
]
for (const [what, bytes, status, why] of REFUSED)
  test(`${what} gets no profile`, () =>
    withServer(async ({ connect, logged }) => {
      const client = await connect()
      client.send(bytes)
      const response = await client.response()
      assert.is(response.status, status)
      assert.ok(response.body.toString().startsWith(why), response.body.toString())
      // No page of another origin may read it either.
      assert.is(response.header('access-control-allow-origin'), undefined)
      assert.equal(logged, [])
    }))

test('a listener that is not on loopback takes no profile, for nobody', () =>
  withServer(async ({ connect }) => {
    const client = await connect()
    client.send(request(ASK, OWN))
    const response = await client.response()
    assert.is(response.status, 403)
    assert.match(response.body.toString(), /^metrics\.listen is not on loopback/)
  }, '0.0.0.0'))

test('one profile is taken at one time, and it can be followed by another', () =>
  withServer(async ({ connect, logged }) => {
    const client = await connect()
    client.send(request(ASK, OWN))
    // The head tells at once that it has begun.
    await client.sees('\r\n\r\n')
    const other = await connect()
    other.send(request(ASK, OWN))
    const refused = await other.response()
    assert.is(refused.status, 409)
    assert.is(refused.body.toString(), 'another profile is being taken\n')
    for (let n = 0; n < 2; n++) {
      if (n > 0) client.send(request(ASK, OWN))
      const response = await client.response(n)
      assert.is(response.status, 200)
      const profile = JSON.parse(response.body.toString())
      assert.ok(profile.samples.length > 0 && profile.thinwire.seconds >= 0.99)
    }
    assert.equal(logged, Array(2).fill('a CPU profile of 1 s is taken'))
  }))

test('two requests of one moment get one profile', () =>
  withServer(async ({ connect }) => {
    const clients = [await connect(), await connect()]
    for (const client of clients) client.send(request(ASK, OWN))
    const statuses = await Promise.all(clients.map(async (client) => (await client.response()).status))
    assert.equal(statuses.sort(), [200, 409])
  }))

test('a caller that leaves ends its profile: the next one is taken at once', () =>
  withServer(async ({ connect }) => {
    const client = await connect()
    client.send(request('POST /profile?seconds=60', OWN))
    await client.sees('\r\n\r\n')
    client.destroy()
    const statusOf = async (): Promise<number> => {
      const next = await connect()
      next.send(request(ASK, OWN))
      await next.sees('\r\n')
      const { text } = next
      if (!text.startsWith('HTTP/1.1 200')) return 0
      return (await next.response()).status
    }
    let status = 0
    while (status === 0) status = await statusOf()
    assert.is(status, 200)
  }))

test('a listener that is closed ends the profile', () =>
  withServer(async ({ server, connect }) => {
    const client = await connect()
    client.send(request('POST /profile?seconds=60', OWN))
    await client.sees('\r\n\r\n')
    server.close()
    await client.closed()
    await until(() => !client.text.includes('"samples"'), 'no profile')
  }))

test.run()
