import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { changeKey } from '../../src/access/key-changes.js'
import { issueKey } from '../../src/access/keyring.js'
import { runLimits } from '../../src/commands/limits.js'
import { markProcess } from '../../src/ledger/starts.js'
import { findPeriod } from '../../src/limits/counters/period.js'
import type { LimitState } from '../../src/limits/counters/store.js'
import { formatEnd, formatOwner, SliceFormatter } from '../../src/limits/snapshot/snapshot-file.js'
import { makeRule } from '../support/limit-rules.js'
import { configure, UPSTREAM_KEY } from '../support/start.js'
import { clear, open, type Place, runUsage, started, type Thinwire, Written } from '../support/thinwire.js'
import { until } from '../support/until.js'
import { head, ScriptedUpstream } from '../support/upstream.js'

const test = suite<Place>('limits command')

test.before.each(open)
test.after.each(clear)

const RULES = [
  {
    name: 'team1-month',
    match: { team: 'team1' },
    usd: { month: 500, day: 60 },
    timezone: 'Europe/Berlin',
    message: 'Ask platform@ for more.',
  },
  {
    name: 'everyone',
    per: 'user',
    requestsPerMinute: 1,
    requestBurst: 120,
    tokensPerMinute: 400_000,
    concurrent: 20,
  },
  {
    name: 'interns',
    match: { user: 'intern-*', model: 'gpt-*' },
    per: 'key',
    tokens: { week: 100 },
    observe: true,
  },
  { name: 'no-opus', match: { env: 'dev' }, models: { deny: ['claude-opus-*'] } },
]

const ALICE = { env: 'prod', team: 'team1', user: 'alice' }
const INTERN = { env: 'dev', team: 'team2', user: 'intern-1' }

/** Runs the command in this process. Nothing that it prints for people is wider than a terminal. */
async function limits(place: Place, ...args: string[]) {
  const io = { out: new Written(), err: new Written() }
  const code = await runLimits(args, { ...io, env: {}, cwd: place.folder })
  const [out, err] = [io.out.text, io.err.text]
  if (!args.includes('--json'))
    for (const line of `${out}${err}`.split('\n'))
      assert.ok(line.replaceAll(place.folder, '').length <= 80, line)
  return { code, out, err }
}

const BODY = JSON.stringify({
  id: 'x',
  object: 'chat.completion',
  model: 'gpt-4o-mini',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 30, completion_tokens: 12, total_tokens: 42 },
})

