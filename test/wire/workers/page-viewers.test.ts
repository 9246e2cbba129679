import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { RawClient } from '../../support/client.js'
import { ADMIN, ADMIN_TOKEN, lastNow, pagePortOf, Visitor } from '../../support/page/visitor.js'
import { configure } from '../../support/start.js'
import { open, type Place, started } from '../../support/thinwire.js'
import { until } from '../../support/until.js'
import { clearWorkers, configOf, holdStream, readyPids, SLOW_MS, startWorkers, untilReady } from './scene.js'

const test = suite<Place>('a relay at which somebody looks')

test.before.each(open)
test.after.each(clearWorkers)

for (const workers of [1, 2])
  test(`SIGTERM waits for no viewer, with ${workers} workers, and who signs in again sees the next start`, async (place) => {
    const settings = { ...configOf('http://127.0.0.1:9'), workers, admin: ADMIN }
    configure(place, settings)
    const env = { ADMIN_TOKEN, UPSTREAM_KEY: 'sk-none' }
    const thinwire = await started(place, [], env)
    const port = pagePortOf(thinwire)
    const visitors = []
    for (let i = 0; i < 10; i++) {
      const visitor = await Visitor.signIn(port)
      const client = await visitor.look()
      // These do not read.
      if (i % 3 === 0) client.pause()
      visitors.push({ visitor, client })
    }
    const [first] = visitors
    const slow = await Visitor.signIn(port)
    const head = `POST /api/session HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\norigin: http://127.0.0.1:${port}\r\n`
    const sending = await slow.connect()
    sending.send(`${head}content-type: application/json\r\ncontent-length: 99\r\n\r\n{`)
    thinwire.child.kill('SIGTERM')
    assert.is(await thinwire.ended(), 0, thinwire.err)
    for (const { client } of visitors) {
      client.resume()
      await client.closed()
    }
    await sending.closed()
    configure(place, { ...settings, admin: { ...ADMIN, listen: `127.0.0.1:${port}` } })
    await started(place, [], env)
    assert.is((await first?.visitor.ask('/api/session'))?.status, 401)
    assert.is((await (await Visitor.signIn(port)).ask('/api/session')).status, 200)
  })

test('SIGHUP cuts no viewer off', async (place) => {
  const { thinwire } = await startWorkers(place, { admin: ADMIN, log: { level: 'debug' } }, { ADMIN_TOKEN })
  const client = await (await Visitor.signIn(pagePortOf(thinwire))).look()
  thinwire.child.kill('SIGHUP')
  await until(() => thinwire.out.split('the config was read again').length === 4, 'all reloads')
  const last = lastNow(client)?.at ?? 0
  await until(() => (lastNow(client)?.at ?? 0) > last, 'another message')
  assert.is(client.ending, null)
})

test('what was open at a worker that is killed goes from the page, which answers all the while', async (place) => {
  const { thinwire, last } = await startWorkers(place, { admin: ADMIN }, { ADMIN_TOKEN })
  const visitor = await Visitor.signIn(pagePortOf(thinwire))
  const client = await (await Visitor.signIn(pagePortOf(thinwire))).look()
  const streams: RawClient[] = []
  for (let i = 0; i < 4; i++) streams.push(await holdStream(place, thinwire))
  await until(() => lastNow(client)?.openCount === 4, 'all streams on the page')
  const [pid = 0] = readyPids(thinwire)
  process.kill(pid, 'SIGKILL')
  assert.is((await visitor.ask('/api/upstreams')).status, 200)
  await until(() => streams.filter(({ ending }) => ending !== null).length === 2, 'two streams to be cut')
  await until(() => lastNow(client)?.openCount === 2, 'the others on the page', SLOW_MS)
  const open = lastNow(client)?.open ?? []
  assert.is(open.length, 2)
  await untilReady(thinwire, 3)
  assert.is((await visitor.ask('/api/upstreams')).status, 200)
  assert.is(lastNow(client)?.openCount, 2)
  last.open()
  await until(() => lastNow(client)?.openCount === 0, 'none on the page', SLOW_MS)
  assert.is(client.ending, null)
})

test.run()
