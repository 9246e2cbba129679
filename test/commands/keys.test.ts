import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { deriveKeyId, hashKey, inspectKey } from '../../src/access/key.js'
import { issueKey, Keyring } from '../../src/access/keyring.js'
import { runKeys } from '../../src/commands/keys.js'
import { Written } from '../support/thinwire.js'

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

function run(place: Place, ...args: string[]) {
  const out = new Written()
  const err = new Written()
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
    [[], /^thinwire keys needs one of: add, list, show, set, rotate, revoke, audit, export \(see --help\)$/],
    [
      ['lc_prod_team1_alice_secret'],
      /^thinwire keys has only one of: add, list, show, set, rotate, revoke, audit/,
    ],
    [['toString'], /^thinwire keys has only one of/],
    [
      ['add', 'alice', '--env', 'a', '--team', 'b', '--user', 'c'],
      /^keys add takes options only, for example: /,
    ],
    [
      ['add', '--name', 'x', '--env', 'a', '--team', 'b', '--user', 'c'],
      /^keys add has no option --name; it has --env, --team, --user, --expires, --models, --addresses, --limits, --config, --help$/,
    ],
    [
      ['add', '--env', 'a', '--env', 'b', '--team', 'b', '--user', 'c'],
      /^--env is given twice; give it once$/,
    ],
    [['list', 'all'], /^keys list takes options only/],
    [['list', '--json=yes'], /^--json takes no value/],
    [['list', '-j'], /^keys list has no option -j;/],
    [['show'], /^keys show takes one id or key/],
    [['revoke'], /^keys revoke takes one id or key/],
    [['revoke', 'k_1', 'k_2'], /^keys revoke takes one id or key/],
    [['revoke', 'alice'], /^give an id such as/],
    [['set', 'k_1'], /^keys set needs --expires, --models, --addresses or --limits$/],
    [['set', '--models', 'm'], /^keys set takes one id or key/],
    [['set', 'alice', '--models', 'm'], /^give an id such as/],
    [['set', 'k_1', '--expires', 'soon'], /^--expires must be like 12h, 30d, 4w, 2026-12-31 or never$/],
    [['set', 'k_1', '--expires', '0h'], /^--expires is in the past; to end a key now: thinwire keys revoke$/],
    [['set', 'k_1', '--expires', '2020-01-01'], /^--expires is in the past/],
    [['set', 'k_1', '--models', 'a,,b'], /^--models must be names, \* for anything/],
    [['set', 'k_1', '--models='], /^--models must be names/],
    [
      ['set', 'k_1', '--addresses', 'localhost'],
      /^--addresses must be like 10\.0\.0\.0\/8,192\.0\.2\.7, or any$/,
    ],
    [['rotate'], /^keys rotate takes one id or key/],
    [['rotate', 'k_1', '--overlap', 'a day'], /^--overlap must be like 24h, 7d or 0h$/],
    [['rotate', 'k_1', '--models', 'm'], /^keys rotate has no option --models;/],
    [['audit', 'k_1'], /^keys audit takes options only/],
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
    expires_at: null,
    models: null,
    addresses: null,
    limits: null,
    replaces: null,
    rotated_to: null,
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
  const err = new Written()
  const keyFile = () => {
    throw new Error('thinwire.json: access.keys is missing')
  }
  assert.is(runKeys(['list'], { out: new Written(), err, keyFile }), 1)
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
    for (const word of ['keys add', 'keys list', 'keys set', 'keys rotate', 'keys revoke', 'keys audit'])
      assert.match(out, word)
    for (const word of ['--config', '--json', '--expires', '--models', '--addresses', '--overlap'])
      assert.match(out, word)
    for (const line of out.split('\n')) assert.ok(line.length <= 80, line)
  }
})

/** The records by the users of their keys. */
function records(place: Place): Record<string, Record<string, unknown>> {
  const lines = run(place, 'list', '--json').out.trimEnd().split('\n')
  const all = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  return Object.fromEntries(all.map((record) => [String(record.user), record]))
}

const OWNER = ['--env', 'prod', '--team', 'team1', '--user']
const DAY = 24 * 3_600_000

