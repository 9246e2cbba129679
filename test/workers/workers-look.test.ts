import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Look, LookQuestion, OpenRequests, TargetHealth } from '../../src/page/source.js'
import { createLinkPair } from '../../src/workers/link.js'
import { reportLooks } from '../../src/workers/look-reporter.js'
import { WorkersLook } from '../../src/workers/workers-look.js'

const ALL: LookQuestion = { all: true, keys: [] }
const WELL: TargetHealth = { state: 'closed', opened: 0, cooling_ms: 0, refused: null, in_flight: 1 }

function openOf(count: number, first: number): OpenRequests {
  const rows = Array.from({ length: Math.min(count, 200) }, (_, i) => ({
    id: `${first + i}`,
    ageMs: first + i,
  }))
  return { count, rows: rows as never }
}

const lookOf = (open: OpenRequests, targets: Look['targets'] = {}): Look => ({
  all: open,
  byKey: {},
  targets,
})

test('a look has the open requests of all workers, the oldest first, and the worst health', async () => {
  const workers = new WorkersLook()
  const healths: TargetHealth[] = [
    { ...WELL, opened: 2, cooling_ms: 9 },
    { ...WELL, state: 'open', opened: 1, refused: 'quota' },
    { ...WELL, state: 'half_open' },
  ]
  for (const [i, health] of healths.entries()) {
    const [primary, worker] = createLinkPair()
    workers.follow(primary)
    reportLooks(worker, () => lookOf(openOf(150, i * 1_000), { up: health }))
  }
  const look = await workers.look(ALL)
  assert.is(look.all?.count, 450)
  assert.is(look.all?.rows.length, 200)
  assert.is(look.all?.rows[0]?.ageMs, 2_149)
  assert.equal(look.targets, {
    up: { state: 'open', opened: 3, cooling_ms: 9, refused: 'quota', in_flight: 3 },
  })
})

test('a look for keys asks for these alone', async () => {
  const workers = new WorkersLook()
  const asked: LookQuestion[] = []
  for (const count of [1, 2]) {
    const [primary, worker] = createLinkPair()
    workers.follow(primary)
    reportLooks(worker, (question) => {
      asked.push(question)
      return { all: null, byKey: { k_1: openOf(count, 0) }, targets: {} }
    })
  }
  const look = await workers.look({ all: false, keys: ['k_1', 'k_2'] })
  assert.is(look.all, null)
  assert.is(look.byKey.k_1?.count, 3)
  assert.equal(look.byKey.k_2, { count: 0, rows: [] })
  assert.equal(asked, [
    { all: false, keys: ['k_1', 'k_2'] },
    { all: false, keys: ['k_1', 'k_2'] },
  ])
})

test('a look goes without a worker that does not answer, and without one that ends', async () => {
  const workers = new WorkersLook(50)
  const [silent] = createLinkPair()
  const [primary, worker] = createLinkPair()
  workers.follow(silent)
  workers.follow(primary)
  reportLooks(worker, () => lookOf(openOf(5, 0)))
  assert.is((await workers.look(ALL)).all?.count, 5)
  const patient = new WorkersLook(3_600_000)
  const [dying] = createLinkPair()
  patient.follow(dying)
  const look = patient.look(ALL)
  dying.close()
  assert.equal((await look).all, { count: 0, rows: [] })
  assert.equal((await patient.look(ALL)).all, { count: 0, rows: [] }, 'nobody is there')
})

test('an answer that comes late belongs to no other look', async () => {
  const workers = new WorkersLook(20)
  const [primary, worker] = createLinkPair()
  workers.follow(primary)
  const late: (() => void)[] = []
  worker.receive('page', (value) => {
    const { look } = value as { look: number }
    late.push(() => worker.send('page', { look, found: lookOf(openOf(look, 0)) }))
  })
  assert.is((await workers.look(ALL)).all?.count, 0)
  for (const answer of late) answer()
  const [other, quick] = createLinkPair()
  workers.follow(other)
  reportLooks(quick, () => lookOf(openOf(7, 0)))
  assert.is((await workers.look(ALL)).all?.count, 7)
})

test.run()
