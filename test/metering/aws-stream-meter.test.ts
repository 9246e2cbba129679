import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createResponseFacts, filterResponseHeaders } from '../../src/http/response-headers.js'
import { createMeter } from '../../src/metering/create-meter.js'
import type { Meter } from '../../src/metering/meter.js'
import {
  writeAwsMessage,
  writeChunkEvent,
  writeConverseEvent,
  writeException,
} from '../support/aws-events.js'

function open(type: string, ...headers: string[]): Meter {
  const facts = createResponseFacts()
  filterResponseHeaders(['content-type', type, ...headers], facts)
  const meter = createMeter(facts, 'bedrock', facts.awsEventStream)
  assert.ok(meter)
  return meter
}

/** What a meter finds in chunks of a stream. */
function meter(chunks: readonly Buffer[]) {
  const each = open('application/vnd.amazon.eventstream')
  for (const chunk of chunks) each.push(chunk)
  each.end()
  const { usage, error, finishReason, events, deltas, toolCalls, textBytes, unparsed, model } =
    each.readStats()
  const tokens = usage && [usage.prompt, usage.cached, usage.cacheWritten, usage.completion]
  const { ended } = each
  return { tokens, error, finishReason, events, deltas, toolCalls, textBytes, unparsed, model, ended }
}

const CLAUDE = Buffer.concat(
  [
    {
      type: 'message_start',
      message: {
        model: 'claude-sonnet-4-5-20250929',
        usage: {
          input_tokens: 7,
          cache_read_input_tokens: 100,
          cache_creation_input_tokens: 20,
          output_tokens: 1,
        },
      },
    },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Grüße' } },
    {
      type: 'content_block_start',
      index: 1,
      content_block: { type: 'tool_use', id: 't', name: 'f', input: {} },
    },
    { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '{}' } },
    { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 42 } },
    {
      type: 'message_stop',
      'amazon-bedrock-invocationMetrics': {
        inputTokenCount: 7,
        outputTokenCount: 42,
        invocationLatency: 900,
        cacheReadInputTokenCount: 100,
        cacheWriteInputTokenCount: 20,
      },
    },
  ].map(writeChunkEvent),
)
const OF_CLAUDE = {
  tokens: [127, 100, 20, 42],
  error: null,
  finishReason: 'tool_use',
  events: 7,
  deltas: 2,
  toolCalls: 1,
  textBytes: 9,
  unparsed: 0,
  model: 'claude-sonnet-4-5-20250929',
  ended: true,
}

const CONVERSE_EVENTS: readonly [string, object][] = [
  ['messageStart', { role: 'assistant' }],
  ['contentBlockDelta', { contentBlockIndex: 0, delta: { reasoningContent: { text: 'Hm' } } }],
  ['contentBlockDelta', { contentBlockIndex: 1, delta: { text: 'Grüße' } }],
  ['contentBlockStop', { contentBlockIndex: 1 }],
  ['contentBlockStart', { contentBlockIndex: 2, start: { toolUse: { toolUseId: 't', name: 'f' } } }],
  ['contentBlockDelta', { contentBlockIndex: 2, delta: { toolUse: { input: '{}' } } }],
  ['messageStop', { stopReason: 'tool_use' }],
  [
    'metadata',
    {
      usage: {
        inputTokens: 7,
        outputTokens: 42,
        totalTokens: 169,
        cacheReadInputTokens: 100,
        cacheWriteInputTokens: 20,
      },
      metrics: { latencyMs: 900 },
    },
  ],
]
const CONVERSE = Buffer.concat(CONVERSE_EVENTS.map(([name, event]) => writeConverseEvent(name, event)))
const OF_CONVERSE = { ...OF_CLAUDE, events: 8, deltas: 3, textBytes: 11, model: null }

/** Nova's own API has the events of Converse as members. */
const NOVA = Buffer.concat(CONVERSE_EVENTS.map(([name, event]) => writeChunkEvent({ [name]: event })))

const STREAMS = [
  ['of the Messages API', CLAUDE, OF_CLAUDE],
  ['of Converse', CONVERSE, OF_CONVERSE],
  ["of Nova's own API", NOVA, OF_CONVERSE],
] as const

