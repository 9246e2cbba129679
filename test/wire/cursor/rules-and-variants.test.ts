import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi } from '../../../src/api/apis.js'
import type { ModelAnswer } from '../../support/agent/answers.js'
import { type Entry, printRequest } from '../../support/agent/cursor.js'
import type { ModelDouble } from '../../support/agent/model.js'
import { readAgentAnswer } from '../../support/agent/read-answer.js'
import { type ModelName, type Stage, startStage } from '../../support/agent/stage.js'
import type { Response } from '../../support/client.js'
import { SEED } from '../../support/random.js'
import type { Fields } from '../../support/readers/events.js'
import { auth, startRelay, type TestRelay } from '../../support/relay.js'
import { ScriptedUpstream, whole } from '../../support/upstream.js'

const SHAPES: readonly BodyApi[] = ['chat', 'responses', 'messages']
const ENDING: ModelAnswer = { thinking: 'Good.', text: 'done', calls: [] }
const HISTORY: readonly Entry[] = [{ kind: 'user', text: 'rename foo', image: null }]

async function askCursor(
  relay: TestRelay,
  body: string,
  path = '/cursor/v1/chat/completions',
): Promise<Response> {
  const client = await relay.client()
  client.send(
    `POST ${path} HTTP/1.1\r\n${auth(relay)}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  const response = await client.response()
  client.destroy()
  return response
}

async function withStage(act: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = await startStage(SEED)
  try {
    await act(stage)
  } finally {
    await stage.close()
  }
}

function lastBody(double: ModelDouble): Fields {
  return JSON.parse((double.bodies.at(-1) as Buffer).toString()) as Fields
}

const json = (status: string, body: string): Buffer => whole(status, body, 'content-type: application/json')
const COMPLETION =
  '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"local"},"finish_reason":"stop"}]}'

const PRIVATE_RULES: readonly { name: string; settings: Record<string, unknown> }[] = [
  {
    name: 'a route for its name',
    settings: { routes: [{ model: 'gpt-oss*', upstream: 'local' }, { upstream: 'paid' }] },
  },
  {
    name: 'a route for its name and path',
    settings: {
      routes: [{ model: 'gpt-oss*', path: '/chat/completions', upstream: 'local' }, { upstream: 'paid' }],
    },
  },
  {
    name: 'an alias',
    settings: { models: { 'gpt-oss-20b': { upstream: 'local' } }, routes: [{ upstream: 'paid' }] },
  },
  {
    name: 'an alias with a name that other providers have',
    settings: {
      models: { 'gpt-oss-20b': { upstream: 'local', model: 'gpt-5.1' } },
      routes: [{ upstream: 'paid' }],
    },
  },
]

for (const { name, settings } of PRIVATE_RULES) {
  test(`a private model with ${name} is never asked elsewhere, whatever the body's API`, async () => {
    for (const status of [
      '200 OK',
      '404 Not Found',
      '500 Internal Server Error',
      '429 Too Many Requests',
      null,
    ]) {
      const local = await ScriptedUpstream.start((request) =>
        request.write(json(status ?? '', status === '200 OK' ? COMPLETION : '{"error":{"message":"no"}}')),
      )
      const paid = await ScriptedUpstream.start((request) => request.write(json('200 OK', COMPLETION)))
      const { url } = local
      if (status === null) await local.close()
      const relay = await startRelay(
        {
          local: { preset: 'ollama', baseUrl: url, apis: ['chat'] },
          paid: { preset: 'openai', baseUrl: paid.url, apiKey: { env: 'UPSTREAM_KEY' } },
        },
        settings,
      )
      try {
        for (const shape of SHAPES) {
          for (const model of ['gpt-oss-20b', 'gpt-oss-20b-high', 'gpt-oss-20b-thinking']) {
            const response = await askCursor(relay, printRequest(shape, model, HISTORY, false))
            // A variant of a name that only a route matches goes by the name as it is.
            if (status === '200 OK') assert.is(response.status, 200)
            else assert.ok(response.status >= 400)
          }
        }
        assert.is(paid.requests.length, 0)
        if (status !== null) assert.ok(local.requests.length >= 9)
        for (const { target } of local.requests) assert.is(target, '/v1/chat/completions')
      } finally {
        await relay.close()
        await paid.close()
        if (status !== null) await local.close()
      }
    }
  })
}

