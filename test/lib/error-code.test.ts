import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readErrorCode } from '../../src/lib/error-code.js'

test('an error has its own code, or else the name of its class', () => {
  assert.is(readErrorCode(Object.assign(new Error('x'), { code: 'ECONNRESET' })), 'ECONNRESET')
  assert.is(readErrorCode(new TypeError('x')), 'TypeError')
})

test('an error that gathers the failed connections to all addresses has the code of the first one', () => {
  const first = Object.assign(new Error('x'), { code: 'ECONNREFUSED' })
  assert.is(readErrorCode(new AggregateError([first, new Error('y')])), 'ECONNREFUSED')
  assert.is(readErrorCode(new AggregateError([])), 'unknown')
})

test('a thrown value that is no error has no code', () => {
  assert.is(readErrorCode('ECONNRESET'), 'unknown')
  assert.is(readErrorCode(undefined), 'unknown')
})

test.run()
