import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findErrorStatus } from '../../src/routing/error-event.js'
import { readErrorFacts } from '../../src/routing/error-facts.js'
import { classifyErrorEvent, classifyRefusal } from '../../src/routing/refusal.js'
import { RETRY_POLICY } from '../../src/routing/retry-policy.js'

/** Codes and types that the vendors document, by the status that they stand for. */
const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error invalid_prompt context_length_exceeded string_above_max_length model_not_found not_found_error authentication_error permission_error billing_error content_filter cyber_policy invalid_image_format image_parse_error unsupported_value request_too_large tool_use_failed INVALID_ARGUMENT FAILED_PRECONDITION BadRequestError 400',
  429: 'rate_limit_error rate_limit_exceeded insufficient_quota RESOURCE_EXHAUSTED 429',
  500: 'server_error api_error internal_server_error vector_store_timeout timeout_error INTERNAL error 500',
  503: 'overloaded_error service_unavailable UNAVAILABLE engine_overloaded',
}

test('an error event has the status that its vendor gives the same error in a head', () => {
  for (const [status, types] of Object.entries(TYPES))
    for (const type of types.split(' ')) assert.is(findErrorStatus(type), Number(status), type)
})

/** What is wrong with the account, in the words of OpenAI, Azure, Google, AWS, xAI, DeepSeek, Alibaba and gateways. */
const ACCOUNT_WORDS =
  'insufficient_quota insufficient_balance billing_error Arrearage payment_required credits_exhausted usage_limit_reached invalid_api_key API_KEY_INVALID Unauthorized UNAUTHENTICATED AccessDeniedException UnrecognizedClientException ExpiredTokenException account_deactivated organization_restricted SERVICE_DISABLED DeploymentNotFound model_decommissioned model_terms_required ResourceNotFoundException'

test('an error about the account is the same within a response as in its place, and never the failure of the host', () => {
  for (const type of ACCOUNT_WORDS.split(' ')) {
    const status = findErrorStatus(type)
    assert.ok(status < 500, type)
    const facts = readErrorFacts({ error: { type, message: 'x' } }, 0)
    for (const isOwn of [true, false]) {
      const kind = classifyErrorEvent(status, facts, isOwn)
      assert.is(RETRY_POLICY[kind].health === 'failure', false, type)
      if (isOwn) assert.is(kind, classifyRefusal(400, facts, true), type)
    }
  }
})

test('a code that is a status says it, wherever the error has it', () => {
  assert.is(findErrorStatus('404'), 404)
  assert.is(findErrorStatus('unavailable', '502'), 502)
  assert.is(findErrorStatus('badrequesterror', '400'), 400)
  assert.is(findErrorStatus('1302', 'server_error'), 500)
  assert.is(findErrorStatus(), 500)
})

test.run()
