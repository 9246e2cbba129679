import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cacheKey, type Identity } from '../../src/cache/key.js'

const ONE: Identity = {
  scope: 'k_1',
  route: 'up',
  path: '/completions',
  query: '',
  rawHeaders: ['Accept', 'text/event-stream', 'User-Agent', 'a', 'authorization', 'Bearer lc_x'],
  body: [Buffer.from('{"prompt":"x","temperature":0.1}')],
}

test('the same bytes are the same, however they came and whoever carried them', () => {
  const wanted = cacheKey(ONE)
  assert.is(
    cacheKey({ ...ONE, body: [Buffer.from('{"prompt":"x",'), Buffer.from('"temperature":0.1}')] }),
    wanted,
  )
  assert.is(
    cacheKey({ ...ONE, rawHeaders: ['accept', 'text/event-stream', 'User-Agent', 'b', 'X-Other', '1'] }),
    wanted,
  )
})

test('whatever an answer depends on makes it another one', () => {
  const others: Partial<Identity>[] = [
    { scope: 'k_2' },
    { scope: null },
    { route: 'other' },
    { path: '/fim/completions' },
    { query: '?x=1' },
    { body: [Buffer.from('{"prompt":"x","temperature":0.2}')] },
    { body: [Buffer.from('{"prompt":"x", "temperature":0.1}')] },
    ...[
      'Accept',
      'Accept-Encoding',
      'OpenAI-Beta',
      'OpenAI-Organization',
      'OpenAI-Project',
      'anthropic-beta',
      'content-encoding',
      'Content-Type',
      'If-None-Match',
      'range',
    ].map((name) => ({ rawHeaders: [name, 'another'] })),
  ]
  const keys = [ONE, ...others.map((other) => ({ ...ONE, ...other }))].map(cacheKey)
  assert.is(new Set(keys).size, keys.length)
})

test('a header that comes in several lines counts with all of them', () => {
  const rawHeaders = ['anthropic-beta', 'a']
  const keys = [[], ['anthropic-beta', 'b'], ['anthropic-beta', 'c']].map((more) =>
    cacheKey({ ...ONE, rawHeaders: [...rawHeaders, ...more] }),
  )
  assert.is(new Set(keys).size, 3)
})

test('a credential may be in any header', () => {
  const theirs = (...more: string[]) =>
    cacheKey({ ...ONE, scope: null, rawHeaders: ['Authorization', 'Bearer x', ...more] })
  const keys = [
    theirs(),
    theirs('X-Goog-Api-Key', '1'),
    theirs('X-Goog-Api-Key', '2'),
    theirs('Authorization', 'y'),
  ]
  assert.is(new Set(keys).size, keys.length)
  assert.is(theirs('X-Request-Id', '1'), theirs('X-Request-Id', '2'))
})

test('clients that are known by their credentials alone share nothing, and these are not in it', () => {
  const theirs = (key: string) =>
    cacheKey({ ...ONE, scope: null, rawHeaders: ['Authorization', `Bearer ${key}`] })
  assert.is.not(theirs('sk-1'), theirs('sk-2'))
  assert.is(theirs('sk-1'), theirs('sk-1'))
  assert.not.match(theirs('sk-1'), /sk-1/)
})

test.run()
