import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readLedgerAfterKills } from '../../support/ledger.js'
import { open, type Place } from '../../support/thinwire.js'
import { gate, until } from '../../support/until.js'
import {
  clearWorkers,
  holdStream,
  isAlive,
  Load,
  readyPids,
  startWorkers,
  untilGone,
  untilReady,
  type WorkersScene,
} from './scene.js'

const CLIENTS = 4

/** Records that a kill may cost: those of its last moment, which each client asks for one after the other. */
const LOST_MOST = 60

const test = suite<Place>('deaths of workers')

test.before.each(open)
test.after.each(clearWorkers)

test('workers that are killed while the primary counts for them end neither it nor the others', async (place) => {
  const rules = [{ name: 'all', requestsPerMinute: 1_000_000, concurrent: 1_000 }]
  const { thinwire } = await startWorkers(place, { limits: { connections: 1_000, rules } })
  const load = new Load(thinwire, CLIENTS)
  for (let kills = 1; kills <= 2; kills++) {
    const before = load.answered
    await until(() => load.answered > before + 20, 'answers')
    const victim = readyPids(thinwire).filter(isAlive)[0] as number
    process.kill(victim, 'SIGKILL')
    await untilReady(thinwire, 2 + kills)
  }
  const before = load.answered
  await until(() => load.answered > before + 20, 'answers')
  await load.stop()
  assert.is(thinwire.code, null, thinwire.out)
  // Each client had at most one request at a time, at one of the two workers.
  assert.ok(load.problems.length <= 2 * CLIENTS, load.problems.join())
  for (const problem of load.problems) assert.match(problem, /ECONNRESET|socket hang up|aborted/)
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
  // What was answered within 20 ms of a kill may have no record, and what was cut has one if it was noted.
  const records = readLedgerAfterKills(join(place.folder, 'data')).filter(({ end }) => end === 'done')
  assert.ok(records.length <= load.answered + load.problems.length)
  assert.ok(records.length >= load.answered - 2 * LOST_MOST, `${records.length} of ${load.answered}`)
})

test('a worker that runs out of memory is replaced, and the other one serves all the while', async (place) => {
  const trigger = join(place.folder, 'eat')
  const env = { NODE_OPTIONS: `--max-old-space-size=128 --import ${moduleUrl(eater(trigger))}` }
  const { thinwire } = await startWorkers(place, {}, env)
  const olds = readyPids(thinwire)
  writeFileSync(trigger, '')
  await untilReady(thinwire, 3)
  assert.not.ok(existsSync(trigger))
  assert.match(thinwire.out, 'as when its memory is full')
  assert.is(olds.filter(isAlive).length, 1)
  const load = new Load(thinwire, 2)
  await until(() => load.answered > 10, 'answers')
  await load.stop()
  assert.equal(load.problems, [])
})

/** Fills the memory of the worker that takes the file away: `rmSync` would let both do so, `unlinkSync` only one. */
function eater(file: string): string {
  return `
    import { unlinkSync } from 'node:fs'
    const eat = () => {
      try { unlinkSync(${JSON.stringify(file)}) } catch { return }
      for (const eaten = []; ; ) eaten.push(new Array(1e5).fill(eaten.length))
    }
    if (process.env.THINWIRE_WORKER !== undefined) setInterval(eat, 20).unref()`
}

function moduleUrl(text: string): string {
  return `data:text/javascript,${encodeURIComponent(text)}`
}

test('a worker that starts while no other one serves is not warmed up first', async (place) => {
  const file = join(place.folder, 'warm')
  writeFileSync(file, '')
  const env = { THINWIRE_WARM_UP: 'on', NODE_OPTIONS: `--import ${moduleUrl(noter(file))}` }
  const { thinwire } = await startWorkers(place, {}, env)
  const warm = (): string[] => [...new Set(readFileSync(file, 'utf8').split('\n').filter(Boolean))]
  const firsts = readyPids(thinwire)
  assert.equal(warm().sort(), firsts.map(String).sort())
  for (const pid of firsts) process.kill(pid, 'SIGKILL')
  await untilReady(thinwire, 4)
  const seconds = readyPids(thinwire).slice(2)
  // The death of the first one may have been seen while the other one still seemed to serve.
  const cold = seconds.filter((pid) => !warm().includes(String(pid)))
  assert.ok(cold.length >= 1, warm().join())
  process.kill(seconds[0] as number, 'SIGKILL')
  await untilReady(thinwire, 5)
  assert.ok(warm().includes(String(readyPids(thinwire)[4])))
})

/** Notes each worker in which a server for a warm-up listens: the only ones at port 0 of a relay that has a port. */
function noter(file: string): string {
  return `
    import { appendFileSync } from 'node:fs'
    import { Server } from 'node:net'
    const { listen } = Server.prototype
    Server.prototype.listen = function (place, ...rest) {
      if (process.env.THINWIRE_WORKER === undefined && place?.port === 0 && place.exclusive === true)
        appendFileSync(${JSON.stringify(file)}, process.pid + '\\n')
      return listen.call(this, place, ...rest)
    }`
}

test.run()

/** Tests of one relay, the second after the first. */
const shared = suite<Place & { relay: WorkersScene }>('deaths at one relay')

shared.before(async (place) => {
  open(place)
  place.relay = await startWorkers(place)
})
shared.after(clearWorkers)

shared('a worker that is killed cuts its own clients alone, and is replaced', async (place) => {
  const { thinwire, last } = place.relay
  const [victim = 0] = readyPids(thinwire)
  const streams = [await holdStream(place, thinwire), await holdStream(place, thinwire)]
  process.kill(victim, 'SIGKILL')
  await untilReady(thinwire, 3)
  assert.match(thinwire.out, 'died (signal SIGKILL); a new one takes its place')
  const load = new Load(thinwire, 2)
  await until(() => load.answered > 10, 'answers')
  await load.stop()
  assert.equal(load.problems, [])
  last.open()
  await Promise.all(streams.map((stream) => stream.sees('data: last\n\n').catch(() => {})))
  const complete = await Promise.all(streams.map(async (stream) => (await stream.response()).complete))
  assert.equal(complete.sort(), [false, true])
  for (const stream of streams) stream.destroy()
})

shared('workers of a primary that is killed let their streams end, and then end', async (place) => {
  const { relay } = place
  const { thinwire } = relay
  const last = gate()
  relay.last = last
  const pids = readyPids(thinwire).filter(isAlive)
  const streams = [await holdStream(place, thinwire), await holdStream(place, thinwire)]
  thinwire.child.kill('SIGKILL')
  await until(() => thinwire.out.split('the primary process is gone').length === 3, 'both workers to notice')
  assert.ok(pids.every(isAlive))
  last.open()
  for (const stream of streams) assert.ok((await stream.response()).complete)
  await untilGone(pids)
})

shared.run()
