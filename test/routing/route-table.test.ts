import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createRouteConfig, type RouteConfig } from '../../src/config/routes.js'
import { compileGlob } from '../../src/routing/glob.js'
import type { Route } from '../../src/routing/route.js'
import { type RoutesByApi, RouteTable } from '../../src/routing/route-table.js'
import { fc } from '../support/property.js'

/** The tests look only at its id. */
function routeNamed(id: string): RoutesByApi {
  return [{ id } as Route, null]
}

function rulesOf(routes: readonly RouteConfig[]): RouteTable {
  return new RouteTable(routes, (route) => routeNamed(route.targets[0]?.upstream ?? ''))
}

function found(table: RouteTable, path: string, model: string | null, team: string | null): string | null {
  return table.find(path, model, team, 0)?.id ?? null
}

const patterns = fc.option(fc.array(fc.stringMatching(/^[ab*]{1,3}$/), { minLength: 1, maxLength: 2 }))
const name = fc.option(fc.stringMatching(/^[ab]{0,2}$/))
const someRoutes = fc.array(fc.record({ paths: patterns, models: patterns, teams: patterns }), {
  maxLength: 5,
})
const requests = fc.array(fc.tuple(fc.stringMatching(/^[ab]{0,2}$/), name, name), { maxLength: 20 })

function takes(given: readonly string[] | null, text: string | null): boolean {
  return given === null || (text !== null && given.some((pattern) => compileGlob(pattern).test(text)))
}

test('the first route that matches path, model and team is found, whatever was looked up before', () => {
  fc.assert(
    fc.property(someRoutes, requests, (list, lookups) => {
      const routes = list.map((route, i) => ({ ...createRouteConfig(`u${i}`), ...route }))
      const table = rulesOf(routes)
      for (const [path, model, team] of [...lookups, ...lookups]) {
        const first = routes.findIndex(
          ({ paths, models, teams }) => takes(paths, path) && takes(models, model) && takes(teams, team),
        )
        assert.is(found(table, path, model, team), first === -1 ? null : `u${first}`)
      }
    }),
    { numRuns: 500 },
  )
})

test('a route is skipped if none of its targets speaks the API of the request', () => {
  const table = new RouteTable(
    [
      { ...createRouteConfig('a'), models: ['x'] },
      { ...createRouteConfig('b'), models: ['x'] },
    ],
    ({ targets }) => (targets[0]?.upstream === 'a' ? [null, null] : routeNamed('b')),
  )
  assert.is(found(table, '/x', 'x', null), 'b')
})

test('any number of model names, also very long ones, find the right route and fill no memory', () => {
  const routes = [
    { ...createRouteConfig('a'), models: ['*7', `${'x'.repeat(300)}*`] },
    createRouteConfig('b'),
  ]
  const table = rulesOf(routes)
  let most = 0
  for (let i = 0; i < 10_000; i++) {
    assert.is(found(table, '/x', `model${i}`, `team${i % 3}`), i % 10 === 7 ? 'a' : 'b')
    most = Math.max(most, table.rememberedCount)
  }
  assert.is(most, 2_000)
  const other = rulesOf(routes)
  assert.is(found(other, '/x', 'x'.repeat(301), 'team1'), 'a')
  assert.is(other.rememberedCount, 0)
})

test.run()
