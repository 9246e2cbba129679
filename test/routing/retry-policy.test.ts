import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FAILURE_KINDS, type FailureKind } from '../../src/routing/outcome.js'
import {
  type AttemptState,
  type Decision,
  decide,
  isFailoverDefault,
  isIdempotent,
  RETRY_POLICY,
} from '../../src/routing/retry-policy.js'
import { fc } from '../support/property.js'

const KINDS = Object.keys(FAILURE_KINDS) as FailureKind[]

/**
 * What is decided, one letter for each state: `=` the same target, `f` the same on a fresh connection, `k` another key,
 * `n` the next target, `a` accept, `g` give up.
 *
 * The four words are: failover; no failover but an idempotent method; neither; and then all three once more for an
 * attempt that was itself a retry. The four letters of a word are: another key and another upstream are left; only a key;
 * only another upstream; neither.
 */
const DECIDED: Readonly<Record<FailureKind, string>> = {
  //                        failover idempotent neither | failover idempotent neither
  final_status: '            aaaa     aaaa       aaaa      aaaa     aaaa       aaaa',
  correctable: '             ====     ====       ====      aaaa     aaaa       aaaa',
  retryable_status: '        nnna     aaaa       aaaa      nnna     aaaa       aaaa',
  rate_limited: '            kkna     kkaa       kkaa      kkna     kkaa       kkaa',
  server_error: '            nnna     aaaa       aaaa      nnna     aaaa       aaaa',
  credential_missing: '      kkng     kkng       kkng      kkng     kkng       kkng',
  credential_refused: '      kkna     kkna       kkna      kkna     kkna       kkna',
  quota_exhausted: '         kkna     kkna       kkna      kkna     kkna       kkna',
  model_missing: '           nnna     nnna       nnna      nnna     nnna       nnna',
  empty_response: '          nnna     aaaa       aaaa      nnna     aaaa       aaaa',
  stalled: '                 nnna     aaaa       aaaa      nnna     aaaa       aaaa',
  rejected_locally: '        gggg     gggg       gggg      gggg     gggg       gggg',
  untranslatable: '          ngng     gggg       gggg      ngng     gggg       gggg',
  connect_failed: '          ngng     ngng       ngng      ngng     ngng       ngng',
  stale_connection_unsent: ' ffff     ffff       ffff      ngng     ngng       ngng',
  stale_connection: '        ffff     ffff       gggg      ngng     gggg       gggg',
  upload_incomplete: '       ngng     ngng       ngng      ngng     ngng       ngng',
  connection_lost: '         ngng     gggg       gggg      ngng     gggg       gggg',
  first_byte_timeout: '      ngng     gggg       gggg      ngng     gggg       gggg',
}

const LETTERS: Readonly<Record<Decision, string>> = {
  same: '=',
  fresh: 'f',
  key: 'k',
  next: 'n',
  accept: 'a',
  give_up: 'g',
}

/** What an outcome says of the target's health, and what is to rest. */
const HEALTH: Readonly<Record<FailureKind, string>> = {
  final_status: 'success none',
  correctable: 'success none',
  retryable_status: 'success none',
  rate_limited: 'ignore target',
  server_error: 'failure target',
  credential_missing: 'failure none',
  credential_refused: 'ignore credential',
  quota_exhausted: 'ignore credential',
  model_missing: 'success model',
  empty_response: 'failure none',
  stalled: 'failure none',
  rejected_locally: 'ignore none',
  untranslatable: 'success none',
  connect_failed: 'failure none',
  stale_connection_unsent: 'ignore none',
  stale_connection: 'ignore none',
  upload_incomplete: 'failure none',
  connection_lost: 'failure none',
  first_byte_timeout: 'failure none',
}

function decideAll(kind: FailureKind): string {
  const words: string[] = []
  for (const retried of [false, true])
    for (const [failover, idempotent] of [
      [true, false],
      [false, true],
      [false, false],
    ] as const) {
      const letters = [
        [true, true],
        [true, false],
        [false, true],
        [false, false],
      ].map(
        ([hasKey = false, hasOther = false]) =>
          LETTERS[decide(kind, { retried, failover, idempotent, hasKey, hasOther })],
      )
      words.push(letters.join(''))
    }
  return words.join(' ')
}

for (const kind of KINDS) {
  test(`the decisions after ${kind} are those of the table, in every state`, () => {
    assert.is(decideAll(kind), DECIDED[kind].trim().replace(/ +/g, ' '))
    assert.is(`${RETRY_POLICY[kind].health} ${RETRY_POLICY[kind].cooldown}`, HEALTH[kind])
  })
}

const anyKind = fc.constantFrom(...KINDS)
const anyState: fc.Arbitrary<AttemptState> = fc.record({
  retried: fc.boolean(),
  hasKey: fc.boolean(),
  hasOther: fc.boolean(),
  failover: fc.boolean(),
  idempotent: fc.boolean(),
})

test('with failover it makes no difference whether the method is idempotent', () => {
  fc.assert(
    fc.property(anyKind, anyState, (kind, state) => {
      const repeatable = { ...state, failover: true }
      assert.is(
        decide(kind, { ...repeatable, idempotent: true }),
        decide(kind, { ...repeatable, idempotent: false }),
      )
    }),
  )
})

test('a decision never needs a target or a key that does not exist, nor a second retry', () => {
  fc.assert(
    fc.property(anyKind, anyState, (kind, state) => {
      const decision = decide(kind, state)
      if (decision === 'next') assert.ok(state.hasOther || state.hasKey)
      if (decision === 'key') assert.ok(state.hasKey)
      if (decision === 'same' || decision === 'fresh') assert.not.ok(state.retried)
    }),
  )
})

/** The upstream did something with the request, or may have. */
const ACTED: readonly FailureKind[] = [
  'retryable_status',
  'server_error',
  'empty_response',
  'stalled',
  'untranslatable',
  'stale_connection',
  'connection_lost',
  'first_byte_timeout',
]

test('without failover a request that an upstream may have acted on is not sent to another target', () => {
  fc.assert(
    fc.property(fc.constantFrom(...ACTED), anyState, (kind, state) => {
      const decision = decide(kind, { ...state, failover: false })
      assert.not.ok(decision === 'next' || decision === 'key')
      if (decision === 'fresh') assert.ok(state.idempotent)
    }),
  )
})

test('every walk over the targets ends, with at most two attempts for each', () => {
  fc.assert(
    fc.property(
      fc.array(anyKind, { minLength: 60, maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
      (kinds, upstreams, keys, failover) => {
        let attempts = 1
        let left = upstreams * keys - 1
        let ownLeft = keys - 1
        let retried = false
        for (const kind of kinds) {
          const hasOther = left - ownLeft > 0
          const decision = decide(kind, {
            retried,
            hasKey: ownLeft > 0,
            hasOther,
            failover,
            idempotent: false,
          })
          if (decision === 'accept' || decision === 'give_up') break
          retried = decision === 'same' || decision === 'fresh'
          if (!retried) left--
          if (decision === 'key') ownLeft--
          if (decision === 'next') ownLeft = Math.min(left, keys - 1)
          attempts++
        }
        assert.ok(attempts <= 2 * upstreams * keys)
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
  ['GET', '/chat/completions', false],
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

test('the idempotent methods are those of RFC 9110', () => {
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) assert.ok(isIdempotent(method))
  for (const method of ['POST', 'PATCH', 'CONNECT']) assert.not.ok(isIdempotent(method))
})

test.run()