test('add takes limits, shows them on err, and stores them', (place) => {
  const limits = [
    '--expires',
    '30d',
    '--models',
    'gpt-*, claude-haiku-*',
    '--addresses',
    '10.0.0.0/8,2001:db8::1',
  ]
  const before = Date.now()
  const { code, out, err } = run(place, 'add', ...OWNER, 'alice', ...limits)
  assert.is(code, 0)
  assert.match(out, /^lc_prod_team1_alice_\w{28}\n$/)
  const { expires_at, models, addresses } = records(place).alice ?? {}
  const left = Date.parse(String(expires_at)) - before
  assert.ok(left >= 30 * DAY && left < 30 * DAY + 60_000, String(left))
  assert.equal(
    [models, addresses],
    [
      ['gpt-*', 'claude-haiku-*'],
      ['10.0.0.0/8', '2001:db8::1'],
    ],
  )
  const [, , expires, ...rest] = err.split('\n')
  assert.match(expires ?? '', /^ {2}expires {4}\d{4}-\d\d-\d\d \d\d:\d\d UTC$/)
  assert.equal(rest.slice(0, 2), [
    '  models     gpt-*, claude-haiku-*',
    '  addresses  10.0.0.0/8, 2001:db8::1',
  ])
})

test('add names each limit that is wrong, and makes no file', (place) => {
  const { code, err } = run(
    place,
    'add',
    ...OWNER,
    'a',
    '--expires',
    'x',
    '--models',
    ' ',
    '--addresses',
    '10.0.0.0/99',
  )
  assert.is(code, 2)
  assert.is(err.trimEnd().split('\n').length, 3)
  assert.not.ok(existsSync(place.file))
})

test('set changes the limits that are named, and any and never take them away', (place) => {
  const key = run(place, 'add', ...OWNER, 'alice', '--models', 'm', '--expires', '30d').out.trim()
  const id = deriveKeyId(hashKey(key))
  const set = run(place, 'set', key, '--addresses', '10.0.0.0/8', '--expires', '2099-12-31')
  assert.is(set.code, 0)
  assert.is(
    set.out,
    `Changed ${id} (prod, team1, alice); in force within a second.\n  expires    2099-12-31 00:00 UTC\n  addresses  10.0.0.0/8\n`,
  )
  const limits = () => {
    const { expires_at, models, addresses } = records(place).alice ?? {}
    return [expires_at, models, addresses]
  }
  assert.equal(limits(), ['2099-12-31T00:00:00.000Z', ['m'], ['10.0.0.0/8']])
  assert.is(run(place, 'set', id, '--expires', 'never', '--models', 'any').code, 0)
  assert.equal(limits(), [null, null, ['10.0.0.0/8']])
  assert.is(run(place, 'set', 'k_ffffffffff', '--models', 'any').code, 1)
})

test('rotate prints the new key alone on out, and says from when on the old one is refused', (place) => {
  const key = run(place, 'add', ...OWNER, 'alice', '--models', 'm').out.trim()
  const id = deriveKeyId(hashKey(key))
  const { code, out, err } = run(place, 'rotate', id, '--overlap', '7d')
  assert.is(code, 0)
  assert.match(out, /^lc_prod_team1_alice_\w{28}\n$/)
  assert.is.not(out.trim(), key)
  const next = deriveKeyId(hashKey(out.trim()))
  const lines = err.split('\n')
  assert.equal(lines.slice(0, 3), [
    `Key file: ${place.file}`,
    'Shown only this once. A relay with this key file accepts it within a second.',
    '  models     m',
  ])
  assert.is(lines[3], `${next} replaces ${id} (prod, team1, alice),`)
  assert.match(lines[4] ?? '', /^which is refused from \d{4}-\d\d-\d\d \d\d:\d\d UTC on\.$/)
  const all = run(place, 'list', '--json')
    .out.trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal([all[0].rotated_to, all[1].replaces, all[1].models], [next, id, ['m']])
  assert.match(run(place, 'list').out, /rotated\n.*limited\n$/)
  const again = run(place, 'rotate', id)
  assert.equal([again.code, again.out], [1, ''])
  assert.match(again.err, new RegExp(`^${id} is rotated to ${next} already`))
})

