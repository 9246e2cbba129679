import { appendFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { changeKey } from '../../../src/access/key-changes.js'
import { issueKey } from '../../../src/access/keyring.js'
import { headerOf } from '../../support/client.js'
import { OK, type Scene, withRelay } from '../../support/scene.js'

const RULES = [
  {
    name: 'shared',
    match: { team: ['team1', 'secret-team'] },
    usd: { month: 5 },
    message: 'Ask ann.',
    timezone: 'Europe/Berlin',
  },
  {
    name: 'each',
    match: { user: ['alice', 'secret-user'], env: 'p*' },
    per: 'user',
    requestsPerMinute: 1,
    requestBurst: 3,
    concurrent: 2,
  },
  { name: 'mini', match: { model: 'gpt-*-mini' }, per: 'key', tokens: { day: 1_000 }, observe: true },
  { name: 'opus', models: { deny: ['claude-opus-*'] } },
  { name: 'foreign', match: { team: 'secret-team' }, requestsPerMinute: 1 },
  { name: 'foreign-key', match: { key: 'k_ffffffffff' }, requestsPerMinute: 1 },
]

const ALICE = { env: 'prod', team: 'team1', user: 'alice' }

function issue({ relay }: Scene, models: string[] | null): { key: string; id: string } {
  const { key, record } = issueKey(relay.keyFile, ALICE, { limits: { models } })
  changeKey(relay.keyFile, record.id, { ruleEntries: [{ name: 'own', usd: { day: 0.5 } }] })
  relay.app.reloadKeys()
  return { key, id: record.id }
}

function ask(scene: Scene, method: string, path: string, key: string, ...lines: string[]) {
  const head = ['host: relay', `authorization: Bearer ${key}`, ...lines].join('\r\n')
  return scene.ask(`${method} ${path} HTTP/1.1\r\n${head}\r\n\r\n`)
}

function chat(scene: Scene, key: string) {
  const body = JSON.stringify({ model: 'gpt-4o', messages: [] })
  const head = ['host: relay', `authorization: Bearer ${key}`, `content-length: ${body.length}`].join('\r\n')
  return scene.ask(`POST /v1/chat/completions HTTP/1.1\r\n${head}\r\n\r\n${body}`)
}

interface Amount {
  readonly kind: string
  readonly resets_at: string | null
  readonly resets_in_s: number | null
}

interface Report {
  readonly limits: readonly { readonly rule: string; readonly amounts: readonly Amount[] }[]
}

test('a key is told whose it is, its rules, what is used and left, and nothing of others', () =>
  withRelay(
    OK,
    async (scene) => {
      const { key, id } = issue(scene, ['*'])
      for (let i = 0; i < 2; i++) assert.is((await chat(scene, key)).status, 200)
      // What they have used is counted by then.
      await scene.relay.records(2)
      const response = await ask(scene, 'GET', '/v1/key', key)
      assert.is(response.status, 200)
      assert.is(headerOf(response, 'cache-control'), 'no-store')
      assert.not.match(response.body.toString(), /secret-|foreign|ffffffffff/)
      assert.not.match(response.body.toString(), key)
      const { limits, ...report } = JSON.parse(response.body.toString()) as Report & Record<string, unknown>
      assert.type(report.issued_at, 'string')
      assert.equal(
        { ...report, issued_at: '' },
        {
          object: 'key',
          id,
          ...ALICE,
          issued_at: '',
          expires_at: null,
          models: ['*'],
          client_address: '127.0.0.1',
        },
      )
      const [shared, each, mini, opus, own] = limits
      assert.is(limits.length, 5)
      const nowhere = { models: null, paths: null, tags: null }
      const open = {
        allowed_models: null,
        denied_models: null,
        refuses: true,
        message: null,
        timezone: 'UTC',
      }
      const [month] = shared?.amounts ?? []
      assert.equal(shared, {
        ...open,
        rule: 'shared',
        shared_by: 'pool',
        for: nowhere,
        message: 'Ask ann.',
        timezone: 'Europe/Berlin',
        amounts: [
          {
            kind: 'budget',
            unit: 'usd',
            period: 'month',
            per_minute: null,
            limit: 5,
            used: 0,
            held: 0,
            left: 5,
            resets_at: month?.resets_at,
            resets_in_s: month?.resets_in_s,
          },
        ],
      })
      assert.match(month?.resets_at ?? '', /^\d{4}-\d\d-\d\dT2[23]:00:00\.000Z$/)
      const [rate, places] = each?.amounts ?? []
      assert.equal(each, {
        ...open,
        rule: 'each',
        shared_by: 'user',
        for: nowhere,
        amounts: [
          {
            kind: 'requests',
            unit: 'requests',
            period: 'minute',
            per_minute: 1,
            limit: 3,
            used: 2,
            held: 0,
            left: 1,
            resets_at: rate?.resets_at,
            resets_in_s: rate?.resets_in_s,
          },
          {
            kind: 'concurrent',
            unit: 'requests',
            period: null,
            per_minute: null,
            limit: 2,
            used: 0,
            held: 0,
            left: 2,
            resets_at: null,
            resets_in_s: null,
          },
        ],
      })
      assert.is(places?.kind, 'concurrent')
      assert.equal(
        [mini, opus, own].map((rule) => [rule?.rule, rule?.amounts.length]),
        [
          ['mini', 1],
          ['opus', 0],
          ['own', 1],
        ],
      )
      assert.equal(
        { ...mini, amounts: [] },
        {
          ...open,
          rule: 'mini',
          shared_by: 'key',
          for: { ...nowhere, models: ['gpt-*-mini'] },
          refuses: false,
          amounts: [],
        },
      )
      assert.equal(opus, {
        ...open,
        rule: 'opus',
        shared_by: 'pool',
        for: nowhere,
        denied_models: ['claude-opus-*'],
        amounts: [],
      })
    },
    { limits: { rules: RULES } },
  ))

test('it is answered by the relay under each prefix, is never limited, and needs a key', () =>
  withRelay(
    OK,
    async (scene) => {
      const { key } = issue(scene, null)
      const paths = ['/v1/key', '/key', '/openai/v1/key', '/api/v1/key', '/v1/key/', '/v1/key?x=1']
      for (const path of paths) assert.is((await ask(scene, 'GET', path, key)).status, 200, path)
      const client = await scene.client()
      client.send(`HEAD /v1/key HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${key}\r\n\r\n`)
      await client.sees('HTTP/1.1 200 OK')
      assert.is((await ask(scene, 'GET', '/v1/key', 'lc_wrong')).status, 401)
      assert.is(scene.asked.length, 0)
      const records = await scene.relay.records(paths.length + 2)
      assert.equal([...new Set(records.map(({ end }) => end))].sort(), ['local', 'refused'])
      // The only request that the rule allows, and it was not used by what was asked so far.
      assert.is((await ask(scene, 'POST', '/v1/key', key, 'content-length: 0')).status, 200)
      assert.is((await ask(scene, 'POST', '/v1/key', key, 'content-length: 0')).status, 429)
      assert.is(scene.asked.length, 1)
      assert.is((await ask(scene, 'GET', '/v1/key', key)).status, 200)
    },
    { limits: { rules: [{ name: 'one', requestsPerMinute: 1 }] } },
  ))

test('rules of a key hold from the next reading of the key file on, and those that cannot be read let no model through', () =>
  withRelay(OK, async (scene) => {
    const { key, id } = issue(scene, null)
    assert.is((await chat(scene, key)).status, 200)
    const { keyFile, app } = scene.relay
    changeKey(keyFile, id, { ruleEntries: [{ name: 'none-now', requestsPerMinute: 1, message: 'Ask ann.' }] })
    app.reloadKeys()
    assert.is((await chat(scene, key)).status, 200)
    const second = await chat(scene, key)
    assert.is(second.status, 429)
    assert.match(second.body.toString(), /the rule \\"none-now\\" allows .* Ask ann\./)
    assert.is((await ask(scene, 'GET', '/v1/models', key)).status, 200)
    const broken = {
      v: 3,
      ts: new Date().toISOString(),
      op: 'changed',
      id,
      limits: [{ name: 'of a newer version' }],
    }
    appendFileSync(keyFile, `${JSON.stringify(broken)}\n`)
    app.reloadKeys()
    const refused = await chat(scene, key)
    assert.is(refused.status, 403)
    assert.match(
      refused.body.toString(),
      /The limits of this key cannot be read\. Its operator has to set them again\./,
    )
    assert.is((await chat(scene, scene.relay.key)).status, 200)
    changeKey(keyFile, id, { ruleEntries: null })
    app.reloadKeys()
    assert.is((await chat(scene, key)).status, 200)
  }))

test('without keys of the relay the path goes to the upstream, as before', () =>
  withRelay(
    OK,
    async (scene) => {
      assert.is((await ask(scene, 'GET', '/v1/key', 'sk-of-the-client')).status, 200)
      assert.equal(
        scene.asked.map(({ target }) => target),
        ['/v1/key'],
      )
    },
    { keys: { mode: 'passthrough' }, limits: { rules: RULES.slice(2, 3) } },
    { apiKey: undefined },
  ))

test.run()
