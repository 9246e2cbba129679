import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HEALTH_DEFAULTS, Health, type HealthOptions, verdictOn } from '../../src/routing/circuit-breaker.js'
import {
  COMPRESSED,
  FIRST_BYTE_LATE,
  FIRST_EVENT_LATE,
  type Outcome,
} from '../../src/routing/retry-policy.js'

interface Subject {
  readonly health: Health
  /** What `onChange` was told, `closed>open cut`. */
  readonly changes: string[]
}

function subject(options: Partial<HealthOptions> = {}): Subject {
  const changes: string[] = []
  const health = new Health({ ...HEALTH_DEFAULTS, ...options }, (from, to, why) => {
    changes.push(`${from}>${to} ${why}`)
  })
  return { health, changes }
}

function succeed(health: Health, now: number, firstByteMs: number | null = 100): void {
  const ticket = health.begin(now)
  health.succeed(ticket, now, firstByteMs)
  health.end(ticket)
}

function fail(health: Health, now: number, why = 'cut'): void {
  const ticket = health.begin(now)
  health.fail(ticket, now, why)
  health.end(ticket)
}

function open(health: Health, now: number): void {
  for (let i = 0; i < 5; i++) fail(health, now)
}

test('five failures in a row open it, and the log is told by which', () => {
  const { health, changes } = subject()
  for (let i = 0; i < 4; i++) fail(health, 0)
  assert.ok(health.allows(0))
  fail(health, 0, 'ECONNRESET')
  assert.is(health.state, 'open')
  assert.not.ok(health.allows(4_999))
  assert.equal(changes, ['closed>open ECONNRESET'])
})

test('a success between them starts the row anew', () => {
  const { health } = subject()
  for (let i = 0; i < 4; i++) fail(health, 0)
  succeed(health, 0)
  for (let i = 0; i < 4; i++) fail(health, 0)
  assert.is(health.state, 'closed')
})

test('half of ten outcomes within the window open it', () => {
  const { health } = subject()
  for (let i = 0; i < 4; i++) {
    succeed(health, i)
    fail(health, i)
  }
  assert.is(health.state, 'closed')
  succeed(health, 10)
  fail(health, 10)
  assert.is(health.state, 'open')
})

test('outcomes that are older than the window do not count', () => {
  const { health } = subject()
  for (let i = 0; i < 4; i++) {
    succeed(health, 0)
    fail(health, 0)
  }
  succeed(health, 31_000)
  fail(health, 31_000)
  assert.is(health.state, 'closed')
})

test('the window moves on by parts, not only as a whole', () => {
  const { health } = subject()
  for (let i = 0; i < 4; i++) {
    succeed(health, 0)
    fail(health, 0)
  }
  fail(health, 15_000)
  succeed(health, 31_000)
  fail(health, 31_000)
  assert.is(health.state, 'closed')
})

test('what had opened it does not count once it is closed again', () => {
  const { health } = subject()
  open(health, 0)
  succeed(health, 5_000)
  for (let i = 0; i < 4; i++) {
    succeed(health, 5_000)
    fail(health, 5_000)
  }
  assert.is(health.state, 'closed')
})

test('a third of failures does not open it, however many there are', () => {
  const { health } = subject()
  for (let i = 0; i < 1_000; i++) {
    succeed(health, i * 20)
    succeed(health, i * 20)
    fail(health, i * 20)
  }
  assert.is(health.state, 'closed')
  assert.is(health.snapshot(20_000).failures, 1_000)
})

test('one trial is let through when its time is over, and closes it', () => {
  const { health, changes } = subject()
  open(health, 0)
  assert.ok(health.allows(5_000))
  const trial = health.begin(5_000)
  assert.not.ok(health.allows(5_001))
  health.succeed(trial, 5_100, 100)
  assert.ok(health.allows(5_100))
  health.end(trial)
  assert.is(health.state, 'closed')
  assert.equal(changes.slice(1), ['open>trial its time is over', 'trial>closed it answers'])
})

test('it stays open for twice as long after each trial that fails, up to a bound', () => {
  const { health } = subject()
  let now = 0
  open(health, now)
  const waits: number[] = []
  for (let i = 0; i < 6; i++) {
    const from = now
    while (!health.allows(now)) now += 1_000
    waits.push(now - from)
    fail(health, now)
  }
  assert.equal(waits, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000])
  assert.is(health.snapshot(now).opened, 7)
})

