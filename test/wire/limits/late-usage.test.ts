import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'
import { CHUNKED, head, type Received, type Script, SSE, whole } from '../../support/upstream.js'
import { chat, completion, expectBooks, limitsOf, MODEL, posting } from './limit-scene.js'

const test = suite('late usage')

/** What is counted after the client has left: each of these ends in a record, and the counter has what it says. */

const LIMITS = limitsOf({
  money: { usd: { month: 100 }, tokens: { day: 1_000_000 }, concurrent: 5 },
  users: { per: 'user', usd: { hour: 100 } },
})

const chunk = (content: string, more: object = {}): string =>
  `data: ${JSON.stringify({ object: 'chat.completion.chunk', model: MODEL, choices: [{ index: 0, delta: { content } }], ...more })}\n\n`

const USAGE = { usage: { prompt_tokens: 700, completion_tokens: 30, total_tokens: 730 } }

async function begin(request: Received): Promise<void> {
  await request.write(head('200 OK', SSE, CHUNKED))
}

interface LateCase {
  readonly script: Script
  /** What the client has read when it leaves. */
  readonly seen: string
  readonly source: string
  /** Null if they are estimated. */
  readonly tokens: readonly [prompt: number, completion: number] | null
}

const CASES: Readonly<Record<string, LateCase>> = {
  'in the middle of a stream': {
    script: async (request) => {
      await begin(request)
      await request.chunk(chunk('some words of an answer'))
      await request.hang()
    },
    seen: 'some words',
    source: 'estimated',
    tokens: null,
  },
  'after usage that is reported with each event': {
    script: async (request) => {
      await begin(request)
      await request.chunk(chunk('some words', USAGE))
      await request.hang()
    },
    seen: 'some words',
    source: 'upstream',
    tokens: [700, 30],
  },
  'at the end of a stream, before it is closed': {
    script: async (request) => {
      await begin(request)
      await request.chunk(chunk('all the words') + chunk('', USAGE))
      await request.chunk('data: [DONE]\n\n')
      await request.hang()
    },
    seen: '[DONE]',
    source: 'upstream',
    tokens: [700, 30],
  },
  'when a compressed answer is there, which is read afterwards': {
    script: async (request) => {
      const filled = completion(500, 20).replace('Hello.', 'word '.repeat(200_000))
      const body = gzipSync(filled)
      const lines = ['content-type: application/json', 'content-encoding: gzip']
      await request.write(head('200 OK', ...lines, `content-length: ${body.length}`))
      await request.write(body)
    },
    seen: 'content-encoding: gzip',
    source: 'upstream',
    tokens: [500, 20],
  },
  'at once when the whole answer is there': {
    script: async (request) => {
      await request.write(whole('200 OK', completion(500, 20), 'content-type: application/json'))
    },
    seen: 'Hello.',
    source: 'upstream',
    tokens: [500, 20],
  },
}

for (const [when, { script, seen, source, tokens }] of Object.entries(CASES))
  test(`a client that leaves ${when} pays for what was used`, () =>
    withRelay(
      script,
      async (scene) => {
        const { relay } = scene
        for (let n = 0; n < 3; n++) {
          const client = await scene.client()
          client.send(posting(relay, chat(MODEL, { stream: true })))
          await client.sees(seen)
          client.destroy()
          await until(() => relay.inspect().isIdle, 'the request to end')
        }
        const records = await expectBooks(relay, 3)
        for (const { usage_source, prompt_tokens, completion_tokens } of records) {
          assert.is(usage_source, source)
          if (tokens === null) assert.ok(Number(prompt_tokens) > 0 && Number(completion_tokens) > 0)
          else assert.equal([prompt_tokens, completion_tokens], tokens)
        }
      },
      LIMITS,
    ))

test.run()
