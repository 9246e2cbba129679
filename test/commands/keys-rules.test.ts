import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseKeyFile } from '../../src/access/key-lines.js'
import { issueKey } from '../../src/access/keyring.js'
import { runKeys } from '../../src/commands/keys.js'
import { Written } from '../support/thinwire.js'

interface Place {
  folder: string
  file: string
  rules: string
}

const test = suite<Place>('rules of keys')

test.before.each((place) => {
  place.folder = mkdtempSync(join(tmpdir(), 'key-rules-'))
  place.file = join(place.folder, 'keys.jsonl')
  place.rules = join(place.folder, 'rules.json')
})

test.after.each((place) => rmSync(place.folder, { recursive: true, force: true }))

function run({ file, folder }: Place, ...args: string[]) {
  const out = new Written()
  const err = new Written()
  const keyFile = () => ({ file, configFile: join(folder, 'thinwire.json') })
  const code = runKeys(args, { out, err, keyFile })
  const text = args.includes('--json') ? '' : out.text
  for (const line of `${text}${err.text}`.replaceAll(folder, '').split('\n'))
    assert.ok(line.length <= 80, line)
  return { code, out: out.text, err: err.text }
}

const ALICE = { env: 'prod', team: 'team1', user: 'alice' }

const RULES = [
  { name: 'month', usd: { month: 50, day: 2.5 } },
  { name: 'burst', requestsPerMinute: 120, requestBurst: 10, tokensPerMinute: 400_000, concurrent: 3 },
  { name: 'mini', match: { model: ['gpt-*-mini', 'o3'] }, tokens: { hour: 1_500_000 }, observe: true },
  { name: 'no-opus', models: { allow: 'claude-*', deny: ['claude-opus-*'] } },
]

const SHOWN = `  limits     month: 2.5 USD a day, 50 USD a month
             burst: 120 requests a minute (10 at once), 400k tokens a minute, 3
             at one time
             mini: 1.5M tokens an hour, only observed; for model gpt-*-mini or
             o3
             no-opus: only claude-*, no claude-opus-*
`

test('rules are set from a file, shown, kept by another change, and taken away', (place) => {
  const { id } = issueKey(place.file, ALICE).record
  writeFileSync(place.rules, `\uFEFF${JSON.stringify({ rules: RULES })}`)
  const set = run(place, 'set', id, '--limits', place.rules)
  assert.equal([set.code, set.err], [0, ''])
  assert.is(set.out, `Changed ${id} (prod, team1, alice); in force within a second.\n${SHOWN}`)
  assert.match(run(place, 'list').out, /alice +\S+ +limited\n/)
  assert.equal(JSON.parse(run(place, 'list', '--json').out).limits, RULES)

  assert.is(run(place, 'set', id, '--models', 'claude-*').code, 0)
  const shown = run(place, 'show', id.slice(0, 6))
  assert.is(shown.code, 0)
  assert.match(shown.out, new RegExp(`^${id} \\(prod, team1, alice\\), issued [-0-9: ]+ UTC\\n`))
  assert.ok(
    shown.out.endsWith(`  expires    never\n  models     claude-*\n  addresses  any\n${SHOWN}`),
    shown.out,
  )

  assert.match(run(place, 'set', id, '--limits', 'none').out, /\n {2}limits {5}none\n$/)
  assert.ok(run(place, 'show', id).out.endsWith('  limits     none\n'))
  const audit = run(place, 'audit').out
  assert.match(audit, /^ {4}limits {5}\+ month: 2\.5 USD a day, 50 USD a month$/m)
  assert.match(audit, /^ {4}limits {5}- month: 2\.5 USD a day, 50 USD a month$/m)
  assert.is(run(place, 'audit').code, 0)
})

