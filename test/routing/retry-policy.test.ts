import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ENCODED_RESPONSE,
  type Failure,
  type FailurePhase,
  FIRST_BYTE_LATE,
  FIRST_TOKEN_LATE,
  type Outcome,
} from '../../src/routing/outcome.js'
import {
  type AttemptState,
  type Decision,
  decide,
  isAccountScoped,
  isFailoverDefault,
  isIdempotent,
} from '../../src/routing/retry-policy.js'
import { fc } from '../support/property.js'

/** Everything is possible and allowed. */
const FREE: AttemptState = { retried: false, hasOther: true, failover: true, idempotent: false }

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

/** Decisions if everything is possible; without another target; without failover; without both. */
const DECIDED: Array<[string, Outcome, [Decision, Decision, Decision, Decision]]> = [
  ['a 200', 200, ['accept', 'accept', 'accept', 'accept']],
  ['a client error', 400, ['accept', 'accept', 'accept', 'accept']],
  ['a retryable status', 503, ['next', 'accept', 'accept', 'accept']],
  ['a refused connection', UNREACHED, ['next', 'fail', 'next', 'fail']],
  ['a kept connection that is lost', STALE, ['retry', 'retry', 'fail', 'fail']],
  ['a kept connection that is lost after half the body', STALE_UNSENT, ['retry', 'retry', 'retry', 'retry']],
  [
    'a kept connection that is lost before anything was written',
    UNWRITTEN,
    ['retry', 'retry', 'retry', 'retry'],
  ],
  ['a new connection that is lost', DEAD, ['next', 'fail', 'fail', 'fail']],
  ['a new connection that is lost after half the body', UNSENT, ['next', 'fail', 'next', 'fail']],
  ['a first byte that is too late', LATE, ['next', 'fail', 'fail', 'fail']],
  ['a 200 that stalls', SILENT, ['next', 'accept', 'accept', 'accept']],
  [
    'a 200 without content whose connection is lost',
    failed('ECONNRESET', 'silent'),
    ['next', 'fail', 'fail', 'fail'],
  ],
  [
    'a response that cannot be translated',
    failed(ENCODED_RESPONSE, 'waiting'),
    ['next', 'fail', 'fail', 'fail'],
  ],
  ['a request that undici refuses to send', REFUSED, ['fail', 'fail', 'fail', 'fail']],
]

for (const [name, outcome, expected] of DECIDED) {
  test(`after ${name} the decision is ${[...new Set(expected)].join(' or ')}`, () => {
    const found = [true, false].flatMap((failover) =>
      [true, false].map((hasOther) => decide(outcome, { ...FREE, hasOther, failover })),
    )
    assert.equal(found, expected)
  })
}

test('a request on a lost kept connection is retried once, and then goes to the next target', () => {
  assert.is(decide(STALE, { ...FREE, retried: true }), 'next')
  assert.is(decide(STALE, { ...FREE, retried: true, hasOther: false }), 'fail')
  assert.is(decide(STALE, { ...FREE, retried: true, failover: false }), 'fail')
  assert.is(decide(STALE_UNSENT, { ...FREE, retried: true, failover: false }), 'next')
})

test('without failover an idempotent request is still retried at the same target', () => {
  const state = { retried: false, hasOther: true, failover: false, idempotent: true }
  assert.is(decide(STALE, state), 'retry')
  assert.is(decide(STALE, { ...state, retried: true }), 'fail')
  assert.is(decide(DEAD, state), 'fail')
})

