import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { describeErrorCause, readErrorCode } from '../../src/lib/error-code.js'

const notFound = Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND', hostname: 'api.example.com' })

test('the cause of a DNS error names the host, and other causes are their code', () => {
  assert.is(describeErrorCause(notFound), 'ENOTFOUND api.example.com')
  assert.is(describeErrorCause(new AggregateError([notFound])), 'ENOTFOUND api.example.com')
  assert.is(describeErrorCause(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })), 'ECONNREFUSED')
  assert.is(describeErrorCause('text'), 'unknown')
})

test('the code of an error is its own, or that of the first error in an AggregateError', () => {
  assert.is(readErrorCode(notFound), 'ENOTFOUND')
  assert.is(readErrorCode(new AggregateError([notFound])), 'ENOTFOUND')
  assert.is(readErrorCode(new RangeError('x')), 'RangeError')
})

test.run()
