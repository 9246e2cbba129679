import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { VERSION } from '../../src/version.js'
import { configure } from '../support/start.js'
import { clear, open, type Place, run, Thinwire } from '../support/thinwire.js'

const test = suite<Place>('a start that is refused')

test.before.each(open)
test.after.each(clear)

const REFUSED: Array<[string, string[], unknown, RegExp]> = [
  ['a missing config file', ['--config', 'no.json'], null, /no\.json: cannot be read \(ENOENT\)/],
  ['a config file that is a folder', ['--config', '.'], null, /cannot be read \(EISDIR\)/],
  ['a config file that is not JSON', [], '{"listen": ', /thinwire\.json: is not JSON/],
  ['an unknown setting', [], { limit: {} }, /thinwire\.json: limit: unknown setting; did you mean limits\?/],
  ['a setting of the wrong kind', [], { limits: { connections: 'many' } }, /limits\.connections: must be/],
  [
    'a secret that is not set',
    [],
    { upstreams: { up: { baseUrl: 'https://up.example/v1', apiKey: { env: 'NO_SUCH_KEY' } } } },
    /upstreams\.up\.apiKey: the environment variable NO_SUCH_KEY is not set/,
  ],
  [
    'a secret in the file itself',
    [],
    { upstreams: { up: { baseUrl: 'https://up.example/v1', apiKey: 'sk-pasted-secret' } } },
    /upstreams\.up\.apiKey: a secret is given by reference/,
  ],
  ['text that is no address', ['--listen', 'nonsense'], null, /--listen: must be HOST:PORT/],
  ['a number that is no port', ['--listen', '127.0.0.1:99999'], null, /--listen: must be HOST:PORT/],
  [
    'no keys on an open address',
    ['--listen', '0.0.0.0:0'],
    { keys: { mode: 'off' } },
    /keys\.mode: off would let anyone/,
  ],
  [
    'a certificate that is not there',
    [],
    { listen: { address: '127.0.0.1:0', tls: { cert: 'none.pem', key: 'none.pem' } } },
    /listen\.tls\.cert: the file .*none\.pem cannot be read \(ENOENT\)/,
  ],
  [
    'a certificate without its key',
    [],
    { listen: { tls: { cert: 'a.pem' } } },
    /listen\.tls\.key: is missing; a text/,
  ],
  [
    'a mistyped setting of TLS',
    [],
    { listen: { tls: { cert: 'a.pem', key: 'b.pem', keys: 'c.pem' } } },
    /listen\.tls\.keys: unknown setting; did you mean key\?/,
  ],
  [
    'an address of a listen object that is none',
    [],
    { listen: { address: 'x' } },
    /listen\.address: must be HOST:PORT/,
  ],
]

for (const [name, args, settings, message] of REFUSED) {
  test(`${name} is reported in one line, with exit code 2`, async (place) => {
    if (settings !== null) configure(place, settings)
    const { code, out, err } = await run(place, ['start', ...args])
    assert.is(code, 2)
    assert.is(out, '')
    assert.match(err, message)
    assert.is(err.trimEnd().split('\n').length, 1, err)
    assert.not.match(err, /sk-pasted|^ +at /m)
  })
}

for (const [name, args, message] of [
  ['an unknown option', ['--port', '1'], /^thinwire start: Unknown option '--port'/],
  ['an unexpected argument', ['somewhere'], /^thinwire start: Unexpected argument 'somewhere'/],
  [
    'a place for the first key that is none',
    ['--first-key', 'log'],
    /^thinwire start: --first-key must be show or file/,
  ],
  ['an option without its value', ['--listen'], /^thinwire start: .*--listen/],
] as const) {
  test(`${name} is reported in one line, and the usage in another, with exit code 2`, async (place) => {
    const { code, out, err } = await run(place, ['start', ...args])
    assert.is(code, 2)
    assert.is(out, '')
    assert.match(err, message)
    const [, usage = '', ...rest] = err.trimEnd().split('\n')
    assert.match(usage, /^usage: thinwire start/)
    assert.equal(rest, [])
  })
}

test('every wrong setting is reported in a line of its own', async (place) => {
  configure(place, { listen: 'x', limits: { connections: 0 }, nonsense: 1 })
  const { code, err } = await run(place, ['start'])
  assert.is(code, 2)
  assert.match(err, 'limits.connections: must be at least 1')
  assert.match(err, 'nonsense: unknown setting')
  assert.ok(err.split('\n').every((line) => line === '' || line.startsWith('thinwire.json: ')))
})

