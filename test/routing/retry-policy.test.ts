import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type AttemptState,
  classifyFailure,
  type Decision,
  decide,
  ENCODED_RESPONSE,
  type Failure,
  type FailurePhase,
  FIRST_BYTE_LATE,
  FIRST_TOKEN_LATE,
  isAccountScoped,
  isFailoverDefault,
  isIdempotent,
  type Outcome,
} from '../../src/routing/retry-policy.js'
import { fc } from '../support/property.js'

/** All that can be done may be done. */
const FREE: AttemptState = { sameTried: false, another: true, failover: true, idempotent: false }

function failed(code: string, phase: FailurePhase, more: Partial<Failure> = {}): Failure {
  return { code, phase, reused: false, sentWhole: true, ...more }
}

const STALE = failed('UND_ERR_SOCKET', 'waiting', { reused: true })
const STALE_UNSENT = failed('EPIPE', 'waiting', { reused: true, sentWhole: false })
const DEAD = failed('ECONNRESET', 'waiting')
const UNSENT = failed('ECONNRESET', 'waiting', { sentWhole: false })
const UNWRITTEN = failed('UPSTREAM_RESET', 'connecting', { reused: true })
const UNREACHED = failed('ECONNREFUSED', 'connecting')
const LATE = failed(FIRST_BYTE_LATE, 'waiting')
const SILENT = failed(FIRST_TOKEN_LATE, 'silent')
const REFUSED = failed('UND_ERR_INVALID_ARG', 'connecting')

/** What is done if all can be; without another target; without failover; with neither. */
const DECIDED: Array<[string, Outcome, [Decision, Decision, Decision, Decision]]> = [
  ['an answer', 200, ['answer', 'answer', 'answer', 'answer']],
  ['an error of the client', 400, ['answer', 'answer', 'answer', 'answer']],
  ['a status to come again', 503, ['next', 'answer', 'answer', 'answer']],
  ['a refused connection', UNREACHED, ['next', 'fail', 'next', 'fail']],
  ['a death on a kept connection', STALE, ['same', 'same', 'fail', 'fail']],
  ['a death on a kept connection that took half the body', STALE_UNSENT, ['same', 'same', 'same', 'same']],
  ['a death of a kept connection before it was written to', UNWRITTEN, ['same', 'same', 'same', 'same']],
  ['a death on a new connection', DEAD, ['next', 'fail', 'fail', 'fail']],
  ['a death on a new connection that took half the body', UNSENT, ['next', 'fail', 'next', 'fail']],
  ['a first byte that is late', LATE, ['next', 'fail', 'fail', 'fail']],
  ['a 200 that stays silent', SILENT, ['next', 'answer', 'answer', 'answer']],
  ['a 200 that dies silent', failed('ECONNRESET', 'silent'), ['next', 'fail', 'fail', 'fail']],
  ['an answer that cannot be changed', failed(ENCODED_RESPONSE, 'waiting'), ['next', 'fail', 'fail', 'fail']],
  ['a request that undici refuses', REFUSED, ['fail', 'fail', 'fail', 'fail']],
]

for (const [name, outcome, expected] of DECIDED) {
  test(`after ${name}: ${[...new Set(expected)].join(' or ')}`, () => {
    const found = [true, false].flatMap((failover) =>
      [true, false].map((another) => decide(outcome, { ...FREE, another, failover })),
    )
    assert.equal(found, expected)
  })
}

test('a death on a kept connection is asked once more, and then passed on to the next', () => {
  assert.is(decide(STALE, { ...FREE, sameTried: true }), 'next')
  assert.is(decide(STALE, { ...FREE, sameTried: true, another: false }), 'fail')
  assert.is(decide(STALE, { ...FREE, sameTried: true, failover: false }), 'fail')
  assert.is(decide(STALE_UNSENT, { ...FREE, sameTried: true, failover: false }), 'next')
})

test('a method that may be repeated is, at the same target, where failover is off', () => {
  const state = { sameTried: false, another: true, failover: false, idempotent: true }
  assert.is(decide(STALE, state), 'same')
  assert.is(decide(STALE, { ...state, sameTried: true }), 'fail')
  assert.is(decide(DEAD, state), 'fail')
})

test('what comes of no connection asks the next, whatever its code', () => {
  for (const code of [
    'ECONNREFUSED',
    'ENOTFOUND',
    'EAI_AGAIN',
    'ETIMEDOUT',
    'UND_ERR_CONNECT_TIMEOUT',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'EPROTO',
    'ECONNRESET',
    'UND_ERR_SOCKET',
    'something new',
  ])
    assert.is(decide(failed(code, 'connecting'), { ...FREE, failover: false }), 'next', code)
})

test('an answer that is no HTTP is none of a stale connection', () => {
  for (const code of ['HPE_INVALID_CONSTANT', 'UND_ERR_RESPONSE', 'UND_ERR_HEADERS_OVERFLOW', 'new'])
    assert.is(classifyFailure(failed(code, 'waiting', { reused: true })), 'dead', code)
})

test('a first byte that is late on a kept connection is not asked for there again', () => {
  assert.is(decide(failed(FIRST_BYTE_LATE, 'waiting', { reused: true }), FREE), 'next')
})

