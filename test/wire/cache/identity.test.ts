import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth, post, startRelay } from '../../support/relay.js'
import { ScriptedUpstream, whole } from '../../support/upstream.js'

const BODY = '{"model":"m","prompt":"def add(","max_tokens":16,"temperature":0}'
const ANSWER = '{"choices":[{"text":"a, b)"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}'

const THOUGHTFUL = JSON.stringify({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'best',
  content: [
    { type: 'thinking', thinking: 'deep', signature: 's' },
    { type: 'text', text: 'hi' },
  ],
  stop_reason: 'end_turn',
  usage: { input_tokens: 1, output_tokens: 1 },
})

/** What an upstream says to whoever made the response, and to nobody else. */
const PERSONAL = [
  'set-cookie: session=of-another',
  'x-request-id: req-of-another',
  'request-id: req-of-another',
  'cf-ray: of-another',
  'openai-organization: org-of-another',
  'x-ratelimit-remaining-tokens: 5',
  'anthropic-ratelimit-requests-remaining: 5',
]

const KEPT = ['x-kept: 1', 'openai-version: 2020-10-01']

/** Headers that choose an account, a provider or a feature, or that nobody knows. */
const CHOOSING = [
  'x-portkey-config: a',
  'helicone-auth: a',
  'x-litellm-tags: a',
  'openai-project: a',
  'x-unknown: a',
]

const HARMLESS = ['user-agent: another', 'x-stainless-lang: js', 'traceparent: 00-1', 'x-request-id: mine']

test('a response is shared between requests that differ in harmless headers, and without what is of the other', async () => {
  const upstream = await ScriptedUpstream.start((request) =>
    request.write(
      whole('200 OK', ANSWER, ['content-type: application/json', ...PERSONAL, ...KEPT].join('\r\n')),
    ),
  )
  const relay = await startRelay(upstream.url, { cache: { enabled: true } })
  try {
    const ask = async (line: string) => {
      const client = await relay.client()
      const lines = `${auth(relay)}content-type: application/json\r\n${line}\r\n`
      client.send(`POST /v1/completions HTTP/1.1\r\n${lines}content-length: ${BODY.length}\r\n\r\n${BODY}`)
      const response = await client.response()
      client.destroy()
      return response
    }
    const first = await ask('x-a: b')
    for (const line of PERSONAL) assert.is(first.header(line.split(': ')[0] as string), line.split(': ')[1])
    for (const line of HARMLESS) {
      const again = await ask(`x-a: b\r\n${line}`)
      assert.is(again.body.toString(), ANSWER)
      assert.ok(again.header('age') !== undefined, `a hit: ${line}`)
      assert.not.match(again.headers.flat().join(), /of-another|remaining/)
      for (const kept of KEPT) assert.is(again.header(kept.split(': ')[0] as string), kept.split(': ')[1])
    }
    assert.is(upstream.requests.length, 1)
    let count = 1
    for (const line of CHOOSING) {
      await ask(`x-a: b\r\n${line}`)
      assert.is(upstream.requests.length, ++count, line)
      await ask(`x-a: b\r\n${line.slice(0, -1)}b`)
      assert.is(upstream.requests.length, ++count, line)
    }
  } finally {
    await relay.close()
    await upstream.close()
  }
})

test('a translated chat of Cursor is not shared with one of another client, who reads it otherwise', async () => {
  const upstream = await ScriptedUpstream.start((request) =>
    request.write(whole('200 OK', THOUGHTFUL, 'content-type: application/json')),
  )
  const relay = await startRelay(
    { up: { baseUrl: upstream.url, apis: ['messages'] } },
    {
      cache: { enabled: true },
      cursor: { thinking: 'think_tags' },
      models: { best: { upstream: 'up', translate: true } },
    },
  )
  const body = '{"model":"best","max_tokens":16,"temperature":0,"messages":[{"role":"user","content":"hi"}]}'
  const ask = async (path: string): Promise<string> => (await post(relay, path, body)).body.toString()
  try {
    const first = await ask('/v1/chat/completions')
    assert.match(first, /"reasoning_content":"deep"/)
    assert.match(await ask('/cursor/v1/chat/completions'), /<think>/)
    assert.is(upstream.requests.length, 2)
    assert.is(await ask('/openai/v1/chat/completions'), first)
    assert.is(upstream.requests.length, 2)
  } finally {
    await relay.close()
    await upstream.close()
  }
})

test.run()
