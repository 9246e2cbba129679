import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Config, loadConfig, locateKeyFile } from '../../src/config/config.js'
import { parseListenAddress } from '../../src/config/listen.js'
import { ConfigError, findNearest } from '../../src/config/problems.js'

const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
test.after(() => rmSync(folder, { recursive: true }))

interface Given {
  settings?: unknown
  text?: string
  env?: Record<string, string>
  listen?: string
}

function load({ settings, text, env, listen }: Given): Config {
  const file = join(folder, 'thinwire.json')
  writeFileSync(file, text ?? JSON.stringify(settings ?? {}))
  return loadConfig({ file, env: env ?? {}, cwd: folder, listen })
}

/** The problems that a config has, as `path: message`. */
function problems(given: Given): string[] {
  try {
    load(given)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map((problem) => `${problem.path}: ${problem.message}`)
  }
  return []
}

const up = { baseUrl: 'https://api.example.com/v1' }

test('an empty file and none at all give the same defaults', () => {
  const none = loadConfig({ env: {}, cwd: join(folder, 'nowhere') })
  const empty = load({ settings: {} })
  const here = { file: null, keys: null, ledger: null }
  assert.equal({ ...empty, ...here }, { ...none, ...here })
  assert.equal(empty.listen, { host: '127.0.0.1', port: 4000 })
  assert.is(empty.keys.mode, 'keys')
  assert.is(empty.keys.file, join(folder, 'data/keys.jsonl'))
  assert.equal(empty.ledger, { ...none.ledger, folder: join(folder, 'data') })
  assert.is(empty.limits.bodyBytes, 32 * 1024 * 1024)
  assert.equal(empty.upstreams, [])
})

test('a config cannot be changed once it is read', () => {
  const config = load({ settings: { upstreams: { up } } })
  assert.throws(() => Object.assign(config.limits, { bodyBytes: 1 }))
  assert.throws(() => Object.assign(config.upstreams[0] ?? {}, { origin: 'x' }))
})

const WRONG: Array<[string, unknown, RegExp]> = [
  ['a mistyped name', { lisen: ':1' }, /^lisen: unknown setting; did you mean listen\?$/],
  [
    'a mistyped name further in',
    { limits: { bodyByte: 1 } },
    /^limits\.bodyByte: .*did you mean bodyBytes\?$/,
  ],
  [
    'a name like no other',
    { limits: { colour: 1 } },
    /^limits\.colour: unknown setting; settings here: bodyBytes, /,
  ],
  [
    'an unknown name of an upstream',
    { upstreams: { up: { ...up, url: 'x' } } },
    /^upstreams\.up\.url: unknown setting/,
  ],
  [
    'an unknown name of a route',
    { upstreams: { up }, routes: [{ upstream: 'up', modle: 'x' }] },
    /^routes\[0\]\.modle: .*did you mean model\?$/,
  ],
  ['a wrong type', { listen: 4000 }, /^listen: must be a text$/],
  ['a text for a number', { limits: { bodyBytes: '1MB' } }, /^limits\.bodyBytes: must be a number$/],
  ['a fraction', { timeouts: { idleMs: 1.5 } }, /^timeouts\.idleMs: must be a whole number$/],
  ['a number that is too small', { limits: { bodyBytes: 1 } }, /^limits\.bodyBytes: must be at least 1024$/],
  ['a number that is too large', { timeouts: { idleMs: 1e12 } }, /^timeouts\.idleMs: must be at most \d+$/],
  ['a word out of a list', { keys: { mode: 'open' } }, /^keys\.mode: must be one of keys, passthrough, off$/],
  [
    'an upstream without a URL',
    { upstreams: { up: {} } },
    /^upstreams\.up\.baseUrl: is missing; give a URL, or a preset: openai, azure, /,
  ],
  ['no upstream at all', { upstreams: {} }, /^upstreams: needs at least one entry/],
  [
    'a bad name for an upstream',
    { upstreams: { 'My API': up } },
    /^upstreams\["My API"\]: is not a name for an upstream/,
  ],
  [
    'a base URL without a scheme',
    { upstreams: { up: { baseUrl: 'api.example.com' } } },
    /^upstreams\.up\.baseUrl: must be a URL with http/,
  ],
  [
    'a base URL of another scheme',
    { upstreams: { up: { baseUrl: 'ftp://x/v1' } } },
    /baseUrl: must begin with https/,
  ],
  [
    'a base URL with a password',
    { upstreams: { up: { baseUrl: 'https://a:b@x/v1' } } },
    /baseUrl: must not hold a user or password/,
  ],
  [
    'a base URL with a query',
    { upstreams: { up: { baseUrl: 'https://x/v1?a=1' } } },
    /baseUrl: must end with its path/,
  ],
  [
    'a route to nowhere',
    { upstreams: { up }, routes: [{ upstream: 'pu' }] },
    /^routes\[0\]\.upstream: no such upstream; there is up$/,
  ],
  [
    'an alias to nowhere',
    { upstreams: { up }, models: { m: { upstream: 'x', model: 'y' } } },
    /^models\.m\.upstream: no such upstream/,
  ],
  ['a listen address without a port', { listen: 'localhost' }, /^listen: must be HOST:PORT/],
  [
    'a header name that is none',
    { upstreams: { up: { ...up, headers: { 'a b': 'c' } } } },
    /^upstreams\.up\.headers\["a b"\]: is not a header name/,
  ],
  [
    'a header value with a line break',
    { upstreams: { up: { ...up, headers: { a: 'b\r\nc: d' } } } },
    /^upstreams\.up\.headers\.a: has a character/,
  ],
  [
    'a number for prices',
    { ledger: { prices: 0 } },
    /^ledger\.prices: must be true for the built-in prices, false for none, or the name of a price file$/,
  ],
  ['a list where an object belongs', [], /^: must be an object/],
  [
    'no key on an open address',
    { listen: '0.0.0.0:4000', keys: { mode: 'off' } },
    /^keys\.mode: off would let anyone/,
  ],
]

