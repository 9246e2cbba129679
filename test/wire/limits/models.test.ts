import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Response } from '../../support/client.js'
import { withRelay } from '../../support/scene.js'
import { answers, expectBooks, limitsOf, outcomeOf, posting } from './limit-scene.js'

const BARRED = '403 model_not_allowed'
const SPENT = '429 budget_exceeded'

const batch = (...models: readonly string[]): object => ({
  requests: models.map((model, i) => ({
    custom_id: `c${i}`,
    params: { model, max_tokens: 9, messages: [] },
  })),
})

const session = (model: string, transcription: string): object => ({
  session: { audio: { input: { transcription: { model: transcription } } }, type: 'realtime', model },
})

/** Requests under a used-up budget for `secret-*`, and what they get. */
const ROWS: readonly (readonly [path: string, body: object, outcome: string])[] = [
  ['/v1/messages/batches', batch('open-1', 'open-2'), '200'],
  ['/v1/messages/batches', batch('secret-2'), SPENT],
  ['/v1/messages/batches', batch('secret-2', 'secret-3'), SPENT],
  ['/v1/messages/batches', batch('open-1', 'secret-2'), BARRED],
  ['/v1/messages/batches', batch('secret-2', 'open-1'), BARRED],
  ['/v1/messages/batches', { model: 'open-1', ...batch('secret-2') }, BARRED],
  ['/v1/messages/batches', { requests: [] }, BARRED],
  ['/v1/realtime/client_secrets', session('open-1', 'open-2'), '200'],
  ['/v1/realtime/client_secrets', session('secret-2', 'open-2'), SPENT],
  ['/v1/realtime/client_secrets', session('open-1', 'secret-2'), BARRED],
  ['/v1/realtime/client_secrets', { session: {} }, BARRED],
  // What a stored object or a file says is not seen.
  ['/v1/batches', { input_file_id: 'f' }, BARRED],
  ['/v1/threads/t/runs', { assistant_id: 'a' }, BARRED],
  ['/v1/threads/t/runs', { assistant_id: 'a', model: 'open-1' }, '200'],
  ['/v1/threads/t/runs', { assistant_id: 'a', model: 'secret-2' }, SPENT],
  ['/v1/responses', { prompt: { id: 'pmpt_1' } }, BARRED],
  ['/v1/agents/completions', { agent_id: 'a' }, BARRED],
  // A server of one model runs it when none is named.
  ['/v1/chat/completions', { messages: [] }, BARRED],
  ['/v1/unheard/of', { input: 'x' }, BARRED],
  ['/v1/unheard/of', { input: 'x', model: 'open-1' }, '200'],
  // Nothing runs there.
  ['/v1/assistants', { name: 'a' }, '200'],
  ['/v1/batches/b/cancel', {}, '200'],
  ['/v1/files', { x: 1 }, '200'],
  ['/v1/messages/count_tokens', { messages: [] }, '200'],
]

const SPENT_ON_SECRET = { match: { model: 'secret-*' }, tokens: { month: 1 } }

test('a rule for some models counts those below the top level, and refuses what it cannot see', () =>
  withRelay(
    answers(5, 5),
    async (scene) => {
      const { relay } = scene
      const first = posting(relay, JSON.stringify({ model: 'secret-1', messages: [] }))
      assert.is(outcomeOf(await scene.ask(first)), '200')
      await expectBooks(relay, 1)
      for (const [path, body, outcome] of ROWS) {
        const count = scene.upstream.requests.length
        const response = await scene.ask(posting(relay, JSON.stringify(body), path))
        const what = `${path} ${JSON.stringify(body)}`
        assert.is(outcomeOf(response), outcome, what)
        assert.is(scene.upstream.requests.length, count + (outcome === '200' ? 1 : 0), what)
        if (outcome === BARRED) assert.match(response.body.toString(), /The rule \\"spent\\"/, what)
      }
      const records = await expectBooks(relay, 1 + ROWS.length)
      for (const [i, [path, , outcome]] of ROWS.entries()) {
        const { limit_rule, model } = records[i + 1] ?? {}
        assert.is(limit_rule, outcome === '200' ? undefined : 'spent', path)
        if (outcome === SPENT) assert.match(String(model), /^secret-/)
      }
      const refused = relay.inspect().refusals.filter(({ rule }) => rule === 'spent')
      const countOf = (outcome: string): number => ROWS.filter((row) => row[2] === outcome).length
      assert.equal(Object.fromEntries(refused.map(({ kind, count }) => [kind, count])), {
        budget: countOf(SPENT),
        model: countOf(BARRED),
      })
    },
    limitsOf({ spent: SPENT_ON_SECRET }),
  ))

