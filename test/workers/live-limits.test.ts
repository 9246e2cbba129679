import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Snapshot } from '../../src/limits/snapshot/snapshot-file.js'
import { fc } from '../support/property.js'
import { describeDrifts, LedgerCrowd } from './ledger-crowd.js'

const WORKERS = 3

async function withCrowd(act: (crowd: LedgerCrowd) => Promise<void>, count = WORKERS): Promise<void> {
  const crowd = await LedgerCrowd.open(count)
  try {
    await act(crowd)
  } finally {
    await crowd.close()
  }
}

type Step =
  | { readonly type: 'finish'; readonly tokens: number; readonly isLong: boolean; readonly team: number }
  | { readonly type: 'arrive' | 'flush' | 'tick' | 'recover' | 'look' }
  | { readonly type: 'kill' | 'retire'; readonly is: boolean }
  | { readonly type: 'killAfterWrite' }

const stepOf: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant('finish' as const),
      tokens: fc.integer({ min: 1, max: 999 }),
      isLong: fc.boolean(),
      team: fc.nat(1),
    }),
  },
  {
    weight: 16,
    arbitrary: fc.record({ type: fc.constantFrom('arrive', 'flush', 'tick', 'recover', 'look') }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('kill', 'retire'), is: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('killAfterWrite' as const) }) },
)

async function run(crowd: LedgerCrowd, step: Step, i: number): Promise<void> {
  const worker = crowd.at(i)
  switch (step.type) {
    case 'finish':
      crowd.finish(i, `team${step.team}`, step.tokens, step.isLong)
      return
    case 'flush':
      worker.ledger.flush()
      return
    case 'tick':
      worker.tick()
      return
    case 'kill':
      await crowd.kill(i, step.is)
      return
    case 'killAfterWrite':
      await crowd.killAfterWrite(i)
      return
    case 'retire':
      await crowd.retire(i, step.is)
      return
    case 'recover':
      crowd.recover(i)
      return
    default:
      await crowd.arrive()
  }
}

test('whatever workers count, write, lose and recover, and whichever die, the counters come to what the ledger says', async () => {
  const steps = fc.array(fc.tuple(stepOf, fc.nat(WORKERS - 1)), { maxLength: 60, size: 'max' })
  await fc.assert(
    fc.asyncProperty(steps, (all) =>
      withCrowd(async (crowd) => {
        let looked: Snapshot | null = null
        for (const [step, i] of all) {
          await run(crowd, step, i)
          // Of a worker that has come since, a snapshot knows nothing.
          if (['kill', 'retire', 'killAfterWrite', 'recover'].includes(step.type)) looked = null
          else if (step.type === 'look') {
            await crowd.settled()
            looked = crowd.snapshot()
          }
        }
        // What was counted and not written at that moment is in the ledger by now.
        if (looked !== null) {
          await crowd.arrive()
          for (const worker of crowd.workers) worker.ledger.flush()
          const found = await crowd.compare(looked)
          assert.equal(describeDrifts(found), [])
          assert.is(found.unwritten, 0)
        }
        await crowd.quiesce()
        await crowd.checkBooks()
      }),
    ),
    { numRuns: 25 },
  )
})

for (const isSettled of [true, false])
  for (const isRecorded of [true, false])
    for (const isLong of [true, false])
      for (const isHasty of [true, false]) {
        const state = `${isSettled ? 'settled' : 'not settled'} and ${isRecorded ? 'recorded' : 'not recorded'}`
        const more = `${isLong ? 'in the journal' : 'too short for the journal'}, ${isHasty ? 'at once' : 'later'}`
        test(`a request that is ${state} when its worker is killed counts as the ledger says (${more})`, () =>
          withCrowd(async (crowd) => {
            crowd.finish(0, 'team1', 100, false)
            await crowd.arrive()
            crowd.at(0).ledger.flush()
            crowd.at(0).tick()
            await crowd.arrive()
            crowd.finish(0, 'team1', 10, isLong)
            if (isSettled) await crowd.arrive()
            if (isRecorded) await crowd.killAfterWrite(0)
            else await crowd.kill(0, false)
            // Its replacement may be faster than the primary, which reads what the dead one has written last.
            if (!isHasty) {
              await crowd.arrive()
              await crowd.settled()
            }
            crowd.recover(0)
            await crowd.quiesce()
            await crowd.checkBooks()
            const expected = isRecorded ? 110 : isLong ? 117 : 100
            assert.is(crowd.used, expected)
          }))
      }

test('a changed and a missing record are found as drift, whichever worker has written them', () =>
  withCrowd(async (crowd) => {
    for (let i = 0; i < 12; i++) crowd.finish(i, `team${i % 2}`, 100 + i, false)
    await crowd.arrive()
    await crowd.kill(1, true)
    await crowd.quiesce()
    await crowd.retire(2, true)
    for (let i = 0; i < 6; i++) crowd.finish(i, 'team1', 50, false)
    await crowd.quiesce()
    await crowd.checkBooks()
    for (const name of readdirSync(crowd.folder)) {
      const path = join(crowd.folder, name)
      const whole = readFileSync(path, 'utf8')
      const lines = whole.split('\n').filter((line) => line !== '')
      assert.ok(lines.length >= 2, name)
      const changed = whole.replace(/"prompt_tokens":(\d+)/, (_, tokens) => `"prompt_tokens":${tokens}9`)
      for (const text of [changed, `${lines.slice(1).join('\n')}\n`]) {
        writeFileSync(path, text)
        const { drifts, unwritten } = await crowd.compare()
        assert.ok(drifts.length + unwritten > 0, name)
        assert.ok(drifts.length > 0, name)
      }
      writeFileSync(path, whole)
    }
    await crowd.checkBooks()
  }))

test('budgets that are read again have what workers that are gone have counted live', () =>
  withCrowd(async (crowd) => {
    crowd.finish(0, 'team1', 100, false)
    crowd.finish(1, 'team1', 20, false)
    await crowd.quiesce()
    await crowd.retire(0, true)
    await crowd.quiesce()
    crowd.server.books.restoreAgain(['all', 'teams'].flatMap((name) => crowd.namesOf(name)))
    assert.not.ok(crowd.server.limiter.isRestored)
    await crowd.restored()
    await crowd.checkBooks()
    assert.is(crowd.used, 120)
  }))

test('other relays are told from workers of this one, and from those that are gone', () =>
  withCrowd(async (crowd) => {
    await crowd.retire(0, true)
    await crowd.quiesce()
    const snapshot = crowd.snapshot()
    assert.is(snapshot.workers.length, WORKERS + 1)
    const lines = [...snapshot.workers, 'w-e0'].map((writer) =>
      JSON.stringify({
        v: 1,
        writer,
        started: '2026-01-01T00:00:00.000Z',
        ended: '2099-01-01T00:00:00.000Z',
      }),
    )
    writeFileSync(join(crowd.folder, 'starts.jsonl'), `${lines.join('\n')}\n`)
    assert.equal((await crowd.compare(snapshot)).others, ['w-e0'])
  }))

test.run()