test('a key can be issued with rules, from a list, and from a pipe', (place) => {
  writeFileSync(place.rules, JSON.stringify(RULES.slice(0, 1)))
  const owner = ['--env', 'prod', '--team', 'team1', '--user', 'alice']
  const { code, out, err } = run(place, 'add', ...owner, '--limits', place.rules)
  assert.is(code, 0)
  assert.match(out, /^lc_prod_team1_alice_\w+\n$/)
  assert.match(err, '  limits     month: 2.5 USD a day, 50 USD a month\n')
  const script = `
    import { runKeys } from ${JSON.stringify(new URL('../../src/commands/keys.js', import.meta.url).href)}
    const keyFile = () => ({ file: ${JSON.stringify(place.file)}, configFile: 'x' })
    const given = ['add', ...${JSON.stringify(owner)}, '--limits', '/dev/stdin']
    process.exitCode = runKeys(given, { out: process.stdout, err: process.stderr, keyFile })`
  writeFileSync(place.rules, JSON.stringify(RULES))
  const piped = 'cat "$1" | "$2" --input-type=module -e "$3"'
  execFileSync('sh', ['-c', piped, 'sh', place.rules, process.execPath, script])
  const keys = [...parseKeyFile(readFileSync(place.file, 'utf8')).byId.values()]
  assert.equal(
    keys.map(({ ruleEntries }) => ruleEntries),
    [RULES.slice(0, 1), RULES],
  )
})

test('rules that work and are likely to surprise are set, with a warning for each', (place) => {
  const { id } = issueKey(place.file, ALICE).record
  const rules = [
    { name: 'a', usd: { day: 60, month: 50 } },
    { name: 'b', requestsPerMinute: 5, match: { model: 'gpt-5,o3' } },
    { name: 'c', usd: { month: 70 } },
  ]
  writeFileSync(place.rules, JSON.stringify({ rules }))
  const { code, err } = run(place, 'set', id, '--limits', place.rules)
  assert.is(code, 0)
  assert.equal(
    err
      .replaceAll(/\n(?!warning:|\w+ {2}|Only|k_)/g, ' ')
      .split('\n')
      .filter((line) => line.startsWith('warning'))
      .map((line) => line.trimEnd()),
    [
      'warning: --limits rules[0].usd.day: is never reached, as the month has less: usd.month',
      'warning: --limits rules[1].match.model: is one pattern; several are a list: ["gpt-*", "o3"]',
      'warning: --limits rules[2].usd.month: is never reached first: rules[0].usd.month (a) counts the same requests and allows less',
    ],
  )
})