async function relay(place: Place, rules: readonly object[] = RULES): Promise<Thinwire> {
  const upstream = await ScriptedUpstream.start(async (request) => {
    const length = `content-length: ${request.method === 'HEAD' ? 0 : BODY.length}`
    await request.write(head('200 OK', 'content-type: application/json', length))
    if (request.method !== 'HEAD') await request.write(BODY)
  })
  place.upstreams.push(upstream)
  configure(place, {
    upstreams: { up: { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' } } },
    limits: { rules },
  })
  return started(place, [], { UPSTREAM_KEY })
}

function keyFile(place: Place): string {
  return join(place.folder, 'data', 'keys.jsonl')
}

async function chat(thinwire: Thinwire, key: string, model = 'gpt-4o-mini'): Promise<number> {
  const response = await fetch(`${thinwire.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
  })
  await response.text()
  return response.status
}

/** Waits until the relay has left counters that have so many records. */
async function counted(place: Place, seq: number): Promise<void> {
  const path = join(place.folder, 'data', 'limits.json')
  const isThere = (): boolean => {
    const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
    return text.includes(`{"seq":${seq},`) && text.includes('"restored":true')
  }
  await until(isThere, `counters up to record ${seq}`)
}

test('a relay leaves its counters, which are shown, explained, and compared with its ledger', async (place) => {
  const alice = issueKey(keyFile(place), ALICE)
  const intern = issueKey(keyFile(place), INTERN)
  changeKey(keyFile(place), alice.record.id, { ruleEntries: [{ name: 'own', tokens: { day: 1_000 } }] })
  const thinwire = await relay(place)
  for (let i = 0; i < 3; i++) assert.is(await chat(thinwire, alice.key), 200)
  assert.is(await chat(thinwire, intern.key), 200)
  assert.is(await chat(thinwire, intern.key, 'claude-opus-4'), 403)
  await counted(place, 5)

  const { code, out } = await limits(place)
  assert.is(code, 0)
  assert.match(
    out,
    /^The relay runs \(process \d+\)\. Its counters have last changed \d+s ago\.\n\nRULE +WHOSE +WHAT +USED +LIMIT SHARE RESETS\n/,
  )
  assert.match(out, new RegExp(`\\ninterns\\* +${intern.record.id} +tokens/week +42 +100 +42% \\d`))
  assert.match(out, new RegExp(`\\nown +${alice.record.id} +tokens/day +126 +1\\.0k +12% `))
  assert.match(out, /\nteam1-month +all +USD\/month +<\.0001 500\.00 +0% /)
  assert.match(out, /\neveryone +team1\/alice +in flight +0 +20 +0% -\n/)
  assert.match(out, /\n\* only observed: it refuses nothing\n$/)
  const json = JSON.parse((await limits(place, '--json', '--rule', 'own')).out)
  assert.equal([json.source, json.relay.state, json.relay.restored], ['relay', 'running', true])
  assert.equal(
    json.counters.map((each: Record<string, unknown>) => [
      each.rule,
      each.owner,
      each.used,
      each.limit,
      each.share,
    ]),
    [['own', alice.record.id, 126, 1_000, 12]],
  )

  const clean = await runUsage(place, ['verify', '--limits'])
  assert.is(clean.code, 0)
  assert.match(clean.out, /^The relay runs .*\n4 budgets compared with the ledger: no drift\nNot compared: /)

  const explained = await limits(place, '--explain', intern.key, 'claude-opus-4')
  assert.is(explained.code, 1)
  assert.not.match(explained.out, intern.key)
  assert.match(
    explained.out,
    /\nno-opus \(limits\.rules\[3\]\) holds\n {2}for env dev; all that match share it\n {2}it does not allow/,
  )
  assert.match(
    explained.out,
    /\nteam1-month \(limits\.rules\[0\]\) does not hold\n {2}team is team2, and the rule is for team1\n/,
  )
  assert.match(explained.out, /\nSuch a request would get 403 model_not_allowed, by no-opus:\n/)

  thinwire.child.kill('SIGTERM')
  await thinwire.ended()
  const ended = await limits(place, '--owner', alice.record.id)
  assert.match(
    ended.out,
    /^No relay runs; the last one has ended \d+s ago\.\nBudgets are summed up from the ledger\.\n/,
  )
  assert.match(ended.out, /\nown +k_\w+ tokens\/day +126 +1\.0k +12% /)
  assert.is((await runUsage(place, ['verify', '--limits'])).code, 0)

  const path = join(place.folder, 'data', 'limits.json')
  const text = readFileSync(path, 'utf8')
  assert.match(text, ',1000,126,')
  writeFileSync(path, text.replace(',1000,126,', ',1000,84,'))
  const drift = await runUsage(place, ['verify', '--limits'])
  assert.is(drift.code, 1)
  assert.match(
    drift.out,
    /\n4 budgets compared with the ledger, 1 with a drift:\n {2}own, k_\w+, tokens\/day, \S+@UTC\n/,
  )
  assert.match(drift.out, '\n    counter 84 tokens, ledger 126 tokens: 42 tokens too little\n')
  assert.not.match(drift.out, 'does it run with this rule yet')
  const program = JSON.parse((await runUsage(place, ['verify', '--limits', '--json'])).out)
  assert.equal(
    program.drift.map((each: Record<string, unknown>) => [each.rule, each.owner, each.live, each.ledger]),
    [['own', alice.record.id, 84, 126]],
  )
  writeFileSync(path, text)
  changeKey(keyFile(place), alice.record.id, { ruleEntries: [{ name: 'later', tokens: { day: 500 } }] })
  const later = await runUsage(place, ['verify', '--limits'])
  assert.match(
    later.out,
    /counter 0 tokens, ledger 126 tokens: 126 tokens too little\n {4}the relay has no counter of it: does it run with this rule yet\?\n/,
  )
})

test('after a kill the budgets are those of the ledger, and the next relay counts on from them', async (place) => {
  const { key, record } = issueKey(keyFile(place), ALICE)
  changeKey(keyFile(place), record.id, { ruleEntries: [{ name: 'own', tokens: { month: 130 } }] })
  const first = await relay(place)
  for (let i = 0; i < 2; i++) assert.is(await chat(first, key), 200)
  await counted(place, 2)
  await first.kill()
  const killed = await limits(place, '--rule', 'own')
  assert.match(killed.out, /^No relay runs; the last one \(process \d+\) was killed, at least \d+s ago\.\n/)
  assert.match(killed.out, /\nown +k_\w+ +tokens\/month +84 +130 +64% /)

  const second = await relay(place)
  await counted(place, 0)
  for (let i = 0; i < 2; i++) assert.is(await chat(second, key), 200)
  assert.is(await chat(second, key), 429)
  await counted(place, 3)
  assert.match((await limits(place, '--rule', 'own')).out, /\nown +k_\w+ +tokens\/month +168 +130 +129% /)
  const explained = await limits(place, '--explain', record.id, 'gpt-4o-mini')
  assert.is(explained.code, 1)
  assert.match(explained.out, /\n {2}tokens\/month: 168 of 130 used, resets .* - full\n/)
  assert.match(
    explained.out,
    /\nSuch a request would get 429 budget_exceeded, by own:\n {2}You exceeded your current quota/,
  )
  const { code, out } = await runUsage(place, ['verify', '--limits'])
  assert.is(code, 0, out)
})

/** A file as a relay leaves it. */
function leave(
  place: Place,
  states: readonly LimitState[],
  more: { pid?: number; ended?: boolean; restored?: boolean } = {},
) {
  const folder = join(place.folder, 'data')
  mkdirSync(folder, { recursive: true })
  const slices = new SliceFormatter()
  for (const state of states) slices.add(state)
  const { ended = false, restored = true, ...mark } = more
  const now = new Date()
  const owner = { writer: 'w-000000000001', started: now.toISOString(), ...markProcess(), ...mark }
  const end = formatEnd({ written: now.toISOString(), ended, restored })
  writeFileSync(join(folder, 'limits.json'), formatOwner(owner) + slices.take(7, now.getTime()) + end)
}

const LONG = 'a-rule-with-a-name-that-is-too-long-for-any-column-of-a-terminal'

function budgetState(entry: object, owner: string, used: number, held = 0): LimitState {
  const rule = makeRule(entry)
  const budget = rule.budgets[0] ?? null
  const period = findPeriod('month', 'UTC', Date.now()).name
  return {
    rule,
    owner,
    kind: 'budget',
    budget,
    period,
    limit: budget?.amount ?? 0,
    used,
    held,
    resetMs: 90_000_000,
  }
}

test('the table fits 80 columns, the fullest first, and is cut short unless all of it is asked for', async (place) => {
  configure(place, {})
  const month = { tokens: { month: 1_000_000 } }
  const states = [
    budgetState({ name: LONG, per: 'user', ...month }, `${'t'.repeat(32)}/${'u'.repeat(32)}`, 12_345),
    budgetState({ name: 'usd', usd: { month: 1_000_000 } }, '', 999_999_000_000_000),
    budgetState({ name: 'over', per: 'team', ...month }, 'team1', 1_500_000),
    budgetState({ name: 'odd', per: 'key', ...month }, 'k_\u001b[31m', 0),
  ]
  leave(place, states)
  const { out } = await limits(place)
  const rows = out.split('\n').slice(3, -1)
  assert.equal(
    rows.map((row) => row.split(/ +/)[0]),
    ['over', 'usd', rows[2]?.split(/ +/)[0], 'odd'],
  )
  assert.match(rows[2] ?? '', /^a-rule-with-a-na\S*… t+\S*… tokens\/month 12\.3k +1\.0M +1% 25h 0m$/)
  assert.match(rows[0] ?? '', / 150% /)
  assert.match(rows[1] ?? '', / 1\.0M +1\.0M +99% /)
  assert.not.match(out, '\u001b')

  leave(
    place,
    Array.from({ length: 60 }, (_, i) => budgetState({ name: 'each', per: 'key', ...month }, `k_${i}`, i)),
  )
  const cut = await limits(place)
  assert.is(cut.out.split('\n').filter((line) => line.startsWith('each')).length, 50)
  assert.match(cut.out, /\n10 more rows: --all prints them\n$/)
  const all = await limits(place, '--all')
  assert.is(all.out.split('\n').filter((line) => line.startsWith('each')).length, 60)
  assert.is((await limits(place, '--owner', 'k_1*')).out.match(/^each/gm)?.length, 11)
  assert.match(
    (await limits(place, '--owner', 'nobody')).out,
    /\nNo counter is of such a rule and owner\.\n$/,
  )
})

test('without rules, without a relay and with a file that cannot be used it says so', async (place) => {
  configure(place, {})
  const none = await limits(place)
  assert.equal([none.code, none.err], [0, ''])
  assert.is(
    none.out,
    'There are no rules: the config has no limits.rules, and no key has rules of its\nown.\n',
  )
  configure(place, { limits: { rules: [{ name: 'a', models: { deny: 'x' } }] } })
  assert.match(
    (await limits(place)).out,
    /^No relay has run .*\nBudgets .*\nThe rules only say which models may be used/,
  )
  configure(place, { limits: { rules: [{ name: 'a', tokens: { day: 5 }, per: 'team' }] } })
  const unused = /\na +each team tokens\/day +0 +5 +0% /
  const fresh = await limits(place)
  assert.match(
    fresh.out,
    /^No relay has run with this ledger and this version yet\.\nBudgets are summed up from the ledger\.\n/,
  )
  assert.match(fresh.out, unused)

  leave(place, [])
  const path = join(place.folder, 'data', 'limits.json')
  const good = readFileSync(path, 'utf8')
  assert.match((await limits(place)).out, /^The relay runs/)
  const table: [string, string][] = [
    ['', 'is not JSON, or not all of it was written'],
    [good.slice(0, -20), 'is not JSON, or not all of it was written'],
    ['[]', 'is not a file of a relay'],
    [good.replace('"v":1', '"v":2'), 'is not a file of a relay'],
    [good.replace('"v":1', '"v":3'), 'was written by another version of thinwire'],
    [good.replace('"writer"', '"writers"'), 'is not a file of a relay'],
    [good.replace('"rules":[]', '"rules":[[0,{}]]'), 'is not a file of a relay'],
    [good.replace('"states":[\n', '"states":[[0,"x"]'), 'is not a file of a relay'],
    [good.replace('"seq":7', '"seq":-7'), 'is not a file of a relay'],
  ]
  for (const [text, fault] of table) {
    writeFileSync(path, text)
    const { code, out } = await limits(place)
    assert.is(code, 0)
    assert.ok(out.replace(/\s+/g, ' ').startsWith(`${path} ${fault}. Budgets are summed up`), out)
    assert.match(out, unused)
    const verify = await runUsage(place, ['verify', '--limits'])
    assert.equal([verify.code, verify.out], [2, ''])
    assert.match(verify.err, fault)
  }
  rmSync(path)
  assert.match(
    (await runUsage(place, ['verify', '--limits'])).err,
    /limits\.json: no relay has counted anything/,
  )
})

test('a relay that was killed, has ended, or is not restored yet is told apart', async (place) => {
  configure(place, {})
  const state = budgetState({ name: 'a', tokens: { month: 100 } }, '', 50)
  const gone = spawnSync(process.execPath, ['-e', '']).pid
  const table: [Parameters<typeof leave>[2], RegExp][] = [
    [{}, /^The relay runs \(process \d+\)\. Its counters have last changed \ds ago\.\n\n/],
    [
      { restored: false },
      /^The relay runs .*\nIt still reads the ledger: budgets lack some of what was used/,
    ],
    [{ pid: gone }, /^No relay runs; the last one \(process \d+\) was killed/],
    [{ ended: true }, /^No relay runs; the last one has ended/],
  ]
  for (const [more, expected] of table) {
    leave(place, [state], more)
    assert.match((await limits(place)).out, expected)
  }
  leave(place, [state], { ended: true, restored: false })
  const { code, out } = await runUsage(place, ['verify', '--limits'])
  assert.is(code, 1)
  assert.match(out, /\nNot sure: the relay still reads the ledger/)
})

test('wrong usage gets one line, and no argument is repeated', async (place) => {
  configure(place, {})
  const usages: [string[], RegExp][] = [
    [['lc_secret'], /^thinwire limits: it takes options only/],
    [['--explain', 'lc_secret'], /--explain takes KEY and MODEL/],
    [['--explain', 'lc_secret', 'a', 'b'], /--explain takes KEY and MODEL/],
    [['--explain', 'lc_secret', 'a', '--rule', 'x'], /--rule, --owner and --all go without --explain/],
    [['--explain', 'lc_secret', 'a', '--tag', 'secret'], /--tag takes NAME=TEXT/],
    [['--explain', 'lc_secret', 'a', '--path', '/../secret'], /--path takes a path of the relay/],
    [
      ['--explain', 'm', 'lc_prod_team1_alice_secret'],
      /only KEY may hold a key; --explain takes KEY, then MODEL/,
    ],
    [['--explain', 'k_0123456789', 'm', '--tag', 'a=sk-secretsecret'], /only KEY may hold a key/],
    [
      ['--explain', 'k_0123456789', 'm', '--path', '/v1/lc_prod_team1_alice_secret'],
      /only KEY may hold a key/,
    ],
    [['--path', '/v1/x'], /--path and --tag go with --explain/],
    [['--secret'], /there is no such option/],
    [['--explain', 'secret', 'm'], /^give an id such as/],
  ]
  for (const [args, message] of usages) {
    const { code, out, err } = await limits(place, ...args)
    assert.equal([code, out], [2, ''], args.join(' '))
    assert.match(err, message)
    assert.not.match(err, 'secret')
  }
  assert.is((await limits(place, '--help')).code, 0)
  assert.is((await limits(place, '--explain', 'k_0000000000', 'm')).code, 1)
})

test('a name of the config is explained by its targets, and a variant of it by the name, as the relay decides', async (place) => {
  configure(place, {
    upstreams: { up: { baseUrl: 'http://127.0.0.1:9/v1', apiKey: { env: 'UPSTREAM_KEY' } } },
    models: {
      coder: { upstream: 'up', model: 'claude-opus-4' },
      mixed: {
        targets: [
          { upstream: 'up', model: 'claude-opus-4' },
          { upstream: 'up', model: 'gpt-5' },
        ],
      },
      fast: { upstream: 'up', model: 'gpt-5-mini' },
    },
    limits: { rules: [{ name: 'no-opus', models: { deny: ['claude-opus-*', 'fast'] } }] },
  })
  const { id } = issueKey(join(place.folder, 'data', 'keys.jsonl'), ALICE).record
  const cursor = ['--path', '/cursor/v1/chat/completions']
  const table: [string, string[], number][] = [
    ['gpt-5', [], 0],
    ['coder', [], 1],
    ['mixed', [], 0],
    ['fast', [], 1],
    ['fast-high', cursor, 1],
    ['coder-high', cursor, 1],
    ['mixed-high', cursor, 0],
    // Elsewhere it is a model of its own.
    ['fast-high', [], 0],
  ]
  for (const [model, more, code] of table) {
    const explained = await limits(place, '--explain', id, model, ...more)
    assert.is(explained.code, code, `${model}: ${explained.out}`)
    assert.match(explained.out, code === 0 ? /it allows this model/ : /would get 403 model_not_allowed/)
  }
})

test.run()