for (const [name, stream, expected] of STREAMS) {
  test(`a stream ${name} tells usage with the cache, text, calls and its end, wherever it is cut`, () => {
    assert.equal(meter([stream]), expected)
    for (let at = 1; at < stream.length; at++)
      assert.equal(meter([stream.subarray(0, at), stream.subarray(at)]), expected, `cut at ${at}`)
    assert.equal(meter(Array.from(stream, (_, i) => stream.subarray(i, i + 1))), expected)
  })

  test(`a stream ${name} that breaks off has not ended, and what came of it counts`, () => {
    for (let at = 0; at < stream.length; at++) {
      const found = meter([stream.subarray(0, at)])
      assert.is(found.ended, false, `cut at ${at}`)
      assert.is(found.error, null)
    }
    assert.is(meter([stream.subarray(0, -1)]).unparsed, 1, 'a message that was cut')
  })
}

for (const name of ['throttlingException', 'modelStreamErrorException', 'internalServerException']) {
  test(`${name} in a stream is an error that ends it`, () => {
    const stream = Buffer.concat([CLAUDE.subarray(0, writeChunkEventLength()), writeException(name, 'no')])
    const found = meter([stream])
    assert.is(found.error, name)
    assert.is(found.ended, true)
    assert.equal(found.tokens, [127, 100, 20, 1])
  })
}

test('an error without a type of its own has its code', () => {
  const headers = { ':message-type': 'error', ':error-code': '429', ':error-message': 'slow down' }
  assert.is(meter([writeAwsMessage(headers)]).error, '429')
})

test('an event with a wrong checksum counts as unparsed, and the ones after it are read', () => {
  const events = [writeConverseEvent('messageStop', { stopReason: 'end_turn' }), CONVERSE]
  const stream = Buffer.concat(events)
  const at = (events[0] as Buffer).length - 1
  stream[at] = (stream[at] as number) ^ 0xff
  assert.equal(meter([stream]), { ...OF_CONVERSE, events: 9, unparsed: 1 })
})

test('an event that is no JSON, or has no name, counts as unparsed', () => {
  const stream = Buffer.concat([
    writeAwsMessage({ ':message-type': 'event', ':event-type': 'chunk' }, '{"bytes":"!!!!"}'),
    writeAwsMessage({ ':message-type': 'event', ':event-type': 'metadata' }, '[1'),
    writeAwsMessage({ ':message-type': 'event' }, '{}'),
  ])
  assert.is(meter([stream]).unparsed, 3)
})

test('a whole response of Converse tells its usage, its finish reason and its calls', () => {
  const each = open('application/json')
  each.push(
    Buffer.from(
      JSON.stringify({
        output: {
          message: {
            role: 'assistant',
            content: [{ text: 'Grüße' }, { toolUse: { toolUseId: 't', name: 'f', input: {} } }],
          },
        },
        stopReason: 'tool_use',
        usage: { inputTokens: 7, outputTokens: 42, totalTokens: 49, cacheReadInputTokens: 3 },
      }),
    ),
  )
  each.end()
  const { usage, finishReason, toolCalls, textBytes } = each.readStats()
  assert.equal([usage?.prompt, usage?.cached, usage?.completion], [10, 3, 42])
  assert.equal([finishReason, toolCalls, textBytes], ['tool_use', 1, 9])
})

test('a body that says nothing of its usage is counted by the head, and one that does counts itself', () => {
  const headers = ['X-Amzn-Bedrock-Input-Token-Count', '12', 'x-amzn-bedrock-output-token-count', '3']
  const count = (body: string) => {
    const each = open('application/json', ...headers)
    each.push(Buffer.from(body))
    each.end()
    const { usage } = each.readStats()
    return [usage?.prompt, usage?.completion]
  }
  assert.equal(count('{"embedding":[0.5]}'), [12, 3])
  assert.equal(count('{"usage":{"input_tokens":9,"cache_read_input_tokens":0,"output_tokens":8}}'), [9, 8])
  headers[1] = '-1; drop'
  assert.equal(count('{}'), [null, 3])
})

test.run()

/** Bytes of the first event of `CLAUDE`. */
function writeChunkEventLength(): number {
  return CLAUDE.readUInt32BE(0)
}
