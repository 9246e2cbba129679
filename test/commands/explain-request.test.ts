import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mintKey } from '../../src/access/key.js'
import { issueKey, revokeKey } from '../../src/access/keyring.js'
import { explainRequest } from '../../src/commands/explain-request.js'
import type { RequestOutlook } from '../../src/commands/request-outlook.js'
import { post, startRelay, type TestRelay } from '../support/relay.js'
import { type Received, ScriptedUpstream, whole } from '../support/upstream.js'

const folder = mkdtempSync(join(tmpdir(), 'explain-'))
test.after(() => rmSync(folder, { recursive: true }))
const keyFile = join(folder, 'keys.jsonl')
const OWNER = { env: 'prod', team: 'red', user: 'ann' }

const SETTINGS = {
  keys: { file: keyFile },
  upstreams: {
    openai: {
      preset: 'openai',
      keys: [{ env: 'NOT_SET', name: 'main' }, { env: 'NOT_SET_EITHER' }],
      limits: { maxConcurrentRequests: 7 },
    },
    claude: { preset: 'anthropic', apiKey: { env: 'NOT_SET' } },
    azure: {
      preset: 'azure-deployments',
      baseUrl: 'https://r.openai.azure.com',
      apiKey: { env: 'NOT_SET' },
    },
    gemini: { preset: 'gemini', apis: ['chat', 'gemini'], apiKey: { env: 'NOT_SET' } },
    cloud: { preset: 'bedrock', aws: { region: 'us-east-1' } },
    secretive: {
      baseUrl: 'https://s.example/v1',
      auth: 'query',
      apiKey: { env: 'SECRET' },
      query: { v: 'hidden' },
    },
  },
  models: {
    'team-fast': {
      targets: [
        { upstream: 'openai', model: 'gpt-5-mini' },
        { upstream: 'claude', model: 'claude-haiku-4-5' },
      ],
      translate: true,
    },
    'for-blue': { upstream: 'claude', team: 'blue' },
  },
  routes: [
    { model: 'claude-b*', upstream: 'cloud' },
    { model: 'claude-*', upstream: 'claude' },
    {
      model: 'gpt-*',
      targets: [{ upstream: 'azure' }, { upstream: 'openai' }],
      strategy: 'weight',
      failover: false,
    },
    { model: 'gemini-*', upstream: 'gemini' },
    { model: 's-*', upstream: 'secretive' },
  ],
}

class Page extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

function run(args: readonly string[], settings: object = SETTINGS, env: Record<string, string> = {}) {
  const [out, err] = [new Page(), new Page()]
  const file = join(folder, 'thinwire.json')
  writeFileSync(file, JSON.stringify(settings))
  const code = explainRequest(['--config', file, ...args], { out, err, env, cwd: folder })
  return { code, out: out.text, err: err.text }
}

/** The text without line breaks and columns. */
function flat(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}

const red = (model: string, path?: string): string[] => [
  ...['--model', model, '--team', 'red'],
  ...(path === undefined ? [] : ['--path', path]),
]

const ANSWERED: ReadonlyArray<readonly [args: string[], ...parts: string[]]> = [
  [
    red('team-fast'),
    'request POST /chat/completions, API chat model team-fast team red route models.team-fast',
    'targets in this order; the next one is asked when one fails',
    '1. gpt-5-mini at openai; translated to the API responses; keys main, 2; 7 requests at one time',
    'https://api.openai.com/v1/responses',
    '2. claude-haiku-4-5 at claude; translated to the API messages https://api.anthropic.com/v1/messages',
    'cache may hold it by cache.rules[1]: with a body of at most 65536 bytes, max_tokens at most 256',
    'limits 1000 requests at one time with a key',
  ],
  [
    red('gpt-5'),
    'route routes[2] targets in an order by chance, by weight; no other is asked once one may have acted',
    '1. gpt-5 at azure https://r.openai.azure.com/openai/deployments/gpt-5/chat/completions',
    '2. gpt-5 at openai; keys main, 2',
  ],
  [red('gpt-5', '//openai/v1/responses/'), 'request POST /responses, API responses model gpt-5'],
  [red('gpt-5', '/cursor/chat/completions'), 'API chat, by the route for Cursor'],
  [
    red('claude-x', '/v1/messages'),
    'route routes[1] 1. claude-x at claude https://api.anthropic.com/v1/messages',
  ],
  [
    red('claude-b', '/v1/messages'),
    'route routes[0] 1. claude-b at cloud https://bedrock-runtime.us-east-1.amazonaws.com/model/claude-b/invoke',
    'cache no rule of it takes such a request',
  ],
  [
    red('any', '/v1beta/models/gemini-x:generateContent'),
    'model gemini-x',
    'route routes[3]',
    'gemini-x:generateContent',
  ],
  [red('s-1'), '1. s-1 at secretive https://s.example/v1/chat/completions'],
  [red('any', '/v1/models'), 'request GET /models', 'model none is looked at', 'answer by the relay itself'],
]

