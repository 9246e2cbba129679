import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth, startRelay, type TestRelay } from '../../support/relay.js'
import { until } from '../../support/until.js'
import { CHUNKED, head, type Received, ScriptedUpstream, SSE } from '../../support/upstream.js'

const BODY = JSON.stringify({ model: 'm', prompt: 'a', max_tokens: 16, stream: true })
const TEXT = 'data: {"model":"m","choices":[{"index":0,"text":"hi"}]}\n\n'
const USAGE =
  'data: {"model":"m","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}\n\n'
const DONE = 'data: [DONE]\n\n'

const post = (relay: TestRelay): string =>
  `POST /v1/completions HTTP/1.1\r\n${auth(relay)}content-type: application/json\r\n` +
  `content-length: ${BODY.length}\r\n\r\n${BODY}`

test('usage is billed once when clients join a response whose billed client has left after its end mark', async () => {
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk(TEXT + USAGE + DONE)
  })
  const relay = await startRelay(upstream.url)
  const payer = await relay.client()
  payer.send(post(relay))
  await payer.sees('[DONE]')
  payer.destroy()
  await relay.requests(1)
  const [second, third] = [await relay.client(), await relay.client()]
  second.send(post(relay))
  await second.sees('[DONE]')
  third.send(post(relay))
  await third.sees('[DONE]')
  second.destroy()
  await relay.requests(2)
  const request = upstream.requests[0] as Received
  await request.lastChunk()
  assert.ok((await third.response()).complete)
  const records = await relay.records(3)
  assert.equal(
    records.map(({ cache, attempts, usage_source, end }) => [cache, attempts, usage_source, end]),
    [
      ['miss', 1, 'upstream', 'done'],
      ['joined', 0, 'cache', 'done'],
      ['joined', 0, 'cache', 'done'],
    ],
  )
  await relay.close()
  await upstream.close()
})

test('a record does not count what the upstream sends after the client has left', async () => {
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk(TEXT + DONE)
  })
  const relay = await startRelay(upstream.url, { cache: { enabled: false } })
  const client = await relay.client()
  client.send(post(relay))
  await client.sees('[DONE]')
  client.destroy()
  await until(() => relay.inspect().openCount === 0, 'the exchange to be closed')
  const request = upstream.requests[0] as Received
  for (let i = 0; i < 5; i++) await request.chunk(': still here\n\n')
  await request.lastChunk()
  const [record] = await relay.records(1)
  assert.is(record?.end, 'done')
  assert.is(record?.bytes_out, TEXT.length + DONE.length)
  await relay.close()
  await upstream.close()
})

test("the record of the client that is billed after the first has left has the upstream's times", async () => {
  const upstream = await ScriptedUpstream.start(() => {})
  const relay = await startRelay(upstream.url)
  const [payer, heir] = [await relay.client(), await relay.client()]
  payer.send(post(relay))
  const request = await upstream.request(0)
  heir.send(post(relay))
  await until(() => relay.inspect().openCount === 2, 'the heir to join')
  payer.destroy()
  await relay.requests(1)
  await request.write(head('200 OK', SSE, CHUNKED))
  await request.chunk(TEXT + USAGE + DONE)
  await request.lastChunk()
  assert.ok((await heir.response()).complete)
  const records = await relay.records(2)
  const last = records.find(({ cache }) => cache === 'miss')
  assert.is(last?.end, 'done')
  assert.type(last?.upstream_ttfb_ms, 'number')
  await relay.close()
  await upstream.close()
})

test.run()
