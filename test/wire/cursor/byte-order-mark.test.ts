import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth, startRelay, type TestRelay } from '../../support/relay.js'
import { ScriptedUpstream, whole } from '../../support/upstream.js'

const MARK = '\ufeff'
const COMPLETION =
  '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"local"},"finish_reason":"stop"}]}'

const BODIES = {
  chat: '{"model":"alias","messages":[{"role":"user","content":"hi"}]}',
  responses: '{"model":"alias","input":[{"role":"user","content":"hi"}]}',
  messages: '{"model":"alias","max_tokens":9,"system":"s","messages":[{"role":"user","content":"hi"}]}',
  keyCheck:
    '{"model":"alias","messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"Test prompt using gpt-3.5-turbo"}],"stream":false}',
} as const

async function post(relay: TestRelay, path: string, body: string): Promise<number> {
  const client = await relay.client()
  client.send(
    `POST ${path} HTTP/1.1\r\n${auth(relay)}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  const { status } = await client.response()
  client.destroy()
  return status
}

test('a body behind a byte order mark goes to the target of its model, by /cursor and by /v1', async () => {
  const asked: { name: string; body: string }[] = []
  const upstreams = await Promise.all(
    ['wanted', 'other'].map((name) =>
      ScriptedUpstream.start(async (request) => {
        asked.push({ name, body: request.body.toString() })
        await request.write(whole('200 OK', COMPLETION, 'content-type: application/json'))
      }),
    ),
  )
  const urlOf = (n: number): string => upstreams[n]?.url ?? ''
  const relay = await startRelay(
    { wanted: { baseUrl: urlOf(0), apis: ['chat'] }, other: { baseUrl: urlOf(1), apis: ['chat'] } },
    {
      models: { alias: { upstream: 'wanted', model: 'real' } },
      routes: [{ upstream: 'other' }],
      cursor: { answerKeyCheck: true },
    },
  )
  try {
    for (const [shape, body] of Object.entries(BODIES)) {
      for (const path of ['/cursor/v1/chat/completions', '/v1/chat/completions']) {
        if (path.startsWith('/v1') && shape !== 'chat') continue
        asked.length = 0
        assert.is(await post(relay, path, MARK + body), 200)
        if (shape === 'keyCheck') {
          assert.is(asked.length, 0, 'it is answered here')
          continue
        }
        assert.equal(
          asked.map(({ name }) => name),
          ['wanted'],
          `${path} ${shape}`,
        )
        assert.match(asked[0]?.body ?? '', '"model":"real"')
        // What need not change keeps its bytes, the mark among them.
        if (shape === 'chat') assert.is(asked[0]?.body, MARK + body.replace('alias', 'real'))
        else assert.not.match(asked[0]?.body ?? '', MARK)
      }
    }
  } finally {
    await relay.close()
    for (const upstream of upstreams) await upstream.close()
  }
})

test.run()
