import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BREAKER_DEFAULTS, type BreakerOptions, CircuitBreaker } from '../../src/routing/circuit-breaker.js'
import { fc } from '../support/property.js'

interface Subject {
  readonly breaker: CircuitBreaker
  /** The calls of `onChange`, as `closed>open cut`. */
  readonly changes: string[]
}

function subject(options: Partial<BreakerOptions> = {}): Subject {
  const changes: string[] = []
  const breaker = new CircuitBreaker({ ...BREAKER_DEFAULTS, ...options }, (from, to, why) => {
    changes.push(`${from}>${to} ${why}`)
  })
  return { breaker, changes }
}

function succeed(breaker: CircuitBreaker, now: number, firstByteMs: number | null = 100): void {
  const ticket = breaker.begin(now)
  breaker.succeed(ticket, now, firstByteMs)
  breaker.end(ticket)
}

function fail(breaker: CircuitBreaker, now: number, why = 'cut'): void {
  const ticket = breaker.begin(now)
  breaker.fail(ticket, now, why)
  breaker.end(ticket)
}

function open(breaker: CircuitBreaker, now: number): void {
  for (let i = 0; i < 5; i++) fail(breaker, now)
}

test('five failures in a row open the breaker, and the listener gets the cause of the last one', () => {
  const { breaker, changes } = subject()
  for (let i = 0; i < 4; i++) fail(breaker, 0)
  assert.ok(breaker.allows(0))
  fail(breaker, 0, 'ECONNRESET')
  assert.is(breaker.state, 'open')
  assert.not.ok(breaker.allows(4_999))
  assert.equal(changes, ['closed>open ECONNRESET'])
})

/** A response that began well, and ended as told. */
function respond(breaker: CircuitBreaker, now: number, error: string | null): void {
  const ticket = breaker.begin(now)
  breaker.succeed(ticket, now, 100)
  breaker.end(ticket)
  breaker.settle(ticket, now, error)
}

test('five responses in a row that end in an error open the breaker', () => {
  const { breaker, changes } = subject()
  for (let i = 0; i < 4; i++) respond(breaker, 0, 'overloaded_error')
  respond(breaker, 0, null)
  for (let i = 0; i < 4; i++) respond(breaker, 0, 'overloaded_error')
  assert.is(breaker.state, 'closed')
  respond(breaker, 0, 'overloaded_error')
  assert.equal(changes, ['closed>open overloaded_error'])
  assert.is(breaker.snapshot(0).failures, 9)
})

test('responses that end in an error count as one failed outcome each, not as a success and a failure', () => {
  const { breaker } = subject()
  for (let i = 0; i < 4; i++) {
    respond(breaker, i, 'server_error')
    respond(breaker, i, null)
  }
  respond(breaker, 5, null)
  assert.is(breaker.state, 'closed')
  respond(breaker, 6, 'server_error')
  assert.is(breaker.state, 'open')
})

test('a trial whose response ends in an error opens the breaker again, for longer', () => {
  const { breaker, changes } = subject()
  open(breaker, 0)
  respond(breaker, 5_000, 'api_error')
  assert.is(breaker.state, 'open')
  assert.is(changes.at(-1), 'closed>open api_error')
  assert.not.ok(breaker.allows(14_999))
  assert.ok(breaker.allows(15_000))
  respond(breaker, 15_000, null)
  assert.is(breaker.state, 'closed')
})

test('responses that began before the breaker opened do not open it again', () => {
  const { breaker } = subject()
  const tickets = Array.from({ length: 9 }, () => {
    const ticket = breaker.begin(0)
    breaker.succeed(ticket, 0, 100)
    return ticket
  })
  open(breaker, 1)
  succeed(breaker, 6_000)
  for (const ticket of tickets) breaker.settle(ticket, 6_001, 'server_error')
  assert.is(breaker.state, 'closed')
})

