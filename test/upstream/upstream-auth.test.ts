import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { AuthScheme } from '../../src/api/presets.js'
import { createUpstreamConfig, type UpstreamConfig } from '../../src/config/upstreams.js'
import { UpstreamAuth } from '../../src/upstream/upstream-auth.js'

function authOf(settings: Partial<UpstreamConfig>): UpstreamAuth {
  return new UpstreamAuth({ ...createUpstreamConfig('up', 'http://x', {} as never), ...settings })
}

const CASES: Array<[AuthScheme, string, string[]]> = [
  ['bearer', '/messages', ['authorization', 'Bearer k']],
  ['api-key', '/messages', ['api-key', 'k']],
  ['x-api-key', '/messages', ['x-api-key', 'k']],
  ['x-goog-api-key', '/models/m:generateContent', ['x-goog-api-key', 'k']],
  ['anthropic', '/messages', ['x-api-key', 'k']],
  ['anthropic', '/chat/completions', ['authorization', 'Bearer k']],
  ['query', '/messages', []],
  ['none', '/messages', []],
]

for (const [auth, path, credential] of CASES) {
  test(`with the scheme ${auth}, a request for ${path} has ${credential[0] ?? 'no credential header'}`, () => {
    const upstream = authOf({ auth, apiKey: 'k', headers: ['x-more', '1'] })
    assert.equal(upstream.headersFor(path, false), ['x-more', '1', ...credential])
    assert.equal(upstream.headersFor(path, true), ['x-more', '1'])
  })
}

test('an upstream without a key gets no credential', () => {
  assert.equal(authOf({ auth: 'bearer', apiKey: null }).headersFor('/messages', false), [])
})

test("a client's own credential is placed by the passthrough scheme of the upstream", () => {
  const auth = authOf({ passthroughAuth: 'anthropic' })
  assert.is(auth.passthroughSchemeFor('/messages'), 'anthropic')
  assert.is(auth.passthroughSchemeFor('/chat/completions'), 'bearer')
  assert.is(authOf({}).passthroughSchemeFor('/messages'), null)
})

test("a client's own credential is not placed if the config sets a credential header itself", () => {
  const auth = authOf({ passthroughAuth: 'bearer', headers: ['authorization', 'Bearer ours'] })
  assert.is(auth.passthroughSchemeFor('/messages'), null)
})

test("Anthropic's version is the default at its own paths only", () => {
  const auth = authOf({ auth: 'anthropic' })
  assert.equal(auth.defaultHeaderFor('/messages'), ['anthropic-version', '2023-06-01'])
  assert.is(auth.defaultHeaderFor('/chat/completions'), null)
  assert.is(authOf({ auth: 'bearer' }).defaultHeaderFor('/messages'), null)
})

test.run()
