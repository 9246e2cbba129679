import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { buildCacheKey, type CacheKeyParts, prefixKeyOf } from '../../src/cache/cache-key.js'

const ONE: CacheKeyParts = {
  scope: 'k_1',
  route: 'up',
  path: '/completions',
  query: '',
  rawHeaders: ['Accept', 'text/event-stream', 'User-Agent', 'a', 'authorization', 'Bearer lc_x'],
  body: [Buffer.from('{"prompt":"x","temperature":0.1}')],
}

test('requests with the same bytes have the same key, whatever their packets and their client are', () => {
  const wanted = buildCacheKey(ONE)
  assert.is(
    buildCacheKey({ ...ONE, body: [Buffer.from('{"prompt":"x",'), Buffer.from('"temperature":0.1}')] }),
    wanted,
  )
  assert.is(
    buildCacheKey({
      ...ONE,
      rawHeaders: ['accept', 'text/event-stream', 'User-Agent', 'b', 'X-Stainless-Lang', 'js'],
    }),
    wanted,
  )
})

test('everything that a response depends on changes the key', () => {
  const others: Partial<CacheKeyParts>[] = [
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
      'x-portkey-config',
      'helicone-auth',
      'x-litellm-tags',
      'x-session-id',
      'X-Nobody-Knows',
    ].map((name) => ({ rawHeaders: [name, 'another'] })),
  ]
  const keys = [ONE, ...others.map((other) => ({ ...ONE, ...other }))].map((one) => buildCacheKey(one))
  assert.is(new Set(keys).size, keys.length)
})

test('requests that differ only in their prompt have the same prefix key', () => {
  const ask = (before: string, prompt: string, after: string, more: Partial<CacheKeyParts> = {}): string => {
    const start = Buffer.byteLength(before)
    const span = { start, end: start + Buffer.byteLength(prompt) }
    return buildCacheKey({ ...ONE, ...more, body: [Buffer.from(before + prompt + after)] }, span)
  }
  const key = ask('{"prompt":"', 'x', '","n":1}')
  assert.is(ask('{"prompt":"', 'x', '","n":1}'), key)
  const longer = ask('{"prompt":"', 'xy', '","n":1}')
  assert.is.not(longer, key)
  assert.is(prefixKeyOf(longer), prefixKeyOf(key))
  const others = [
    ask('{"prompt":"', 'x', '","n":2}'),
    ask('{"prompt": "', 'x', '","n":1}'),
    // The bytes around the prompt are the same, but its place is another.
    ask('{"prompt":"","n":1}', 'x', ''),
    ask('{"prompt":"', 'x', '","n":1}', { scope: 'k_2' }),
    ask('{"prompt":"', 'x', '","n":1}', { rawHeaders: ['accept', 'another'] }),
    buildCacheKey({ ...ONE, body: [Buffer.from('{"prompt":"x","n":1}')] }),
  ]
  assert.is(new Set([key, ...others].map(prefixKeyOf)).size, others.length + 1)
})

test('all lines of a repeated header are in the key', () => {
  const rawHeaders = ['anthropic-beta', 'a']
  const keys = [[], ['anthropic-beta', 'b'], ['anthropic-beta', 'c']].map((more) =>
    buildCacheKey({ ...ONE, rawHeaders: [...rawHeaders, ...more] }),
  )
  assert.is(new Set(keys).size, 3)
})

test('a credential in any header changes the key of a client without a relay key', () => {
  const theirs = (...more: string[]) =>
    buildCacheKey({ ...ONE, scope: null, rawHeaders: ['Authorization', 'Bearer x', ...more] })
  const keys = [
    theirs(),
    theirs('X-Goog-Api-Key', '1'),
    theirs('X-Goog-Api-Key', '2'),
    theirs('Authorization', 'y'),
  ]
  assert.is(new Set(keys).size, keys.length)
  assert.is(theirs('X-Request-Id', '1'), theirs('X-Request-Id', '2'))
})

test('clients with different credentials have different keys, and a key does not contain the credential', () => {
  const theirs = (key: string) =>
    buildCacheKey({ ...ONE, scope: null, rawHeaders: ['Authorization', `Bearer ${key}`] })
  assert.is.not(theirs('sk-1'), theirs('sk-2'))
  assert.is(theirs('sk-1'), theirs('sk-1'))
  assert.not.match(theirs('sk-1'), /sk-1/)
})

test.run()
