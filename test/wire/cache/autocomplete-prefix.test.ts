import { gzipSync } from 'node:zlib'
import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Response } from '../../support/client.js'
import { runClock, stopClock } from '../../support/clock.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, chunk, head, LAST_CHUNK, type Received, SSE, whole } from '../../support/upstream.js'

const PROMPT = 'const total = '
const WORDS = ['items', '.reduce', '((a, b)', ' => "é🦊"', ' + b)'] as const
const TEXT = WORDS.join('')
const USAGE = { prompt_tokens: 40, completion_tokens: 10 }
const DONE = 'data: [DONE]\n\n'
const JSON_TYPE = 'content-type: application/json'

test.after.each(runClock)

function event(text: string, finish: string | null = null): string {
  const choices = [{ text, index: 0, logprobs: null, finish_reason: finish }]
  return `data: ${JSON.stringify({ id: 'cmpl-1', object: 'text_completion', model: 'm', choices })}\n\n`
}

const LAST = `${event('', 'stop')}data: ${JSON.stringify({ id: 'cmpl-1', model: 'm', choices: [], usage: USAGE })}\n\n${DONE}`
const STREAM = WORDS.map((word) => event(word)).join('') + LAST

function answerOf(text: string, finish = 'stop'): string {
  const choices = [{ text, index: 0, logprobs: null, finish_reason: finish }]
  return JSON.stringify({ id: 'cmpl-1', object: 'text_completion', model: 'm', choices, usage: USAGE })
}

function bodyOf(prompt: unknown, more: Record<string, unknown> = {}): string {
  return JSON.stringify({ model: 'm', prompt, max_tokens: 64, ...more })
}

function post(scene: Scene, body: string, headers = '', path = '/v1/completions'): string {
  const length = Buffer.byteLength(body)
  return `POST ${path} HTTP/1.1\r\n${scene.auth}${headers}content-length: ${length}\r\n\r\n${body}`
}

function ask(scene: Scene, prompt: unknown, more: Record<string, unknown> = {}): Promise<Response> {
  return scene.ask(post(scene, bodyOf(prompt, more)))
}

function outcome(response: Response): string | undefined {
  return response.header('x-thinwire-cache')
}

/** Sends the same completion to every request. */
async function respond(request: Received): Promise<void> {
  if (JSON.parse(request.body.toString()).stream)
    await request.write(`${head('200 OK', SSE, CHUNKED, 'x-up: 1')}${chunk(STREAM)}${LAST_CHUNK}`)
  else await request.write(whole('200 OK', answerOf(TEXT), JSON_TYPE, 'x-up: 1', 'etag: "1"'))
}

test('a user who types the suggestion gets the rest at once, character by character (json)', () =>
  withRelay(respond, async (scene) => {
    stopClock()
    assert.is(outcome(await ask(scene, PROMPT)), 'miss')
    let typed = ''
    for (const character of [...TEXT].slice(0, -1)) {
      typed += character
      const response = await ask(scene, PROMPT + typed)
      assert.is(outcome(response), 'prefix', typed)
      assert.is(response.status, 200)
      assert.is(response.body.toString(), answerOf(TEXT.slice(typed.length)))
      assert.is(response.header('content-length'), String(response.body.length))
      assert.is(response.header('age'), '0')
      assert.is(response.header('x-up'), '1')
      assert.is(response.header('etag'), undefined)
    }
    assert.is(scene.asked.length, 1)
    // Everything was typed, so the user needs a new completion.
    assert.is(outcome(await ask(scene, PROMPT + TEXT)), 'miss')
  }))

