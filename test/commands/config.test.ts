import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { issueKey } from '../../src/access/keyring.js'
import { runConfig } from '../../src/commands/config.js'
import { clear as clearPlace, open, type Place, run } from '../support/thinwire.js'

interface Context {
  folder: string
}

const test = suite<Context>('thinwire config check')

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'config-'))
})
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }))

class Page extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

function check(cwd: string, args: readonly string[], env: Record<string, string> = {}) {
  const out = new Page()
  const err = new Page()
  const code = runConfig(args, { out, err, env, cwd })
  return { code, out: out.text, err: err.text }
}

function write(folder: string, settings: unknown, name = 'thinwire.json'): void {
  writeFileSync(join(folder, name), typeof settings === 'string' ? settings : JSON.stringify(settings))
}

const GOOD = {
  listen: '127.0.0.1:4100',
  upstreams: { up: { baseUrl: 'https://api.example.com/v1', apiKey: { env: 'UP_KEY' } } },
  routes: [{ upstream: 'up' }],
  models: { 'team-fast': { upstream: 'up', model: 'm' } },
}

test('a file that a relay would start with is ok, with what it says', ({ folder }) => {
  write(folder, GOOD)
  const { code, out } = check(folder, ['check'], { UP_KEY: 'k' })
  assert.is(code, 0)
  assert.match(out, /^thinwire\.json: ok\n {2}listen {5}127\.0\.0\.1:4100\n {2}keys .*\(0 issued\)\n/)
  assert.match(out, / {2}upstreams {2}up\n {2}routes {5}1\n {2}models {5}1\n$/)
})

test('limit rules are counted, also those of keys, and a wrong one is a problem by its path', ({
  folder,
}) => {
  const rules = [{ name: 'a', requestsPerMinute: 5 }]
  write(folder, { ...GOOD, limits: { rules }, keys: { file: 'keys.jsonl' } })
  assert.match(check(folder, ['check'], { UP_KEY: 'k' }).out, /\n {2}limits {5}1 rule\n/)
  const owner = { env: 'prod', team: 'team1', user: 'alice' }
  const file = join(folder, 'keys.jsonl')
  const { record } = issueKey(file, owner, { limits: { ruleEntries: rules } })
  assert.match(check(folder, ['check'], { UP_KEY: 'k' }).out, /\n {2}limits {5}1 rule, and rules of 1 key\n/)
  const broken = { v: 3, ts: '2026-01-01T00:00:00Z', op: 'changed', id: record.id, limits: [{ name: 'b' }] }
  appendFileSync(file, `${JSON.stringify(broken)}\n`)
  assert.match(
    check(folder, ['check'], { UP_KEY: 'k' }).out,
    /warning: key file .*, line 2: its "limits" are not rules that this version knows, so the key may use no model\n/,
  )
  write(folder, { ...GOOD, limits: { rules: [...rules, { name: 'b', usd: { month: 0 } }] } })
  const wrong = check(folder, ['check'], { UP_KEY: 'k' })
  assert.is(wrong.code, 1)
  assert.match(wrong.out, '\nlimits.rules[1].usd.month: must be more than 0\n')
})

test('a secret that is not there is a problem, unless none is looked for', ({ folder }) => {
  write(folder, GOOD)
  const { code, out } = check(folder, ['check'])
  assert.is(code, 1)
  assert.is(
    out,
    'thinwire.json: 1 problem\nupstreams.up.apiKey: the environment variable UP_KEY is not set\n',
  )
  assert.is(check(folder, ['check', '--without-secrets']).code, 0)
})

test('limit rules that make each other useless are warned of, and those that can match nothing are problems', ({
  folder,
}) => {
  const rule = { name: 'a', per: 'user', usd: { day: 5 } }
  write(folder, { ...GOOD, limits: { rules: [rule, { ...rule, name: 'b', usd: { day: 6 } }] } })
  const doubtful = check(folder, ['check'], { UP_KEY: 'k' })
  assert.is(doubtful.code, 0)
  assert.match(
    doubtful.out,
    /^warning: limits\.rules\[1\]\.usd\.day: is never reached first: limits\.rules\[0\]\.usd\.day \(a\)/m,
  )
  write(folder, { ...GOOD, limits: { rules: [{ ...rule, match: { team: 'Team_1' } }] } })
  const wrong = check(folder, ['check'], { UP_KEY: 'k' })
  assert.is(wrong.code, 1)
  assert.match(wrong.out, /^limits\.rules\[0\]\.match\.team: matches no key/m)
})