test('a success between failures starts the row again', () => {
  const { breaker } = subject()
  for (let i = 0; i < 4; i++) fail(breaker, 0)
  succeed(breaker, 0)
  for (let i = 0; i < 4; i++) fail(breaker, 0)
  assert.is(breaker.state, 'closed')
})

test('the breaker opens if half of ten outcomes within the window are failures', () => {
  const { breaker } = subject()
  for (let i = 0; i < 4; i++) {
    succeed(breaker, i)
    fail(breaker, i)
  }
  assert.is(breaker.state, 'closed')
  succeed(breaker, 10)
  fail(breaker, 10)
  assert.is(breaker.state, 'open')
})

test('outcomes that are older than the window do not count', () => {
  const { breaker } = subject()
  for (let i = 0; i < 4; i++) {
    succeed(breaker, 0)
    fail(breaker, 0)
  }
  succeed(breaker, 31_000)
  fail(breaker, 31_000)
  assert.is(breaker.state, 'closed')
})

test('the window moves in parts, not only as a whole', () => {
  const { breaker } = subject()
  for (let i = 0; i < 4; i++) {
    succeed(breaker, 0)
    fail(breaker, 0)
  }
  fail(breaker, 15_000)
  succeed(breaker, 31_000)
  fail(breaker, 31_000)
  assert.is(breaker.state, 'closed')
})

test('the failures that opened the breaker do not count after it has closed', () => {
  const { breaker } = subject()
  open(breaker, 0)
  succeed(breaker, 5_000)
  for (let i = 0; i < 4; i++) {
    succeed(breaker, 5_000)
    fail(breaker, 5_000)
  }
  assert.is(breaker.state, 'closed')
})

test('a third of failures does not open the breaker, however many there are', () => {
  const { breaker } = subject()
  for (let i = 0; i < 1_000; i++) {
    succeed(breaker, i * 20)
    succeed(breaker, i * 20)
    fail(breaker, i * 20)
  }
  assert.is(breaker.state, 'closed')
  assert.is(breaker.snapshot(20_000).failures, 1_000)
})

test('when the open time is over, one trial request is let through and its success closes the breaker', () => {
  const { breaker, changes } = subject()
  open(breaker, 0)
  assert.ok(breaker.allows(5_000))
  const trial = breaker.begin(5_000)
  assert.not.ok(breaker.allows(5_001))
  breaker.succeed(trial, 5_100, 100)
  assert.ok(breaker.allows(5_100))
  breaker.end(trial)
  assert.is(breaker.state, 'closed')
  assert.equal(changes.slice(1), ['open>half_open open time is over', 'half_open>closed a request succeeded'])
})

test('the open time doubles after each failed trial, up to a bound', () => {
  const { breaker } = subject()
  let now = 0
  open(breaker, now)
  const waits: number[] = []
  for (let i = 0; i < 6; i++) {
    const from = now
    while (!breaker.allows(now)) now += 1_000
    waits.push(now - from)
    fail(breaker, now)
  }
  assert.equal(waits, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000])
  assert.is(breaker.snapshot(now).opened, 7)
})

test('the open time is longer if the breaker was closed only briefly, and shrinks while it stays closed', () => {
  const openFor = (closedForMs: number): number => {
    const { breaker } = subject()
    open(breaker, 0)
    fail(breaker, 5_000)
    succeed(breaker, 15_000)
    const again = 15_000 + closedForMs
    open(breaker, again)
    return [5_000, 10_000, 20_000].find((ms) => breaker.allows(again + ms)) ?? 0
  }
  assert.is(openFor(0), 20_000)
  assert.is(openFor(30_000), 10_000)
  assert.is(openFor(60_000), 5_000)
  assert.is(openFor(600_000), 5_000)
})

