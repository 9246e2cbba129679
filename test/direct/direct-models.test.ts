import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { AliasConfig, RouteConfig } from '../../src/config/routes.js'
import { type DirectScope, findDirectScope, type RoutesSource } from '../../src/direct/direct-models.js'
import { compileGlobs, matchesAny } from '../../src/routing/glob.js'
import type { Endpoint } from '../../src/routing/route.js'
import { Router } from '../../src/routing/router.js'
import { fc } from '../support/property.js'
import { routeTo, SOURCE, upstreamNamed } from './sources.js'

function aliasTo(name: string, upstream: string, settings: Parameters<typeof routeTo>[1] = {}): AliasConfig {
  const { paths, models, ...destination } = routeTo(upstream, settings)
  return { ...destination, name }
}

function scopeOf(routes: readonly RouteConfig[], aliases: readonly AliasConfig[] = []): DirectScope {
  return findDirectScope({ ...SOURCE, routes, aliases }, 'openai', null)
}

/** What a front does with a model: the name that it sends; null if it refuses. As DIRECT.md describes it. */
function sentAs({ aliases, through, models }: DirectScope, model: string): string | null {
  const alias = aliases.find(([name]) => name === model)
  if (alias !== undefined) return alias[1]
  if (matchesAny(compileGlobs(through) ?? [], model)) return null
  return models === null || matchesAny(compileGlobs(models) ?? [], model) ? model : null
}

test('a route that takes everything leaves all models open', () => {
  assert.is(scopeOf([routeTo('openai')]).models, null)
  assert.equal(scopeOf([routeTo('openai')]).paths, [
    'POST /v1/chat/completions',
    'POST /v1/responses',
    'POST /v1/completions',
    'POST /v1/embeddings',
    'GET /v1/models',
  ])
})

test('models of other upstreams go through the relay, and only those that a route names go direct', () => {
  const named = scopeOf([
    routeTo('openai', { models: ['gpt-*'] }),
    routeTo('other', { models: ['claude-*'] }),
  ])
  assert.equal(named.models, ['gpt-*'])
  assert.equal(named.through, ['claude-*'])
  const rest = scopeOf([routeTo('other', { models: ['claude-*'] }), routeTo('openai')])
  assert.equal([rest.models, rest.through], [null, ['claude-*']])
  assert.equal(scopeOf([routeTo('other')]).paths, [])
})

test('an alias is replaced by its model, and goes through the relay if it leads elsewhere or is for some teams', () => {
  const { aliases, through, paths } = scopeOf(
    [routeTo('openai')],
    [
      aliasTo('fast', 'openai', { model: 'gpt-5-mini' }),
      aliasTo('same', 'openai'),
      aliasTo('team-claude', 'other', { model: 'claude-x' }),
      aliasTo('sales', 'openai', { teams: ['sales'] }),
    ],
  )
  assert.equal(aliases, [
    ['fast', 'gpt-5-mini'],
    ['same', 'same'],
  ])
  assert.equal(through, ['team-claude', 'sales'])
  assert.not.ok(paths.includes('GET /v1/models'), 'the relay lists its own names')
})

test('a model that an earlier route names goes direct, also if a later pattern leads elsewhere', () => {
  const scope = scopeOf([routeTo('openai', { models: ['gpt-5'] }), routeTo('other', { models: ['gpt-*'] })])
  assert.is(sentAs(scope, 'gpt-5'), 'gpt-5')
  assert.is(sentAs(scope, 'gpt-6'), null)
})

test('paths that are routed in another way than chats are not in the list, nor those that the upstream lacks', () => {
  const embeddings = routeTo('other', { paths: ['/embeddings'] })
  assert.not.ok(scopeOf([embeddings, routeTo('openai')]).paths.includes('POST /v1/embeddings'))
  const chats = routeTo('openai', { paths: ['/chat/completions'] })
  assert.equal(scopeOf([chats]).paths, ['POST /v1/chat/completions', 'GET /v1/models'])
  const upstreams = [upstreamNamed('openai', ['chat', 'embeddings'])]
  const { paths } = findDirectScope({ ...SOURCE, upstreams }, 'openai', null)
  assert.equal(paths, ['POST /v1/chat/completions', 'POST /v1/embeddings', 'GET /v1/models'])
})

const text = fc.stringMatching(/^[ab]{1,3}$/)
const pattern = fc.stringMatching(/^[ab*]{1,3}$/)
const upstream = fc.constantFrom('openai', 'other')
const target = fc.record({ upstream, model: fc.option(text), weight: fc.constant(1) })
const targets = fc.array(target, { minLength: 1, maxLength: 2 })
const teams = fc.option(fc.constantFrom(['a'], ['b'], ['*']), { freq: 4 })
const someRoute = fc.record({
  paths: fc.option(fc.constantFrom(['/chat/completions'], ['/embeddings'], ['/r*'])),
  models: fc.option(fc.array(pattern, { minLength: 1, maxLength: 2 })),
  teams,
  targets,
})
const someAlias = fc.record({ name: text, teams, targets })
const someApis = fc.option(fc.subarray(['chat', 'embeddings', 'responses'] as const, { minLength: 1 }))

test('what the list lets through the relay would send to the same upstream, by the same name', () => {
  let sent = 0
  fc.assert(
    fc.property(
      fc.array(someRoute, { minLength: 1, maxLength: 4 }),
      fc.uniqueArray(someAlias, { maxLength: 2, selector: ({ name }) => name }),
      fc.tuple(someApis, someApis),
      fc.constantFrom('a', 'b'),
      (given, named, [own, others], team) => {
        const routes = given.map((route) => ({ ...routeTo('openai'), ...route }))
        const aliases = named.map((alias) => ({ ...aliasTo('', 'openai'), ...alias }))
        const upstreams = [upstreamNamed('openai', own), upstreamNamed('other', others)]
        const source: RoutesSource = { ...SOURCE, routes, aliases, upstreams }
        const scope = findDirectScope(source, 'openai', team)
        const endpoints = upstreams.map((each): Endpoint => ({ ...each, full: false, keys: null }))
        const router = new Router({ routes, aliases }, endpoints)
        for (const path of scope.paths.filter((each) => each.startsWith('POST')))
          for (const model of MODELS) {
            const name = sentAs(scope, model)
            if (name === null) continue
            sent++
            const found = router.findRoute(path.slice('POST /v1'.length), model, team)
            const isThere = found?.targets.some(
              (each) => each.upstream.name === 'openai' && (each.model ?? model) === name,
            )
            assert.ok(isThere, `${path} ${model} as ${name}: ${JSON.stringify(scope)}`)
          }
      },
    ),
    { numRuns: 3_000 },
  )
  assert.ok(sent > 1_000, String(sent))
})

const MODELS = ['a', 'b', 'aa', 'ab', 'ba', 'bb', 'aab', 'bab', 'c']

test.run()
