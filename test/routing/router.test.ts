import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { countTargets } from '../../src/admin/probes.js'
import { type Config, loadConfig } from '../../src/config/config.js'
import type { CircuitBreaker } from '../../src/routing/circuit-breaker.js'
import type { Endpoint, Target } from '../../src/routing/route.js'
import { Router } from '../../src/routing/router.js'

function configOf(settings: Record<string, unknown>, env: Record<string, string> = {}): Config {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
  writeFileSync(join(folder, 'thinwire.json'), JSON.stringify(settings))
  const config = loadConfig({ env, cwd: folder })
  rmSync(folder, { recursive: true })
  return config
}

function routerOf(settings: Record<string, unknown>, env: Record<string, string> = {}): Router {
  const config = configOf(settings, env)
  return new Router(config, endpointsOf(config))
}

/** What a router needs to know of the upstreams of a config: no connections. */
function endpointsOf({ upstreams }: Config): Endpoint[] {
  return upstreams.map(({ name, apis }) => ({ name, apis, full: false, keys: null }))
}

const upstreams = { a: { baseUrl: 'http://127.0.0.1:1/v1' }, b: { baseUrl: 'http://127.0.0.1:2/v1' } }

function chosen(router: Router, path: string, model: string | null): [string, string | null] | null {
  const [target] = router.findRoute(path, model, null)?.targets ?? []
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

test('with only the key of Anthropic, everything goes to Anthropic', () => {
  const router = routerOf({}, { ANTHROPIC_API_KEY: 'sk-2' })
  assert.equal(chosen(router, '/chat/completions', 'gpt-4o'), ['anthropic', null])
})

test('the first route that matches path and model is used, and there may be none', () => {
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

test('a pattern matches itself literally except for the star', () => {
  const router = routerOf({ upstreams, routes: [{ model: 'a.b+(c)[d]|$^{1}\\*', upstream: 'a' }] })
  assert.equal(chosen(router, '/x', 'a.b+(c)[d]|$^{1}\\ and\nmore'), ['a', null])
  assert.equal(chosen(router, '/x', 'aXb+(c)[d]|$^{1}\\'), null)
})

test('an alias takes precedence over the routes, and has the name to use upstream', () => {
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

const names = (
  router: Router,
  path: string,
  model: string | null,
  team: string | null = null,
): string[] | null => router.findRoute(path, model, team)?.targets.map(({ name }) => name) ?? null

test('a route and an alias may have several targets and settings of their own', () => {
  const targets = [{ upstream: 'a', model: 'm, 1', weight: 3 }, { upstream: 'b' }]
  const router = routerOf({
    upstreams,
    routes: [{ targets, strategy: 'weight', failover: false, firstTokenMs: 50, hedge: true }],
    models: { fast: { targets, strategy: 'latency' }, alone: { upstream: 'b' } },
  })
  const route = router.findRoute('/x', 'y', null)
  assert.ok(route !== null)
  const { id, strategy, failover, firstTokenMs, hedge } = route
  assert.equal([id, strategy, failover, firstTokenMs, hedge], ['a/m%2C%201,b', 'weight', false, 50, true])
  assert.equal(
    route.targets.map(({ name, model, weight }) => [name, model, weight]),
    [
      ['a/m, 1', 'm, 1', 3],
      ['b', null, 1],
    ],
  )
  const alias = router.findRoute('/x', 'fast', null)
  assert.equal(
    [alias?.id, alias?.strategy, alias?.failover, alias?.firstTokenMs],
    [id, 'latency', null, null],
  )
  assert.equal(names(router, '/x', 'alone'), ['b'])
})

test('there is one object for each target and one for each route', () => {
  const router = routerOf({
    upstreams,
    routes: [{ model: 'x', targets: [{ upstream: 'a' }, { upstream: 'b', weight: 2 }] }, { upstream: 'a' }],
    models: { fast: { upstream: 'a', model: 'm' }, faster: { upstream: 'a', model: 'm' } },
  })
  const [x, y] = [router.findRoute('/1', 'x', null), router.findRoute('/2', 'y', null)]
  assert.is(router.findRoute('/chat/completions', 'x', 'team'), x)
  assert.is(x?.targets[0], y?.targets[0])
  const [fast, faster] = [router.findRoute('/1', 'fast', null), router.findRoute('/1', 'faster', null)]
  assert.is(fast?.targets[0], faster?.targets[0])
  assert.is.not(fast?.targets[0], y?.targets[0])
  assert.is(fast?.targets[0]?.upstream, router.upstreams[0])
})

test('a target that does not speak the API of the path is left out, and so is a route without any other', () => {
  const router = routerOf({
    upstreams: {
      a: { ...upstreams.a, apis: ['chat', 'embeddings'] },
      b: { ...upstreams.b, apis: ['messages', 'chat', 'completions', 'responses'] },
    },
    routes: [
      { model: 'm', targets: [{ upstream: 'a' }, { upstream: 'b' }] },
      { model: 'n', upstream: 'a' },
      { upstream: 'b' },
    ],
    models: { fast: { upstream: 'a', model: 'x' } },
  })
  assert.equal(names(router, '/chat/completions', 'm'), ['a', 'b'])
  assert.equal(names(router, '/messages', 'm'), ['b'])
  assert.equal(names(router, '/messages/count_tokens', 'm'), ['b'])
  assert.equal(names(router, '/embeddings', 'm'), ['a'])
  assert.equal(names(router, '/openai/deployments/d/chat/completions', 'm'), ['a', 'b'])
  assert.equal(names(router, '/fim/completions', 'm'), ['b'])
  // A route that names the model is not overtaken by one that takes any.
  assert.equal(names(router, '/responses/resp_1', 'n'), null)
  assert.equal(names(router, '/responses/resp_1', 'other'), ['b'])
  assert.equal(names(router, '/embeddings', 'other'), null)
  // Any other path goes to any upstream.
  assert.equal(names(router, '/files', 'm'), ['a', 'b'])
  assert.equal(names(router, '/messages-not', 'n'), ['a'])
  assert.equal(names(router, '/chat/completions', 'fast'), ['a/x'])
  assert.equal(names(router, '/responses', 'fast'), null)
})

test('a conversation goes by the first route that matches, whatever API its targets have', () => {
  const local = { ...upstreams.a, apis: ['chat'] }
  const paid = { ...upstreams.b, apis: ['chat', 'responses', 'messages'] }
  const embedder = { baseUrl: 'http://127.0.0.1:3/v1', apis: ['embeddings'] }
  const table: [unknown[], string, string, string | null][] = [
    [[{ model: 'gpt-oss*', upstream: 'local' }, { upstream: 'paid' }], '/responses', 'gpt-oss-20b', 'local'],
    [[{ model: 'gpt-oss*', upstream: 'local' }, { upstream: 'paid' }], '/messages', 'gpt-oss-20b', 'local'],
    [[{ model: 'gpt-oss*', upstream: 'local' }, { upstream: 'paid' }], '/responses', 'gpt-5', 'paid'],
    // A route without a target for conversations is passed over, unless it names the model.
    [[{ upstream: 'embedder' }, { upstream: 'paid' }], '/responses', 'gpt-5', 'paid'],
    [[{ model: 'gpt*', upstream: 'embedder' }, { upstream: 'paid' }], '/responses', 'gpt-5', null],
    // The path of the request and that of its body both count.
    [[{ path: '/messages', upstream: 'local' }, { upstream: 'paid' }], '/messages', 'x', 'local'],
    [[{ path: '/chat/*', upstream: 'local' }, { upstream: 'paid' }], '/messages', 'x', 'local'],
    [[{ path: '/responses', upstream: 'local' }, { upstream: 'paid' }], '/messages', 'x', 'paid'],
  ]
  for (const [routes, bodyPath, model, expected] of table) {
    const router = routerOf({ upstreams: { local, paid, embedder }, routes })
    const route = router.findConversationRoute('/chat/completions', bodyPath, model, null)
    assert.is(route?.targets[0]?.upstream.name ?? null, expected, JSON.stringify([routes, bodyPath, model]))
  }
})

test('an alias takes conversations to all of its targets in their order, whatever API they have', () => {
  const router = routerOf({
    upstreams: {
      claude: { ...upstreams.a, apis: ['messages'] },
      gpt: { ...upstreams.b, apis: ['responses'] },
    },
    models: { fast: { targets: [{ upstream: 'claude' }, { upstream: 'gpt', model: 'g' }] } },
  })
  const route = router.findConversationRoute('/chat/completions', '/chat/completions', 'fast', null)
  assert.equal(
    route?.targets.map(({ name }) => name),
    ['claude', 'gpt/g'],
  )
})

test('a route and an alias may be restricted to some teams', () => {
  const router = routerOf({
    upstreams,
    routes: [{ team: ['red', 'blue-*'], upstream: 'b' }, { upstream: 'a' }],
    models: { fast: { upstream: 'b', model: 'm', team: 'red' }, open: { upstream: 'a', model: 'n' } },
  })
  assert.equal(names(router, '/x', null, 'red'), ['b'])
  assert.equal(names(router, '/x', null, 'blue-1'), ['b'])
  assert.equal(names(router, '/x', null, 'blue'), ['a'])
  assert.equal(names(router, '/x', null, null), ['a'])
  assert.equal(names(router, '/x', 'fast', 'red'), ['b/m'])
  assert.equal(names(router, '/x', 'fast', 'green'), ['a'])
  assert.equal(router.listAliases('red'), ['fast', 'open'])
  assert.equal(router.listAliases('green'), ['open'])
  assert.equal(router.listAliases(null), ['open'])
})

test('targets with the same upstream and model share a breaker, also with another weight and after a reload', () => {
  const both = (weight: number): Config =>
    configOf({
      upstreams,
      routes: [
        {
          model: 'x',
          targets: [{ upstream: 'a', model: 'm', weight }, { upstream: 'b' }],
          strategy: 'weight',
        },
        { targets: [{ upstream: 'a', model: 'm' }] },
      ],
    })
  const changes: string[] = []
  const endpoints = endpointsOf(both(3))
  const router = new Router(both(3), endpoints, (name, _from, to) => changes.push(`${name} ${to}`))
  const target = (of: Router, model: string): Target => of.findRoute('/x', model, null)?.targets[0] as Target
  const { breaker } = target(router, 'x')
  assert.is(target(router, 'y').breaker, breaker)
  const now = performance.now()
  for (let i = 0; i < 5; i++) breaker.fail(breaker.begin(now), now, 'status 500')
  breaker.coolDownUntil(now + 60_000)
  assert.equal(changes, ['a/m open'])
  assert.equal(countTargets(router.snapshotTargets(now)), {
    closed: 1,
    open: 1,
    half_open: 0,
    cooling: 1,
    refused: 0,
  })
  const after = new Router(both(1), endpoints, () => {}, router)
  assert.is(target(after, 'x').breaker, breaker)
  assert.is(target(after, 'x').weight, 1)
  assert.is(target(after, 'x'), target(after, 'y'))
  assert.equal(countTargets(after.snapshotTargets(now)), {
    closed: 1,
    open: 1,
    half_open: 0,
    cooling: 1,
    refused: 0,
  })
})

test('a breaker starts closed if its upstream was replaced, or if the upstream gets another model', () => {
  const config = (model: string): Config =>
    configOf({ upstreams: { a: upstreams.a }, routes: [{ targets: [{ upstream: 'a', model }] }] })
  const endpoints = endpointsOf(config('m'))
  const before = new Router(config('m'), endpoints)
  const breaker = (of: Router): CircuitBreaker | undefined =>
    of.findRoute('/x', null, null)?.targets[0]?.breaker
  const after = (model: string, ends: Endpoint[]): CircuitBreaker | undefined =>
    breaker(new Router(config(model), ends, () => {}, before))
  assert.is(after('m', endpoints), breaker(before))
  assert.is.not(after('n', endpoints), breaker(before))
  assert.is.not(after('m', endpointsOf(config('m'))), breaker(before))
})

test('a target whose upstream is at its limit is tried after the others', () => {
  const config = configOf({ upstreams, routes: [{ targets: [{ upstream: 'a' }, { upstream: 'b' }] }] })
  const [a, b] = endpointsOf(config)
  const endpoints = [{ ...a, full: true } as Endpoint, b as Endpoint]
  const route = new Router(config, endpoints).findRoute('/x', null, null)
  assert.equal(route?.balancer.order(0, null), [1, 0])
})

test.run()
