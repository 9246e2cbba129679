import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfig } from '../../src/config/config.js'
import { Router } from '../../src/routing/router.js'

function routerOf(settings: Record<string, unknown>, env: Record<string, string> = {}): Router {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
  writeFileSync(join(folder, 'thinwire.json'), JSON.stringify(settings))
  const config = loadConfig({ env, cwd: folder })
  rmSync(folder, { recursive: true })
  return new Router(config)
}

const upstreams = { a: { baseUrl: 'http://127.0.0.1:1/v1' }, b: { baseUrl: 'http://127.0.0.1:2/v1' } }

function chosen(router: Router, path: string, model: string | null): [string, string | null] | null {
  const [target] = router.choose(path, model, null)?.targets ?? []
  return target === undefined ? null : [target.upstream.name, target.model]
}

test('without routes everything goes to the first upstream', () => {
  const router = routerOf({ upstreams })
  assert.equal(chosen(router, '/chat/completions', 'claude-x'), ['a', null])
  assert.equal(chosen(router, '/anything', null), ['a', null])
})

test('with both provider keys, Messages and claude models go to Anthropic and all else to OpenAI', () => {
  const router = routerOf({}, { OPENAI_API_KEY: 'sk-1', ANTHROPIC_API_KEY: 'sk-2' })
  const table: Array<[string, string | null, string]> = [
    ['/chat/completions', 'gpt-4o-mini', 'openai'],
    ['/chat/completions', 'claude-haiku-4-5', 'anthropic'],
    ['/messages', 'claude-haiku-4-5', 'anthropic'],
    ['/messages/count_tokens', null, 'anthropic'],
    ['/messages-not', null, 'openai'],
    ['/models', null, 'openai'],
    ['/responses', 'o3', 'openai'],
  ]
  for (const [path, model, upstream] of table) assert.equal(chosen(router, path, model), [upstream, null])
})

test('with the key of Anthropic alone, everything goes there', () => {
  const router = routerOf({}, { ANTHROPIC_API_KEY: 'sk-2' })
  assert.equal(chosen(router, '/chat/completions', 'gpt-4o'), ['anthropic', null])
})

test('the first route that matches path and model is taken, and none may match', () => {
  const router = routerOf({
    upstreams,
    routes: [
      { path: ['/messages', '/messages/*'], upstream: 'b' },
      { model: 'claude-*', path: '/chat/*', upstream: 'b' },
      { model: ['gpt-*', 'o?'], upstream: 'a' },
    ],
  })
  assert.equal(chosen(router, '/messages/x', null), ['b', null])
  assert.equal(chosen(router, '/chat/completions', 'claude-1'), ['b', null])
  assert.equal(chosen(router, '/responses', 'claude-1'), null)
  assert.equal(chosen(router, '/x', 'gpt-5'), ['a', null])
  assert.equal(chosen(router, '/x', 'o?'), ['a', null])
  assert.equal(chosen(router, '/x', 'o3'), null)
  assert.equal(chosen(router, '/x', null), null)
})

test('a pattern is taken at its word, save for the star', () => {
  const router = routerOf({ upstreams, routes: [{ model: 'a.b+(c)[d]|$^{1}\\*', upstream: 'a' }] })
  assert.equal(chosen(router, '/x', 'a.b+(c)[d]|$^{1}\\ and\nmore'), ['a', null])
  assert.equal(chosen(router, '/x', 'aXb+(c)[d]|$^{1}\\'), null)
})

test('an alias goes before the routes, and tells the name to use upstream', () => {
  const router = routerOf({
    upstreams,
    routes: [{ upstream: 'a' }],
    models: { fast: { upstream: 'b', model: 'gpt-4o-mini' }, same: { upstream: 'b', model: 'same' } },
  })
  assert.equal(chosen(router, '/chat/completions', 'fast'), ['b', 'gpt-4o-mini'])
  assert.equal(chosen(router, '/chat/completions', 'same'), ['b', null])
  assert.equal(chosen(router, '/chat/completions', 'faster'), ['a', null])
  assert.equal(chosen(router, '/chat/completions', '__proto__'), ['a', null])
  assert.equal(router.aliases, ['fast', 'same'])
})

test.run()