/** The effort that each API is sent for what a variant says. */
const EFFORTS: readonly { suffix: string; effort: 'low' | 'medium' | 'high' | null }[] = [
  { suffix: '-thinking', effort: 'medium' },
  { suffix: '-thinking-low', effort: 'low' },
  { suffix: '-thinking-high', effort: 'high' },
  { suffix: '-high', effort: 'high' },
  { suffix: '-low', effort: 'low' },
  { suffix: '-high-fast', effort: 'high' },
  { suffix: '-fast', effort: null },
]

const BUDGETS = { low: 4096, medium: 8192, high: 16_384 }

function requireEffort(model: ModelName, body: Fields, effort: 'low' | 'medium' | 'high'): void {
  switch (model) {
    case 'm-chat':
      assert.is(body.reasoning_effort, effort)
      return
    case 'm-responses':
      assert.is(body.reasoning.effort, effort)
      return
    case 'm-messages':
      assert.is(body.thinking.type, 'enabled')
      assert.ok(body.thinking.budget_tokens <= BUDGETS[effort])
      assert.ok(body.thinking.budget_tokens > BUDGETS[effort] / 4)
      return
    case 'm-adaptive':
      assert.is(body.thinking.type, 'adaptive')
      assert.is(body.output_config.effort, effort)
      return
    case 'm-gemini':
      assert.is(body.generationConfig.thinkingConfig.thinkingLevel, effort === 'medium' ? 'low' : effort)
  }
}

test('a variant of a model is that model, with the effort that it says', async () => {
  await withStage(async ({ relay, doubles }) => {
    for (const model of Object.keys(doubles) as ModelName[]) {
      for (const { suffix, effort } of EFFORTS) {
        for (const shape of SHAPES) {
          const double = doubles[model]
          double.next = ENDING
          double.refusal = null
          const response = await askCursor(relay, printRequest(shape, model + suffix, HISTORY, true))
          assert.is(double.refusal, null)
          readAgentAnswer(response, true)
          const body = lastBody(double)
          if (model !== 'm-gemini') assert.not.match(String(body.model), /m-/)
          // Claude's own body has a budget: what `-fast` says nothing of stays.
          if (effort !== null || shape !== 'messages') requireEffort(model, body, effort ?? 'medium')
        }
      }
    }
  })
})

test('an alias that is written in full is no variant of another one', async () => {
  const upstream = await ScriptedUpstream.start((request) => request.write(json('200 OK', COMPLETION)))
  const relay = await startRelay(
    { up: { baseUrl: upstream.url, apis: ['chat'] } },
    { models: { team: { upstream: 'up', model: 'one' }, 'team-high': { upstream: 'up', model: 'two' } } },
  )
  try {
    const names = ['team', 'team-high', 'team-high-fast', 'team-low', 'team-thinking-high']
    for (const name of names) await askCursor(relay, printRequest('responses', name, HISTORY, false))
    const sent = upstream.requests.map(({ body }) => JSON.parse(body.toString()) as Fields)
    assert.equal(
      sent.map(({ model, reasoning_effort: effort }) => [model, effort]),
      [
        ['one', 'medium'],
        ['two', 'medium'],
        ['two', 'medium'],
        ['one', 'low'],
        ['one', 'high'],
      ],
    )
  } finally {
    await relay.close()
    await upstream.close()
  }
})

const DIGITS = '{"nonce":"n9x9","id":2512292042121000001,"y":1e400,"x":1.0,"z":-0,"deep":[[0.10,1E5]]}'