for (const [name, rule] of [
  ['only observes', { ...SPENT_ON_SECRET, observe: true }],
  ['is for another team', { ...SPENT_ON_SECRET, match: { model: 'secret-*', team: 'other' } }],
  ['is for another path', { ...SPENT_ON_SECRET, match: { model: 'secret-*', path: '/v1/responses/x' } }],
  ['is for all models', { tokens: { month: 1_000 } }],
] as const) {
  test(`a rule that ${name} refuses nothing that it cannot see`, () =>
    withRelay(
      answers(1, 1),
      async (scene) => {
        for (const [path, body] of ROWS)
          assert.is(outcomeOf(await scene.ask(posting(scene.relay, JSON.stringify(body), path))), '200', path)
      },
      limitsOf({ rule }),
    ))
}

/** Names that upstreams take for `secret-1`, and what a budget for that and a list without it say. */
const SPELLINGS = [
  'secret-1',
  'Secret-1',
  'SECRET-1',
  'vendor/secret-1',
  'models/secret-1',
  'us.vendor.secret-1',
]

test('a model that is denied, or whose budget is used up, is not reached by another spelling', () =>
  withRelay(
    answers(5, 5),
    async (scene) => {
      const { relay } = scene
      const ask = async (path: string, model: string): Promise<string> =>
        outcomeOf(await scene.ask(posting(relay, JSON.stringify({ model, messages: [] }), path)))
      assert.is(await ask('/v1/chat/completions', 'secret-1'), '200')
      await expectBooks(relay, 1)
      for (const model of SPELLINGS) {
        assert.is(await ask('/v1/chat/completions', model), SPENT, model)
        assert.is(await ask('/v1/messages', model), BARRED, model)
        assert.is(
          await ask('/v1/responses', model.replace('secret', 'open')),
          model === 'secret-1' ? '200' : BARRED,
        )
      }
      for (const model of ['my-secret-1', 'secret-10', 'secret', 'secret-1/other'])
        assert.is(await ask('/v1/messages', model), '200', model)
      await expectBooks(relay, 1 + 3 * SPELLINGS.length + 4)
    },
    limitsOf({
      spent: { match: { model: 'secret-1', path: '/v1/chat/*' }, tokens: { month: 1 } },
      denied: { match: { path: '/v1/messages' }, models: { deny: 'secret-1' } },
      allowed: { match: { path: '/v1/responses' }, models: { allow: 'open-1' } },
    }),
  ))

test('an alias whose targets are all denied is not listed, and its object is refused', async () => {
  const models = {
    'team-fast': { upstream: 'up', model: 'open-1' },
    'team-dear': { upstream: 'up', model: 'secret-1' },
    'team-both': {
      targets: [
        { upstream: 'up', model: 'secret-1' },
        { upstream: 'up', model: 'open-1' },
      ],
    },
    'team-same': { upstream: 'up' },
  }
  await withRelay(
    answers(1, 1),
    async (scene) => {
      const get = (path: string): Promise<Response> => scene.ask(`GET ${path} HTTP/1.1\r\n${scene.auth}\r\n`)
      const listed = JSON.parse((await get('/v1/models')).body.toString()) as { data: { id: string }[] }
      assert.equal(
        listed.data.map(({ id }) => id),
        ['team-fast', 'team-both', 'team-same'],
      )
      for (const [alias, outcome] of [
        ['team-fast', '200'],
        ['team-dear', BARRED],
        ['team-both', '200'],
      ] as const) {
        assert.is(outcomeOf(await get(`/v1/models/${alias}`)), outcome, alias)
        const asked = posting(scene.relay, JSON.stringify({ model: alias, messages: [] }))
        assert.is(outcomeOf(await scene.ask(asked)), outcome, alias)
      }
    },
    { models, ...limitsOf({ denied: { models: { deny: 'secret-*' } } }) },
  )
})

test.run()