test('a user who types the suggestion gets the rest at once, character by character (stream)', () =>
  withRelay(respond, async (scene) => {
    const stream = true
    assert.is(outcome(await ask(scene, PROMPT, { stream })), 'miss')
    let typed = ''
    for (const character of [...TEXT].slice(0, -1)) {
      typed += character
      const response = await ask(scene, PROMPT + typed, { stream })
      assert.is(outcome(response), 'prefix', typed)
      assert.is(response.header('content-type'), 'text/event-stream')
      let left = typed.length
      let wanted = ''
      for (const word of WORDS) {
        if (left < word.length) wanted += event(word.slice(left))
        left = Math.max(0, left - word.length)
      }
      assert.is(response.body.toString(), wanted + LAST)
      assert.is(response.header('content-length'), String(response.body.length))
    }
    assert.is(scene.asked.length, 1)
    assert.is(outcome(await ask(scene, PROMPT + TEXT, { stream })), 'miss')
  }))

test('cached and trimmed responses are recorded as saved tokens and not as used ones', () =>
  withRelay(respond, async (scene) => {
    const seven = TEXT.slice(0, Math.round(TEXT.length * 0.7))
    for (const prompt of [PROMPT, PROMPT + seven, PROMPT + seven, PROMPT])
      await ask(scene, prompt, { model: 'gpt-4o' })
    const records = await scene.relay.records(4)
    assert.equal(
      records.map((r) => [r.cache, r.prompt_tokens, r.completion_tokens, r.usage_source, r.saved_tokens]),
      [
        ['miss', 40, 10, 'upstream', null],
        ['prefix', 0, 0, 'cache', 50],
        ['prefix', 0, 0, 'cache', 50],
        ['hit', 0, 0, 'cache', 50],
      ],
    )
    for (const { attempts, upstream, end, cost_usd } of records.slice(1))
      assert.equal([attempts, upstream, end, cost_usd], [0, null, 'done', 0])
    assert.ok(Number(records[0]?.overhead_us) >= 0 && Number(records[1]?.overhead_us) >= 0)
    // The typed part would have been billed as prompt, which is cheaper.
    assert.ok(Number(records[1]?.saved_usd) > 0)
    assert.ok(Number(records[1]?.saved_usd) < Number(records[3]?.saved_usd))
  }))

test('a repeated request gets the same response, and typing continues from the first one', () =>
  withRelay(respond, async (scene) => {
    await ask(scene, PROMPT)
    const bodies: string[] = []
    for (const typed of ['it', 'it', 'item', 'i']) {
      const response = await ask(scene, PROMPT + typed)
      assert.is(outcome(response), 'prefix')
      bodies.push(response.body.toString())
    }
    assert.equal(
      bodies,
      [2, 2, 4, 1].map((typed) => answerOf(TEXT.slice(typed))),
    )
    // Another text was typed, and its completion is then trimmed in the same way.
    assert.is(outcome(await ask(scene, `${PROMPT}x`)), 'miss')
    assert.is((await ask(scene, `${PROMPT}xit`)).body.toString(), answerOf(TEXT.slice(2)))
    assert.is((await ask(scene, `${PROMPT}it`)).body.toString(), answerOf(TEXT.slice(2)))
    assert.is(scene.asked.length, 2)
  }))

test('a prompt that arrives in several packets and with other escapes still matches a prefix', () =>
  withRelay(respond, async (scene) => {
    await ask(scene, `"\\${PROMPT}`)
    const body = bodyOf('?').replace('?', () => '\\"\\\\const total = \\u0069te')
    const client = await scene.client()
    const message = post(scene, body)
    for (const part of [message.slice(0, -30), message.slice(-30, -12), message.slice(-12)]) {
      client.send(part)
      await wait(10)
    }
    const response = await client.response()
    assert.is(outcome(response), 'prefix')
    assert.is(response.body.toString(), answerOf(TEXT.slice(3)))
  }))

