import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { COUNTS_IN_PRIMARY } from '../../support/primary-mode.js'
import { withRelay } from '../../support/scene.js'
import { gate, until } from '../../support/until.js'
import { type Script, step } from '../../support/upstream.js'
import { answers, chat, expectBooks, limitsOf, MODEL, outcomeOf, posting, takenOf } from './limit-scene.js'

const LIMITED = '429 rate_limit_exceeded'
const SPENT = '429 budget_exceeded'

test('requests above a rate are refused, cost nothing, and leave a record and a line with the rule', () =>
  withRelay(
    answers(10, 5),
    async (scene) => {
      const { relay } = scene
      const outcomes: string[] = []
      for (let n = 0; n < 4; n++) outcomes.push(outcomeOf(await scene.ask(posting(relay, chat()))))
      assert.equal(outcomes, ['200', '200', LIMITED, LIMITED])
      assert.is(scene.asked.length, 2)
      const records = await expectBooks(relay, 4)
      assert.equal(
        records.map(({ status, error_code, limit_rule, end }) => [status, error_code, limit_rule, end]),
        [
          [200, null, undefined, 'done'],
          [200, null, undefined, 'done'],
          [429, 'rate_limit_exceeded', 'few', 'refused'],
          [429, 'rate_limit_exceeded', 'few', 'refused'],
        ],
      )
      const lines = relay.lines.filter(({ path }) => path === '/v1/chat/completions')
      assert.equal(
        lines.map(({ limit_rule }) => limit_rule),
        [null, null, 'few', 'few'],
      )
      assert.match(String(lines[3]?.msg), / 429 refused rate_limit_exceeded by few /)
      const few = relay.inspect().limits.find(({ rule, kind }) => rule.name === 'few' && kind === 'requests')
      // Some of the two may have come back in the meantime; the two refusals were not counted.
      assert.ok(Number(few?.used) <= 2)
    },
    limitsOf({ few: { requestsPerMinute: 1, requestBurst: 2 }, all: { tokens: { day: 1_000 } } }),
  ))

test('a first request is never refused because of its estimate, and its tokens are corrected at its end', () =>
  withRelay(
    answers(900, 200),
    async (scene) => {
      const { relay } = scene
      assert.is(outcomeOf(await scene.ask(posting(relay, chat(MODEL, { max_tokens: 100_000 })))), '200')
      await expectBooks(relay, 1)
      assert.is(outcomeOf(await scene.ask(posting(relay, chat()))), LIMITED)
    },
    limitsOf({ slow: { tokensPerMinute: 1_000 } }),
  ))

test('a place among the requests in flight is free again when the response is over', () => {
  const { opened, open } = gate()
  const slow: Script = async (request) => {
    await opened
    await answers(10, 5)(request)
  }
  return withRelay(
    slow,
    async (scene) => {
      const { relay } = scene
      const first = await scene.client()
      first.send(posting(relay, chat()))
      await scene.upstream.request(0)
      assert.is(takenOf(relay.inspect().limits).places, 1)
      assert.is(outcomeOf(await scene.ask(posting(relay, chat()))), LIMITED)
      open()
      assert.is((await first.response()).status, 200)
      assert.is(outcomeOf(await scene.ask(posting(relay, chat()))), '200')
      await expectBooks(relay, 3)
    },
    limitsOf({ one: { concurrent: 1 } }),
  )
})

test('a budget of money that is used up refuses, and the counter is what the records say', () =>
  withRelay(
    answers(1_000_000, 100_000),
    async (scene) => {
      const { relay } = scene
      assert.is(outcomeOf(await scene.ask(posting(relay, chat()))), '200')
      await expectBooks(relay, 1)
      assert.is(outcomeOf(await scene.ask(posting(relay, chat()))), SPENT)
      const [first, second] = await expectBooks(relay, 2)
      assert.is(first?.cost_usd, 0.21)
      assert.is(second?.limit_rule, 'pocket')
    },
    limitsOf({ pocket: { usd: { month: 0.2 } }, watched: { usd: { day: 100 }, observe: true } }),
  ))

