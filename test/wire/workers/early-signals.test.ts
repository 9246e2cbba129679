import { createServer } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { configure } from '../../support/start.js'
import { clear, open, type Place, Thinwire } from '../../support/thinwire.js'
import { until } from '../../support/until.js'
import { catches } from './hooks.js'
import { isAlive, readyPids, SLOW_MS, untilGone, untilReady } from './scene.js'
import { startedPids, takenPids } from './succession-scene.js'

const SIGUSR2 = 12

const test = suite<Place>('signals to a relay that starts')

test.before.each(open)
test.after.each(async (place) => {
  const pids = place.running.flatMap((each) => [...readyPids(each), ...startedPids(each.out)]).filter(isAlive)
  for (const { child } of place.running) child.kill('SIGKILL')
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  await untilGone(pids)
  await clear(place)
})

/** Starts a relay. @returns when it has just begun to hold signals */
async function startEarly(place: Place, workers: number): Promise<Thinwire> {
  configure(place, { workers })
  const thinwire = new Thinwire(place, ['start', '--listen', '127.0.0.1:0'])
  await until(() => catches(thinwire.child.pid ?? 0, SIGUSR2), 'the process to hold signals', SLOW_MS)
  assert.is(thinwire.err, '')
  return thinwire
}

async function isAnswered(thinwire: Thinwire): Promise<boolean> {
  const answer = await fetch(`${thinwire.url}/healthz`)
  await answer.text()
  return answer.ok
}

if (process.platform === 'linux') {
  test('SIGUSR2, twice, and SIGHUP come into effect once the relay serves', async (place) => {
    const thinwire = await startEarly(place, 1)
    for (const signal of ['SIGUSR2', 'SIGHUP', 'SIGUSR2'] as const) thinwire.child.kill(signal)
    await until(() => takenPids(thinwire.out).length === 1, 'a process to take over', SLOW_MS)
    await until(() => thinwire.err.includes('see README'), 'the banner', SLOW_MS)
    assert.ok(await isAnswered(thinwire))
    assert.match(thinwire.out, 'SIGHUP: reading the config again')
    thinwire.child.kill('SIGTERM')
    assert.is(await thinwire.ended(), 0, thinwire.err)
    await untilGone(startedPids(thinwire.out))
  })

  test('with several workers, too', async (place) => {
    const thinwire = await startEarly(place, 2)
    for (const signal of ['SIGUSR2', 'SIGHUP', 'SIGUSR2'] as const) thinwire.child.kill(signal)
    await until(() => thinwire.out.includes('restart: all workers are new'), 'the restart', SLOW_MS)
    await until(() => thinwire.err.includes('see README'), 'the banner', SLOW_MS)
    await untilReady(thinwire, 4)
    assert.ok(await isAnswered(thinwire))
    thinwire.child.kill('SIGTERM')
    assert.is(await thinwire.ended(), 0, thinwire.err)
    await untilGone(readyPids(thinwire))
  })

  for (const workers of [1, 2])
    test(`SIGUSR2 and then SIGTERM end a relay of ${workers} that starts`, async (place) => {
      const thinwire = await startEarly(place, workers)
      for (const signal of ['SIGUSR2', 'SIGTERM'] as const) thinwire.child.kill(signal)
      await thinwire.ended()
      assert.ok(thinwire.signal === 'SIGTERM' || thinwire.code === 0, `${thinwire.signal} ${thinwire.code}`)
      await untilGone([...readyPids(thinwire), ...startedPids(thinwire.out)])
    })

  test('a restart of a process that still starts follows the one that is under way', async (place) => {
    const thinwire = await startEarly(place, 1)
    await until(() => thinwire.err.includes('see README'), 'the banner', SLOW_MS)
    thinwire.child.kill('SIGUSR2')
    await until(() => startedPids(thinwire.out).length === 1, 'a new process')
    const [pid = 0] = startedPids(thinwire.out)
    await until(() => catches(pid, SIGUSR2), 'it to hold signals', SLOW_MS)
    // As `pkill -USR2` does.
    process.kill(pid, 'SIGUSR2')
    await until(() => takenPids(thinwire.out).length === 2, 'another process to take over', SLOW_MS)
    assert.ok(await isAnswered(thinwire))
    await untilGone([pid])
  })
}

test('all workers that are killed at once are replaced at the same address', async (place) => {
  const server = createServer().listen(0, '127.0.0.1')
  await until(() => server.listening, 'a free port')
  const { port } = server.address() as { readonly port: number }
  server.close()
  configure(place, { workers: 2 })
  const thinwire = new Thinwire(place, ['start', '--listen', `127.0.0.1:${port}`])
  await untilReady(thinwire, 2)
  for (const pid of readyPids(thinwire)) process.kill(pid, 'SIGKILL')
  await untilReady(thinwire, 4)
  assert.ok(await isAnswered(thinwire))
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
})

test.run()
