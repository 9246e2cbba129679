import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readErrorBody } from '../../src/routing/error-facts.js'
import type { FailureKind } from '../../src/routing/outcome.js'
import { classifyErrorEvent, classifyRefusal, isDecidedByBody } from '../../src/routing/refusal.js'
import { fc } from '../support/property.js'

const facts = (body: unknown) => readErrorBody(Buffer.from(JSON.stringify(body)), 0)

/** Errors in OpenAI's form by code and message, and what they are with a status. */
const ERRORS: readonly (readonly [number, string | null, string, FailureKind])[] = [
  // Quota and credit.
  [429, 'insufficient_quota', 'You exceeded your current quota', 'quota_exhausted'],
  [429, null, 'You exceeded your current quota, please check your plan', 'quota_exhausted'],
  [429, 'billing_hard_limit_reached', 'x', 'quota_exhausted'],
  [429, 'exceeded_current_quota_error', 'x', 'quota_exhausted'],
  [429, '1113', 'x', 'quota_exhausted'],
  [403, null, 'Your team has used all available credits', 'quota_exhausted'],
  [403, 'AllocationQuota.FreeTierOnly', 'x', 'quota_exhausted'],
  [402, null, 'Insufficient Balance', 'quota_exhausted'],
  [402, null, '', 'quota_exhausted'],
  [400, 'Arrearage', 'Access denied, please make sure your account is in good standing.', 'quota_exhausted'],
  [
    400,
    'invalid_request_error',
    'Your credit balance is too low to access the Anthropic API.',
    'quota_exhausted',
  ],
  [400, 'invalid_request_error', 'You have reached your specified API usage limits.', 'quota_exhausted'],
  // Rate limits.
  [429, 'rate_limit_exceeded', 'Please try again in 7.5s', 'rate_limited'],
  [429, 'RESOURCE_EXHAUSTED', 'You exceeded your current quota. Please retry in 34s.', 'rate_limited'],
  [429, null, '', 'rate_limited'],
  [429, 'tokens', 'Limit 30000', 'rate_limited'],
  // Keys.
  [401, 'invalid_api_key', 'Incorrect API key', 'credential_refused'],
  [401, null, '', 'credential_refused'],
  [403, 'permission_error', 'no', 'credential_refused'],
  [403, 'PERMISSION_DENIED', 'Your project has been denied access.', 'credential_refused'],
  [403, null, 'forbidden', 'credential_refused'],
  [403, null, 'Your account was disabled for violating the policy', 'credential_refused'],
  [403, 'unsupported_country_region_territory', 'Country not supported', 'credential_refused'],
  [400, 'API_KEY_INVALID', 'API key not valid', 'credential_refused'],
  [400, 'invalid_request_error', 'This organization has been disabled.', 'credential_refused'],
  [400, 'ExpiredTokenException', 'x', 'credential_refused'],
  // Models.
  [404, 'DeploymentNotFound', 'The API deployment for this resource does not exist.', 'model_missing'],
  [404, 'model_not_found', 'The model `m` does not exist', 'model_missing'],
  [403, 'model_not_found', 'Project x does not have access to model m', 'model_missing'],
  [404, 'not_found_error', 'model: claude-x', 'model_missing'],
  [404, null, "model 'llama9' not found", 'model_missing'],
  [404, 'NOT_FOUND', 'models/gemini-9 is not found for API version v1beta', 'model_missing'],
  [404, 'NotFoundError', 'The model `m` does not exist.', 'model_missing'],
  [400, null, 'x/y is not a valid model ID', 'model_missing'],
  [400, 'invalid_model', 'Invalid model: x', 'model_missing'],
  [400, 'invalid_request_error', 'Model Not Exist', 'model_missing'],
  [404, null, 'No endpoints found for x', 'model_missing'],
  // The client's own faults.
  [400, 'context_length_exceeded', 'too long', 'final_status'],
  [400, 'invalid_request_error', 'messages: at least one message is required', 'final_status'],
  [400, 'content_filter', 'x', 'final_status'],
  [403, 'content_policy_violation', 'x', 'final_status'],
  [403, null, 'm requires moderation. Your input was flagged for "violence"', 'final_status'],
  [403, 'permission_error', 'This request violates our usage policy', 'final_status'],
  [404, null, 'Not Found', 'final_status'],
  [404, 'not_found_error', 'no such file', 'final_status'],
  [422, null, 'x', 'final_status'],
  [413, 'request_too_large', 'x', 'final_status'],
  // Words that a client has put into a message.
  [400, 'invalid_request_error', "'your credit balance is too low' is not a role", 'final_status'],
  [404, null, 'no file "insufficient_quota", try again in 5m', 'final_status'],
  [400, null, 'Unknown field: payment required', 'final_status'],
  // Errors of the server.
  [500, 'server_error', 'x', 'server_error'],
  [503, 'insufficient_quota', 'x', 'server_error'],
]

for (const [status, code, message, kind] of ERRORS) {
  test(`${status} ${code} "${message}" is ${kind}`, () => {
    for (const body of [
      { error: { message, type: code } },
      { error: { message, code, type: 'invalid_request_error' } },
      { error: { message, type: code, code: status } },
      { type: 'error', error: { type: code, message }, request_id: 'r' },
      { message, code },
    ]) {
      assert.is(classifyRefusal(status, facts(body), true), kind, JSON.stringify(body))
    }
  })
}

test("the account of a client's own credential is the client's", () => {
  for (const [status, code, message, kind] of ERRORS) {
    const found = classifyRefusal(status, facts({ error: { code, message } }), false)
    const isOurs = kind === 'credential_refused' || kind === 'quota_exhausted'
    if (!isOurs) assert.is(found, kind, message)
    else assert.is(found, status === 429 ? 'rate_limited' : 'final_status', message)
  }
})

test('without a body the status decides', () => {
  for (const [status, kind] of [
    [400, 'final_status'],
    [401, 'credential_refused'],
    [402, 'quota_exhausted'],
    [403, 'credential_refused'],
    [404, 'final_status'],
    [429, 'rate_limited'],
    [503, 'server_error'],
  ] as const)
    assert.is(classifyRefusal(status, null, true), kind)
  assert.equal([...Array(600).keys()].filter(isDecidedByBody), [400, 403, 404, 422, 429])
})

const EVENTS: readonly (readonly [number, string, FailureKind])[] = [
  [503, 'overloaded_error', 'server_error'],
  [500, 'server_error', 'server_error'],
  [429, 'rate_limit_error', 'rate_limited'],
  [429, 'insufficient_quota', 'quota_exhausted'],
  [400, 'authentication_error', 'credential_refused'],
  [400, 'model_not_found', 'model_missing'],
  [400, 'invalid_request_error', 'final_status'],
  [400, 'content_filter', 'final_status'],
]

test('an error in place of an answer has the kind of the same error in a head', () => {
  for (const [status, type, kind] of EVENTS) {
    const told = facts({ error: { type, message: 'x' } })
    assert.ok(told !== null)
    assert.is(classifyErrorEvent(status, told, true), kind, type)
  }
})

test('whatever an upstream says, a 400 or 404 is no rate limit and no error of the server', () => {
  fc.assert(
    fc.property(fc.constantFrom(400, 404, 422), fc.string(), fc.string(), (status, code, message) => {
      const kind = classifyRefusal(status, facts({ error: { code, message } }), true)
      assert.not.ok(kind === 'rate_limited' || kind === 'server_error')
    }),
  )
})

test.run()
