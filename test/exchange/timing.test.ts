import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatServerTiming, PhaseShares } from '../../src/exchange/timing.js'
import { fc } from '../support/property.js'

/** As a request without the marks that tell waiting from work: of a WebSocket, for example. */
const AT = {
  startedAt: 1_000,
  admittedAt: null,
  bodyStartedAt: 1_001,
  bodyArrivedAt: null,
  bodyMs: 20,
  cacheStartedAt: null,
  attemptStartedAt: 1_021.5,
  sendMs: null,
  headArrivedAt: null,
  responseStartedAt: 1_121.5,
  headMs: 0.25,
}
const NO_BODY = { ...AT, bodyStartedAt: null, bodyMs: null }
const MARKED = {
  ...AT,
  bodyArrivedAt: 1_020.75,
  cacheStartedAt: 1_021.4,
  sendMs: 0.05,
  headArrivedAt: 1_121.375,
}

test('each phase that a request went through is shown in milliseconds', () => {
  assert.is(formatServerTiming(AT, 1_121.5), 'admit;dur=1, read;dur=20, plan;dur=0.5, attempt;dur=100')
  assert.is(formatServerTiming(NO_BODY, 1_121.5), 'admit;dur=21.5, attempt;dur=100')
  assert.is(formatServerTiming({ ...NO_BODY, attemptStartedAt: null }, 1_002), 'admit;dur=2')
  assert.is(formatServerTiming({ ...AT, bodyMs: null, attemptStartedAt: null }, 1_002), 'admit;dur=1')
  assert.is(
    formatServerTiming({ ...AT, attemptStartedAt: null }, 1_022),
    'admit;dur=1, read;dur=20, plan;dur=1',
  )
})

test('what of the upload and the attempt was waiting is shown behind the phases', () => {
  assert.is(
    formatServerTiming(MARKED, 1_121.5),
    'admit;dur=1, read;dur=20, plan;dur=0.4, cache;dur=0.1, attempt;dur=99.875, respond;dur=0.125, upstream;dur=99.825, upload;dur=19.75',
  )
  assert.is(
    formatServerTiming({ ...NO_BODY, admittedAt: 1_000.5, sendMs: 1 }, 1_121.5),
    'admit;dur=0.5, plan;dur=21, attempt;dur=100, upstream;dur=99',
  )
})

test("the relay's own time is neither the upload nor the upstream", () => {
  assert.is(new PhaseShares(AT, false).total, 1_750)
  assert.is(new PhaseShares(NO_BODY, false).total, 21_750)
  // The attempt began while the body was still arriving.
  assert.is(new PhaseShares({ ...AT, attemptStartedAt: 1_010 }, false).total, 1_250)
})

test('the overhead of a cached response is all of its time but the upload', () => {
  const hit = { ...AT, attemptStartedAt: null, responseStartedAt: 1_021.5 }
  assert.is(new PhaseShares(hit, true).total, 1_750)
  assert.is(new PhaseShares({ ...hit, bodyStartedAt: null, bodyMs: null }, true).total, 21_750)
})

test('the overhead is unknown without an attempt, or if the body never was complete', () => {
  assert.is(new PhaseShares({ ...AT, attemptStartedAt: null }, false).total, null)
  assert.is(new PhaseShares({ ...AT, bodyMs: null }, false).total, null)
})

test("each phase has the relay's own share of it", () => {
  assert.equal(
    { ...new PhaseShares(MARKED, false) },
    { admit: 1_000, read: 250, plan: 400, cache: 100, attempt: 50, respond: 375, total: 2_175 },
  )
  const hit = {
    ...MARKED,
    attemptStartedAt: null,
    sendMs: null,
    headArrivedAt: null,
    responseStartedAt: 1_022,
  }
  assert.equal(
    { ...new PhaseShares(hit, true) },
    { admit: 1_000, read: 250, plan: 400, cache: 600, attempt: null, respond: 250, total: 2_500 },
  )
  // It was refused by a limit: what it had been through is known.
  const refused = {
    ...AT,
    bodyArrivedAt: 1_021,
    attemptStartedAt: null,
    responseStartedAt: null,
    headMs: null,
  }
  assert.equal(
    { ...new PhaseShares(refused, false) },
    { admit: 1_000, read: 0, plan: null, cache: null, attempt: null, respond: null, total: null },
  )
})

const ms = () => fc.double({ min: 0, max: 50, noNaN: true })

test('shares and waits are all of the time until the client was sent the head, for any times', () => {
  fc.assert(
    fc.property(
      fc.tuple(ms(), ms(), ms(), ms(), ms(), ms(), ms(), ms(), ms()),
      fc.boolean(),
      ([admit, upload, read, plan, cache, send, wait, make, head], hasBody) => {
        const startedAt = 1e6
        const admittedAt = startedAt + admit
        const bodyArrivedAt = admittedAt + upload
        const readAt = hasBody ? bodyArrivedAt + read : admittedAt
        const cacheStartedAt = readAt + plan
        const attemptStartedAt = cacheStartedAt + cache
        const headArrivedAt = attemptStartedAt + send + wait
        const times = {
          startedAt,
          admittedAt: hasBody ? null : admittedAt,
          bodyStartedAt: hasBody ? admittedAt : null,
          bodyArrivedAt: hasBody ? bodyArrivedAt : null,
          bodyMs: hasBody ? readAt - admittedAt : null,
          cacheStartedAt,
          attemptStartedAt,
          sendMs: send,
          headArrivedAt,
          responseStartedAt: headArrivedAt + make,
          headMs: head,
        }
        const shares = new PhaseShares(times, false)
        const { total, ...phases } = shares
        const sum = Object.values(phases).reduce((all: number, each) => all + (each ?? 0), 0)
        assert.is(sum, total)
        const untilSent = times.responseStartedAt + head - startedAt
        const waited = (hasBody ? upload : 0) + wait
        // Each of seven times is rounded to a microsecond.
        assert.ok(Math.abs((total ?? 0) - (untilSent - waited) * 1_000) <= 4, JSON.stringify(times))
        // Server-Timing has the same, until the head is made.
        const timing = formatServerTiming(times, times.responseStartedAt)
        const all = [...timing.matchAll(/(\w+);dur=([\d.]+)/g)]
        const signed = all.map(([, name, dur]) => (/^up/.test(name ?? '') ? -1 : 1) * Number(dur))
        const own = signed.reduce((a, b) => a + b, 0)
        assert.ok(Math.abs(own * 1_000 - ((total ?? 0) - head * 1_000)) <= 8, timing)
        assert.is(
          timing.split(', ').every((part) => /^[a-z]+;dur=\d+(?:\.\d{1,3})?$/.test(part)),
          true,
          timing,
        )
      },
    ),
  )
})

test.run()
