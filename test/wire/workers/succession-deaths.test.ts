import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readLedger, readLedgerAfterKills } from '../../support/ledger.js'
import { open, type Place, runRestart } from '../../support/thinwire.js'
import { until, wait } from '../../support/until.js'
import { dieAt, fillDisk, refuseProcesses } from './hooks.js'
import { isAlive, Load, SLOW_MS, untilGone } from './scene.js'
import { clearOne, replace, startedPids, startOne, takenPids } from './succession-scene.js'

/** Longer than a relay that ends tries to write to a disk that is full. */
const FULL_MS = 7_000

const test = suite<Place>('deaths in a restart of a relay of one process')

test.before.each(open)
test.after.each(clearOne)

for (const [when, phase, stays] of [
  ['before the new process is started', 'lend', 'old'],
  ['while the new process starts', 'bequeath', 'old'],
  ['when the new process is ready', 'ready', 'old'],
  ['when it has told the new process that it serves', 'confirmed', 'new'],
  ['when it has told both', 'retire', 'new'],
] as const)
  test(`a guardian that is killed ${when} leaves one process that serves: the ${stays} one`, async (place) => {
    const trigger = join(place.folder, 'die')
    const { thinwire } = await startOne(place, {}, { NODE_OPTIONS: dieAt(trigger) })
    const old = await replace(thinwire)
    const load = new Load(thinwire, 2, false)
    writeFileSync(trigger, phase)
    thinwire.child.kill('SIGUSR2')
    await until(() => thinwire.signal === 'SIGKILL', 'the guardian to be killed', SLOW_MS)
    // It had no time to write its last lines.
    const files = (): string[] =>
      readdirSync(join(place.folder, 'data')).filter((name) => /^running-\d+\.json$/.test(name))
    const pidsOf = (names: readonly string[]): number[] =>
      names.map((name) => Number(/\d+/.exec(name)?.[0])).filter(isAlive)
    const isSettled = (): boolean => {
      const [pid, ...others] = pidsOf(files())
      return pid !== undefined && others.length === 0 && (pid === old) === (stays === 'old')
    }
    await until(isSettled, 'one process to serve', SLOW_MS)
    if (stays === 'new') await untilGone([old])
    const [serving = 0] = pidsOf(files())
    const before = load.answered
    await until(() => load.answered > before + 5, 'more answers')
    rmSync(trigger)
    const again = await runRestart(place)
    assert.is(again.code, 0, again.err)
    assert.match(again.out, `(process ${serving})`)
    await load.stop()
    assert.equal(load.problems, [])
    process.kill(serving, 'SIGTERM')
    await untilGone([old, serving, ...startedPids(thinwire.out)])
    const records = readLedger(join(place.folder, 'data'))
    assert.is(records.length, load.answered)
  })

test('when the process that serves is killed while a new one starts, that one takes over', async (place) => {
  const { thinwire } = await startOne(place)
  const old = await replace(thinwire)
  thinwire.child.kill('SIGUSR2')
  await until(() => startedPids(thinwire.out).length === 2, 'a new process', SLOW_MS)
  process.kill(old, 'SIGKILL')
  await until(() => takenPids(thinwire.out).length === 2, 'it to take over', SLOW_MS)
  assert.is((await fetch(`${thinwire.url}/healthz`)).status, 200)
  assert.is(thinwire.code, null)
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
})

test('when both the process that serves and the new one are killed, their guardian ends', async (place) => {
  const { thinwire } = await startOne(place)
  const old = await replace(thinwire)
  thinwire.child.kill('SIGUSR2')
  await until(() => startedPids(thinwire.out).length === 2, 'a new process', SLOW_MS)
  for (const pid of [old, startedPids(thinwire.out)[1] as number]) process.kill(pid, 'SIGKILL')
  assert.is(await thinwire.ended(), 137)
})

test('where no process can be started, a restart fails, and the relay goes on', async (place) => {
  const trigger = join(place.folder, 'full')
  await startOne(place, {}, { NODE_OPTIONS: refuseProcesses(trigger) })
  writeFileSync(trigger, '')
  const failed = await runRestart(place)
  assert.is(failed.code, 1)
  assert.match(failed.err, 'no process can be started: spawn ENOMEM')
  rmSync(trigger)
  const { code, err } = await runRestart(place)
  assert.is(code, 0, err)
})

test('a restart while the disk is full loses no record: the old process waits for room', async (place) => {
  const trigger = join(place.folder, 'full')
  const { thinwire } = await startOne(place, {}, { NODE_OPTIONS: fillDisk(trigger) })
  writeFileSync(trigger, '')
  const load = new Load(thinwire, 1)
  await until(() => load.answered > 5, 'answers')
  assert.match(await (await fetch(`${thinwire.url}/readyz`)).text(), '"stalled":"ENOSPC"')
  const { code, err } = await runRestart(place)
  assert.is(code, 0, err)
  const before = load.answered
  await until(() => load.answered > before + 5, 'more answers')
  await load.stop()
  assert.equal(load.problems, [])
  await wait(FULL_MS)
  assert.equal(readLedger(join(place.folder, 'data')), [])
  rmSync(trigger)
  // A record may be in the middle of its write when it is looked for.
  await until(
    () => readLedgerAfterKills(join(place.folder, 'data')).length === load.answered,
    'all records to be written',
  )
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
  assert.is(readLedger(join(place.folder, 'data')).length, load.answered)
  assert.not.match(thinwire.out + thinwire.err, 'could not be written')
})

test.run()