test('a request with any other difference than typed text gets no trimmed completion', () =>
  withRelay(respond, async (scene) => {
    await ask(scene, PROMPT)
    const typed = `${PROMPT}it`
    const other = scene.relay.addKey('team1')
    const theirs = post(scene, bodyOf(typed)).replace(/Bearer \S+/, `Bearer ${other}`)
    const requests: Readonly<Record<string, string>> = {
      'another parameter': post(scene, bodyOf(typed, { temperature: 0.1 })),
      'another suffix': post(scene, bodyOf(typed, { suffix: '}' })),
      'a stream': post(scene, bodyOf(typed, { stream: true })),
      'another limit': post(scene, bodyOf(typed, { max_tokens: 65 })),
      'another model': post(scene, bodyOf(typed, { model: 'n' })),
      'another path': post(scene, bodyOf(typed), '', '/v1/fim/completions'),
      'another query': post(scene, bodyOf(typed), '', '/v1/completions?a=b'),
      'another header': post(scene, bodyOf(typed), 'accept-encoding: gzip\r\n'),
      'another key': theirs,
      'a list of one': post(scene, bodyOf([typed])),
      'another beginning': post(scene, bodyOf(` ${typed}`)),
      'less of the prompt': post(scene, bodyOf(PROMPT.slice(0, -1))),
      'something else': post(scene, bodyOf(`${PROMPT}x`)),
    }
    for (const [what, bytes] of Object.entries(requests))
      assert.is(outcome(await scene.ask(bytes)), 'miss', what)
    const off = post(scene, bodyOf(typed), 'x-thinwire-cache: off\r\n')
    assert.is(outcome(await scene.ask(off)), 'off')
    assert.is(outcome(await ask(scene, typed)), 'prefix')
  }))

test('requests that are not plain completions get no trimmed completion', () =>
  withRelay(respond, async (scene) => {
    for (const more of [{ n: 2 }, { echo: true }, { logprobs: 1 }, { best_of: 2 }, { min_tokens: 3 }]) {
      assert.is(outcome(await ask(scene, PROMPT, more)), 'miss')
      assert.is(outcome(await ask(scene, `${PROMPT}it`, more)), 'miss', JSON.stringify(more))
    }
    for (const prompt of [PROMPT, `${PROMPT}it`]) {
      const chat = post(scene, bodyOf(prompt, { messages: [], temperature: 0 }), '', '/v1/chat/completions')
      assert.is(outcome(await scene.ask(chat)), 'miss')
    }
  }))

const ANSWERS: Readonly<Record<string, (request: Received) => Promise<void>>> = {
  'that was cut off at max_tokens': (request) =>
    request.write(whole('200 OK', answerOf(TEXT, 'length'), JSON_TYPE)),
  'that is compressed': (request) =>
    request.write(whole('200 OK', gzipSync(answerOf(TEXT)), JSON_TYPE, 'content-encoding: gzip')),
  'with more than one choice': (request) =>
    request.write(whole('200 OK', answerOf(TEXT).replace('}]', '},{"text":"","index":1}]'), JSON_TYPE)),
  'whose events are unusual': (request) =>
    request.write(`${head('200 OK', SSE, CHUNKED)}${chunk(`event: a\n${STREAM}`)}${LAST_CHUNK}`),
}

for (const [what, script] of Object.entries(ANSWERS)) {
  test(`a response ${what} is cached, but not trimmed`, () =>
    withRelay(script, async (scene) => {
      for (const [prompt, wanted] of [
        [PROMPT, 'miss'],
        [`${PROMPT}it`, 'miss'],
        [PROMPT, 'hit'],
      ]) {
        assert.is(outcome(await ask(scene, prompt)), wanted)
        await until(() => scene.relay.inspect().isIdle, 'all to be read')
      }
    }))
}

test('cache.prefix: false switches trimmed completions off', () =>
  withRelay(
    respond,
    async (scene) => {
      const outcomes: unknown[] = []
      for (const prompt of [PROMPT, `${PROMPT}it`, PROMPT]) outcomes.push(outcome(await ask(scene, prompt)))
      assert.equal(outcomes, ['miss', 'miss', 'hit'])
    },
    { cache: { prefix: false } },
  ))

test('a completion is trimmed no longer than it is cached', () =>
  withRelay(
    respond,
    async (scene) => {
      const pass = stopClock()
      await ask(scene, PROMPT)
      pass(100)
      assert.is(outcome(await ask(scene, `${PROMPT}i`)), 'prefix')
      pass(1)
      assert.is(outcome(await ask(scene, `${PROMPT}it`)), 'miss')
    },
    { cache: { ttlMs: 100 } },
  ))

