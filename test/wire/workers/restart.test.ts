import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { configure } from '../../support/start.js'
import { open, type Place, run, runRestart, Thinwire } from '../../support/thinwire.js'
import { until } from '../../support/until.js'
import {
  checkRecords,
  clearWorkers,
  configOf,
  holdStream,
  isAlive,
  Load,
  readyPids,
  startWorkers,
  untilGone,
  untilReady,
  type WorkersScene,
} from './scene.js'

const test = suite<Place>('restart of workers')

test.before.each(open)
test.after.each(clearWorkers)

test('three restarts in a row under load and open streams lose nothing', async (place) => {
  const { thinwire, last } = await startWorkers(place)
  const olds = readyPids(thinwire)
  assert.is(olds.length, 2)
  const streams = [await holdStream(place, thinwire), await holdStream(place, thinwire)]
  const load = new Load(thinwire, 4)
  for (let i = 1; i <= 3; i++) {
    // The command as it is run, and as others run it here.
    const { code, out, err } = await (i === 1 ? run(place, ['restart']) : runRestart(place))
    assert.is(code, 0, err)
    assert.match(out, '2 of 2 workers are new')
    await untilReady(thinwire, 2 + 2 * i)
  }
  // They have the streams.
  assert.ok(olds.every(isAlive))
  last.open()
  for (const stream of streams) {
    const response = await stream.response()
    assert.ok(response.complete)
    assert.is(response.body.toString(), 'data: first\n\ndata: last\n\n')
  }
  for (const stream of streams) stream.destroy()
  await untilGone(olds)
  const before = load.answered
  await until(() => load.answered > before + 10, 'more answers')
  await load.stop()
  assert.equal(load.problems, [])
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
  assert.not.ok(thinwire.out.includes(' died '), thinwire.out)
  await checkRecords(place, load.answered + 2)
  await untilGone(readyPids(thinwire))
})

test('thinwire restart without a running relay says so, with exit code 3', async (place) => {
  configure(place, {})
  const { code, err } = await run(place, ['restart'])
  assert.is(code, 3)
  assert.match(err, 'no relay runs with the ledger folder')
})

test.run()

interface Shared extends Place {
  relay: WorkersScene
}

/** Tests of one relay, one after another: each leaves it with two workers that serve. */
const shared = suite<Shared>('restarts of the workers of one relay')

shared.before(async (place) => {
  open(place)
  place.relay = await startWorkers(place)
})
shared.after(clearWorkers)

shared('workers that cannot listen end the start with one message and exit code 1', async (place) => {
  const { thinwire } = place.relay
  const second = new Thinwire(place, ['start', '--listen', `127.0.0.1:${thinwire.port}`], {
    UPSTREAM_KEY: 'x',
  })
  assert.is(await second.ended(), 1)
  assert.is(second.err.split('is taken by another program').length, 2, second.err)
  assert.is(second.err.trim().split('\n').length, 1, second.err)
})

shared(
  'a new worker that cannot start ends the restart with its reason, and the old ones go on',
  async (place) => {
    const { thinwire } = place.relay
    const [upstream] = place.upstreams
    // What is in the files of a certificate is not a part of the config: only a worker finds out.
    const tls = { cert: 'thinwire.json', key: 'thinwire.json' }
    configure(place, { ...configOf(upstream?.url ?? ''), listen: { address: '127.0.0.1:0', tls } })
    const { code, err } = await runRestart(place)
    assert.is(code, 1)
    assert.match(err, 'failed, the relay goes on as it was')
    const load = new Load(thinwire, 1)
    await until(() => load.answered > 4, 'answers')
    await load.stop()
    assert.equal(load.problems, [])
    configure(place, configOf(upstream?.url ?? ''))
  },
)

shared('a kept connection of an old worker gets one more answer, with connection: close', async (place) => {
  const { thinwire } = place.relay
  const kept = await thinwire.client(place)
  const ask = `GET /v1/x HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${thinwire.key}\r\n\r\n`
  kept.send(ask)
  assert.is((await kept.response()).status, 200)
  const olds = readyPids(thinwire)
  thinwire.child.kill('SIGUSR2')
  await untilReady(thinwire, olds.length + 2)
  kept.send(ask)
  const response = await kept.response(1)
  assert.is(response.status, 200)
  assert.is(response.header('connection'), 'close')
  await kept.closed()
  await untilGone(olds)
})

shared(
  'a restart takes over the config on the disk, and one that is broken changes nothing',
  async (place) => {
    const { thinwire } = place.relay
    const before = readyPids(thinwire).length
    const [upstream] = place.upstreams
    const good = configOf(upstream?.url ?? '')
    configure(place, { ...good, limits: { connections: 0 } })
    const refused = await run(place, ['restart', '--config', 'thinwire.json'])
    // The command needs the config itself, to find the ledger.
    assert.is(refused.code, 2)
    const shown = thinwire.out.length
    thinwire.child.kill('SIGUSR2')
    const said = (): string => thinwire.out.slice(shown)
    await until(() => said().includes('restart: failed, the workers stay'), 'the failure')
    assert.match(said(), 'limits.connections')
    assert.is(readyPids(thinwire).length, before)
    configure(place, { ...good, publicUrl: 'https://llm.example.com', workers: 3 })
    const { code, err } = await runRestart(place)
    assert.is(code, 0, err)
    await untilReady(thinwire, before + 2)
    assert.match(thinwire.out, 'workers: only a stop and a start')
  },
)

shared.run()