test('a budget of tokens that is used up refuses', () =>
  withRelay(
    answers(60, 50),
    async (scene) => {
      const { relay } = scene
      assert.is(outcomeOf(await scene.ask(posting(relay, chat()))), '200')
      await expectBooks(relay, 1)
      assert.is(outcomeOf(await scene.ask(posting(relay, chat()))), SPENT)
      await expectBooks(relay, 2)
    },
    limitsOf({ tokens: { tokens: { hour: 100 } } }),
  ))

for (const [per, shared] of [
  ['pool', 'everybody'],
  ['team', 'nobody of another team'],
  ['key', 'no other key'],
  ['user', 'no other user'],
] as const) {
  test(`an amount for each ${per} is shared with ${shared}`, () =>
    withRelay(
      answers(10, 5),
      async (scene) => {
        const { relay } = scene
        const other = relay.addKey('team1')
        const stranger = relay.addKey('team2')
        const outcomes: string[] = []
        for (const key of [relay.key, relay.key, other, stranger])
          outcomes.push(outcomeOf(await scene.ask(posting({ key }, chat()))))
        const expected = {
          pool: ['200', LIMITED, LIMITED, LIMITED],
          team: ['200', LIMITED, LIMITED, '200'],
          key: ['200', LIMITED, '200', '200'],
          user: ['200', LIMITED, '200', '200'],
        }
        assert.equal(outcomes, expected[per])
        await expectBooks(relay, 4)
      },
      limitsOf({ rule: { per, requestsPerMinute: 1 }, sums: { per, tokens: { month: 1_000 } } }),
    ))
}

test('a rule that only observes refuses nothing, and the record says what it would have refused', () =>
  withRelay(
    answers(10, 5),
    async (scene) => {
      const { relay } = scene
      for (let n = 0; n < 2; n++) assert.is(outcomeOf(await scene.ask(posting(relay, chat()))), '200')
      const records = await expectBooks(relay, 2)
      assert.equal(
        records.map(({ observed_rules }) => observed_rules),
        [undefined, 'would'],
      )
    },
    limitsOf({ would: { requestsPerMinute: 1, observe: true } }),
  ))

test('models that a rule does not allow are refused with the name of the rule, and only reported if it observes', () =>
  withRelay(
    answers(10, 5),
    async (scene) => {
      const { relay } = scene
      for (const model of ['gpt-4o', MODEL, 'o3'])
        assert.is(
          outcomeOf(await scene.ask(posting(relay, chat(model)))),
          model === 'o3' ? '403 model_not_allowed' : '200',
        )
      const records = await expectBooks(relay, 3)
      assert.equal(
        records.map(({ limit_rule, observed_rules }) => [limit_rule, observed_rules]),
        [
          [undefined, 'would'],
          [undefined, undefined],
          ['no-o3', undefined],
        ],
      )
    },
    limitsOf({
      would: { models: { allow: '*-mini' }, observe: true },
      'no-o3': { match: { env: 'test' }, models: { deny: 'o3*' } },
    }),
  ))

test('rules by model, path and tag count only what they match', () =>
  withRelay(
    answers(10, 5),
    async (scene) => {
      const { relay } = scene
      const ask = async (body: string, path?: string, lines?: string): Promise<string> =>
        outcomeOf(await scene.ask(posting(relay, body, path, lines)))
      assert.is(await ask(chat('gpt-4o')), '200')
      assert.is(await ask(chat('gpt-4o')), LIMITED)
      assert.is(await ask(chat('o3')), '200')
      assert.is(await ask(chat('o3'), '/v1/completions'), '200')
      assert.is(await ask(chat('o3'), '/v1/completions'), LIMITED)
      assert.is(await ask(chat('o3'), undefined, 'x-thinwire-tags: a=b, project=x1\r\n'), '200')
      assert.is(await ask(chat('o3'), undefined, 'x-thinwire-tags: project=x1\r\n'), LIMITED)
      assert.is(await ask(chat('o3')), '200')
      await expectBooks(relay, 8)
    },
    limitsOf({
      model: { match: { model: 'gpt-4*' }, requestsPerMinute: 1 },
      path: { match: { path: '/v1/completions' }, requestsPerMinute: 1 },
      tag: { match: { tag: ['project=x*'] }, requestsPerMinute: 1 },
      sums: { match: { model: 'o3', tag: 'a=b' }, usd: { day: 5 } },
    }),
  ))

