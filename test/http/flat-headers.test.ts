import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findHeader, findHeaders, removeHeader } from '../../src/http/flat-headers.js'

const HEADERS = ['Accept', 'a', 'X-Two', 'b', 'x-two', 'c', 'X-Text', 'x-two']

test('a header is found by its name in any case of letters, the first of doubled ones', () => {
  assert.is(findHeader(HEADERS, 'accept'), 'a')
  assert.is(findHeader(HEADERS, 'x-two'), 'b')
  assert.is(findHeader(HEADERS, 'x-on'), undefined)
  assert.is(findHeader(HEADERS, 'a'), undefined)
  assert.is(findHeader([], 'accept'), undefined)
})

test('all values of a doubled header are found in their order', () => {
  assert.equal(findHeaders(HEADERS, 'x-two'), ['b', 'c'])
  assert.equal(findHeaders(HEADERS, 'x-none'), [])
})

test('headers are found in bytes as they are in text', () => {
  const raw = [...HEADERS, 'X-Name', 'caf\u00e9'].map((text) => Buffer.from(text, 'latin1'))
  assert.is(findHeader(raw, 'accept'), 'a')
  assert.equal(findHeaders(raw, 'x-two'), ['b', 'c'])
  assert.is(findHeader(raw, 'x-name'), 'caf\u00e9')
})

test('all headers of a name are removed, and values are not taken for names', () => {
  const headers = [...HEADERS]
  removeHeader(headers, 'x-two')
  assert.equal(headers, ['Accept', 'a', 'X-Text', 'x-two'])
})

test.run()