test('the statuses that go on to the next are 408, 409, 429 and from 500 up, but for 501 and 505', () => {
  const next = [...Array(600).keys()].filter((status) => decide(status, FREE) === 'next')
  const from500 = [...Array(100).keys()].map((i) => 500 + i).filter((status) => status !== 501)
  assert.equal(next, [408, 409, 429, ...from500.filter((status) => status !== 505)])
})

const anyState: fc.Arbitrary<AttemptState> = fc.record({
  sameTried: fc.boolean(),
  another: fc.boolean(),
  failover: fc.boolean(),
  idempotent: fc.boolean(),
})

const anyFailure: fc.Arbitrary<Failure> = fc.record({
  code: fc.constantFrom(
    ...['ECONNREFUSED', 'ETIMEDOUT', 'UND_ERR_SOCKET', 'ECONNRESET', 'UPSTREAM_RESET', 'EPIPE', 'HPE_X'],
    ...[FIRST_BYTE_LATE, FIRST_TOKEN_LATE, 'UND_ERR_INVALID_ARG', 'UND_ERR_DESTROYED', 'unknown'],
  ),
  phase: fc.constantFrom<FailurePhase>('connecting', 'waiting', 'silent'),
  reused: fc.boolean(),
  sentWhole: fc.boolean(),
})

const anyOutcome: fc.Arbitrary<Outcome> = fc.oneof(fc.integer({ min: 200, max: 999 }), anyFailure)

test('nobody is asked who is not there, and no target for a third time', () => {
  fc.assert(
    fc.property(anyOutcome, anyState, (outcome, state) => {
      const decision = decide(outcome, state)
      if (decision === 'next') assert.ok(state.another)
      if (decision === 'same') assert.not.ok(state.sameTried)
    }),
  )
})

test('a status is never an error of the relay, and only a kept connection is tried anew', () => {
  fc.assert(
    fc.property(anyOutcome, anyState, (outcome, state) => {
      const decision = decide(outcome, state)
      if (typeof outcome === 'number') assert.ok(decision === 'answer' || decision === 'next')
      else if (decision === 'same') assert.ok(outcome.reused && outcome.phase !== 'silent')
      else if (decision === 'answer') assert.is(outcome.phase, 'silent')
    }),
  )
})

test('what an upstream may have begun is not begun twice, unless the request may be', () => {
  fc.assert(
    fc.property(anyFailure, anyState, (failure, state) => {
      fc.pre(failure.sentWhole && failure.phase !== 'connecting' && failure.code !== 'ECONNREFUSED')
      const decision = decide(failure, { ...state, failover: false })
      assert.not.equal(decision, 'next')
      if (decision === 'same') assert.ok(state.idempotent)
    }),
  )
})

test('every walk over targets ends, with no target asked more than twice', () => {
  fc.assert(
    fc.property(
      fc.array(anyOutcome, { minLength: 40, maxLength: 40 }),
      fc.integer({ min: 1, max: 8 }),
      fc.boolean(),
      (outcomes, targets, failover) => {
        let asked = 1
        let target = 1
        let sameTried = false
        for (const outcome of outcomes) {
          const decision = decide(outcome, {
            sameTried,
            another: target < targets,
            failover,
            idempotent: false,
          })
          if (decision === 'answer' || decision === 'fail') break
          sameTried = decision === 'same'
          if (decision === 'next') target++
          asked++
        }
        assert.ok(asked <= 2 * targets)
      },
    ),
  )
})

const BY_DEFAULT: Array<[string, string, boolean]> = [
  ['GET', '/models', true],
  ['HEAD', '/models', true],
  ['GET', '/models/gpt-x', true],
  ['POST', '/chat/completions', true],
  ['POST', '/completions', true],
  ['POST', '/fim/completions', true],
  ['POST', '/responses', true],
  ['POST', '/messages', true],
  ['POST', '/messages/count_tokens', true],
  ['POST', '/embeddings', true],
  ['POST', '/responses/resp_1/cancel', false],
  ['GET', '/responses/resp_1', false],
  ['DELETE', '/responses/resp_1', false],
  ['POST', '/messages/batches', false],
  ['GET', '/messages/batches/msgbatch_1/results', false],
  ['GET', '/chat/completions/chatcmpl-1', false],
  ['POST', '/threads/thread_1/messages', false],
  ['POST', '/files', false],
  ['GET', '/files', false],
  ['GET', '/files/file-1/content', false],
  ['POST', '/batches', false],
  ['POST', '/audio/speech', false],
  ['POST', '/images/generations', false],
  ['POST', '/infill', false],
  ['PUT', '/chat/completions', false],
  ['OPTIONS', '/models', false],
]

for (const [method, path, expected] of BY_DEFAULT) {
  test(`${method} ${path} may ${expected ? '' : 'not '}be asked twice by default`, () => {
    assert.is(isFailoverDefault(method, path), expected)
  })
}

test('what one account keeps is told from what any target can do', () => {
  for (const path of ['/files', '/files/f', '/fine_tuning/jobs', '/responses/r', '/messages/batches'])
    assert.ok(isAccountScoped(path), path)
  for (const path of ['/filesystem', '/responses', '/messages', '/chat/completions', '/models/files'])
    assert.not.ok(isAccountScoped(path), path)
})

test('a method may be repeated as RFC 9110 has it', () => {
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) assert.ok(isIdempotent(method))
  for (const method of ['POST', 'PATCH', 'CONNECT']) assert.not.ok(isIdempotent(method))
})

test.run()