for (const [args, ...parts] of ANSWERED)
  test(`explain request ${args.join(' ')} tells the route, its targets and where they are`, () => {
    const { code, out, err } = run(args, SETTINGS, { SECRET: 'sk-never-shown' })
    assert.is(err, '')
    assert.is(code, 0)
    for (const part of parts) assert.ok(flat(out).includes(part), `${part}\n${out}`)
    // Addresses cannot be wrapped.
    for (const each of out.split('\n')) assert.ok(each.length <= 80 || each.includes('https://'), each)
    assert.not.match(out, /never-shown|hidden/)
  })

const REFUSED: ReadonlyArray<readonly [args: string[], part: string]> = [
  [red('unknown'), 'refused 404 no_route No route of this relay'],
  [red('for-blue'), 'refused 404 no_route'],
  [red('gpt-5', '/v1/../chat'), 'refused 400 invalid_path The path must not have . or .. segments.'],
  [red('gpt-5', '/v1/Chat/Completions'), 'refused 400 ambiguous_request'],
  [['--model', 'gpt-5', '--key', 'sk-something'], 'key not valid refused 401 malformed_api_key'],
  [['--model', 'gpt-5', '--key', `${mintKey(OWNER)}x`], 'key not valid refused 401 mistyped_api_key'],
  [['--model', 'gpt-5', '--key', mintKey(OWNER)], 'key not valid refused 401 unknown_api_key'],
]

for (const [args, part] of REFUSED)
  test(`explain request tells the refusal: ${part}`, () => {
    const { code, out, err } = run(args)
    assert.is(err, '')
    assert.is(code, 1)
    assert.ok(flat(out).includes(part), out)
    if (args[2] === '--key') assert.not.ok(out.includes(String(args[3])), 'the key is repeated')
  })

test('explain request tells whose a key is, what it is limited to and when it was revoked, and never repeats it', () => {
  const limits = { expiresAt: '2099-01-01T00:00:00.000Z', models: ['gpt-*'], addresses: ['10.0.0.0/8'] }
  const { key, record: entry } = issueKey(keyFile, OWNER, { limits })
  const good = run(['--model', 'gpt-5', '--key', key])
  assert.is(good.code, 0)
  const facts = 'ann of red in prod; until 2099-01-01T00:00:00.000Z; models gpt-*; from 10.0.0.0/8'
  assert.ok(flat(good.out).includes(`key ${entry.id}, valid owner ${facts}`), good.out)
  const past = { v: 2, ts: '2026-01-01T00:00:00Z', op: 'changed', expires: '2020-01-01T00:00:00Z' }
  const { key: old, record } = issueKey(keyFile, OWNER)
  appendFileSync(keyFile, `${JSON.stringify({ ...past, id: record.id })}\n`)
  assert.match(run(['--model', 'gpt-5', '--key', old]).out, /401 expired_api_key/)
  const other = run(['--model', 'claude-x', '--key', key])
  assert.is(other.code, 1)
  assert.match(other.out, /403 model_not_allowed/)
  revokeKey(keyFile, entry.id)
  const revoked = run(['--model', 'gpt-5', '--key', key])
  assert.match(revoked.out, /401 revoked_api_key/)
  const asJson = run(['--model', 'gpt-5', '--key', key, '--json'])
  assert.is((JSON.parse(asJson.out) as RequestOutlook).refusal?.code, 'revoked_api_key')
  for (const { out, err } of [good, other, revoked, asJson]) assert.not.ok(`${out}${err}`.includes(key))
})