test('list shows expiries if there are any, says which are near, and fits 80 columns', (place) => {
  const now = Date.now()
  const limits = { models: null, addresses: null }
  const issue = (user: string, left: number) =>
    issueKey(
      place.file,
      { env: 'prod', team: 'team1', user },
      { limits: { ...limits, expiresAt: new Date(now + left).toISOString() } },
    )
  issue('u'.repeat(32), 3.5 * DAY)
  issue('past', -DAY)
  issue('soon', 30_000)
  issue('later', 90 * DAY)
  add(place, 'e'.repeat(32), 't'.repeat(32), 'forever')
  const { out, err } = run(place, 'list')
  const lines = out.trimEnd().split('\n')
  for (const line of lines) assert.ok(line.length <= 80, line)
  assert.match(lines[0] ?? '', /ISSUED +EXPIRES +STATUS$/)
  const shown = lines.slice(1).map((line) => line.split(/ {2,}/).slice(-2))
  assert.equal(shown, [
    ['in 3 days', 'active'],
    [new Date(now - DAY).toISOString().slice(0, 10), 'expired'],
    ['in 1 h', 'active'],
    [new Date(now + 90 * DAY).toISOString().slice(0, 10), 'active'],
    ['-', 'active'],
  ])
  assert.is(err, '2 keys expire within 7 days. To replace one: thinwire keys rotate ID\n')
})

test('audit shows who changed what, in 80 columns, and with --json everything', (place) => {
  const key = add(place, 'prod', 'team1', 'alice')
  const id = deriveKeyId(hashKey(key))
  run(place, 'set', id, '--models', Array(40).fill('gpt-*').join(','))
  run(place, 'set', id, '--models', 'o3')
  const next = deriveKeyId(hashKey(run(place, 'rotate', id).out.trim()))
  run(place, 'revoke', next)
  const { code, out, err } = run(place, 'audit')
  assert.equal([code, err], [0, ''])
  for (const line of out.split('\n')) assert.ok(line.length <= 80, line)
  const heads = out.split('\n').filter((line) => /^\d/.test(line))
  assert.equal(
    heads.map((line) => line.split(/ +/).slice(2, 5)),
    [
      ['issued', id, 'by'],
      ['changed', id, 'by'],
      ['changed', id, 'by'],
      ['issued', next, 'by'],
      ['rotated', id, 'by'],
      ['revoked', next, 'by'],
    ],
  )
  assert.match(out, /^ {4}models {5}- -> gpt-\*, gpt-\*.*…$/m)
  assert.match(out, `    rotated_to ${next}`)
  assert.not.match(out, key)
  const json = run(place, 'audit', '--json')
    .out.trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(json[1].new, { models: Array(40).fill('gpt-*') })
  assert.equal([json.length, json[2].old.models.length], [6, 40])
})

test('audit names what was changed by other means, with exit code 1', (place) => {
  const { record } = issueKey(place.file, { env: 'prod', team: 'team1', user: 'alice' })
  add(place, 'prod', 'team1', 'bob')
  appendFileSync(place.file, `{"v":1,"ts":"2026-01-31T12:00:00Z","op":"revoked","id":"${record.id}"}\n`)
  const byHand = run(place, 'audit')
  assert.is(byHand.code, 1)
  assert.is(byHand.err, `key file: line 3 (revoked ${record.id}) was not written by thinwire keys\n`)
  const lines = readFileSync(place.file, 'utf8').split('\n')
  writeFileSync(place.file, `${lines[1]}\n`)
  const gone = run(place, 'audit')
  assert.is(gone.code, 1)
  assert.match(gone.err, new RegExp(`^key file: a line is gone \\(issued ${record.id}, .* UTC\\)\n$`))
  const audit = join(place.folder, 'keys.audit.jsonl')
  writeFileSync(audit, readFileSync(audit, 'utf8').replace('alice', 'al\u001b[31mice'))
  const tampered = run(place, 'audit')
  assert.is(tampered.code, 1)
  assert.match(tampered.err, 'audit: line 2 does not follow the line before it')
  assert.not.match(tampered.out, '\u001b')
})

test('audit tells lines from before it apart, and says if there is nothing', (place) => {
  const none = run(place, 'audit')
  assert.equal([none.code, none.out], [0, ''])
  assert.match(none.err, /^No changes in the audit of .* yet\.\n$/)
  add(place, 'prod', 'team1', 'alice')
  rmSync(join(place.folder, 'keys.audit.jsonl'))
  add(place, 'prod', 'team1', 'bob')
  const { code, out, err } = run(place, 'audit')
  assert.equal([code, err], [0, 'The key file has 1 line from before the audit.\n'])
  assert.match(out, 'bob')
})

test.run()
