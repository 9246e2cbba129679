import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Config, loadConfig } from '../../src/config/config.js'
import type { SchemaNode } from '../../src/config/json-schema.js'
import { ConfigError } from '../../src/config/problems.js'
import { RENAMED_SETTINGS } from '../../src/config/renamed.js'
import { buildConfigJsonSchema } from '../../src/config/schema.js'

const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
test.after(() => rmSync(folder, { recursive: true }))

function load(settings: unknown): Config {
  const file = join(folder, 'thinwire.json')
  writeFileSync(file, JSON.stringify(settings))
  return loadConfig({ file, env: {}, cwd: folder })
}

function problems(settings: unknown): string[] {
  try {
    load(settings)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map((problem) => `${problem.path}: ${problem.message}`)
  }
  return []
}

const baseUrl = 'https://api.example.com/v1'

/** A config that has one setting under one of its names. */
interface Row {
  readonly at: string
  readonly old: string
  readonly now: string
  readonly value: unknown
  readonly settings: (setting: Record<string, unknown>) => object
  readonly read: (config: Config) => unknown
}

const limits = (setting: Record<string, unknown>) => ({ limits: setting })
const upstream = (setting: Record<string, unknown>) => ({ upstreams: { up: { baseUrl, ...setting } } })
const route = (setting: Record<string, unknown>) => ({
  ...upstream({}),
  routes: [{ upstream: 'up', ...setting }],
})
const alias = (setting: Record<string, unknown>) => ({
  ...upstream({}),
  routes: [{ upstream: 'up' }],
  models: { fast: { upstream: 'up', ...setting } },
})

const ROWS: readonly Row[] = [
  {
    at: 'limits',
    old: 'exchanges',
    now: 'maxConcurrentRequests',
    value: 7,
    settings: limits,
    read: (config) => config.limits.maxConcurrentRequests,
  },
  {
    at: 'limits',
    old: 'exchangesPerKey',
    now: 'maxConcurrentRequestsPerKey',
    value: 7,
    settings: limits,
    read: (config) => config.limits.maxConcurrentRequestsPerKey,
  },
  {
    at: 'limits',
    old: 'answerBytes',
    now: 'transformBufferBytes',
    value: 4_096,
    settings: limits,
    read: (config) => config.limits.transformBufferBytes,
  },
  {
    at: 'upstreams.up',
    old: 'dialects',
    now: 'apis',
    value: ['chat'],
    settings: upstream,
    read: (config) => config.upstreams[0]?.apis,
  },
  {
    at: 'upstreams.up',
    old: 'askUsage',
    now: 'requestUsage',
    value: true,
    settings: upstream,
    read: (config) => config.upstreams[0]?.requestUsage,
  },
  {
    at: 'upstreams.up.limits',
    old: 'exchanges',
    now: 'maxConcurrentRequests',
    value: 7,
    settings: (setting) => upstream({ limits: setting }),
    read: (config) => config.upstreams[0]?.maxConcurrentRequests,
  },
  {
    at: 'routes[0]',
    old: 'choose',
    now: 'strategy',
    value: 'latency',
    settings: route,
    read: (config) => config.routes[0]?.strategy,
  },
  {
    at: 'routes[0]',
    old: 'stallMs',
    now: 'firstTokenMs',
    value: 7,
    settings: route,
    read: (config) => config.routes[0]?.firstTokenMs,
  },
  {
    at: 'models.fast',
    old: 'choose',
    now: 'strategy',
    value: 'latency',
    settings: alias,
    read: (config) => config.aliases[0]?.strategy,
  },
  {
    at: 'models.fast',
    old: 'stallMs',
    now: 'firstTokenMs',
    value: 7,
    settings: alias,
    read: (config) => config.aliases[0]?.firstTokenMs,
  },
]

for (const { at, old, now, value, settings, read } of ROWS) {
  test(`${at}.${old} is accepted as ${now}, with a warning`, () => {
    const renamed = load(settings({ [old]: value }))
    assert.equal(read(renamed), value)
    assert.equal(renamed.warnings, [`${at}.${old}: ${old} is now ${now}; the old name still works`])
    const current = load(settings({ [now]: value }))
    assert.equal(read(current), value)
    assert.equal(current.warnings, [])
  })

  test(`${at}.${old} beside ${now} is an error`, () => {
    assert.equal(problems(settings({ [old]: value, [now]: value })), [
      `${at}.${old}: is the old name of ${now}, which is there too; remove one`,
    ])
  })

  test(`a wrong value of ${at}.${old} is reported under the name that the file has`, () => {
    const [problem, ...others] = problems(settings({ [old]: ['audio'] }))
    assert.equal(others, [])
    assert.ok(problem?.startsWith(`${at}.${old}`), problem)
  })
}

test('each renamed setting has a row in this test', () => {
  const places = (rows: readonly { at: string; old: string; now: string }[]) =>
    rows.map(({ at, old, now }) => `${at} ${old} ${now}`).sort()
  const rows = ROWS.map((row) => ({ ...row, at: row.at.replace(/\.up|\.fast|\[0\]/, '.*') }))
  assert.equal(places(rows), places(RENAMED_SETTINGS.map((row) => ({ ...row, at: row.at.join('.') }))))
})

test('an old name that stands in many places is one warning', () => {
  const { warnings } = load({
    upstreams: { a: { baseUrl, askUsage: true }, b: { baseUrl, askUsage: false } },
    routes: [{ upstream: 'a', choose: 'order' }, { upstream: 'b' }],
    models: { 'my model': { upstream: 'a', choose: 'order' } },
  })
  assert.equal(warnings, [
    'upstreams.a.askUsage: askUsage is now requestUsage (2 places); the old name still works',
    'routes[0].choose: choose is now strategy (2 places); the old name still works',
  ])
})

test('a setting of another type is left to the check of the schema', () => {
  for (const wrong of [null, 7, 'text', [null, 7]]) {
    for (const name of ['limits', 'upstreams', 'routes', 'models']) {
      assert.ok(problems({ [name]: wrong }).every((problem) => problem.startsWith(name)))
    }
    assert.ok(problems(wrong).length > 0)
  }
})

test('the JSON Schema has each old name, marked as deprecated, and help for a mistyped one names only new ones', () => {
  const schema = buildConfigJsonSchema()
  for (const { at, old, now } of RENAMED_SETTINGS) {
    let node: SchemaNode | undefined = schema
    for (const step of at) {
      if (step !== '*') node = node?.properties?.[step]
      else node = typeof node?.additionalProperties === 'object' ? node.additionalProperties : node?.items
    }
    assert.is(node?.properties?.[old]?.deprecated, true, old)
    assert.is(node?.properties?.[now]?.deprecated, undefined, now)
  }
  const [problem] = problems({ limits: { colour: 1 } })
  assert.match(problem ?? '', /settings here: .*maxConcurrentRequests/)
  assert.not.match(problem ?? '', /exchanges/)
})

test.run()
