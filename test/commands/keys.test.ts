import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { deriveKeyId, hashKey, inspectKey } from '../../src/access/key.js'
import { issueKey, Keyring } from '../../src/access/keyring.js'
import { runKeys } from '../../src/commands/keys.js'

interface Place {
  folder: string
  file: string
  configFile: string | null
}

const test = suite<Place>('keys')
const RULE = 'must be 1 to 32 characters of a-z, 0-9 and "-"'

test.before.each((place) => {
  place.folder = mkdtempSync(join(tmpdir(), 'keys-'))
  place.file = join(place.folder, 'keys.jsonl')
  place.configFile = join(place.folder, 'thinwire.json')
})

test.after.each((place) => rmSync(place.folder, { recursive: true, force: true }))

class Page extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

function run(place: Place, ...args: string[]) {
  const out = new Page()
  const err = new Page()
  const asked: (string | undefined)[] = []
  const code = runKeys(args, {
    out,
    err,
    keyFile: (config) => {
      asked.push(config)
      return { file: place.file, configFile: place.configFile }
    },
  })
  return { code, out: out.text, err: err.text, asked }
}

function add(place: Place, env: string, team: string, user: string): string {
  return run(place, 'add', '--env', env, '--team', team, '--user', user).out.trim()
}

test('add prints only the key on out, and three lines about it on err', (place) => {
  const { code, out, err } = run(place, 'add', '--env', 'prod', '--team', 'team1', '--user', 'alice')
  assert.is(code, 0)
  assert.match(out, /^lc_prod_team1_alice_[0-9A-Za-z]{28}\n$/)
  const key = out.trim()
  assert.equal(inspectKey(key), { env: 'prod', team: 'team1', user: 'alice' })
  assert.equal(err.split('\n'), [
    `NEW key file: ${place.file}`,
    'Shown only this once. A relay with this key file accepts it within a second.',
    `To revoke it: thinwire keys revoke ${deriveKeyId(hashKey(key))}`,
    '',
  ])
  const ring = Keyring.open(place.file)
  ring.close()
  assert.is(ring.find(hashKey(key))?.user, 'alice')
})

test('add warns that another relay does not know the key when it makes a key file and there is no config', (place) => {
  place.configFile = null
  const first = run(place, 'add', '--env', 'prod', '--team', 'team1', '--user', 'alice')
  assert.is(first.code, 0)
  assert.match(first.out, /^lc_prod_team1_alice_\w{28}\n$/)
  const [file, ...lines] = first.err.split('\n')
  assert.is(file, `NEW key file: ${place.file}`)
  assert.match(
    lines.join(' '),
    /no thinwire\.json.* A relay that runs in another .*will refuse this key.*--config/,
  )
  for (const line of lines) assert.ok(line.length <= 80, line)

  const second = run(place, 'add', '--env', 'prod', '--team', 'team1', '--user', 'bob')
  assert.ok(second.err.startsWith(`Key file: ${place.file}\nShown only this once`), second.err)
})

test('add names every part that is missing or wrong, each in one line, and makes no file', (place) => {
  const none = run(place, 'add')
  assert.is(none.code, 2)
  assert.is(none.out, '')
  assert.is(none.err, ['env', 'team', 'user'].map((part) => `--${part} is missing; it ${RULE}\n`).join(''))

  const wrong = run(place, 'add', '--env=', '--team', 'Team One', '--user', 'a'.repeat(33))
  assert.is(wrong.code, 2)
  assert.is(
    wrong.err,
    `--env ${RULE}\n--team ${RULE}, for example "team-one"\n--user ${RULE}, for example "${'a'.repeat(32)}"\n`,
  )
  assert.not.ok(existsSync(place.file))
})

test('an option without its value does not take the next option as the value', (place) => {
  const { code, err } = run(place, 'add', '--env', '--team', 'x', '--user', 'y')
  assert.is(code, 2)
  assert.is(err, `--env ${RULE}\n`)
  assert.is(run(place, 'list', '--config').err, '--config needs a value: --config FILE\n')
  assert.is(run(place, 'list', '--config', '--json').err, '--config needs a value: --config FILE\n')
})

