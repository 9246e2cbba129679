import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runLimits } from '../../../src/commands/limits.js'
import { readLedger } from '../../support/ledger.js'
import { configure } from '../../support/start.js'
import { open, type Place, runRestart, runUsage, Written } from '../../support/thinwire.js'
import { until, wait } from '../../support/until.js'
import { isAlive, Load, untilGone } from './scene.js'
import {
  clearOne,
  openHeld,
  readShown,
  refusalOf,
  replace,
  settingsOf,
  signIn,
  startedPids,
  startOne,
  takenPids,
  untilShown,
} from './succession-scene.js'

const test = suite<Place>('restart of a relay of one process')

/** What `thinwire limits --json` says. */
async function readLimits(place: Place): Promise<string> {
  const io = { out: new Written(), err: new Written(), env: {}, cwd: place.folder }
  await runLimits(['--json'], io)
  return io.out.text
}

test.before.each(open)
test.after.each(clearOne)

test('three restarts under load and open streams lose nothing, and one guardian remains', async (place) => {
  const { thinwire, last } = await startOne(place, { metrics: { listen: '127.0.0.1:0' } })
  const loads = [new Load(thinwire, 2), new Load(thinwire, 2, false)]
  const metrics = /Metrics {4}(\S+)/.exec(thinwire.err)?.[1] ?? ''
  const streams = []
  for (let i = 1; i <= 3; i++) {
    streams.push(await openHeld(place, thinwire))
    const { code, out, err } = await runRestart(place)
    assert.is(code, 0, err)
    assert.match(out, /^Restarting the relay at http:\S+ \(process \d+\)\nRestarted\./)
    await until(() => takenPids(thinwire.out).length === i, 'the log')
    assert.is((await fetch(metrics)).status, 200)
  }
  // The first two successors have streams.
  const pids = startedPids(thinwire.out)
  assert.is(pids.length, 3)
  assert.ok(pids.every(isAlive))
  last.open()
  for (const stream of streams) {
    const response = await stream.response()
    assert.ok(response.complete)
    assert.match(response.body.toString(), '[DONE]')
    stream.destroy()
  }
  await untilGone(pids.slice(0, 2))
  const before = loads.map((load) => load.answered)
  await until(() => loads.every((load, i) => load.answered > (before[i] ?? 0) + 5), 'more answers')
  for (const load of loads) await load.stop()
  assert.equal(
    loads.flatMap((load) => load.problems),
    [],
  )
  // The signal of a terminal reaches both, and the guardian passes it on as well.
  for (const pid of [thinwire.child.pid as number, pids[2] as number]) process.kill(pid, 'SIGINT')
  assert.is(await thinwire.ended(), 0, thinwire.err)
  assert.not.ok(pids.some(isAlive))
  assert.is(thinwire.err.split('see README').length, 2, 'the banner came again')
  // Each line of the log is whole, whichever process has written it.
  assert.ok(thinwire.lines.every(({ time }) => typeof time === 'string'))
  const answered = loads.reduce((sum, load) => sum + load.answered, 0)
  const records = readLedger(join(place.folder, 'data'))
  assert.is(records.length, answered + 3)
  assert.ok(records.every(({ end }) => end === 'done'))
  const verified = await runUsage(place, ['verify'])
  assert.is(verified.code, 0, verified.out + verified.err)
  assert.equal(
    readdirSync(join(place.folder, 'data')).filter((name) => /^(open|running)-/.test(name)),
    [],
  )
})