test('a request that got no connection goes to the next target, whatever the error code', () => {
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

test('a first-byte timeout on a kept connection is not retried at the same target', () => {
  assert.is(decide(failed(FIRST_BYTE_LATE, 'waiting', { reused: true }), FREE), 'next')
})

test('the retryable statuses are 408, 409, 429 and all from 500 up except 501 and 505', () => {
  const next = [...Array(600).keys()].filter((status) => decide(status, FREE) === 'next')
  const from500 = [...Array(100).keys()].map((i) => 500 + i).filter((status) => status !== 501)
  assert.equal(next, [408, 409, 429, ...from500.filter((status) => status !== 505)])
})

const anyState: fc.Arbitrary<AttemptState> = fc.record({
  retried: fc.boolean(),
  hasOther: fc.boolean(),
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

test('a decision never needs a target that does not exist, nor a second retry', () => {
  fc.assert(
    fc.property(anyOutcome, anyState, (outcome, state) => {
      const decision = decide(outcome, state)
      if (decision === 'next') assert.ok(state.hasOther)
      if (decision === 'retry') assert.not.ok(state.retried)
    }),
  )
})

test('a status never becomes an error of the relay, and only a lost kept connection is retried', () => {
  fc.assert(
    fc.property(anyOutcome, anyState, (outcome, state) => {
      const decision = decide(outcome, state)
      if (typeof outcome === 'number') assert.ok(decision === 'accept' || decision === 'next')
      else if (decision === 'retry') assert.ok(outcome.reused && outcome.phase !== 'silent')
      else if (decision === 'accept') assert.is(outcome.phase, 'silent')
    }),
  )
})

test('without failover a request that an upstream may have acted on is not sent to another target', () => {
  fc.assert(
    fc.property(anyFailure, anyState, (failure, state) => {
      fc.pre(failure.sentWhole && failure.phase !== 'connecting' && failure.code !== 'ECONNREFUSED')
      const decision = decide(failure, { ...state, failover: false })
      assert.not.equal(decision, 'next')
      if (decision === 'retry') assert.ok(state.idempotent)
    }),
  )
})

test('every walk over the targets ends, with at most two attempts for each', () => {
  fc.assert(
    fc.property(
      fc.array(anyOutcome, { minLength: 40, maxLength: 40 }),
      fc.integer({ min: 1, max: 8 }),
      fc.boolean(),
      (outcomes, targets, failover) => {
        let attempts = 1
        let target = 1
        let retried = false
        for (const outcome of outcomes) {
          const decision = decide(outcome, {
            retried,
            hasOther: target < targets,
            failover,
            idempotent: false,
          })
          if (decision === 'accept' || decision === 'fail') break
          retried = decision === 'retry'
          if (decision === 'next') target++
          attempts++
        }
        assert.ok(attempts <= 2 * targets)
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
  ['POST', '/models/gemini-3-pro:streamGenerateContent', true],
  ['POST', '/models/gemini-3-pro', false],
  ['POST', '/models/gemini-3-pro:countTokens', true],
  ['POST', '/models/text-embedding:batchEmbedContents', true],
  ['POST', '/models/veo:predictLongRunning', false],
  ['POST', '/models/gemini-3-pro:batchGenerateContent', false],
  ['POST', '/v1beta/cachedContents', false],
  ['POST', '/upload/v1beta/files', false],
  ['GET', '/v1beta/files/f', false],
  ['GET', '/v1beta/models', true],
  ['POST', '/api/chat', true],
  ['POST', '/api/generate', true],
  ['POST', '/api/embed', true],
  ['GET', '/api/tags', true],
  ['POST', '/api/pull', false],
  ['POST', '/v2/chat', true],
  ['POST', '/v2/rerank', true],
  ['POST', '/v2/datasets', false],
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
  test(`${method} ${path} ${expected ? 'has' : 'does not have'} failover by default`, () => {
    assert.is(isFailoverDefault(method, path), expected)
  })
}

test('paths of objects that one account stores are account-scoped, and paths that generate are not', () => {
  for (const path of [
    '/files',
    '/files/f',
    '/fine_tuning/jobs',
    '/responses/r',
    '/messages/batches',
    '/v1beta/files',
  ])
    assert.ok(isAccountScoped(path), path)
  for (const path of [
    '/filesystem',
    '/responses',
    '/messages',
    '/chat/completions',
    '/models/files',
    '/v1beta/models',
  ])
    assert.not.ok(isAccountScoped(path), path)
})

test('the idempotent methods are those of RFC 9110', () => {
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) assert.ok(isIdempotent(method))
  for (const method of ['POST', 'PATCH', 'CONNECT']) assert.not.ok(isIdempotent(method))
})

test.run()