test('a wrong file gets one line for each problem, with its place and what would be right, and changes nothing', (place) => {
  const { id } = issueKey(place.file, ALICE).record
  const before = readFileSync(place.file, 'utf8')
  const rule = { name: 'a', requestsPerMinute: 1 }
  const table: [unknown, string[]][] = [
    [5, ['FILE must be a list of rules [ ], or { "rules": [ ] }']],
    ['lc_prod_team1_alice_secret', ['FILE must be a list of rules [ ], or { "rules": [ ] }']],
    [{ rule: [] }, ['rule: unknown setting; settings here: rules']],
    [{ rules: 5 }, ['rules: must be a list of rules [ ]']],
    [[], ['FILE needs at least 1 rule; none takes them away: --limits none']],
    [{ rules: [] }, ['rules: needs at least 1 rule; none takes them away: --limits none']],
    [Array.from({ length: 51 }, (_, i) => ({ ...rule, name: `r${i}` })), ['FILE must have at most 50 rules']],
    [[5], ['[0]: must be an object { }']],
    [[{}], ['[0].name: is missing; a text is needed']],
    [[{ name: 'a' }], ['[0]: limits nothing; add an amount, such as "requestsPerMinute": 60']],
    [
      { rules: [rule, { ...rule, name: 'b', usd: { week: -5 } }] },
      ['rules[1].usd.week: must be more than 0'],
    ],
    [
      [{ ...rule, requestPerMinute: 5 }],
      ['[0].requestPerMinute: unknown setting; did you mean requestsPerMinute?'],
    ],
    [
      [{ ...rule, usd: { week: 0 }, concurrent: 0 }],
      ['[0].concurrent: must be at least 1', '[0].usd.week: must be more than 0'],
    ],
    [[{ ...rule, usd: { months: 5 } }], ['[0].usd.months: unknown setting; did you mean month?']],
    [[{ ...rule, match: { models: 'x' } }], ['[0].match.models: unknown setting; did you mean model?']],
    [[{ ...rule, match: { env: 'x' } }], ['[0].match.env: unknown setting; settings here: model, path, tag']],
    [
      [rule, { ...rule, timezone: 'Mars/Olympus' }],
      [
        '[1].name: is the name of [0] too; give each rule its own',
        '[1].timezone: is not a time zone; use a name such as "Europe/Berlin"',
      ],
    ],
    [
      { rules: [rule, { ...rule, name: 'B', tokenBurst: 5 }, { ...rule, name: 'b' }] },
      [
        'rules[1].tokenBurst: needs tokensPerMinute',
        'rules[2].name: is the name of rules[1] too; give each rule its own',
      ],
    ],
    [
      [{ ...rule, match: { model: Array(3_000).fill('gpt-*-mini') } }],
      ['FILE must be at most 32768 characters long, as JSON'],
    ],
  ]
  table.push(
    [
      { rules: [{ ...rule, match: { path: 'v1/chat' } }] },
      ['rules[0].match.path: matches no request: paths begin with "/", such as /v1/chat/completions'],
    ],
    [
      [{ name: 'a', models: { allow: 'o3', deny: 'o3' } }],
      ['[0].models.deny: is in models.allow, too; remove it from one of them'],
    ],
  )
  for (const [content, problems] of table) {
    writeFileSync(place.rules, JSON.stringify(content))
    const { code, out, err } = run(place, 'set', id, '--limits', place.rules)
    assert.equal([code, out], [2, ''], err)
    assert.is(err.replaceAll(/\n(?!--|$)/g, ' '), problems.map((problem) => `--limits ${problem}\n`).join(''))
  }
  const texts: [string, string][] = [
    ['', 'FILE is not JSON; look for a missing quote, comma or brace'],
    [
      '[{"name":"a","requestsPerMinute":1,"requestsPerMinute":2}]',
      '[0].requestsPerMinute: is there twice; remove one of them',
    ],
    [' '.repeat(1024 * 1024 + 1), 'FILE must be at most 1048576 bytes long'],
  ]
  for (const [text, problem] of texts) {
    writeFileSync(place.rules, text)
    assert.is(run(place, 'set', id, '--limits', place.rules).err, `--limits ${problem}\n`)
  }
  writeFileSync(place.rules, '[{"name":"lc_secret"')
  // Not each version of Node tells the place.
  assert.match(run(place, 'set', id, '--limits', place.rules).err, /^--limits FILE is not JSON[;,] [^_]*\n$/)
  const missing = run(place, 'set', id, '--limits', join(place.folder, 'no.json')).err
  assert.is(missing, '--limits FILE cannot be read (ENOENT); give the path of a JSON file, or none\n')
  assert.is(run(place, 'set', id, '--limits', place.folder).err, '--limits FILE cannot be read (EISDIR)\n')
  assert.match(run(place, 'set', id, '--limits=').err, /^--limits FILE cannot be read \(ENOENT\)/)
  assert.is(readFileSync(place.file, 'utf8'), before)
  assert.is(run(place, 'audit').out.match(/changed/g), null)
  const added = run(place, 'add', '--env', 'e', '--team', 't', '--user', 'u', '--limits', place.folder)
  assert.is(added.code, 2)
  assert.is(readFileSync(place.file, 'utf8'), before)
  assert.not.ok(existsSync(`${place.file}.lock`))
})

test.run()