test('tokens are counted, and models listed, without limits', () =>
  withRelay(
    answers(10, 5),
    async (scene) => {
      const { relay } = scene
      const paths = [
        '/v1/messages/count_tokens',
        '/v1/responses/input_tokens',
        '/v1beta/models/gemini-2.5-pro:countTokens',
        '/v1/model/claude/count-tokens',
      ]
      for (const path of paths) {
        const response = await scene.ask(posting(relay, chat(), path))
        assert.is(outcomeOf(response), '200', path)
      }
      const list = await scene.ask(`GET /v1/models HTTP/1.1\r\n${scene.auth}\r\n`)
      assert.is(list.status, 200)
      assert.is(outcomeOf(await scene.ask(posting(relay, chat()))), '200')
      assert.is(outcomeOf(await scene.ask(posting(relay, chat()))), LIMITED)
    },
    limitsOf({ one: { requestsPerMinute: 1 } }),
  ))

test('a model without a price is assumed to cost something, and its record says how much beside an unknown cost', () =>
  withRelay(
    answers(1_000, 1_000, 'house-model'),
    async (scene) => {
      const { relay } = scene
      assert.is(outcomeOf(await scene.ask(posting(relay, chat('house-model')))), '200')
      const [record] = await expectBooks(relay, 1)
      assert.equal([record?.cost_usd, record?.assumed_usd], [null, 0.03])
      assert.is(outcomeOf(await scene.ask(posting(relay, chat('house-model')))), SPENT)
      const warned = relay.lines.filter(({ msg }) => String(msg).includes('has no price'))
      assert.is(warned.length, 1)
    },
    limitsOf({ pocket: { usd: { day: 0.02 } } }, { unpriced: { input: 10, output: 20 } }),
  ))

test('a key that a client sends as the name of a model is in no line of the log', () =>
  withRelay(
    answers(10, 10, 'house-model'),
    async (scene) => {
      const { relay } = scene
      const secrets = [
        'sk-proj-secretsecretsecret',
        'lc_prod_team1_alice_secretsecret',
        'gpt sk-ant-secretsecret',
      ]
      for (const secret of secrets) await scene.ask(posting(relay, chat(secret)))
      await expectBooks(relay, secrets.length)
      assert.ok(relay.lines.some(({ msg }) => String(msg).includes('the model *** has no price')))
      assert.not.match(JSON.stringify(relay.lines), 'secretsecret')
    },
    limitsOf({ pocket: { usd: { day: 20 } } }),
  ))

test('a model without a price is refused under a rule that limits money, if the config says so', () =>
  withRelay(
    answers(1_000, 1_000, 'house-model'),
    async (scene) => {
      const { relay } = scene
      const response = await scene.ask(posting(relay, chat('house-model')))
      assert.is(outcomeOf(response), '403 model_not_allowed')
      assert.match(response.body.toString(), /has no price/)
      assert.is(outcomeOf(await scene.ask(posting(relay, chat()))), '200')
      assert.is(scene.asked.length, 1)
      await expectBooks(relay, 2)
    },
    limitsOf({ pocket: { usd: { day: 5 } } }, { unpriced: 'deny' }),
  ))

test('what no upstream has taken costs nothing', () =>
  withRelay(
    step.hang(),
    async (scene) => {
      const { relay } = scene
      const first = await scene.client()
      first.send(posting(relay, chat()))
      await scene.upstream.request(0)
      for (let n = 0; n < 3; n++)
        assert.is(outcomeOf(await scene.ask(posting(relay, chat()))), '503 upstream_busy')
      const isReturned = (): boolean =>
        Number(relay.inspect().limits.find(({ kind }) => kind === 'requests')?.used) <= 1
      // Where another process counts, it is on its way for a moment. By itself, one comes back after 30 s only.
      if (COUNTS_IN_PRIMARY) await until(isReturned, 'what was taken to be returned', 15_000)
      assert.ok(isReturned())
      first.destroy()
      await expectBooks(relay, 4)
    },
    limitsOf({ two: { requestsPerMinute: 2, concurrent: 2, usd: { day: 5 } } }),
    { limits: { maxConcurrentRequests: 1 } },
  ))

test.run()
