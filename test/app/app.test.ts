import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { issueKey } from '../../src/access/keyring.js'
import { type App, createApp } from '../../src/app/app.js'
import type { AppOptions } from '../../src/app/app-options.js'
import { ListenError } from '../../src/app/listen-error.js'
import { loadConfig } from '../../src/config/config.js'
import { Log } from '../../src/observe/log.js'
import { OK, withRelay } from '../support/scene.js'
import { until, wait } from '../support/until.js'
import { CHUNKED, head, SSE } from '../support/upstream.js'

interface Context {
  folder: string
  lines: Record<string, unknown>[]
}

const test = suite<Context>('app', { folder: '', lines: [] })

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
  context.lines = []
})
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }))

/** An app of a config that has one upstream and listens on these addresses. */
function create({ folder, lines }: Context, listen: string, options: Partial<AppOptions> = {}): Promise<App> {
  const sink = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const config = loadConfig({ listen, env: { OPENAI_API_KEY: 'sk-x' }, cwd: folder })
  return createApp({ config, log: new Log(pino({}, sink), sink), prices: null, source: null, ...options })
}

// The first one of this file: what is loaded later makes a start slow only once.
test('keys that are looked at while a slow start is under way end nothing', async (context) => {
  const problems: unknown[] = []
  const note = (reason: unknown): void => void problems.push(reason)
  process.on('unhandledRejection', note)
  try {
    const plain = loadConfig({ env: { OPENAI_API_KEY: 'sk-x' }, cwd: context.folder })
    const config = { ...plain, metrics: { listen: { host: '127.0.0.1', port: 0 }, hosts: [] } }
    const app = await create(context, '127.0.0.1:0', { config, keyPollMs: 0 })
    await app.close()
    await wait(0)
    assert.equal(problems, [])
  } finally {
    process.off('unhandledRejection', note)
  }
})

test('an address that is taken is an error with the address and its setting, for clients and for scrapers', async (context) => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const address = { host: '127.0.0.1', port: (other.address() as AddressInfo).port }
  const free = { host: '127.0.0.1', port: 0 }
  try {
    for (const setting of ['listen', 'metrics.listen'] as const) {
      const plain = loadConfig({ env: { OPENAI_API_KEY: 'sk-x' }, cwd: context.folder })
      const isListen = setting === 'listen'
      const config = {
        ...plain,
        listen: { ...(isListen ? address : free), tls: null },
        metrics: { listen: isListen ? null : address, hosts: [] },
      }
      const app = await create(context, '127.0.0.1:0', { config })
      const error = await app.listen().catch((reason: unknown) => reason)
      assert.instance(error, ListenError)
      assert.equal((error as ListenError).place, { ...address, fd: undefined })
      assert.is((error as ListenError).setting, setting)
      assert.is(((error as ListenError).cause as NodeJS.ErrnoException).code, 'EADDRINUSE')
      await app.close()
    }
  } finally {
    other.close()
  }
})

test('a relay is not ready before it is marked so', async (context) => {
  const app = await create(context, '127.0.0.1:0')
  const { port, metricsPort } = await app.listen()
  assert.is(metricsPort, null)
  const readStatus = async (): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`)
    return ((await response.json()) as { status: string }).status
  }
  assert.is(await readStatus(), 'starting')
  app.markReady()
  assert.is(await readStatus(), 'ready')
  await app.close()
})

test('keys of this process are used at once and without a line in the log, keys of others are logged', async (context) => {
  const app = await create(context, '127.0.0.1:0', { keyPollMs: 5 })
  const { file } = app.config.keys
  const owner = { env: 'test', team: 'team1', user: 'user1' }
  issueKey(file, owner)
  app.reloadKeys()
  assert.is(app.keyring?.size, 1)
  assert.equal(context.lines, [])
  issueKey(file, owner)
  await until(() => app.keyring?.size === 2, 'the second key')
  assert.is(context.lines[0]?.msg, 'the key file was read again')
  await app.close()
})

test('a relay without a source has nothing to reload', async (context) => {
  const app = await create(context, '127.0.0.1:0')
  const { config } = app
  app.reload()
  assert.is(app.config, config)
  assert.equal(context.lines, [])
  await app.close()
})

test('inspect shows an open request, and nothing when it has ended', () =>
  withRelay(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk('data: 1\n\n')
    },
    async (scene) => {
      const { relay } = scene
      assert.ok(relay.inspect().isIdle)
      const client = await scene.client()
      client.send(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
      await client.sees('data: 1\n\n')
      const [exchange] = relay.inspect().exchanges
      assert.equal([exchange?.path, exchange?.phase, exchange?.bytesOut], ['/x', 'respond', 9])
      assert.equal([exchange?.isUpstreamBlocked, exchange?.holdsTranslatedRequest], [false, false])
      assert.is(relay.inspect().upstreams[0]?.inFlight, 1)
      client.destroy()
      await until(() => relay.inspect().isIdle, 'the request to end')
      assert.equal(relay.inspect().exchanges, [])
      assert.is(relay.inspect().openCount, 0)
    },
  ))

test('stop records every open request before it returns', () =>
  withRelay(
    () => {},
    async (scene) => {
      const { relay } = scene
      const client = await scene.client()
      client.send(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
      await scene.upstream.request(0)
      relay.app.stop()
      assert.is(relay.lines.find(({ end }) => end !== undefined)?.end, 'shutdown')
      assert.is(relay.inspect().openCount, 0)
    },
  ))

test('close may follow drain and stop, and a second close does nothing', () =>
  withRelay(OK, async ({ relay }) => {
    assert.is(await relay.app.drain(), 0)
    relay.app.stop()
    await relay.app.close()
    await relay.app.close()
  }))

test.run()
