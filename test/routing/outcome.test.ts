import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  CREDENTIAL_MISSING,
  classifyFailure,
  EMPTY_RESPONSE,
  ENCODED_RESPONSE,
  type FailureKind,
  FIRST_BYTE_LATE,
  FIRST_TOKEN_LATE,
  type Outcome,
} from '../../src/routing/outcome.js'

const WAITING = { phase: 'waiting', reused: false, sentWhole: true } as const

const KINDS: Array<[Outcome, FailureKind]> = [
  [200, 'final_status'],
  [400, 'final_status'],
  [401, 'credential_refused'],
  [402, 'quota_exhausted'],
  [403, 'credential_refused'],
  [404, 'final_status'],
  [408, 'retryable_status'],
  [409, 'retryable_status'],
  [501, 'final_status'],
  [505, 'final_status'],
  [429, 'rate_limited'],
  [500, 'server_error'],
  [529, 'server_error'],
  [999, 'server_error'],
  [{ ...WAITING, code: CREDENTIAL_MISSING, phase: 'connecting' }, 'credential_missing'],
  [{ ...WAITING, code: EMPTY_RESPONSE, phase: 'silent' }, 'empty_response'],
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

test("what an upstream says of a client's own credential is no failure of the relay's", () => {
  for (const status of [401, 402, 403]) assert.is(classifyFailure(status, false), 'final_status')
  for (const [outcome, kind] of KINDS)
    if (typeof outcome !== 'number' || outcome < 401 || outcome > 403)
      assert.is(classifyFailure(outcome, false), kind)
})

test.run()