test('it opens for longer if it was closed for a short while only, and falls back with time', () => {
  const openFor = (closedForMs: number): number => {
    const { health } = subject()
    open(health, 0)
    fail(health, 5_000)
    succeed(health, 15_000)
    const again = 15_000 + closedForMs
    open(health, again)
    return [5_000, 10_000, 20_000].find((ms) => health.allows(again + ms)) ?? 0
  }
  assert.is(openFor(0), 20_000)
  assert.is(openFor(30_000), 10_000)
  assert.is(openFor(60_000), 5_000)
  assert.is(openFor(600_000), 5_000)
})

test('a trial whose client leaves makes room for another', () => {
  const { health, changes } = subject()
  open(health, 0)
  const trial = health.begin(5_000)
  health.end(trial)
  assert.is(health.state, 'open')
  assert.ok(health.allows(5_000))
  const next = health.begin(5_000)
  assert.not.ok(health.allows(5_000))
  health.succeed(next, 5_000, 100)
  health.end(next)
  assert.is(health.state, 'closed')
  assert.ok(changes.includes('trial>open its trial was given up'))
})

test('a trial that hangs keeps the others out for no longer than it could have been open', () => {
  const { health } = subject()
  open(health, 0)
  const hanging = health.begin(5_000)
  assert.not.ok(health.allows(64_999))
  const second = health.begin(65_000)
  // What becomes of the first is no matter now, if it does not answer.
  health.fail(hanging, 65_001, 'late')
  health.end(hanging)
  assert.is(health.state, 'trial')
  assert.not.ok(health.allows(65_001))
  health.succeed(second, 65_002, 100)
  assert.is(health.state, 'closed')
})

test('failures of a time that is over do not open it again', () => {
  const { health } = subject()
  const hung = Array.from({ length: 100 }, () => health.begin(0))
  for (const ticket of hung.slice(0, 5)) health.fail(ticket, 1_000, 'late')
  assert.is(health.state, 'open')
  succeed(health, 6_000)
  assert.is(health.state, 'closed')
  for (const ticket of hung.slice(5)) health.fail(ticket, 6_001, 'late')
  assert.is(health.state, 'closed')
  // Nor do successes of it close what has been opened since.
  const early = health.begin(7_000)
  open(health, 7_000)
  health.succeed(early, 7_001, 100)
  assert.is(health.state, 'open')
})

test('it is closed by the success of a request that had nobody else to ask', () => {
  const { health } = subject()
  open(health, 0)
  succeed(health, 1_000)
  assert.is(health.state, 'closed')
})

test('the failure of a request that had nobody else to ask changes nothing, in a trial neither', () => {
  const { health } = subject()
  open(health, 0)
  fail(health, 1_000)
  assert.ok(health.allows(5_000))
  const trial = health.begin(5_000)
  fail(health, 5_001)
  assert.is(health.state, 'trial')
  health.end(trial)
})

test('it cools without a strike, and the longer of two wishes counts', () => {
  const { health, changes } = subject()
  health.coolUntil(3_000)
  health.coolUntil(2_000)
  assert.not.ok(health.allows(2_999))
  assert.is(health.snapshot(1_000).cooling_ms, 2_000)
  assert.ok(health.allows(3_000))
  assert.is(health.snapshot(4_000).cooling_ms, 0)
  assert.is(health.state, 'closed')
  assert.equal(changes, [])
})

test('a trial that is told to come later is tried later', () => {
  const { health } = subject()
  open(health, 0)
  const trial = health.begin(5_000)
  health.coolUntil(8_000)
  health.end(trial)
  assert.not.ok(health.allows(7_999))
  // A request that goes there all the same is no trial.
  health.end(health.begin(7_999))
  assert.is(health.state, 'open')
  assert.ok(health.allows(8_000))
})

test('first bytes beyond a limit count as failures, those of errors do not', () => {
  const { health, changes } = subject({ slowMs: 1_000 })
  for (let i = 0; i < 9; i++) succeed(health, 0, 1_000)
  for (let i = 0; i < 9; i++) succeed(health, 0, null)
  assert.is(health.state, 'closed')
  for (let i = 0; i < 5; i++) succeed(health, 0, 1_001)
  assert.equal(changes, ['closed>open slow'])
})

test('a trial that is slow opens it again', () => {
  const { health } = subject({ slowMs: 1_000 })
  open(health, 0)
  succeed(health, 5_000, 2_000)
  assert.is(health.state, 'open')
  assert.not.ok(health.allows(14_999))
})

test('first bytes beyond a multiple of the median count as failures once there is one', () => {
  const { health } = subject({ slowTimes: 10 })
  for (let i = 0; i < 6; i++) succeed(health, 0, 10)
  for (let i = 0; i < 5; i++) succeed(health, 0, 5_000)
  assert.is(health.state, 'closed')
  for (let i = 0; i < 20; i++) succeed(health, 0, 10)
  for (let i = 0; i < 4; i++) succeed(health, 0, 101)
  assert.is(health.state, 'closed')
  succeed(health, 0, 101)
  assert.is(health.state, 'open')
})

