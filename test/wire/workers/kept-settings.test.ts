import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readLedger } from '../../support/ledger.js'
import { configure } from '../../support/start.js'
import { open, type Place, runRestart } from '../../support/thinwire.js'
import { until, wait } from '../../support/until.js'
import { fillDisk, refuseProcesses } from './hooks.js'
import {
  clearWorkers,
  configOf,
  holdStream,
  Load,
  readyPids,
  SLOW_MS,
  startWorkers,
  untilGone,
  untilReady,
} from './scene.js'

/** Longer than a relay that ends tries to write to a disk that is full. */
const FULL_MS = 7_000

const test = suite<Place>('what stays in a restart of workers')

test.before.each(open)
test.after.each(clearWorkers)

test('a restart names what only a stop and a start can change, and new workers keep it', async (place) => {
  const limits = { connections: 1_000, maxConcurrentRequests: 2 }
  const { thinwire } = await startWorkers(place, { limits })
  const [upstream] = place.upstreams
  configure(place, {
    ...configOf(upstream?.url ?? ''),
    limits,
    workers: 1,
    keys: { file: 'other/keys.jsonl' },
    ledger: { folder: 'other' },
    metrics: { listen: '127.0.0.1:0' },
  })
  // The command looks where the config says.
  const lost = await runRestart(place)
  assert.is(lost.code, 3)
  thinwire.child.kill('SIGUSR2')
  await until(() => thinwire.out.includes('restart: all workers are new'), 'the restart', SLOW_MS)
  assert.match(
    thinwire.out,
    '"msg":"workers, ledger.folder, keys.file, metrics: only a stop and a start of the relay can change this"',
  )
  // Each of two workers has one of the two places.
  const streams = [await holdStream(place, thinwire), await holdStream(place, thinwire)]
  const headers = { authorization: `Bearer ${thinwire.key}` }
  const answer = await fetch(`${thinwire.url}/v1/x`, { headers })
  assert.is(answer.status, 503, await answer.text())
  for (const stream of streams) stream.destroy()
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
  assert.is(existsSync(join(place.folder, 'other')), false)
  assert.is(readLedger(join(place.folder, 'data')).length, 3)
})

test('where no process can be started, the workers that live go on, and a later one takes its place', async (place) => {
  const trigger = join(place.folder, 'full')
  const { thinwire } = await startWorkers(place, {}, { NODE_OPTIONS: refuseProcesses(trigger) })
  writeFileSync(trigger, '')
  const failed = await runRestart(place)
  assert.is(failed.code, 1)
  assert.match(failed.err, 'spawn ENOMEM')
  const [victim = 0] = readyPids(thinwire)
  process.kill(victim, 'SIGKILL')
  await thinwire.logs('died (spawn ENOMEM); workers die often')
  const load = new Load(thinwire, 1, false)
  await until(() => load.answered > 5, 'answers')
  await load.stop()
  rmSync(trigger)
  await untilReady(thinwire, 3)
  assert.equal(load.problems, [])
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
})

test('a restart while the disk is full loses no record: old workers wait for room', async (place) => {
  const trigger = join(place.folder, 'full')
  const { thinwire } = await startWorkers(place, {}, { NODE_OPTIONS: fillDisk(trigger) })
  const olds = readyPids(thinwire)
  writeFileSync(trigger, '')
  const load = new Load(thinwire, 2)
  await until(() => load.answered > 5, 'answers')
  const { code, err } = await runRestart(place)
  assert.is(code, 0, err)
  const before = load.answered
  await until(() => load.answered > before + 5, 'more answers')
  await load.stop()
  assert.equal(load.problems, [])
  await wait(FULL_MS)
  assert.equal(readLedger(join(place.folder, 'data')), [])
  rmSync(trigger)
  await untilGone(olds)
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
  assert.is(readLedger(join(place.folder, 'data')).length, load.answered)
  assert.not.match(thinwire.out + thinwire.err, 'could not be written')
})

test.run()