const WRONG: Array<[string, unknown, RegExp]> = [
  ['a name of a setting', { lisen: ':1' }, /^lisen: unknown setting; did you mean listen\?$/m],
  ['a choice', { keys: { mode: 'kays' } }, /^keys\.mode: must be one of .*; did you mean keys\?$/m],
  [
    'a preset',
    { upstreams: { a: { preset: 'antropic' } } },
    /^upstreams\.a\.preset: .*did you mean anthropic\?$/m,
  ],
  [
    'the name of an upstream',
    { upstreams: { first: GOOD.upstreams.up, second: GOOD.upstreams.up }, routes: [{ upstream: 'secnd' }] },
    /^routes\[0\]\.upstream: no such upstream; the config has first, second; did you mean second\?$/m,
  ],
  [
    'the upstream of model traits',
    {
      upstreams: { first: GOOD.upstreams.up, second: GOOD.upstreams.up },
      modelTraits: [{ match: 'x', upstream: 'frist', api: 'chat' }],
    },
    /^modelTraits\[0\]\.upstream: .*did you mean first\?$/m,
  ],
  ['a name that is there twice', '{"log":{"level":"info","level":"warn"}}', /^log\.level: is there twice/m],
  ['JSON', '{"listen": }', /^is not JSON/m],
  ['the price file', { ledger: { prices: 'none.json' } }, /^ledger\.prices: .*none\.json/m],
  ['the key file', { keys: { file: '.' } }, /^keys\.file: .*name a file, not a folder/m],
]

for (const [what, settings, expected] of WRONG) {
  test(`${what} that is wrong is reported with its path`, ({ folder }) => {
    write(folder, settings)
    const { code, out, err } = check(folder, ['check'], { UP_KEY: 'k' })
    assert.is(code, 1)
    assert.match(out, expected)
    assert.is(err, '')
  })
}

test('all problems of the schema are reported at once', ({ folder }) => {
  write(folder, { lisen: ':1', log: { level: 'loud' }, limits: { bodyBytes: 1 } })
  const { out } = check(folder, ['check'])
  assert.match(out, /^thinwire\.json: 3 problems\n/)
  for (const path of ['lisen', 'log.level', 'limits.bodyBytes']) assert.ok(out.includes(`\n${path}: `), path)
})

test('no value of the file is repeated: it may be a pasted secret', ({ folder }) => {
  const secret = 'sk-very-secret-0123456789'
  write(folder, {
    log: { level: secret },
    keys: { mode: secret },
    upstreams: { up: { preset: secret, apiKey: secret, auth: secret, baseUrl: secret, tls: secret } },
    routes: [{ upstream: secret }],
  })
  for (const args of [['check'], ['check', '--json']]) {
    const { code, out, err } = check(folder, args)
    assert.is(code, 1)
    assert.not.ok(`${out}${err}`.includes(secret))
  }
})

test('warnings are reported, and are no problem', ({ folder }) => {
  write(folder, { ...GOOD, models: { 'gpt-9': { upstream: 'up' } } })
  writeFileSync(join(folder, 'keys.jsonl'), 'no key\n')
  const settings = { ...GOOD, keys: { file: 'keys.jsonl' }, models: { 'gpt-9': { upstream: 'up' } } }
  write(folder, settings)
  const { code, out } = check(folder, ['check'], { UP_KEY: 'k' })
  assert.is(code, 0)
  assert.match(out, /^warning: models\.gpt-9: Cursor treats/m)
  assert.match(out, /^warning: key file .*line 1 was skipped: it is not JSON/m)
})

test('JSON has the same', ({ folder }) => {
  write(folder, { lisen: ':1' }, 'other.json')
  const { code, out } = check(folder, ['check', 'other.json', '--json'])
  assert.is(code, 1)
  assert.equal(JSON.parse(out), {
    file: 'other.json',
    ok: false,
    problems: [{ path: 'lisen', message: 'unknown setting; did you mean listen?' }],
    warnings: [],
  })
})

const MISUSED: Array<[readonly string[], RegExp]> = [
  [[], /^Checks a config file/],
  [['chek'], /there is only: thinwire config check/],
  [['check', 'a', 'b'], /check takes one file/],
  [['check', '--config', 'a', 'b'], /check takes one file/],
  [['check', '--wrong'], /check takes a file, --without-secrets/],
]

for (const [args, expected] of MISUSED) {
  test(`wrong usage is reported: ${args.join(' ') || 'nothing'}`, ({ folder }) => {
    const { code, out, err } = check(folder, args)
    assert.is(code, 2)
    assert.is(out, '')
    assert.match(err, expected)
  })
}

test('the help fits 80 columns', ({ folder }) => {
  for (const args of [['--help'], ['check', '--help']]) {
    const { code, out } = check(folder, args)
    assert.is(code, 0)
    assert.ok(out.split('\n').every((line) => line.length <= 80))
  }
})

test.run()

const cli = suite<Place>('thinwire config')

cli.before.each(open)
cli.after.each(clearPlace)

cli('the command line has it', async (place) => {
  write(place.folder, { lisen: ':1' })
  const { code, out } = await run(place, ['config', 'check'])
  assert.is(code, 1)
  assert.match(out, /did you mean listen/)
})

cli.run()