test('numbers keep their digits in calls, in history, in schemas and in the seed', async () => {
  await withStage(async ({ relay, doubles }) => {
    for (const model of Object.keys(doubles) as ModelName[]) {
      for (const shape of SHAPES) {
        for (const streamed of [true, false]) {
          const double = doubles[model]
          const call = { name: 'Grep', input: DIGITS, nonce: 'n9x9' }
          double.next = { ...ENDING, calls: [call] }
          double.refusal = null
          const seeded = (body: string): string =>
            shape === 'chat' ? body.replace('{', '{"seed":9223372036854775807,') : body
          const ask = async (history: readonly Entry[]): Promise<Response> =>
            askCursor(relay, seeded(printRequest(shape, model, history, streamed)))
          // Google and Anthropic have no room for such a seed: the strict double says so.
          const first = await ask(HISTORY)
          if (model === 'm-gemini' && shape === 'chat') {
            assert.match(String(double.bodies.at(-1)), '"seed":9223372036854775807')
            continue
          }
          assert.is(double.refusal, null)
          const { calls } = readAgentAnswer(first, streamed)
          assert.is(calls[0]?.arguments, DIGITS)
          double.next = ENDING
          const history: Entry[] = [
            ...HISTORY,
            { kind: 'assistant', text: '', calls },
            {
              kind: 'result',
              id: calls[0]?.id as string,
              name: 'Grep',
              text: 'ok',
              isError: false,
              image: null,
            },
          ]
          readAgentAnswer(await ask(history), streamed)
          const text = String(double.bodies.at(-1))
          assert.ok(text.includes(DIGITS) || text.includes(JSON.stringify(DIGITS).slice(1, -1)))
          assert.match(text, '"maximum":9223372036854775807')
          if (model === 'm-chat' && shape === 'chat') assert.match(text, '"seed":9223372036854775807')
        }
      }
    }
  })
})

const REFUSED: readonly { shape: BodyApi; member: string; param: string; models: readonly ModelName[] }[] = [
  { shape: 'chat', member: '"n":2', param: 'n', models: ['m-responses', 'm-messages', 'm-gemini'] },
  { shape: 'chat', member: '"logprobs":true', param: 'logprobs', models: ['m-messages', 'm-gemini'] },
  {
    shape: 'chat',
    member: '"logit_bias":{"50256":-100}',
    param: 'logit_bias',
    models: ['m-responses', 'm-messages', 'm-gemini'],
  },
  {
    shape: 'responses',
    member: '"previous_response_id":"resp_1"',
    param: 'previous_response_id',
    models: ['m-chat', 'm-messages', 'm-gemini'],
  },
]

test('a field that cannot be carried is refused by its name, and nothing is sent', async () => {
  await withStage(async ({ relay, doubles }) => {
    for (const { shape, member, param, models } of REFUSED) {
      for (const model of models) {
        for (const streamed of [true, false]) {
          const body = printRequest(shape, model, HISTORY, streamed).replace('{', `{${member},`)
          const response = await askCursor(relay, body)
          assert.is(response.status, 400)
          const { error } = JSON.parse(response.body.toString()) as Fields
          assert.is(error.param, param)
          assert.is(error.type, 'invalid_request_error')
          assert.match(error.message, 'which this model is asked by')
          assert.is(doubles[model].bodies.length, 0)
        }
      }
    }
  })
})

test('a request that asks for two answers is not sent by an API that gives one, whatever the upstream proposes', async () => {
  const upstream = await ScriptedUpstream.start((request) =>
    request.write(
      request.target.includes('/responses')
        ? json('200 OK', '{}')
        : json(
            '404 Not Found',
            '{"error":{"message":"This model is only supported in v1/responses and not in v1/chat/completions.","type":"invalid_request_error","param":"model","code":null}}',
          ),
    ),
  )
  const relay = await startRelay(
    { up: { preset: 'azure', baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' } } },
    { models: { team: { upstream: 'up', model: 'my-deployment' } } },
  )
  try {
    const body = printRequest('chat', 'team', HISTORY, false).replace('{', '{"n":2,')
    const response = await askCursor(relay, body)
    assert.is(upstream.requests.length, 1)
    assert.is(response.status, 404)
    // From now on it is known that the model has Responses alone.
    const next = await askCursor(relay, body)
    assert.is(next.status, 400)
    assert.is((JSON.parse(next.body.toString()) as Fields).error.param, 'n')
    assert.is(upstream.requests.length, 1)
  } finally {
    await relay.close()
    await upstream.close()
  }
})

test.run()
