import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { writeChunkEvent, writeConverseEvent, writeException } from '../../support/aws-events.js'
import type { Response } from '../../support/client.js'
import { post, startRelay } from '../../support/relay.js'
import { CHUNKED, head, type Script, ScriptedUpstream, whole } from '../../support/upstream.js'

const ENV = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG' }
const STREAM = 'content-type: application/vnd.amazon.eventstream'
const JSON_TYPE = 'content-type: application/json'
const BODY = JSON.stringify({ model: 'm', stream: true, max_tokens: 9, messages: [] })

const START = writeChunkEvent({ type: 'message_start', message: { id: 'm', content: [], usage: {} } })
const DELTA = writeChunkEvent({ type: 'content_block_delta', delta: { type: 'text_delta', text: 'Hello' } })
const STOP = writeChunkEvent({ type: 'message_stop' })

/** A stream in chunks: all in one read, or cut anywhere. */
function binary(messages: readonly Buffer[], size: number): Script {
  return async (request) => {
    const all = Buffer.concat(messages)
    await request.write(head('200 OK', STREAM, CHUNKED))
    for (let at = 0; at < all.length; at += size) await request.chunk(all.subarray(at, at + size))
    await request.lastChunk()
  }
}

interface Asked {
  readonly response: Response
  /** Names of the upstreams that were asked. */
  readonly asked: string
}

async function ask(path: string, first: Script, second: Script): Promise<Asked> {
  const a = await ScriptedUpstream.start(first)
  const b = await ScriptedUpstream.start(second)
  const entry = ({ port }: ScriptedUpstream) => ({
    preset: 'bedrock',
    baseUrl: `http://127.0.0.1:${port}`,
  })
  const relay = await startRelay(
    { a: entry(a), b: entry(b) },
    { routes: [{ targets: [{ upstream: 'a' }, { upstream: 'b' }] }] },
    { ...ENV, AWS_REGION: 'eu-west-1' },
  )
  try {
    const response = await post(relay, path, BODY)
    return { response, asked: 'a'.repeat(a.requests.length) + 'b'.repeat(b.requests.length) }
  } finally {
    await relay.close()
    await a.close()
    await b.close()
  }
}

/** Exceptions, and whether another target may do better. */
const EXCEPTIONS: readonly (readonly [string, string, boolean])[] = [
  ['throttlingException', 'Too many tokens', true],
  ['serviceUnavailableException', 'busy', true],
  ['internalServerException', 'x', true],
  ['modelStreamErrorException', 'x', true],
  ['validationException', 'messages: at least one message is required', false],
]
const STARTS: readonly (readonly [string, readonly Buffer[]])[] = [
  ['at once', []],
  ['behind the start of a message', [START]],
  ['behind the start of Converse', [writeConverseEvent('messageStart', { role: 'assistant' })]],
]
const PATHS = ['/model/m/invoke-with-response-stream', '/model/m/converse-stream', '/v1/messages']

for (const [name, message, next] of EXCEPTIONS)
  test(`${name} as the first message ${next ? 'leads to the next target' : 'reaches the client'}`, async () => {
    for (const path of PATHS)
      for (const [, start] of STARTS)
        for (const size of [1_000_000, 23]) {
          const good = [START, DELTA, STOP]
          const bad = [...start, writeException(name, message)]
          const { response, asked } = await ask(path, binary(bad, size), binary(good, size))
          assert.is(asked, next ? 'ab' : 'a', path)
          assert.ok(response.complete)
          if (path === '/v1/messages')
            assert.is(response.body.includes(next ? 'Hello' : message), true, response.body.toString())
          else assert.ok(response.body.equals(Buffer.concat(next ? good : bad)))
        }
  })

test('a stream passes byte for byte behind its held beginning', async () => {
  for (const path of PATHS.slice(0, 2))
    for (const size of [1_000_000, 23]) {
      const good = [START, DELTA, STOP]
      const { response, asked } = await ask(path, binary(good, size), binary([], size))
      assert.is(asked, 'a')
      assert.ok(response.body.equals(Buffer.concat(good)))
    }
})

test('an exception behind the first content reaches the client', async () => {
  const broken = [START, DELTA, writeException('modelStreamErrorException', 'x')]
  const { response, asked } = await ask(PATHS[0] as string, binary(broken, 1_000_000), binary([], 9))
  assert.is(asked, 'a')
  assert.ok(response.body.equals(Buffer.concat(broken)))
})

/** Refusals whose type is in a header alone, and whether another target may do better. */
const REFUSALS: readonly (readonly [string, string, string, boolean])[] = [
  [
    '404 Not Found',
    'ResourceNotFoundException',
    '{"message":"Could not resolve the foundation model"}',
    true,
  ],
  ['400 Bad Request', 'ServiceQuotaExceededException:http://internal.amazon.com/', '{"message":"x"}', true],
  ['400 Bad Request', 'ThrottlingException', '{"message":"x"}', true],
  ['400 Bad Request', 'ExpiredTokenException:', '', true],
  ['400 Bad Request', 'UnrecognizedClientException', '<html>no JSON</html>', true],
  ['403 Forbidden', 'AccessDeniedException', '{"Message":"no"}', true],
  ['400 Bad Request', 'ValidationException', '{"message":"messages: at least one is required"}', false],
]

for (const [status, type, body, next] of REFUSALS)
  test(`a refusal with ${type} and ${status} ${next ? 'leads to the next target' : 'reaches the client'}`, async () => {
    const refusal: Script = (request) =>
      request.write(whole(status, body, JSON_TYPE, `x-amzn-ErrorType: ${type}`))
    const answer: Script = (request) => request.write(whole('200 OK', '{"content":[{}]}', JSON_TYPE))
    for (const path of ['/model/m/invoke', '/v1/messages']) {
      const { response, asked } = await ask(path, refusal, answer)
      assert.is(asked, next ? 'ab' : 'a', path)
      assert.is(response.status, next ? 200 : Number.parseInt(status, 10))
    }
  })

test.run()