for (const [name, settings, expected] of WRONG) {
  test(`${name} is told by its path, with what would be right`, () => {
    const told = problems({ settings })
    assert.is(told.length, 1, told.join('\n'))
    assert.match(told[0] ?? '', expected)
  })
}

test('all problems are told at once', () => {
  const told = problems({ settings: { foo: 1, listen: 5, limits: { bar: 1 }, keys: { mode: 'x' } } })
  assert.is(told.length, 4, told.join('\n'))
})

test('a secret that was pasted into the file is refused, and not repeated', () => {
  const secret = 'sk-live-0123456789'
  for (const settings of [
    { upstreams: { up: { ...up, apiKey: secret } } },
    { upstreams: { up: { ...up, apiKey: { value: secret } } } },
    { upstreams: { up: { ...up, auth: secret } } },
    { keys: { mode: secret } },
  ]) {
    const told = problems({ settings }).join('\n')
    assert.ok(told.length > 0)
    assert.not.match(told, /0123456789/)
  }
  const pasted = problems({ settings: { upstreams: { up: { ...up, apiKey: secret } } } })
  assert.match(pasted[0] ?? '', /^upstreams\.up\.apiKey: a secret is given by reference.*\{"env": "NAME"\}/)
})

test('broken JSON is told by line and column, and never quoted', () => {
  const told = problems({ text: '{\n  "listen": ":1",\n  "sk-secret" "x"\n}' })
  assert.is(told.length, 1)
  assert.match(told[0] ?? '', /is not JSON/)
  assert.not.match(told[0] ?? '', /secret/)
  assert.match(problems({ text: '' })[0] ?? '', /is not JSON/)
  assert.match(problems({ text: '{"listen": x}' })[0] ?? '', /is not JSON/)
})

test('a file that is not there is an error if it was named, and none if not', () => {
  assert.throws(
    () => loadConfig({ file: 'nowhere.json', env: {}, cwd: folder }),
    /nowhere\.json: cannot be read \(ENOENT\)/,
  )
  assert.throws(() => loadConfig({ file: '.', env: {}, cwd: folder }), /cannot be read \(EISDIR\)/)
})

const withKey = (apiKey: unknown): { settings: unknown } => ({
  settings: { upstreams: { up: { ...up, apiKey } } },
})

test('a secret comes from the environment or a file, without the line end behind it', () => {
  writeFileSync(join(folder, 'key'), 'sk-file\n')
  assert.is(load({ ...withKey({ env: 'K' }), env: { K: ' sk-env\n' } }).upstreams[0]?.apiKey, 'sk-env')
  assert.is(load(withKey({ file: 'key' })).upstreams[0]?.apiKey, 'sk-file')
})

