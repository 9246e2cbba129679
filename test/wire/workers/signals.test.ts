import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { open, type Place } from '../../support/thinwire.js'
import { until, wait } from '../../support/until.js'
import { clearWorkers, holdStream, readyPids, startWorkers, untilGone } from './scene.js'

const test = suite<Place>('signals with workers')

test.before.each(open)
test.after.each(clearWorkers)

test('Ctrl-C, which comes to the primary and to each worker, lets open streams end', async (place) => {
  const { thinwire, last } = await startWorkers(place)
  const pids = readyPids(thinwire)
  const streams = [await holdStream(place, thinwire), await holdStream(place, thinwire)]
  for (const pid of pids) process.kill(pid, 'SIGINT')
  thinwire.child.kill('SIGINT')
  await until(
    () => thinwire.out.split('"signal":"SIGINT","in_flight":1').length === 3,
    'both workers to drain',
  )
  last.open()
  for (const stream of streams) assert.ok((await stream.response()).complete)
  assert.is(await thinwire.ended(), 0, thinwire.err)
  assert.is(thinwire.lines.at(-1)?.msg, 'ended')
  await untilGone(pids)
})

test('SIGTERM while a new worker starts ends that one, too', async (place) => {
  const { thinwire } = await startWorkers(place)
  thinwire.child.kill('SIGUSR2')
  await thinwire.logs('restart: each worker is replaced by a new one')
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
  assert.is(thinwire.lines.at(-1)?.msg, 'ended')
  await untilGone(readyPids(thinwire))
})

test('a second signal one second later ends all at once', async (place) => {
  const { thinwire } = await startWorkers(place)
  const stream = await holdStream(place, thinwire)
  await thinwire.drains('SIGTERM', 1)
  await wait(1_100)
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 128 + 15)
  await stream.closed()
  assert.is((await stream.response()).complete, false)
  assert.equal(
    thinwire.requests.map(({ end }) => end),
    ['shutdown'],
  )
  await untilGone(readyPids(thinwire))
})

test('SIGHUP reloads every worker, and readiness is of all of them', async (place) => {
  const { thinwire } = await startWorkers(place, { log: { level: 'debug' } })
  thinwire.child.kill('SIGHUP')
  await until(() => thinwire.out.split('the config was read again').length === 4, 'all reloads')
  const reloads = thinwire.lines.filter(({ msg }) => String(msg).startsWith('the config was read again'))
  // The primary says it for all.
  assert.equal(reloads.map(({ worker = 0, level }) => `${worker} ${level}`).sort(), ['0 30', '1 20', '2 20'])
  const answer = await fetch(`${thinwire.url}/readyz`)
  assert.is(answer.status, 200)
  const body = (await answer.json()) as { status: string; workers: unknown }
  assert.is(body.status, 'ready')
  assert.equal(body.workers, { ready: 2, of: 2 })
  // Only one worker was asked; all of them wait for the balancer.
  thinwire.child.kill('SIGTERM')
  await until(
    () => thinwire.out.split('"signal":"SIGTERM","in_flight":0').length === 3,
    'both workers to drain',
  )
  const after = await fetch(`${thinwire.url}/readyz`)
  assert.is(after.status, 503)
  assert.is(((await after.json()) as { status: string }).status, 'draining')
  assert.is(await thinwire.ended(), 0)
})

test.run()
