import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findHostFlaw } from '../../src/http/host.js'

const flawOf = (hosts: readonly string[], minor = 1): string | null =>
  findHostFlaw(
    hosts.flatMap((host) => ['Host', host]),
    minor,
  )

test('a request must name one host, but in HTTP/1.0 it may name none', () => {
  assert.is(findHostFlaw(['HOST', 'a'], 1), null)
  assert.match(findHostFlaw(['Accept', 'a'], 1) ?? '', /one Host header/)
  assert.match(flawOf(['a', 'a']) ?? '', /one Host header/)
  assert.is(findHostFlaw(['Accept', 'a'], 0), null)
  assert.match(flawOf(['a', 'b'], 0) ?? '', /one Host header/)
})

const VALID = [
  'a',
  'A.example',
  'a:80',
  'a:',
  '127.0.0.1:4000',
  '[::1]',
  '[::1]:4000',
  'a_b.c-d',
  'x%41y',
  'a.',
]
for (const host of VALID) test(`${host} is a host`, () => assert.is(flawOf([host]), null))

const INVALID = [
  '',
  ' ',
  'user@a',
  'user:pass@a',
  'a/b',
  'a?b',
  'a#b',
  'a\\b',
  'a, b',
  'a,b',
  'a b',
  'a:80:80',
  'a:http',
  'a:123456',
  ':80',
  '[::1',
  '::1',
  '[a]x',
  '[::1]80',
  'http://a',
  'a%4',
  'a%zz',
  'a"b',
  '<a>',
  'a\t',
  '\u00e9.example',
]
for (const host of INVALID)
  test(`${JSON.stringify(host)} is no host`, () => {
    assert.match(flawOf([host]) ?? '', /must be one host/)
    // A valid one that was seen before changes nothing.
    assert.is(flawOf(['a']), null)
    assert.match(flawOf([host]) ?? '', /must be one host/)
  })

test.run()