test('a key gets trimmed completions of its team with cache.scope team, and none of another team', () =>
  withRelay(
    respond,
    async (scene) => {
      await ask(scene, PROMPT)
      const keys = ['team1', 'team2'].map((team) => scene.relay.addKey(team))
      const outcomes: unknown[] = []
      for (const key of keys) {
        const theirs = post(scene, bodyOf(`${PROMPT}it`)).replace(/Bearer \S+/, `Bearer ${key}`)
        outcomes.push(outcome(await scene.ask(theirs)))
      }
      assert.equal(outcomes, ['prefix', 'miss'])
    },
    { cache: { scope: 'team' } },
  ))

test('a request joins an open response to the same prompt before it gets a trimmed completion', () =>
  withRelay(
    async () => {},
    async (scene) => {
      const clients = [await scene.client(), await scene.client(), await scene.client()]
      clients[0]?.send(post(scene, bodyOf(PROMPT)))
      const first = await scene.upstream.request(0)
      clients[1]?.send(post(scene, bodyOf(`${PROMPT}it`)))
      const second = await scene.upstream.request(1)
      await respond(first)
      assert.is(outcome((await clients[0]?.response()) as Response), 'miss')
      clients[2]?.send(post(scene, bodyOf(`${PROMPT}it`)))
      await until(() => scene.relay.inspect().openCount === 2, 'both to wait')
      await respond(second)
      const responses = await Promise.all(clients.slice(1).map((client) => client.response()))
      assert.equal(responses.map(outcome), ['miss', 'joined'])
    },
  ))

test('indexed prompts count in cache.bytes, and are evicted together with their responses', () =>
  withRelay(
    respond,
    async (scene) => {
      const client = await scene.client()
      for (let i = 0; i < 60; i++) {
        client.send(post(scene, bodyOf(`${i} ${'x'.repeat(20_000)}`, { suffix: `${i % 20}` })))
        await client.response(0)
        client.pieces.length = 0
        const cache = scene.relay.inspect().cache
        assert.ok(cache !== null)
        assert.ok(cache.bytes >= Math.min(i + 1, 14) * 20_000 && cache.bytes <= 400_000)
        assert.is(cache.openPromptBytes, 0)
        assert.ok(cache.indexedPrompts.reduce((all, count) => all + count, 0) <= 20)
        assert.ok(cache.indexedPrompts.every((count) => count > 0))
      }
      // A prompt larger than `entryBytes` is not indexed either.
      const large = 'x'.repeat(40_000)
      for (const prompt of [large, `${large}it`]) assert.is(outcome(await ask(scene, prompt)), 'miss')
    },
    { cache: { bytes: 400_000, entryBytes: 30_000 } },
  ))

test('the openai package reads a trimmed completion, as JSON and as a stream', () =>
  withRelay(respond, async (scene) => {
    const client = new OpenAI({ baseURL: scene.relay.url, apiKey: scene.relay.key })
    for (const typed of ['', 'items', `${WORDS[0]}${WORDS[1]}((`, TEXT.slice(0, -1)]) {
      const asked = { model: 'm', prompt: PROMPT + typed, max_tokens: 64, temperature: 0 }
      const { data, response } = await client.completions.create(asked).withResponse()
      assert.is(data.choices[0]?.text, TEXT.slice(typed.length))
      assert.is(data.choices[0]?.finish_reason, 'stop')
      // The usage is that of the first request, as the upstream counted it.
      assert.is(data.usage?.prompt_tokens, USAGE.prompt_tokens)
      assert.is(response.headers.get('x-thinwire-cache'), typed === '' ? 'miss' : 'prefix')
      let text = ''
      let finish: string | null = null
      for await (const { choices } of await client.completions.create({ ...asked, stream: true })) {
        text += choices[0]?.text ?? ''
        finish = choices[0]?.finish_reason ?? finish
      }
      assert.equal([text, finish], [TEXT.slice(typed.length), 'stop'])
    }
    assert.is(scene.asked.length, 2)
  }))

test.run()
