import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { deriveKeyId, hashKey } from '../../src/access/key.js'
import { changeKey, issueKey } from '../../src/access/key-changes.js'
import { runKeys } from '../../src/commands/keys.js'
import { describeDirect } from '../../src/commands/keys-direct.js'
import { runKeysExport } from '../../src/commands/keys-export.js'
import { Written } from '../support/thinwire.js'

interface Place {
  folder: string
  file: string
}

const test = suite<Place>('keys export')

test.before.each((place) => {
  place.folder = mkdtempSync(join(tmpdir(), 'thinwire-export-'))
  place.file = join(place.folder, 'data', 'keys.jsonl')
  configure(place, {})
})

test.after.each((place) => rmSync(place.folder, { recursive: true, force: true }))

function configure(place: Place, settings: object): void {
  const upstreams = { openai: { preset: 'openai' }, anthropic: { preset: 'anthropic' } }
  writeFileSync(join(place.folder, 'thinwire.json'), JSON.stringify({ upstreams, ...settings }))
}

async function run(place: Place, ...args: string[]) {
  const [out, err] = [new Written(), new Written()]
  const ended = async (): Promise<void> => {}
  const code = await runKeysExport(args, { out, err, env: {}, cwd: place.folder, ended })
  return { code, out: out.text, err: err.text }
}

function add(place: Place, user: string, team = 'team1'): string {
  return issueKey(place.file, { env: 'prod', team, user }).key
}

test('the list has the keys that may go direct; what is left out is counted by its reason', async (place) => {
  configure(place, { limits: { rules: [{ name: 'month', match: { team: 'sales' }, usd: { month: 5 } }] } })
  const key = add(place, 'alice')
  add(place, 'bob', 'sales')
  const limited = issueKey(place.file, { env: 'prod', team: 'team1', user: 'eve' })
  changeKey(place.file, limited.record.id, { models: ['gpt-*'] })
  const { code, out, err } = await run(place, '--hashes')
  assert.is(code, 0)
  assert.equal(Object.keys(JSON.parse(out).keys), [hashKey(key)])
  assert.is(err, '1 key may go direct to openai; left out: 1 budget, 1 limited to models\n')
  assert.not.ok(out.includes('lc_'))
  const explained = await run(place, '--hashes', '--explain')
  assert.match(
    explained.err,
    /\n {2}k_[0-9a-f]{10} \(sales\/bob\): budget, rule month \(limits\.rules\[0\]\)\n/,
  )
})

test('no secret of the config is needed, and a missing key file is a list without keys', async (place) => {
  const { code, out, err } = await run(place, '--hashes')
  assert.is(code, 0)
  assert.equal(JSON.parse(out).keys, {})
  assert.is(err, '0 keys may go direct to openai\n')
})

test('--out writes a file that only its owner may read; --mode says otherwise', async (place) => {
  const out = join(place.folder, 'direct.json')
  assert.is((await run(place, '--hashes', '--out', 'direct.json')).out, '')
  assert.is(statSync(out).mode & 0o777, 0o600)
  assert.is(JSON.parse(readFileSync(out, 'utf8')).upstream, 'openai')
  await run(place, '--hashes', '--out', out, '--mode', '640')
  assert.is(statSync(out).mode & 0o777, 0o640)
})

