import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createPage, MetricsServer } from '../../src/admin/metrics-server.js'
import { Metrics, type MetricsSource } from '../../src/observe/metrics.js'
import { RawClient } from '../support/client.js'
import { until } from '../support/until.js'

const source = {
  draining: false,
  ready: true,
  hasFiles: true,
  openCount: 0,
  bufferedBytes: 0,
  cacheBytes: 0,
  bounds: { snapshot: () => ({}) },
  targetHealth: new Map(),
  ledgerState: null,
} as unknown as MetricsSource

/** Runs a test's act against a metrics server. */
async function withServer(act: (connect: () => Promise<RawClient>) => Promise<void>): Promise<void> {
  const server = new MetricsServer(createPage(new Metrics(), source), ['Metrics.example.com'], { info() {} })
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  const clients: RawClient[] = []
  try {
    await act(async () => {
      const client = await RawClient.connect(port)
      clients.push(client)
      return client
    })
  } finally {
    for (const client of clients) client.destroy()
    server.close()
  }
}

/** Hosts of a scrape, and whether they are answered: a web page can have any name that has a dot. */
const HOSTS: ReadonlyArray<readonly [host: string, isAnswered: boolean]> = [
  ['127.0.0.1:9464', true],
  ['[::1]:9464', true],
  ['10.0.0.7', true],
  ['localhost:9464', true],
  ['thinwire:9464', true],
  ['a.localhost', true],
  ['metrics.example.com:9464', true],
  ['METRICS.example.com', true],
  ['evil.example.com:9464', false],
  ['127.0.0.1.evil.example.com', false],
  ['localhost.evil.example.com', false],
  ['a.metrics.example.com', false],
  ['user@127.0.0.1', false],
  ['127.0.0.1, evil.example.com', false],
  ['', false],
]
for (const [host, isAnswered] of HOSTS)
  test(`metrics are ${isAnswered ? '' : 'not '}shown to a request for ${JSON.stringify(host)}`, () =>
    withServer(async (connect) => {
      const client = await connect()
      client.send(`GET /metrics HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
      const response = await client.response()
      assert.is(response.status, isAnswered ? 200 : 421)
      assert.is(response.body.includes('thinwire_build_info'), isAnswered)
    }))

test('a scraper that pipelines gets one response, and its connection is closed', () =>
  withServer(async (connect) => {
    const client = await connect()
    client.send('GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(100))
    await client.closed()
    await until(() => (client.text.match(/HTTP\/1\.1 /g) ?? []).length <= 1, 'no second response')
  }))

test('a scraper may keep its connection', () =>
  withServer(async (connect) => {
    const client = await connect()
    for (let n = 0; n < 3; n++) {
      client.send('GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n')
      assert.is((await client.response(n)).status, 200)
    }
  }))

test.run()