test('a name may begin with a dash if it is written with an equals sign', (place) => {
  const { code, out } = run(place, 'add', '--env=-', '--team=-x', '--user=--config')
  assert.is(code, 0)
  assert.match(out, /^lc_-_-x_--config_/)
})

test('wrong usage gets one line that says what would be right', (place) => {
  const usages: [string[], RegExp][] = [
    [[], /^thinwire keys needs one of: add, list, revoke/],
    [['lc_prod_team1_alice_secret'], /^thinwire keys has only one of: add, list, revoke/],
    [['toString'], /^thinwire keys has only one of/],
    [
      ['add', 'alice', '--env', 'a', '--team', 'b', '--user', 'c'],
      /^keys add takes options only, for example: /,
    ],
    [
      ['add', '--name', 'x', '--env', 'a', '--team', 'b', '--user', 'c'],
      /^keys add has no option --name; it has --env, --team, --user, --config, --help$/,
    ],
    [
      ['add', '--env', 'a', '--env', 'b', '--team', 'b', '--user', 'c'],
      /^--env is given twice; give it once$/,
    ],
    [['list', 'all'], /^keys list takes options only/],
    [['list', '--json=yes'], /^--json takes no value/],
    [['list', '-j'], /^keys list has no option -j;/],
    [['revoke'], /^keys revoke takes one id or key/],
    [['revoke', 'k_1', 'k_2'], /^keys revoke takes one id or key/],
    [['revoke', 'alice'], /^give an id such as/],
  ]
  for (const [args, message] of usages) {
    const { code, out, err } = run(place, ...args)
    assert.is(code, 2, args.join(' '))
    assert.is(out, '')
    assert.is(err.split('\n').length, 2, err)
    assert.match(err.trimEnd(), message)
    assert.not.match(err, 'secret')
  }
  assert.not.ok(existsSync(place.file))
})

test('list says how to add a key when there is none', (place) => {
  const { code, out } = run(place, 'list')
  assert.is(code, 0)
  const example = 'thinwire keys add --env prod --team team1 --user alice'
  assert.is(out, `No keys yet in ${place.file}\nTo add one: ${example}\n`)
  const json = run(place, 'list', '--json')
  assert.is(json.code, 0)
  assert.is(json.out, '')
  assert.match(json.err, 'thinwire keys add')
})

test('list shows every key, the revoked ones too, in the order of issue', (place) => {
  const first = issueKey(
    place.file,
    { env: 'prod', team: 'team1', user: 'alice' },
    { now: () => Date.parse('2026-01-31T23:59:59Z') },
  )
  const second = issueKey(
    place.file,
    { env: 'dev', team: 'research', user: 'bo' },
    { now: () => Date.parse('2026-02-01T00:00:00Z') },
  )
  assert.is(run(place, 'revoke', first.record.id).code, 0)
  assert.is(
    run(place, 'list').out,
    `ID            ENV   TEAM      USER   ISSUED      STATUS\n` +
      `${first.record.id}  prod  team1     alice  2026-01-31  revoked\n` +
      `${second.record.id}  dev   research  bo     2026-02-01  active\n`,
  )
})

test('list fits 80 columns, however long the names, and shortens the longest first', (place) => {
  add(place, 'e'.repeat(32), 't'.repeat(32), 'u'.repeat(32))
  revokeOnly(place)
  for (const line of run(place, 'list').out.split('\n')) assert.ok(line.length <= 80, line)
  assert.match(run(place, 'list').out, /e+… {2}t+… {2}u+… /)

  rmSync(place.file)
  add(place, 'prod', 'team1', 'u'.repeat(32))
  assert.match(run(place, 'list').out, /prod {2}team1 {2}u{31}u? /)

  rmSync(place.file)
  add(place, 'prod', 't'.repeat(32), 'u'.repeat(32))
  const { out } = run(place, 'list')
  assert.match(out, /prod {2}t{17,18}… {2}u{17,18}… /)
  assert.is(Math.max(...out.split('\n').map((line) => line.length)), 79)
})