test('for HAProxy, --out is a folder with three maps', async (place) => {
  mkdirSync(join(place.folder, 'maps'))
  add(place, 'alice')
  assert.is((await run(place, '--hashes', '--format', 'haproxy', '--out', 'maps')).code, 0)
  assert.equal(readdirSync(join(place.folder, 'maps')).sort(), ['keys.map', 'models.map', 'paths.map'])
  const { out } = await run(place, '--hashes', '--format', 'haproxy')
  assert.match(out, /^# keys\.map\n[0-9a-f]{64} 0:k_[0-9a-f]{10}:prod:team1:alice\n# models\.map\n/)
})

test('for nginx and Caddy the keys come from a file, and only those that may go direct are written', async (place) => {
  const [alice, bob] = [add(place, 'alice'), add(place, 'bob')]
  const revoked = issueKey(place.file, { env: 'prod', team: 'team1', user: 'eve' })
  const other = add({ ...place, file: join(place.folder, 'other.jsonl') }, 'mallory')
  changeKey(place.file, revoked.record.id, { addresses: ['10.0.0.0/8'] })
  writeFileSync(join(place.folder, 'keys.txt'), `${alice}\n${revoked.key}\n${other}\nnonsense\n`)
  for (const format of ['nginx', 'caddy']) {
    const { code, out, err } = await run(place, '--format', format, '--keys', 'keys.txt')
    assert.is(code, 0)
    for (const [key, isIn] of [
      [alice, true],
      [bob, false],
      [revoked.key, false],
      [other, false],
    ] as const)
      assert.is(out.includes(key), isIn)
    assert.match(
      err,
      /\n--keys: no key in line 4; 2 of its keys may not go direct; 1 of the list is not in it\n$/,
    )
    assert.not.ok(err.includes('nonsense') || err.includes('lc_'))
  }
})

test('a front that cannot check models gets no list where the routes let some models alone go there', async (place) => {
  configure(place, { routes: [{ model: 'gpt-*', upstream: 'openai' }, { upstream: 'anthropic' }] })
  writeFileSync(join(place.folder, 'keys.txt'), add(place, 'alice'))
  const args = ['--format', 'nginx', '--keys', 'keys.txt']
  const { code, out, err } = await run(place, ...args)
  assert.is(code, 2)
  assert.is(out, '')
  assert.match(
    err,
    /^the routes let only some models go to openai, and nginx cannot check models; .*--any-model\n$/,
  )
  assert.is((await run(place, ...args, '--any-model')).code, 0)
})

test('without lc_ keys no list is written, and the message says what the front does instead', async (place) => {
  configure(place, { keys: { mode: 'passthrough' } })
  const { code, out, err } = await run(place, '--hashes', '--out', 'direct.json')
  assert.is(code, 2)
  assert.is(out, '')
  assert.match(
    err,
    /^keys\.mode is passthrough: no list is needed\. The front passes on the key of the client/,
  )
  assert.equal(readdirSync(place.folder), ['thinwire.json'])
})

test('wrong usage gets a line for each mistake, and repeats no value', async (place) => {
  const table: readonly (readonly [args: string[], message: RegExp])[] = [
    [[], /^keys export needs --hashes: /],
    [['--hashes', '--format', 'lc_x'], /^--format must be one of json, haproxy, nginx, caddy$/],
    [['--format', 'nginx'], /^--format nginx needs --keys FILE/],
    [['--hashes', '--keys', 'x'], /^--keys is for --format nginx and caddy/],
    [['--hashes', '--follow'], /^--follow needs --out FILE/],
    [['--hashes', '--then', 'true'], /^--then needs --out FILE/],
    [['--hashes', '--out', 'x', '--mode', '666'], /^--mode must be permissions such as 600 or 640$/],
    [['--hashes', '--out'], /^--out needs a value$/],
    [['--format', 'caddy', '--keys', '-', '--out', 'x', '--follow'], /^--follow needs a file of keys/],
    [['--hashes', 'lc_x'], /^keys export takes options only/],
    [['--hashes', '--otu', 'x'], /^keys export has no option --otu; it has --hashes, /],
  ]
  for (const [args, message] of table) {
    const { code, out, err } = await run(place, ...args)
    assert.is(code, 2, args.join(' '))
    assert.is(out, '')
    assert.match(err.trimEnd(), message)
    assert.not.match(err, /lc_x/)
  }
})

test('a list that cannot be written or made is a message and an exit code', async (place) => {
  const missing = await run(place, '--hashes', '--out', 'gone/direct.json')
  assert.is(missing.code, 1)
  assert.match(missing.err, /^cannot write .*gone\/direct\.json \(ENOENT\): make its folder first\n$/)
  const noKeys = await run(place, '--format', 'nginx', '--keys', 'gone')
  assert.is(noKeys.code, 2)
  assert.is(noKeys.err, '--keys: the file cannot be read (ENOENT)\n')
  mkdirSync(place.file, { recursive: true })
  const unreadable = await run(place, '--hashes', '--out', 'direct.json')
  assert.is(unreadable.code, 1)
  assert.match(unreadable.err, /^cannot read key file .*: name a file, not a folder\n$/)
})

test('--then runs after the list was written, and its failure is the exit code', async (place) => {
  const args = ['--hashes', '--out', 'direct.json', '--then']
  const copy = join(place.folder, 'copy')
  assert.is((await run(place, ...args, `cp '${join(place.folder, 'direct.json')}' '${copy}'`)).code, 0)
  assert.is(JSON.parse(readFileSync(copy, 'utf8')).v, 1)
  const failed = await run(place, ...args, 'exit 3')
  assert.is(failed.code, 1)
  assert.match(failed.err, /--then: it has ended with exit code 3\n$/)
})

test('keys show says whether a key may go direct, and why not', (place) => {
  configure(place, { limits: { rules: [{ name: 'month', match: { team: 'sales' }, usd: { month: 5 } }] } })
  const idOf = (key: string): string => deriveKeyId(hashKey(key))
  const [alice, bob] = [idOf(add(place, 'alice')), idOf(add(place, 'bob', 'sales'))]
  const source = { env: {}, cwd: place.folder }
  const show = (id: string): string => {
    const out = new Written()
    const code = runKeys(['show', id], {
      out,
      err: new Written(),
      keyFile: () => ({ file: place.file, configFile: null }),
      describeDirect: (_, key) => describeDirect(source, key),
    })
    assert.is(code, 0)
    return out.text
  }
  assert.match(show(alice), /\n {2}direct {5}yes\n$/)
  assert.match(show(bob), /\n {2}direct {5}no: budget, rule month \(limits\.rules\[0\]\)\n$/)
  configure(place, { keys: { mode: 'passthrough' } })
  assert.not.match(show(alice), /direct/)
})

test('a device, a folder and a file that is too large are no keys', async (place) => {
  mkdirSync(join(place.folder, 'sub'))
  for (const name of ['sub', '/dev/null', '/dev/zero']) {
    const { code, err } = await run(place, '--format', 'nginx', '--keys', name)
    assert.is(code, 2)
    assert.is(err, '--keys: the file cannot be read (ENOTFILE): name a regular file\n')
  }
  const large = join(place.folder, 'large')
  writeFileSync(large, '')
  truncateSync(large, 2 ** 32)
  const { err } = await run(place, '--format', 'nginx', '--keys', large)
  assert.match(err, /\(EFBIG\): name a file of keys; this file is far too large\n$/)
})

test('no line of the help is longer than 80 columns', async (place) => {
  const { code, out } = await run(place, '--help')
  assert.is(code, 0)
  for (const line of out.split('\n')) assert.ok(line.length <= 80, line)
})

test.run()