test('a secret that is not there, empty, or more than one is told by where it was looked for', () => {
  writeFileSync(join(folder, 'empty'), '\n')
  writeFileSync(join(folder, 'two'), 'sk-one\nsk-two\n')
  assert.equal(problems(withKey({ env: 'K' })), [
    'upstreams.up.apiKey: the environment variable K is not set',
  ])
  assert.match(
    problems(withKey({ file: 'none' }))[0] ?? '',
    /apiKey: the file none cannot be read \(ENOENT\)/,
  )
  assert.match(problems(withKey({ file: 'empty' }))[0] ?? '', /apiKey: the file empty is empty/)
  const told = problems(withKey({ file: 'two' }))[0] ?? ''
  assert.match(told, /apiKey: the file two holds more than a key/)
  assert.not.match(told, /sk-/)
})

test('keys in the environment make the upstreams of a start without a config', () => {
  const both = load({ env: { OPENAI_API_KEY: 'sk-1', ANTHROPIC_API_KEY: 'sk-2' } })
  assert.equal(
    both.upstreams.map(({ name, origin, basePath, apiKey, auth }) => [name, origin, basePath, apiKey, auth]),
    [
      ['openai', 'https://api.openai.com', '/v1', 'sk-1', 'bearer'],
      ['anthropic', 'https://api.anthropic.com', '/v1', 'sk-2', 'anthropic'],
    ],
  )
  assert.equal(load({ env: { OPENAI_API_KEY: ' ' } }).upstreams, [])
})

test('prices are built in, those of a file beside the config, or none', () => {
  assert.is(load({}).ledger.prices, true)
  assert.is(load({ settings: { ledger: { prices: false } } }).ledger.prices, false)
  assert.is(load({ settings: { ledger: { prices: 'p.json' } } }).ledger.prices, join(folder, 'p.json'))
})

test('base URLs lose the slash behind them', () => {
  const config = load({
    settings: { upstreams: { a: { baseUrl: 'http://h:1/api/v1//' }, b: { baseUrl: 'http://h' } } },
  })
  assert.equal(
    config.upstreams.map((upstream) => [upstream.origin, upstream.basePath]),
    [
      ['http://h:1', '/api/v1'],
      ['http://h', ''],
    ],
  )
})

const LISTEN: Array<[string, { host: string; port: number } | null]> = [
  ['127.0.0.1:4000', { host: '127.0.0.1', port: 4000 }],
  ['localhost:0', { host: 'localhost', port: 0 }],
  [':80', { host: '127.0.0.1', port: 80 }],
  ['[::]:80', { host: '::', port: 80 }],
  ['[::1]:65535', { host: '::1', port: 65535 }],
  ['::1:80', null],
  ['[x]:80', null],
  ['80', null],
  ['a:65536', null],
  ['a:', null],
  ['http://a:80', null],
  ['', null],
]

for (const [text, expected] of LISTEN) {
  test(`listening on ${JSON.stringify(text)} is ${expected === null ? 'refused' : 'understood'}`, () => {
    assert.equal(parseListenAddress(text), expected)
  })
}

test('--listen goes before the file, and a wrong one is told as such', () => {
  assert.equal(load({ settings: { listen: ':1' }, listen: ':2' }).listen, { host: '127.0.0.1', port: 2 })
  assert.match(problems({ listen: 'x' })[0] ?? '', /^--listen: must be HOST:PORT/)
})

test('the key file is found without any of the secrets', () => {
  writeFileSync(
    join(folder, 'thinwire.json'),
    JSON.stringify({ keys: { file: 'k.jsonl' }, upstreams: { up: { ...up, apiKey: { env: 'NOT_SET' } } } }),
  )
  assert.is(locateKeyFile({ env: {}, cwd: folder }), join(folder, 'k.jsonl'))
})

test('the nearest name is one that could have been meant', () => {
  assert.is(findNearest('listn', ['listen', 'limits']), 'listen')
  assert.is(findNearest('BODYBYTES', ['bodyBytes']), 'bodyBytes')
  assert.is(findNearest('zzz', ['listen', 'limits']), undefined)
  assert.is(findNearest('x'.repeat(5000), ['listen']), undefined)
})

test.run()