test('explain request names the limit rules that hold, and a rule that refuses the model', () => {
  const rules = [
    { name: 'red', match: { team: 'red' }, per: 'user', requestsPerMinute: 60, usd: { week: 5 } },
    { name: 'blue', match: { team: 'blue' }, requestsPerMinute: 1 },
    { name: 'dev', match: { env: 'dev' }, requestsPerMinute: 1 },
    { name: 'no-mini', match: { team: 'red' }, models: { deny: '*-mini' } },
  ]
  const file = 'with-rules.json'
  writeFileSync(join(folder, file), JSON.stringify({ ...SETTINGS, limits: { rules } }))
  const ruleEntries = [{ name: 'own', tokens: { day: 1_000 }, observe: true }]
  const { key, record } = issueKey(keyFile, OWNER, { limits: { ruleEntries } })
  const ask = (...args: string[]) => run([...args, '--config', file])
  const good = ask('--model', 'gpt-5', '--key', key)
  assert.is(good.code, 0)
  const held =
    'rules red (limits.rules[0]): 60 requests a minute, 5 USD a week no-mini (limits.rules[3]): no *-mini'
  assert.ok(
    flat(good.out).endsWith(`${held} own (key ${record.id}): 1000 tokens a day, only observed `),
    good.out,
  )
  assert.equal(
    (JSON.parse(ask('--model', 'gpt-5', '--team', 'red', '--json').out) as RequestOutlook).limitRules.map(
      ({ name }) => name,
    ),
    ['red', 'no-mini'],
  )
  const barred = ask('--model', 'gpt-5-mini', '--key', key)
  assert.is(barred.code, 1)
  assert.match(flat(barred.out), /refused 403 model_not_allowed The rule "no-mini" does not allow this model/)
  assert.match(barred.out, /\n {2}rules {5}red /)
  const free = ask('--model', 'gpt-5', '--key', key, '--path', '/v1/messages/count_tokens')
  assert.not.match(free.out, /\n {2}rules /)
  for (const { out } of [good, barred]) for (const line of out.split('\n')) assert.ok(line.length <= 80, line)
})

test('explain request says what is wrong with its arguments, and repeats none of them', () => {
  for (const args of [
    [],
    ['--model', 'm'],
    ['--team', 'red'],
    ['--model', 'm', '--team', 'red', '--key', 'lc_secret'],
    ['--model', 'm', 'lc_secret'],
    ['--modle', 'lc_secret'],
  ]) {
    const { code, out, err } = run(args)
    assert.is(code, 2, args.join(' '))
    assert.is(out, '')
    assert.match(err, /^thinwire explain: request takes .+\n$/)
    assert.not.match(err, /lc_secret/)
  }
})

test('explain request does not repeat a key that stands in a path or a name', () => {
  const key = mintKey(OWNER)
  for (const args of [
    ['--model', key, '--team', 'red'],
    ['--model', `gpt-${key}`, '--team', key],
    ['--model', 'gpt-5', '--team', 'red', '--path', `/v1/openai/${key}/chat/completions`],
    ['--model', 'm', '--team', 'red', '--path', `/v1beta/models/gemini-${key}:generateContent`],
  ])
    for (const more of [[], ['--json']]) {
      const { out, err } = run([...args, ...more])
      assert.ok(out !== '')
      assert.not.ok(`${out}${err}`.replaceAll(/\s/g, '').includes(key), out)
    }
})

test('without keys, explain request needs none and says so', () => {
  for (const mode of ['off', 'passthrough']) {
    const { code, out } = run(['--model', 'm'], {
      listen: '127.0.0.1:4000',
      keys: { mode },
      upstreams: { a: { baseUrl: 'https://a.example/v1' } },
    })
    assert.is(code, 0)
    assert.ok(flat(out).includes(`(keys.mode ${mode})`), out)
    assert.match(out, /https:\/\/a\.example\/v1\/chat\/completions/)
    assert.match(out, /route +a built-in one, as the config has no routes/)
  }
})