test('a trial whose client leaves makes room for another trial', () => {
  const { breaker, changes } = subject()
  open(breaker, 0)
  const trial = breaker.begin(5_000)
  breaker.end(trial)
  assert.is(breaker.state, 'open')
  assert.ok(breaker.allows(5_000))
  const next = breaker.begin(5_000)
  assert.not.ok(breaker.allows(5_000))
  breaker.succeed(next, 5_000, 100)
  breaker.end(next)
  assert.is(breaker.state, 'closed')
  assert.ok(changes.includes('half_open>open trial ended without an outcome'))
})

test('a hanging trial keeps other trials out for no longer than the longest open time', () => {
  const { breaker } = subject()
  open(breaker, 0)
  const hanging = breaker.begin(5_000)
  assert.not.ok(breaker.allows(64_999))
  const second = breaker.begin(65_000)
  // The failure of the first trial no longer counts.
  breaker.fail(hanging, 65_001, 'late')
  breaker.end(hanging)
  assert.is(breaker.state, 'half_open')
  assert.not.ok(breaker.allows(65_001))
  breaker.succeed(second, 65_002, 100)
  assert.is(breaker.state, 'closed')
})

test('outcomes of attempts that began before the last change of state are ignored', () => {
  const { breaker } = subject()
  const hung = Array.from({ length: 100 }, () => breaker.begin(0))
  for (const ticket of hung.slice(0, 5)) breaker.fail(ticket, 1_000, 'late')
  assert.is(breaker.state, 'open')
  succeed(breaker, 6_000)
  assert.is(breaker.state, 'closed')
  for (const ticket of hung.slice(5)) breaker.fail(ticket, 6_001, 'late')
  assert.is(breaker.state, 'closed')
  // A success from before the opening does not close it either.
  const early = breaker.begin(7_000)
  open(breaker, 7_000)
  breaker.succeed(early, 7_001, 100)
  assert.is(breaker.state, 'open')
})

test('the last attempt that began before an opening cannot close the breaker, nor one before a closing open it', () => {
  const { breaker } = subject()
  const failing = Array.from({ length: 5 }, () => breaker.begin(0))
  const last = breaker.begin(0)
  for (const ticket of failing) breaker.fail(ticket, 0, 'cut')
  assert.is(breaker.state, 'open')
  breaker.succeed(last, 1, 100)
  assert.is(breaker.state, 'open')

  const trial = breaker.begin(5_000)
  const beside = Array.from({ length: 5 }, () => breaker.begin(5_000))
  breaker.succeed(trial, 5_001, 100)
  assert.is(breaker.state, 'closed')
  for (const ticket of beside) breaker.fail(ticket, 5_002, 'cut')
  for (let i = 0; i < 4; i++) fail(breaker, 5_003)
  assert.is(breaker.state, 'closed')
})

test('an open breaker is closed by the success of a request that had no other target', () => {
  const { breaker } = subject()
  open(breaker, 0)
  succeed(breaker, 1_000)
  assert.is(breaker.state, 'closed')
})

test('the failure of a request that had no other target changes nothing, even during a trial', () => {
  const { breaker } = subject()
  open(breaker, 0)
  fail(breaker, 1_000)
  assert.ok(breaker.allows(5_000))
  const trial = breaker.begin(5_000)
  fail(breaker, 5_001)
  assert.is(breaker.state, 'half_open')
  breaker.end(trial)
})

test('a cooldown is no failure, and the later of two deadlines counts', () => {
  const { breaker, changes } = subject()
  breaker.coolDownUntil(3_000)
  breaker.coolDownUntil(2_000)
  assert.not.ok(breaker.allows(2_999))
  assert.is(breaker.snapshot(1_000).cooling_ms, 2_000)
  assert.ok(breaker.allows(3_000))
  assert.is(breaker.snapshot(4_000).cooling_ms, 0)
  assert.is(breaker.state, 'closed')
  assert.equal(changes, [])
})

test('a trial that gets a cooldown is repeated only after the cooldown', () => {
  const { breaker } = subject()
  open(breaker, 0)
  const trial = breaker.begin(5_000)
  breaker.coolDownUntil(8_000)
  breaker.end(trial)
  assert.not.ok(breaker.allows(7_999))
  // A request that has no other target goes there during the cooldown, and is no trial.
  breaker.end(breaker.begin(7_999))
  assert.is(breaker.state, 'open')
  assert.ok(breaker.allows(8_000))
})