test('a price file that cannot be used is reported in one line, with exit code 2', async (place) => {
  configure(place, { ledger: { prices: 'prices.json' } })
  writeFileSync(
    join(place.folder, 'prices.json'),
    '{"m":{"input_cost_per_token":"cheap","output_cost_per_token":1}}',
  )
  const { code, err } = await run(place, ['start', '--listen', '127.0.0.1:0'])
  assert.is(code, 2)
  assert.is(
    err,
    'ledger.prices: prices.json: m.input_cost_per_token must be a number of US dollars for one token\n',
  )
})

test('a missing price file is reported with what is used without the setting', async (place) => {
  configure(place, { ledger: { prices: 'prices.json' } })
  const { code, err } = await run(place, ['start', '--listen', '127.0.0.1:0'])
  assert.is(code, 2)
  assert.match(
    err,
    /^ledger\.prices: \/.+\/prices\.json cannot be read \(ENOENT\); without the setting the built-in prices are used\n$/,
  )
})

test('a port that is taken is reported in one line, with exit code 1', async (place) => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = other.address() as AddressInfo
    const thinwire = new Thinwire(place, ['start', '--listen', `127.0.0.1:${port}`])
    assert.is(await thinwire.ended(), 1)
    assert.match(
      thinwire.err,
      new RegExp(`^thinwire: 127\\.0\\.0\\.1:${port} is taken by another program; .*\n$`),
    )
  } finally {
    other.close()
  }
})

test('an address of another machine is reported in one line, with exit code 1', async (place) => {
  const { code, err } = await run(place, ['start', '--listen', '192.0.2.1:0'])
  assert.is(code, 1)
  assert.match(err, /^thinwire: 192\.0\.2\.1 is no address of this machine; .*\n$/)
})

test('a folder in the place of the key file is reported in one line, with exit code 1', async (place) => {
  mkdirSync(join(place.folder, 'data', 'keys.jsonl'), { recursive: true })
  const { code, out, err } = await run(place, ['start', '--listen', '127.0.0.1:0'])
  assert.is(code, 1)
  assert.is(out, '')
  assert.match(err, /^thinwire: .*keys\.jsonl.*\n$/)
  assert.not.match(err, 'listens')
})

test('a key file that cannot be written is reported in one line, with exit code 1', async (place) => {
  // Reading says that it is not there; writing, that its folder is not.
  mkdirSync(join(place.folder, 'data'))
  symlinkSync(join(place.folder, 'gone', 'keys.jsonl'), join(place.folder, 'data', 'keys.jsonl'))
  const { code, err } = await run(place, ['start', '--listen', '127.0.0.1:0'])
  assert.is(code, 1)
  assert.match(err, /^thinwire: .*keys\.jsonl.*\n$/)
})

test('--version prints the version and nothing else', async (place) => {
  const told = await Promise.all(['--version', '-v'].map((option) => run(place, [option])))
  for (const each of told) assert.equal(each, { code: 0, out: `${VERSION}\n`, err: '' })
})

test('--help lists the commands within 80 columns', async (place) => {
  const told = await Promise.all(['--help', '-h', 'help'].map((option) => run(place, [option])))
  for (const { code, out, err } of told) {
    assert.is(code, 0)
    assert.is(err, '')
    assert.match(out, 'thinwire start')
    assert.match(out, 'thinwire keys')
    for (const line of out.split('\n')) assert.ok(line.length <= 80, `too wide: ${line}`)
  }
})

test('start --help lists its options within 80 columns', async (place) => {
  const ways = [
    ['start', '--help'],
    ['start', '-h'],
    ['help', 'start'],
  ]
  for (const { code, out, err } of await Promise.all(ways.map((args) => run(place, args)))) {
    assert.is(code, 0)
    assert.is(err, '')
    assert.match(out, '--listen HOST:PORT')
    assert.match(out, 'Exit codes')
    for (const line of out.split('\n')) assert.ok(line.length <= 80, `too wide: ${line}`)
  }
})

test('thinwire without a command prints the help, with exit code 2', async (place) => {
  const { code, out, err } = await run(place, [])
  assert.is(code, 2)
  assert.is(out, '')
  assert.match(err, 'thinwire start')
})

test('an unknown command is reported in one line, with exit code 2', async (place) => {
  const { code, out, err } = await run(place, ['strat', '--listen', 'x'])
  assert.is(code, 2)
  assert.is(out, '')
  assert.match(err, /^thinwire: there is no command "strat"; try thinwire --help\n$/)
})

test.run()