function revokeOnly(place: Place): void {
  const ring = Keyring.open(place.file)
  ring.close()
  assert.is(run(place, 'revoke', ring.list()[0]?.id ?? '').code, 0)
}

test('list --json prints one object a line', (place) => {
  const { record } = issueKey(
    place.file,
    { env: 'prod', team: 't', user: 'u' },
    { now: () => Date.parse('2026-01-31T12:00:00Z') },
  )
  add(place, 'dev', 't', 'u')
  const lines = run(place, 'list', '--json').out.trimEnd().split('\n')
  assert.is(lines.length, 2)
  assert.equal(JSON.parse(lines[0] ?? ''), {
    id: record.id,
    env: 'prod',
    team: 't',
    user: 'u',
    issued_at: '2026-01-31T12:00:00.000Z',
    revoked_at: null,
  })
})

test('list names broken lines on err and still lists the rest', (place) => {
  add(place, 'prod', 'team1', 'alice')
  appendFileSync(place.file, 'broken\n')
  const { code, out, err } = run(place, 'list')
  assert.is(code, 0)
  assert.match(out, 'alice')
  assert.match(err, /line 2 was skipped/)
})

test('revoke takes the id or the key, and never prints the key', (place) => {
  const first = add(place, 'prod', 'team1', 'alice')
  const second = add(place, 'prod', 'team1', 'bob')
  const byId = run(place, 'revoke', deriveKeyId(hashKey(first)))
  assert.is(byId.code, 0)
  assert.is(
    byId.out,
    `Revoked ${deriveKeyId(hashKey(first))} (prod, team1, alice); it is refused within a second.\n`,
  )
  const byKey = run(place, 'revoke', second)
  assert.is(byKey.code, 0)
  assert.not.match(byKey.out, second)
  const again = run(place, 'revoke', second)
  assert.is(again.code, 1)
  assert.match(again.err, /is revoked already, since .*Z\n$/)
  assert.not.match(again.err, second)
  assert.is(readFileSync(place.file, 'utf8').trimEnd().split('\n').length, 4)
})

test('a failure is one line on err and exit code 1', (place) => {
  const unknown = run(place, 'revoke', 'k_0123456789')
  assert.is(unknown.code, 1)
  assert.match(unknown.err, /^no key in .* has an id that begins with k_0123456789\n$/)
  place.file = place.folder
  for (const args of [['list'], ['revoke', 'k_12'], ['add', '--env', 'a', '--team', 'b', '--user', 'c']]) {
    const { code, out, err } = run(place, ...args)
    assert.is(code, 1)
    assert.is(out, '')
    assert.match(err, /^cannot read key file .* \(EISDIR\): name a file, not a folder\n$/)
  }
})

test('an error of the config file is printed unchanged', (place) => {
  const err = new Page()
  const keyFile = () => {
    throw new Error('thinwire.json: access.keys is missing')
  }
  assert.is(runKeys(['list'], { out: new Page(), err, keyFile }), 1)
  assert.is(err.text, 'thinwire.json: access.keys is missing\n')
  assert.not.ok(existsSync(place.file))
})

test('the config file that is named decides on the key file', (place) => {
  assert.equal(run(place, 'list', '--config', 'a.json').asked, ['a.json'])
  assert.equal(run(place, 'list', '--config=b.json').asked, ['b.json'])
  assert.equal(run(place, 'list').asked, [undefined])
})

test('help goes to out, ignores other mistakes, and fits 80 columns', (place) => {
  for (const args of [
    ['--help'],
    ['-h'],
    ['help'],
    ['add', '--help'],
    ['revoke', '-h'],
    ['list', '--help', '--nope'],
  ]) {
    const { code, out, err } = run(place, ...args)
    assert.is(code, 0)
    assert.is(err, '')
    for (const word of ['keys add', 'keys list', 'keys revoke', '--config', '--json']) assert.match(out, word)
    for (const line of out.split('\n')) assert.ok(line.length <= 80, line)
  }
})

test.run()