test('a first byte slower than the limit counts as a failure, unless it belongs to an error response', () => {
  const { breaker, changes } = subject({ slowMs: 1_000 })
  for (let i = 0; i < 9; i++) succeed(breaker, 0, 1_000)
  for (let i = 0; i < 9; i++) succeed(breaker, 0, null)
  assert.is(breaker.state, 'closed')
  for (let i = 0; i < 5; i++) succeed(breaker, 0, 1_001)
  assert.equal(changes, ['closed>open slow'])
})

test('a slow trial opens the breaker again', () => {
  const { breaker } = subject({ slowMs: 1_000 })
  open(breaker, 0)
  succeed(breaker, 5_000, 2_000)
  assert.is(breaker.state, 'open')
  assert.not.ok(breaker.allows(14_999))
})

test('a first byte slower than a multiple of the median counts as a failure once there is a median', () => {
  const { breaker } = subject({ slowFactor: 10 })
  for (let i = 0; i < 6; i++) succeed(breaker, 0, 10)
  for (let i = 0; i < 5; i++) succeed(breaker, 0, 5_000)
  assert.is(breaker.state, 'closed')
  for (let i = 0; i < 20; i++) succeed(breaker, 0, 10)
  for (let i = 0; i < 4; i++) succeed(breaker, 0, 101)
  assert.is(breaker.state, 'closed')
  succeed(breaker, 0, 101)
  assert.is(breaker.state, 'open')
})

test('by default no first byte is too slow', () => {
  const { breaker } = subject()
  for (let i = 0; i < 100; i++) succeed(breaker, 0, 10)
  for (let i = 0; i < 100; i++) succeed(breaker, 0, 100_000)
  assert.is(breaker.state, 'closed')
})

test('a snapshot has the counts and the latency', () => {
  const { breaker } = subject()
  const open = breaker.begin(0)
  for (let i = 1; i <= 100; i++) succeed(breaker, 0, i)
  fail(breaker, 0)
  assert.equal(breaker.snapshot(0), {
    state: 'closed',
    failures: 1,
    opened: 0,
    cooling_ms: 0,
    in_flight: 1,
    first_byte_p50: 50,
    first_byte_p95: 95,
  })
  breaker.end(open)
  assert.is(breaker.inFlight, 0)
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

test('in any order of events there is one trial at a time, and the changes of state follow each other', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
      let last = 'closed'
      const breaker = new CircuitBreaker({ ...BREAKER_DEFAULTS, failures: 2 }, (from, to) => {
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
          const due = breaker.state !== 'closed' && breaker.allows(now)
          if (due && breaker.state === 'half_open') assert.ok(now - trialFrom >= BREAKER_DEFAULTS.openMaxMs)
          running.push(breaker.begin(now))
          if (due) {
            trialFrom = now
            assert.is(breaker.state, 'half_open')
            assert.not.ok(breaker.allows(now))
          }
        } else if (what === 'cool') breaker.coolDownUntil(now + (which % 60_000))
        else if (ticket === undefined) continue
        else if (what === 'succeed') breaker.succeed(ticket, now, which % 1_000)
        else if (what === 'fail') breaker.fail(ticket, now, 'cut')
        else {
          breaker.end(ticket)
          running.splice(at, 1)
        }
        assert.is(breaker.inFlight, running.length)
        assert.is(breaker.state, last)
        // No event keeps the target out for ever.
        assert.ok(breaker.allows(now + BREAKER_DEFAULTS.openMaxMs))
      }
      for (const ticket of running) breaker.end(ticket)
      assert.is(breaker.inFlight, 0)
      assert.is.not(breaker.state, 'half_open')
    }),
    { numRuns: 300 },
  )
})

test.run()