/** Model, path, and a body whose model is in it. */
const SENT: ReadonlyArray<readonly [model: string, path: string]> = [
  ['two', '/v1/chat/completions'],
  ['two', '/v1/messages'],
  ['two', '/cursor/chat/completions'],
  ['plain', '/v1/chat/completions'],
  ['plain', '/v1/responses'],
  ['plain', '/v1/embeddings'],
  ['only-chat', '/v1/responses'],
  ['only-chat', '/v1/chat/completions'],
  ['for-others', '/v1/chat/completions'],
  ['nothing', '/v1/chat/completions'],
  ['sound-1', '/v1/audio/speech'],
  ['deployed', '/v1/chat/completions'],
  ['deployed', '/openai/deployments/deployed/chat/completions'],
  ['plain', '/v1/CHAT/completions'],
]

test('what explain request prints is what a relay does', async () => {
  const came: [string, Received][] = []
  const names = ['a', 'b', 'c'] as const
  const upstreams = await Promise.all(
    names.map((name) =>
      ScriptedUpstream.start((request) => {
        came.push([name, request])
        return request.write(whole('400 No', '{"error":{"message":"no"}}', 'content-type: application/json'))
      }),
    ),
  )
  const url = (i: number): string => String(upstreams[i]?.url)
  const relay = await startRelay(
    {
      a: { baseUrl: url(0), apis: ['chat'] },
      b: { baseUrl: url(1), apis: ['messages'] },
      c: { baseUrl: url(2).replace('/v1', ''), preset: 'azure-deployments', apiKey: { env: 'KEY' } },
    },
    {
      models: {
        two: { targets: [{ upstream: 'b', model: 'inner' }, { upstream: 'a' }], translate: true },
        'for-others': { upstream: 'a', team: 'other' },
      },
      routes: [
        { model: 'only-*', upstream: 'a' },
        { model: 'deployed', upstream: 'c' },
        { path: '/audio/*', upstream: 'c' },
        { model: 'plain', path: ['/responses', '/embeddings'], upstream: 'c' },
        { model: 'plain', targets: [{ upstream: 'a', model: 'renamed' }, { upstream: 'b' }] },
      ],
    },
    { KEY: 'sk-upstream-secret' },
  )
  try {
    for (const [model, path] of SENT) {
      came.length = 0
      const foreseen = foreseeBy(relay, model, path)
      const prompt = path.endsWith('messages') ? '"max_tokens":1,' : ''
      const got = await post(
        relay,
        path,
        `{"model":"${model}",${prompt}"input":"?","messages":[{"role":"user","content":"?"}]}`,
      )
      const where = `${model} ${path}: ${JSON.stringify(foreseen)}`
      if (foreseen.refusal !== null) {
        assert.is(got.status, foreseen.refusal.status, where)
        assert.match(got.body.toString(), new RegExp(foreseen.refusal.code), where)
        assert.is(came.length, 0, where)
        continue
      }
      const [first] = foreseen.route?.targets ?? []
      const [name, request] = came[0] as [string, Received]
      assert.is(name, first?.upstream, where)
      const { origin } = new URL(url(names.indexOf(name as 'a')))
      assert.is(`${origin}${request.target.replace(/\?.*/, '')}`, first?.url, where)
      const sent = JSON.parse(request.body.toString()) as { model?: string }
      assert.is(sent.model, first?.model, where)
    }
  } finally {
    await relay.close()
    for (const upstream of upstreams) await upstream.close()
  }
})

function foreseeBy(relay: TestRelay, model: string, path: string): RequestOutlook {
  const [out, err] = [new Page(), new Page()]
  const file = String(relay.config.file)
  const args = ['--model', model, '--path', path, '--key', relay.key, '--config', file, '--json']
  explainRequest(args, { out, err, env: {}, cwd: folder })
  assert.is(err.text, '')
  return JSON.parse(out.text) as RequestOutlook
}

test.run()