test('a successor that cannot start, or dies, ends the restart with its reason, and nobody notices', async (place) => {
  const { thinwire } = await startOne(place)
  const [upstream] = place.upstreams
  const good = settingsOf(upstream?.url ?? '')
  const load = new Load(thinwire, 2, false)
  const fails = async (): Promise<string> => {
    const { code, err } = await runRestart(place)
    assert.is(code, 1)
    assert.match(err, 'failed, the relay goes on as it was')
    return err
  }
  configure(place, { ...good, limits: { connections: 0 } })
  thinwire.child.kill('SIGUSR2')
  await thinwire.logs('restart: failed, the relay goes on as it was')
  assert.match(thinwire.out, 'limits.connections')
  // It is found before a process is started.
  assert.equal(startedPids(thinwire.out), [])
  // The key file is not a part of the config: only the new process finds out.
  configure(place, { ...good, keys: { file: '.' } })
  assert.match(await fails(), 'EISDIR')
  configure(place, { ...good, listen: '127.0.0.1:1', workers: 2 })
  const killed = fails()
  await until(() => startedPids(thinwire.out).length === 2, 'a new process')
  process.kill(startedPids(thinwire.out)[1] as number, 'SIGKILL')
  assert.match(await killed, 'the new process has ended (signal SIGKILL) before it was ready')
  const { code, err } = await runRestart(place)
  assert.is(code, 0, err)
  assert.match(thinwire.out, 'workers: only a stop and a start')
  const before = load.answered
  await until(() => load.answered > before + 5, 'more answers')
  await load.stop()
  assert.equal(load.problems, [])
  // Without its guardian, the process that serves goes on, and can be restarted.
  const [serving = 0] = takenPids(thinwire.out)
  thinwire.child.kill('SIGKILL')
  await until(() => thinwire.out.includes('is gone: this one goes on'), 'the line')
  assert.is((await fetch(`${thinwire.url}/healthz`)).status, 200)
  await until(() => readdirSync(join(place.folder, 'data')).includes(`running-${serving}.json`), 'its file')
  const again = await runRestart(place)
  assert.is(again.code, 0, again.err)
  assert.match(again.out, `(process ${serving})`)
  assert.is((await fetch(`${thinwire.url}/healthz`)).status, 200)
  // The new guardian ends with the one that serves.
  process.kill(serving, 'SIGTERM')
  await untilGone([serving, ...startedPids(thinwire.out)])
})

test('what the last stream of an old process uses counts in the new one at once, and so do rates', async (place) => {
  const rules = [
    { name: 'month', per: 'pool', match: { path: '/v1/chat/completions' }, tokens: { month: 1_000 } },
    { name: 'rate', per: 'pool', match: { path: '/v1/x' }, requestsPerMinute: 1, requestBurst: 2 },
  ]
  const { thinwire, last } = await startOne(place, { limits: { rules }, admin: { listen: '127.0.0.1:0' } })
  const ask = await signIn(place)
  const stream = await openHeld(place, thinwire)
  // Its connection keeps the old process from its end.
  const kept = await thinwire.client(place)
  for (let i = 0; i < 2; i++) {
    kept.send(`GET /v1/x HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${thinwire.key}\r\n\r\n`)
    assert.is((await kept.response(i)).status, 200)
  }
  const pid = await replace(thinwire)
  assert.match(await refusalOf(thinwire, '/v1/x'), 'rate')
  // Nobody has to sign in again.
  assert.is((await ask('session')).role, 'operator')
  last.open()
  assert.ok((await stream.response()).complete)
  stream.destroy()
  await until(
    () => thinwire.requests.filter(({ end }) => end === 'done').length === 3,
    'the line of the stream',
  )
  // The page has it at once, too, and once.
  await untilShown(ask, [600, 1])
  assert.match(await refusalOf(thinwire, '/v1/chat/completions'), 'month')
  assert.equal(await readShown(ask), [600, 1])
  assert.not.ok(thinwire.lines.some(({ msg }) => msg === 'ended'))
  // Nothing of it counts twice, not even in the process that comes next and reads the ledger.
  kept.destroy()
  assert.is.not(await replace(thinwire), pid)
  assert.is((await ask('session')).role, 'operator')
  await untilShown(ask, [600, 1])
  // The new process leaves its counters for the command a moment later.
  let limits = ''
  const deadline = performance.now() + 60_000
  while (performance.now() < deadline && !/"used":1000\b/.test(limits)) limits = await readLimits(place)
  assert.match(limits, /"used":1000\b/, limits)
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0)
})

test('when the process that serves is killed, its guardian ends with its code', async (place) => {
  const { thinwire } = await startOne(place)
  const pid = await replace(thinwire)
  process.kill(pid, 'SIGKILL')
  assert.is(await thinwire.ended(), 137)
  assert.is(isAlive(pid), false)
})

test('a second signal ends a guardian and the process that serves at once', async (place) => {
  const { thinwire } = await startOne(place)
  const pid = await replace(thinwire)
  const stream = await openHeld(place, thinwire)
  await thinwire.drains('SIGTERM', 1)
  await wait(1_000)
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 143)
  await stream.closed()
  assert.is(isAlive(pid), false)
  assert.equal(
    readLedger(join(place.folder, 'data')).map(({ end }) => end),
    ['shutdown'],
  )
})

test.run()
