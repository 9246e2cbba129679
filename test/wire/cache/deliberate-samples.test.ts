import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf } from '../../support/client.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { type Script, whole } from '../../support/upstream.js'

const SAMPLES = 8

/** Each response is another one. */
function countingScript(): Script {
  let count = 0
  return (request) => {
    count++
    request.write(
      whole(
        '200 OK',
        `{"choices":[{"message":{"content":"answer ${count}"}}]}`,
        'content-type: application/json',
      ),
    )
  }
}

async function sample(
  scene: Scene,
  path: string,
  body: string,
): Promise<{ answers: number; caches: string }> {
  const bytes = `POST ${path} HTTP/1.1\r\n${scene.auth}content-length: ${body.length}\r\n\r\n${body}`
  const responses = await Promise.all(Array.from({ length: SAMPLES }, () => scene.ask(bytes)))
  responses.push(await scene.ask(bytes))
  const caches = new Set(responses.map((response) => headerOf(response, 'x-thinwire-cache') ?? 'none'))
  return {
    answers: new Set(responses.map(({ body: answer }) => answer.toString())).size,
    caches: [...caches].sort().join(),
  }
}

const PROMPT = '"model":"m","max_tokens":64,"messages":[{"role":"user","content":"think"}]'
const DELIBERATE: Readonly<Record<string, string>> = {
  'at a temperature of 1': `{${PROMPT},"temperature":1}`,
  'at no temperature': `{${PROMPT}}`,
  'of several choices': `{${PROMPT},"temperature":0,"n":2}`,
  'at a seed, and no temperature': `{${PROMPT},"seed":7}`,
}

for (const [name, body] of Object.entries(DELIBERATE))
  test(`the same chat ${name} gets another answer each time`, () =>
    withRelay(countingScript(), async (scene) => {
      assert.equal(await sample(scene, '/v1/chat/completions', body), {
        answers: SAMPLES + 1,
        caches: 'none',
      })
      assert.is(scene.upstream.requests.length, SAMPLES + 1)
    }))

for (const path of ['/messages', '/responses', '/models/m:generateContent', '/api/chat', '/v2/chat'])
  test(`the same conversation at ${path} gets another answer each time`, () =>
    withRelay(countingScript(), async (scene) => {
      const body = `{${PROMPT},"temperature":1}`
      assert.equal(await sample(scene, `/v1${path}`, body), { answers: SAMPLES + 1, caches: 'none' })
    }))

test('a chat at a low temperature, and a completion at any, are shared', () =>
  withRelay(countingScript(), async (scene) => {
    const low = await sample(scene, '/v1/chat/completions', `{${PROMPT},"temperature":0.2}`)
    assert.is(low.answers, 1)
    const fim = await sample(scene, '/v1/fim/completions', '{"model":"m","prompt":"a","temperature":1}')
    assert.is(fim.answers, 1)
    assert.is(scene.upstream.requests.length, 2)
  }))

test('a rule of their own shares deliberate samples too', () =>
  withRelay(
    countingScript(),
    async (scene) => {
      const { answers } = await sample(scene, '/v1/chat/completions', `{${PROMPT},"temperature":1}`)
      assert.is(answers, 1)
    },
    { cache: { rules: [{ path: '/chat/completions' }] } },
  ))

test.run()
