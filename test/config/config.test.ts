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

test('an empty config file and a missing one give the same defaults', () => {
  const none = loadConfig({ env: {}, cwd: join(folder, 'nowhere') })
  const empty = load({ settings: {} })
  const here = { file: null, keys: null, ledger: null }
  assert.equal({ ...empty, ...here }, { ...none, ...here })
  assert.equal(empty.listen, { host: '127.0.0.1', port: 4000, tls: null })
  assert.is(empty.keys.mode, 'keys')
  assert.is(empty.keys.file, join(folder, 'data/keys.jsonl'))
  assert.equal(empty.ledger, { ...none.ledger, folder: join(folder, 'data') })
  assert.is(empty.limits.bodyBytes, 32 * 1024 * 1024)
  assert.equal(empty.upstreams, [])
})

test('a config is frozen', () => {
  const config = load({ settings: { upstreams: { up } } })
  assert.throws(() => Object.assign(config.limits, { bodyBytes: 1 }))
  assert.throws(() => Object.assign(config.upstreams[0] ?? {}, { origin: 'x' }))
})

const WRONG: Array<[string, unknown, RegExp]> = [
  ['a mistyped name of a setting', { lisen: ':1' }, /^lisen: unknown setting; did you mean listen\?$/],
  [
    'a mistyped name of a setting in a section',
    { limits: { bodyByte: 1 } },
    /^limits\.bodyByte: .*did you mean bodyBytes\?$/,
  ],
  [
    'a name that is near no setting',
    { limits: { colour: 1 } },
    /^limits\.colour: unknown setting; settings here: bodyBytes, /,
  ],
  [
    'an unknown setting of an upstream',
    { upstreams: { up: { ...up, url: 'x' } } },
    /^upstreams\.up\.url: unknown setting/,
  ],
  [
    'an unknown setting of a route',
    { upstreams: { up }, routes: [{ upstream: 'up', modle: 'x' }] },
    /^routes\[0\]\.modle: .*did you mean model\?$/,
  ],
  [
    'a wrong type',
    { listen: 4000 },
    /^listen: must be HOST:PORT, such as 127\.0\.0\.1:4000, or an object \{ \}/,
  ],
  ['a text for a number', { limits: { bodyBytes: '1MB' } }, /^limits\.bodyBytes: must be a number$/],
  ['a fraction', { timeouts: { idleMs: 1.5 } }, /^timeouts\.idleMs: must be a whole number$/],
  ['a number that is too small', { limits: { bodyBytes: 1 } }, /^limits\.bodyBytes: must be at least 1024$/],
  ['a number that is too large', { timeouts: { idleMs: 1e12 } }, /^timeouts\.idleMs: must be at most \d+$/],
  [
    'a value that is not in the list',
    { keys: { mode: 'open' } },
    /^keys\.mode: must be one of keys, passthrough, off$/,
  ],
  [
    'an upstream without a URL',
    { upstreams: { up: {} } },
    /^upstreams\.up\.baseUrl: is missing; give a URL, or a preset: openai, azure, /,
  ],
  ['an empty object of upstreams', { upstreams: {} }, /^upstreams: needs at least one entry/],
  [
    'a bad name for an upstream',
    { upstreams: { 'My API': up } },
    /^upstreams\["My API"\]: is not a name for an upstream/,
  ],
  [
    'an upstream with the name of direct traffic',
    { upstreams: { direct: up } },
    /^upstreams\.direct: needs another name: in usage records, it stands for requests that a front/,
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
    'a route with an unknown upstream',
    { upstreams: { up }, routes: [{ upstream: 'pu' }] },
    /^routes\[0\]\.upstream: no such upstream; the config has up$/,
  ],
  [
    'a model with an unknown upstream',
    { upstreams: { up }, models: { m: { upstream: 'x', model: 'y' } } },
    /^models\.m\.upstream: no such upstream/,
  ],
  ['a listen address without a port', { listen: 'localhost' }, /^listen: must be HOST:PORT/],
  [
    'an invalid header name',
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
  ['a list in place of the config object', [], /^: must be an object/],
  [
    'keys.mode off on an address that others can reach',
    { listen: '0.0.0.0:4000', keys: { mode: 'off' } },
    /^keys\.mode: off would let anyone/,
  ],
]

for (const [name, settings, expected] of WRONG) {
  test(`${name} is reported with its path and what would be right`, () => {
    const found = problems({ settings })
    assert.is(found.length, 1, found.join('\n'))
    assert.match(found[0] ?? '', expected)
  })
}

test('all problems are reported at once', () => {
  const found = problems({ settings: { foo: 1, listen: 5, limits: { bar: 1 }, keys: { mode: 'x' } } })
  assert.is(found.length, 4, found.join('\n'))
})

test('a secret that was pasted into the file is refused, and not repeated', () => {
  const secret = 'sk-live-0123456789'
  for (const settings of [
    { upstreams: { up: { ...up, apiKey: secret } } },
    { upstreams: { up: { ...up, apiKey: { value: secret } } } },
    { upstreams: { up: { ...up, auth: secret } } },
    { keys: { mode: secret } },
  ]) {
    const found = problems({ settings }).join('\n')
    assert.ok(found.length > 0)
    assert.not.match(found, /0123456789/)
  }
  const pasted = problems({ settings: { upstreams: { up: { ...up, apiKey: secret } } } })
  assert.match(pasted[0] ?? '', /^upstreams\.up\.apiKey: a secret is given by reference.*\{"env": "NAME"\}/)
})

test('a syntax error is reported with line and column, and the text is not repeated', () => {
  const found = problems({ text: '{\n  "listen": ":1",\n  "sk-secret" "x"\n}' })
  assert.is(found.length, 1)
  assert.match(found[0] ?? '', /is not JSON/)
  assert.not.match(found[0] ?? '', /secret/)
  assert.match(problems({ text: '' })[0] ?? '', /is not JSON/)
  assert.match(problems({ text: '{"listen": x}' })[0] ?? '', /is not JSON/)
})

test('a config file that was named and cannot be read is an error', () => {
  assert.throws(
    () => loadConfig({ file: 'nowhere.json', env: {}, cwd: folder }),
    /nowhere\.json: cannot be read \(ENOENT\)/,
  )
  assert.throws(() => loadConfig({ file: '.', env: {}, cwd: folder }), /cannot be read \(EISDIR\)/)
})

const withKey = (apiKey: unknown): { settings: unknown } => ({
  settings: { upstreams: { up: { ...up, apiKey } } },
})

test('a secret comes from the environment or a file, without white space around it', () => {
  writeFileSync(join(folder, 'key'), 'sk-file\n')
  assert.is(load({ ...withKey({ env: 'K' }), env: { K: ' sk-env\n' } }).upstreams[0]?.apiKey, 'sk-env')
  assert.is(load(withKey({ file: 'key' })).upstreams[0]?.apiKey, 'sk-file')
})

test('a secret that is missing, empty or more than one line is reported with its place', () => {
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
  const found = problems(withKey({ file: 'two' }))[0] ?? ''
  assert.match(found, /apiKey: the file two holds more than a key/)
  assert.not.match(found, /sk-/)
})

test('without a config each provider key in the environment makes an upstream', () => {
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

test('prices are the built-in ones, those of a file, or none', () => {
  assert.is(load({}).ledger.prices, true)
  assert.is(load({ settings: { ledger: { prices: false } } }).ledger.prices, false)
  assert.is(load({ settings: { ledger: { prices: 'p.json' } } }).ledger.prices, join(folder, 'p.json'))
})

test('a base URL loses the slashes at its end', () => {
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

test('--listen overrides the file, and a wrong value is reported under that name', () => {
  assert.equal(load({ settings: { listen: ':1' }, listen: ':2' }).listen, {
    host: '127.0.0.1',
    port: 2,
    tls: null,
  })
  assert.match(problems({ listen: 'x' })[0] ?? '', /^--listen: must be HOST:PORT/)
})

test('the key file is found even if a secret is missing', () => {
  writeFileSync(
    join(folder, 'thinwire.json'),
    JSON.stringify({ keys: { file: 'k.jsonl' }, upstreams: { up: { ...up, apiKey: { env: 'NOT_SET' } } } }),
  )
  const configFile = join(folder, 'thinwire.json')
  assert.equal(locateKeyFile({ env: {}, cwd: folder }), { file: join(folder, 'k.jsonl'), configFile })
  const elsewhere = join(folder, 'elsewhere')
  const file = join(elsewhere, 'data/keys.jsonl')
  assert.equal(locateKeyFile({ env: {}, cwd: elsewhere }), { file, configFile: null })
})

test('the nearest name is suggested only if it is near enough', () => {
  assert.is(findNearest('listn', ['listen', 'limits']), 'listen')
  assert.is(findNearest('BODYBYTES', ['bodyBytes']), 'bodyBytes')
  assert.is(findNearest('zzz', ['listen', 'limits']), undefined)
  assert.is(findNearest('x'.repeat(5000), ['listen']), undefined)
})

test.run()
