import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  classifyFailure,
  classifyOutcome,
  ENCODED_RESPONSE,
  type FailureKind,
  FIRST_BYTE_LATE,
  FIRST_TOKEN_LATE,
  type Outcome,
  type Verdict,
} from '../../src/routing/outcome.js'

const WAITING = { phase: 'waiting', reused: false, sentWhole: true } as const

const KINDS: Array<[Outcome, FailureKind]> = [
  [200, 'final_status'],
  [404, 'final_status'],
  [501, 'final_status'],
  [429, 'retryable_status'],
  [500, 'retryable_status'],
  [{ ...WAITING, code: 'UND_ERR_NOT_SUPPORTED' }, 'rejected_locally'],
  [{ ...WAITING, code: ENCODED_RESPONSE }, 'untranslatable'],
  [{ ...WAITING, code: 'ECONNREFUSED' }, 'connect_failed'],
  [{ ...WAITING, code: 'ECONNRESET', phase: 'connecting' }, 'connect_failed'],
  [{ ...WAITING, code: 'ECONNRESET', phase: 'connecting', reused: true }, 'stale_connection_unsent'],
  [{ ...WAITING, code: 'EPIPE', reused: true, sentWhole: false }, 'stale_connection_unsent'],
  [{ ...WAITING, code: 'EPIPE', reused: true }, 'stale_connection'],
  [{ ...WAITING, code: 'EPIPE', sentWhole: false }, 'upload_incomplete'],
  [{ ...WAITING, code: 'EPIPE' }, 'connection_lost'],
  [{ ...WAITING, code: 'ECONNRESET', phase: 'silent' }, 'connection_lost'],
  [{ ...WAITING, code: FIRST_BYTE_LATE }, 'first_byte_timeout'],
  [{ ...WAITING, code: FIRST_TOKEN_LATE, phase: 'silent' }, 'stalled'],
]

for (const [outcome, kind] of KINDS) {
  const shown = typeof outcome === 'number' ? outcome : Object.values(outcome).join(' ')
  test(`an outcome of ${shown} is classified as ${kind}`, () => {
    assert.is(classifyFailure(outcome), kind)
  })
}

test('a response that is no HTTP does not make a kept connection stale', () => {
  for (const code of ['HPE_INVALID_CONSTANT', 'UND_ERR_RESPONSE', 'UND_ERR_HEADERS_OVERFLOW', 'new'])
    assert.is(classifyFailure({ ...WAITING, code, reused: true }), 'connection_lost', code)
})

const VERDICTS: Array<[string, Outcome, Verdict]> = [
  ['200', 200, 'success'],
  ['400', 400, 'success'],
  ['404', 404, 'success'],
  ['408', 408, 'success'],
  ['501', 501, 'success'],
  ['429', 429, 'ignore'],
  ['500', 500, 'failure'],
  ['503', 503, 'failure'],
  ['529', 529, 'failure'],
  ['a refused connection', { ...WAITING, code: 'ECONNREFUSED', phase: 'connecting' }, 'failure'],
  ['a new connection that is lost', { ...WAITING, code: 'ECONNRESET' }, 'failure'],
  ['a kept connection that is lost', { ...WAITING, code: 'ECONNRESET', reused: true }, 'ignore'],
  ['a response that cannot be translated', { ...WAITING, code: ENCODED_RESPONSE }, 'success'],
  ['a first byte that is too late', { ...WAITING, code: FIRST_BYTE_LATE }, 'failure'],
  ['a stalled stream', { ...WAITING, code: FIRST_TOKEN_LATE, phase: 'silent' }, 'failure'],
  [
    'a request that undici refuses to send',
    { ...WAITING, code: 'UND_ERR_INVALID_ARG', phase: 'connecting' },
    'ignore',
  ],
]

const VERDICT_NAMES = { success: 'a success', failure: 'a failure', ignore: 'neither success nor failure' }

for (const [name, outcome, verdict] of VERDICTS) {
  test(`for the circuit breaker, ${name} is ${VERDICT_NAMES[verdict]}`, () => {
    assert.is(classifyOutcome(outcome), verdict)
  })
}

test.run()
