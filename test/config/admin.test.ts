import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readNextConfig } from '../../src/app/next-config.js'
import { type Config, loadConfig, loadConfigWithoutSecrets } from '../../src/config/config.js'
import { ConfigError } from '../../src/config/problems.js'

const TOKEN = { env: 'ADMIN_TOKEN' }
const LONG = 'a-token-of-16-ch'

test('without the section there is no page', () => {
  assert.equal(load({}).admin, { listen: null, token: null, hosts: [], timezone: 'UTC' })
})

test('the page may be on loopback without a token, and elsewhere with one', () => {
  for (const listen of ['127.0.0.1:4001', '[::1]:4001', 'localhost:4001', ':4001'])
    assert.is(load({ admin: { listen } }).admin.token, null)
  const { admin } = load({ admin: { listen: '0.0.0.0:4001', token: TOKEN, hosts: ['a.example'] } })
  assert.equal(admin.listen, { host: '0.0.0.0', port: 4001 })
  assert.is(admin.token, LONG)
})

/** Settings that are refused: the path, and what is said of it. */
const WRONG: ReadonlyArray<readonly [settings: Record<string, unknown>, path: string, message: RegExp]> = [
  [{ admin: { listen: '0.0.0.0:4001' } }, 'admin.token', /^is needed, as admin\.listen is at 0\.0\.0\.0/],
  [{ admin: { listen: '[::]:4001' } }, 'admin.token', /^is needed/],
  [{ admin: { listen: '192.0.2.1:4001' } }, 'admin.token', /^is needed/],
  [{ admin: { listen: 'relay.example.com:4001' } }, 'admin.token', /^is needed/],
  [{ admin: { listen: '4001' } }, 'admin.listen', /^must be HOST:PORT/],
  [{ admin: { listen: '127.0.0.1:4000' } }, 'admin.listen', /^has the port of listen, 4000/],
  [
    { admin: { listen: '127.0.0.1:9464' }, metrics: { listen: '127.0.0.1:9464' } },
    'admin.listen',
    /^has the port of metrics\.listen, 9464/,
  ],
  [{ admin: { token: { env: 'SHORT' } } }, 'admin.token', /^must have at least 16 characters/],
  [{ admin: { token: { env: 'SPACE' } } }, 'admin.token', /holds more than a key/],
  [{ admin: { token: { env: 'NOTHING' } } }, 'admin.token', /^the environment variable NOTHING is not set/],
  [{ admin: { token: LONG } }, 'admin.token', /by reference/],
  [{ admin: { timezone: 'Berlin' } }, 'admin.timezone', /did you mean "Europe\/Berlin"/],
  [{ admin: { listen: '127.0.0.1:4001', lissten: 1 } }, 'admin.lissten', /./],
  [{ admin: { hosts: 'a.example' } }, 'admin.hosts', /./],
]
for (const [settings, path, message] of WRONG)
  test(`${JSON.stringify(settings)} is refused by name`, () => {
    const problems = problemsOf(settings)
    const found = problems.find((problem) => problem.path === path)
    assert.ok(found, JSON.stringify(problems))
    assert.match(found.message, message)
    assert.not.match(JSON.stringify(problems), LONG)
  })

test('without the secrets, a config with a token can be checked all the same', () => {
  withFile({ admin: { listen: '0.0.0.0:4001', token: { env: 'NOTHING' } } }, (source) => {
    assert.ok(loadConfigWithoutSecrets(source).admin.token)
  })
})

test('port 0 is no port that two have', () => {
  load({ listen: '127.0.0.1:0', metrics: { listen: '127.0.0.1:0' }, admin: { listen: '127.0.0.1:0' } })
})

test('a reload takes another token and other hosts, and not another address', () => {
  const [next, said] = reload(
    { admin: { listen: '127.0.0.1:4001' } },
    { admin: { listen: '127.0.0.1:4002', token: TOKEN, hosts: ['a.example'], timezone: 'Europe/Berlin' } },
  )
  assert.equal(next?.admin, {
    listen: { host: '127.0.0.1', port: 4001 },
    token: LONG,
    hosts: ['a.example'],
    timezone: 'UTC',
  })
  assert.match(said, /admin\.listen, admin\.timezone.* take effect after a restart/)
})

test('a page at a public address keeps its token, whatever a reload says', () => {
  const [next] = reload(
    { admin: { listen: '0.0.0.0:4001', token: TOKEN } },
    { admin: { hosts: ['a.example'] } },
  )
  assert.is(next?.admin.token, LONG)
  assert.equal(next?.admin.hosts, ['a.example'])
  const [local] = reload({ admin: { listen: '127.0.0.1:4001', token: TOKEN } }, { admin: {} })
  assert.is(local?.admin.token, null)
})

interface Source {
  readonly file: string
  readonly env: Record<string, string>
  readonly cwd: string
}

function withFile<T>(settings: Record<string, unknown>, act: (source: Source) => T): T {
  const cwd = mkdtempSync(join(tmpdir(), 'thinwire-admin-'))
  try {
    const file = join(cwd, 'thinwire.json')
    writeFileSync(file, JSON.stringify(settings))
    const env = {
      ADMIN_TOKEN: LONG,
      SHORT: 'fifteen-letters',
      SPACE: 'a token with spaces',
      OPENAI_API_KEY: 'sk-1',
    }
    return act({ file, env, cwd })
  } finally {
    rmSync(cwd, { recursive: true, force: true })
  }
}

function load(settings: Record<string, unknown>): Config {
  return withFile(settings, (source) => loadConfig(source))
}

function problemsOf(settings: Record<string, unknown>): ConfigError['problems'] {
  try {
    load(settings)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  throw new Error('it was accepted')
}

function reload(before: Record<string, unknown>, after: Record<string, unknown>): [Config | null, string] {
  const said: string[] = []
  const note = (_: object, message: string): void => void said.push(message)
  const log = { info: note, warn: note, error: note }
  const next = withFile(after, (source) => readNextConfig(source, load(before), null, log))
  return [next, said.join('\n')]
}

test.run()