test('by default none is too slow', () => {
  const { health } = subject()
  for (let i = 0; i < 100; i++) succeed(health, 0, 10)
  for (let i = 0; i < 100; i++) succeed(health, 0, 100_000)
  assert.is(health.state, 'closed')
})

test('it tells how it stands', () => {
  const { health } = subject()
  const open = health.begin(0)
  for (let i = 1; i <= 100; i++) succeed(health, 0, i)
  fail(health, 0)
  assert.equal(health.snapshot(0), {
    state: 'closed',
    failures: 1,
    opened: 0,
    cooling_ms: 0,
    in_flight: 1,
    first_byte_p50: 50,
    first_byte_p95: 95,
  })
  health.end(open)
  assert.is(health.inFlight, 0)
})

type Step = {
  readonly wait: number
  readonly what: 'begin' | 'succeed' | 'fail' | 'end' | 'cool'
  readonly which: number
}

const step: fc.Arbitrary<Step> = fc.record({
  wait: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20_000 })),
  what: fc.constantFrom('begin', 'begin', 'begin', 'succeed', 'fail', 'fail', 'fail', 'end', 'cool'),
  which: fc.nat(),
})

test('whatever happens: one trial in its time, none lost, and all that is told is in order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
      let last = 'closed'
      const health = new Health({ ...HEALTH_DEFAULTS, failures: 2 }, (from, to) => {
        assert.is(from, last)
        assert.is.not(from, to)
        last = to
      })
      const running: number[] = []
      let now = 0
      let trialFrom = Number.NEGATIVE_INFINITY
      for (const { wait, what, which } of steps) {
        now += wait
        const at = which % Math.max(1, running.length)
        const ticket = running[at]
        if (what === 'begin') {
          const due = health.state !== 'closed' && health.allows(now)
          if (due && health.state === 'trial') assert.ok(now - trialFrom >= HEALTH_DEFAULTS.openMaxMs)
          running.push(health.begin(now))
          if (due) {
            trialFrom = now
            assert.is(health.state, 'trial')
            assert.not.ok(health.allows(now))
          }
        } else if (what === 'cool') health.coolUntil(now + (which % 60_000))
        else if (ticket === undefined) continue
        else if (what === 'succeed') health.succeed(ticket, now, which % 1_000)
        else if (what === 'fail') health.fail(ticket, now, 'cut')
        else {
          health.end(ticket)
          running.splice(at, 1)
        }
        assert.is(health.inFlight, running.length)
        assert.is(health.state, last)
        // Left alone for good by nothing.
        assert.ok(health.allows(now + HEALTH_DEFAULTS.openMaxMs))
      }
      for (const ticket of running) health.end(ticket)
      assert.is(health.inFlight, 0)
      assert.is.not(health.state, 'trial')
    }),
    { numRuns: 300 },
  )
})

const WAITING = { phase: 'waiting', reused: false, sentWhole: true } as const

const VERDICTS: Array<[string, Outcome, 'well' | 'unwell' | 'nothing']> = [
  ['200', 200, 'well'],
  ['400', 400, 'well'],
  ['404', 404, 'well'],
  ['408', 408, 'well'],
  ['501', 501, 'well'],
  ['429', 429, 'nothing'],
  ['500', 500, 'unwell'],
  ['503', 503, 'unwell'],
  ['529', 529, 'unwell'],
  ['a refused connection', { ...WAITING, code: 'ECONNREFUSED', phase: 'connecting' }, 'unwell'],
  ['a death on a new connection', { ...WAITING, code: 'ECONNRESET' }, 'unwell'],
  ['a death on a kept connection', { ...WAITING, code: 'ECONNRESET', reused: true }, 'nothing'],
  ['an answer that cannot be changed', { ...WAITING, code: COMPRESSED }, 'well'],
  ['a late first byte', { ...WAITING, code: FIRST_BYTE_LATE }, 'unwell'],
  ['a silent stream', { ...WAITING, code: FIRST_EVENT_LATE, phase: 'silent' }, 'unwell'],
  ['what undici refuses', { ...WAITING, code: 'UND_ERR_INVALID_ARG', phase: 'connecting' }, 'nothing'],
]

for (const [name, outcome, verdict] of VERDICTS) {
  test(`${name} says of a target: ${verdict}`, () => {
    assert.is(verdictOn(outcome), verdict)
  })
}

test.run()
