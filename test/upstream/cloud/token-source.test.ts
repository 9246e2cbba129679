import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Fetched, TokenError, TokenSource } from '../../../src/upstream/cloud/token-source.js'
import { runClock, stopClock } from '../../support/clock.js'

test.after.each(runClock)

/** Lets promises settle. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

interface Scene {
  source: TokenSource<string>
  /** Moves the clock on, and lets the source look at it. */
  pass(ms: number): Promise<void>
  /** What the endpoint gives next; an error to give none; a promise for later. */
  next: Fetched<string> | Error | Promise<Fetched<string>>
  fetched: number
  reported: string[]
  now(): number
}

const HOUR = 3_600_000

/** @param random 0.5 gives no jitter at the lead */
function make(random = 0.5): Scene {
  const move = stopClock()
  const scene = { fetched: 0, reported: [], next: { credential: 't1', validMs: HOUR } } as unknown as Scene
  const events = {
    onTrouble: (cause: string, hasOne: boolean) => scene.reported.push(`${cause} ${hasOne}`),
    onRecovered: () => scene.reported.push('recovered'),
  }
  const fetch = async (): Promise<Fetched<string>> => {
    scene.fetched++
    if (scene.next instanceof Error) throw scene.next
    return scene.next
  }
  scene.source = new TokenSource(fetch, events, () => random)
  scene.now = () => performance.now()
  scene.pass = async (ms) => {
    move(ms)
    scene.source.tick(performance.now())
    await turn()
  }
  return scene
}

const FAILED = new TokenError('TOKEN_STATUS_500')

test('there is no credential before the first answer, and then it is taken without waiting', async () => {
  const scene = make()
  assert.is(scene.source.take(scene.now()), null)
  const started = scene.source.start()
  assert.is(scene.source.take(scene.now()), null)
  await started
  assert.is(scene.source.take(scene.now()), 't1')
  await scene.source.start()
  assert.is(scene.fetched, 1, 'a second start asks for nothing')
  scene.source.close()
})

test('a credential is replaced ahead of its end, and the one before is still known', async () => {
  const scene = make()
  await scene.source.start()
  await scene.pass(HOUR - 601_000)
  assert.is(scene.fetched, 1)
  scene.next = { credential: 't2', validMs: HOUR }
  await scene.pass(1_001)
  assert.is(scene.fetched, 2)
  assert.is(scene.source.take(scene.now()), 't2')
  assert.equal(scene.source.known, ['t2', 't1'])
  scene.source.close()
})

test('relays that started together do not ask together', async () => {
  const times: number[] = []
  for (const random of [0, 0.5, 1]) {
    const scene = make(random)
    await scene.source.start()
    let ms = 0
    for (; scene.fetched === 1; ms += 1_000) await scene.pass(1_000)
    times.push(ms)
    scene.source.close()
    runClock()
  }
  assert.equal(times, [3_150_000, 3_000_000, 2_850_000])
})

test('a credential for a short time is replaced when three quarters of it are over', async () => {
  const scene = make()
  scene.next = { credential: 't1', validMs: 100_000 }
  await scene.source.start()
  await scene.pass(74_999)
  assert.is(scene.fetched, 1)
  await scene.pass(1)
  assert.is(scene.fetched, 2)
  scene.source.close()
})

test('a credential is used to its end if there is no other, and not beyond', async () => {
  const scene = make()
  await scene.source.start()
  scene.next = FAILED
  await scene.pass(HOUR - 600_000)
  assert.equal(scene.reported, ['TOKEN_STATUS_500 true'])
  await scene.pass(600_000 - 10_001)
  assert.is(scene.source.take(scene.now()), 't1')
  await scene.pass(1)
  assert.is(scene.source.take(scene.now()), null)
  scene.source.close()
})

test('after failures it waits longer and longer, reports one, and says when it is over', async () => {
  const scene = make(0)
  scene.next = FAILED
  await scene.source.start()
  const waits: number[] = []
  let before = scene.now()
  for (let fetched = 1; waits.length < 8; ) {
    await scene.pass(500)
    if (scene.fetched === fetched) continue
    fetched = scene.fetched
    waits.push(scene.now() - before)
    before = scene.now()
  }
  assert.equal(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  assert.equal(scene.reported, ['TOKEN_STATUS_500 false'])
  scene.next = { credential: 't1', validMs: HOUR }
  await scene.pass(60_000)
  assert.is(scene.source.take(scene.now()), 't1')
  assert.equal(scene.reported, ['TOKEN_STATUS_500 false', 'recovered'])
  scene.source.close()
})

test('an answer that is slow does not make the credential valid for longer', async () => {
  const scene = make()
  let answer = (_: Fetched<string>): void => {}
  scene.next = new Promise((resolve) => {
    answer = resolve
  })
  const started = scene.source.start()
  await scene.pass(8_000)
  assert.is(scene.fetched, 1, 'one question at a time')
  answer({ credential: 't1', validMs: 100_000 })
  await started
  scene.next = FAILED
  await scene.pass(86_999)
  assert.is(scene.source.take(scene.now()), 't1')
  await scene.pass(1)
  assert.is(scene.source.take(scene.now()), null)
  scene.source.close()
})

for (const validMs of [0, -1, Number.NaN]) {
  test(`a credential that is valid for ${validMs} ms is none`, async () => {
    const scene = make()
    scene.next = { credential: 't1', validMs }
    await scene.source.start()
    assert.is(scene.source.take(scene.now()), null)
    assert.equal(scene.reported, ['TOKEN_EXPIRED false'])
    scene.source.close()
  })
}

test('a refused credential is replaced early, once in a minute, and used meanwhile', async () => {
  const scene = make()
  await scene.source.start()
  scene.next = { credential: 't2', validMs: HOUR }
  scene.source.refuse('t1', scene.now())
  assert.is(scene.source.take(scene.now()), 't1')
  await turn()
  assert.is(scene.source.take(scene.now()), 't2')
  scene.source.refuse('t1', scene.now() + 120_000)
  scene.source.refuse('t2', scene.now())
  await turn()
  assert.is(scene.fetched, 2, 'an old credential, or a second refusal in the same minute, changes nothing')
  await scene.pass(60_000)
  scene.source.refuse('t2', scene.now())
  await turn()
  assert.is(scene.fetched, 3)
  scene.source.close()
})

test('a closed source asks for nothing more, and keeps what it has to its end', async () => {
  const scene = make()
  await scene.source.start()
  scene.source.close()
  scene.source.refuse('t1', scene.now())
  await scene.pass(HOUR - 10_001)
  assert.is(scene.source.take(scene.now()), 't1')
  await scene.pass(1)
  assert.is(scene.source.take(scene.now()), null)
  await scene.source.start()
  assert.is(scene.fetched, 1)
})

test('what comes after the close is not taken, and its failure is not reported', async () => {
  for (const late of [{ credential: 't1', validMs: HOUR }, FAILED]) {
    const scene = make()
    let settle = (): void => {}
    scene.next = new Promise((resolve, reject) => {
      settle = () => (late instanceof Error ? reject(late) : resolve(late))
    })
    const started = scene.source.start()
    scene.source.close()
    settle()
    await started
    assert.is(scene.source.take(scene.now()), null)
    assert.equal(scene.reported, [])
    runClock()
  }
})

test.run()
