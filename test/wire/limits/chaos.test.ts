import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readLedger } from '../../support/ledger.js'
import { randomFrom, SEED } from '../../support/random.js'
import type { LogLine } from '../../support/relay.js'
import { withRelay } from '../../support/scene.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, head, type Received, SSE, whole } from '../../support/upstream.js'
import {
  answers,
  chat,
  completion,
  expectBooks,
  limitsOf,
  MODEL,
  outcomeOf,
  posting,
  untilBooksAgree,
} from './limit-scene.js'

const REQUESTS = 240
const AT_ONCE = 24

const MODELS = [MODEL, 'gpt-4o', 'house-model', 'secret-1']

function event(value: object): string {
  return `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', model: MODEL, ...value })}\n\n`
}

test('whatever clients and upstreams do, nothing is held afterwards, and each counter is what the records say', () => {
  const random = randomFrom(SEED)
  const pick = <T>(...values: T[]): T => values[Math.floor(random() * values.length)] as T

  /** Answers in some way, and stops or dies at some place. */
  const serve = async (request: Received): Promise<void> => {
    const way = pick('whole', 'whole', 'stream', 'stream', 'error', 'busy', 'reset', 'hang')
    if (random() < 0.3) await wait(pick(1, 4))
    if (way === 'whole') return answers(pick(10, 4_000), pick(1, 900), pick(MODEL, 'house-model'))(request)
    if (way === 'error') return request.write(whole('400 Bad', '{"error":{"message":"no"}}'))
    if (way === 'busy') return request.write(whole('503 Busy', 'busy'))
    if (way === 'reset') return request.reset()
    if (way === 'hang') return request.hang()
    await request.write(head('200 OK', SSE, CHUNKED))
    for (let n = pick(0, 1, 6); n > 0 && !request.closed; n--) {
      await request.chunk(event({ choices: [{ index: 0, delta: { content: 'Hello there. ' } }] }))
      if (random() < 0.4) await wait(1)
    }
    if (random() < 0.3) return pick(request.reset.bind(request), request.destroy.bind(request))()
    await request.chunk(event({ choices: [], usage: JSON.parse(completion(50, 30)).usage }))
    await request.chunk('data: [DONE]\n\n')
    await request.lastChunk()
  }

  return withRelay(
    serve,
    async (scene) => {
      const { relay } = scene
      const keys = [relay.key, relay.addKey('team1'), relay.addKey('team2')]
      const lead = async (): Promise<void> => {
        const client = await scene.client()
        const body = chat(pick(...MODELS), {
          stream: random() < 0.5,
          temperature: pick(0, 1),
          max_tokens: pick(1, 500, 100_000),
          padding: 'x '.repeat(pick(0, 10, 60_000)),
        })
        const bytes = posting({ key: pick(...keys) }, body, undefined, pick('', 'x-thinwire-tags: a=b\r\n'))
        const end = pick('wait', 'wait', 'wait', 'leave', 'reset', 'cut the body')
        client.send(end === 'cut the body' ? bytes.slice(0, Math.floor(bytes.length * random())) : bytes)
        // Some upstreams never answer.
        if (end === 'wait') await Promise.race([client.response().catch(() => null), wait(400)])
        else await wait(pick(0, 1, 5, 15))
        if (end === 'reset') client.reset()
        else client.destroy()
      }

      for (let n = 0; n < REQUESTS; n += AT_ONCE) {
        await Promise.all(Array.from({ length: AT_ONCE }, lead))
        await until(() => relay.inspect().openCount === 0, 'all requests to be over')
      }
      await untilBooksAgree(relay)
      // Else the above would show little.
      const records = readLedger(relay.config.ledger.folder)
      const count = (matches: (record: LogLine) => boolean): number => records.filter(matches).length
      assert.ok(count(({ end, cost_usd }) => end === 'done' && cost_usd !== null) > 0, 'none was done')
      assert.ok(count(({ end }) => end === 'client_gone') > 0, 'no client has left')
      assert.ok(count(({ limit_rule }) => limit_rule === 'rate') > 0, 'the rate has refused none')
      assert.ok(count(({ limit_rule }) => limit_rule === 'deny') > 0, 'no model was denied')
      assert.ok(count(({ assumed_usd }) => assumed_usd !== undefined) > 0, 'no price was assumed')
    },
    {
      ...limitsOf(
        {
          pool: { usd: { hour: 900, month: 9_000 }, tokens: { day: 100_000_000 } },
          rate: { per: 'key', requestsPerMinute: 30, tokensPerMinute: 2_000_000 },
          places: { per: 'team', concurrent: 6 },
          some: { match: { model: 'gpt-*' }, per: 'user', usd: { day: 5 } },
          tagged: { match: { tag: 'a=*' }, tokens: { week: 9_000_000 } },
          deny: { models: { deny: 'secret-*' } },
          watch: { per: 'env', requestsPerMinute: 3, tokens: { hour: 100 }, observe: true },
        },
        { unpriced: { input: 1, output: 2 } },
      ),
      cache: { enabled: true, rules: [{ maxTemperature: 0 }] },
    },
  )
})

test('many requests at once on one budget spend at most what one of them uses beyond it', () =>
  withRelay(
    async (request) => {
      await wait(5)
      await answers(10, 100)(request)
    },
    async (scene) => {
      const { relay } = scene
      const ask = posting(relay, chat(MODEL, { max_tokens: 100 }))
      // The first one teaches how long answers are.
      assert.is(outcomeOf(await scene.ask(ask)), '200')
      const outcomes = await Promise.all(
        Array.from({ length: 200 }, async () => outcomeOf(await scene.ask(ask))),
      )
      const records = await expectBooks(relay, 201)
      const used = records.reduce((sum, { prompt_tokens, completion_tokens }) => {
        return sum + Number(prompt_tokens ?? 0) + Number(completion_tokens ?? 0)
      }, 0)
      const passed = outcomes.filter((outcome) => outcome === '200').length
      assert.ok(passed > 0 && passed < 200, `${passed} of 200 passed`)
      // No request uses more than is held for it, which is some tokens more than these 110.
      assert.ok(used <= 2_000 + 110, `${used} tokens were used`)
      // Whoever was refused had a reason: what is left is too little for one more.
      for (let n = 0; n < 20; n++) await scene.ask(ask)
      await untilBooksAgree(relay)
      const budget = relay.inspect().limits.find(({ kind }) => kind === 'budget')
      assert.ok(Number(budget?.used) >= 2_000 && Number(budget?.used) <= 2_000 + 110)
      assert.is(outcomeOf(await scene.ask(ask)), '429 budget_exceeded')
    },
    limitsOf({ budget: { tokens: { day: 2_000 } } }),
  ))

test.run()
