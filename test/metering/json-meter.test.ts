import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { JsonMeter } from '../../src/metering/json-meter.js'
import { cutAt, expectation, facts, MIB, scan } from './meters.js'
import type { Expected } from './streams.js'

const RESPONSES: { name: string; body: unknown; expected: Expected }[] = [
  {
    name: 'a chat completion with a tool call',
    body: {
      model: 'm',
      choices: [
        {
          message: { content: 'hi', tool_calls: [{ function: { name: 'f', arguments: '{}' } }] },
          finish_reason: 'tool_calls',
        },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 2 },
    },
    expected: {
      events: 1,
      deltas: 1,
      textBytes: 4,
      toolCalls: 1,
      usage: { prompt: 3, completion: 2 },
      finishReason: 'tool_calls',
      model: 'm',
    },
  },
  {
    name: 'a response',
    body: {
      object: 'response',
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      model: 'm',
      output: [
        { type: 'message', content: [{ type: 'output_text', text: 'hey' }] },
        { type: 'function_call', arguments: '{}' },
      ],
      usage: { input_tokens: 3, output_tokens: 2 },
    },
    expected: {
      events: 1,
      deltas: 1,
      textBytes: 5,
      toolCalls: 1,
      usage: { prompt: 3, completion: 2 },
      finishReason: 'max_output_tokens',
      model: 'm',
    },
  },
  {
    name: 'an Anthropic message',
    body: {
      type: 'message',
      model: 'claude',
      content: [
        { type: 'text', text: 'hey' },
        { type: 'tool_use', input: { a: 1 } },
      ],
      stop_reason: 'tool_use',
      usage: { input_tokens: 3, cache_read_input_tokens: 4, output_tokens: 2 },
    },
    expected: {
      events: 1,
      deltas: 1,
      textBytes: 10,
      toolCalls: 1,
      usage: { prompt: 7, cached: 4, completion: 2 },
      finishReason: 'tool_use',
      model: 'claude',
    },
  },
  {
    name: "a response of Gemini's own API, with thoughts, a call and cached tokens",
    body: {
      candidates: [
        {
          content: {
            role: 'model',
            parts: [
              { text: 'hm', thought: true },
              { text: 'hey' },
              { functionCall: { name: 'f', args: { a: 1 } }, thoughtSignature: 'c2ln' },
            ],
          },
          finishReason: 'STOP',
        },
      ],
      usageMetadata: {
        promptTokenCount: 9,
        cachedContentTokenCount: 4,
        candidatesTokenCount: 3,
        thoughtsTokenCount: 20,
        totalTokenCount: 32,
      },
      modelVersion: 'gemini-3-pro',
    },
    expected: {
      events: 1,
      deltas: 1,
      textBytes: 12,
      toolCalls: 1,
      usage: { prompt: 9, cached: 4, completion: 23, reasoning: 20 },
      finishReason: 'STOP',
      model: 'gemini-3-pro',
    },
  },
  {
    name: "a stream of Gemini's own API as an array",
    body: [
      { candidates: [{ content: { parts: [{ text: 'he' }] } }], usageMetadata: { promptTokenCount: 9 } },
      {
        candidates: [{ content: { parts: [{ text: 'y' }] }, finishReason: 'MAX_TOKENS' }],
        usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 3 },
      },
    ],
    expected: {
      events: 1,
      deltas: 1,
      textBytes: 3,
      usage: { prompt: 9, completion: 3 },
      finishReason: 'MAX_TOKENS',
    },
  },
  {
    name: 'a prompt that Gemini blocks',
    body: { promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { promptTokenCount: 9 } },
    expected: { events: 1, usage: { prompt: 9 }, finishReason: 'SAFETY' },
  },
  {
    name: "Gemini's fields with other types",
    body: {
      candidates: [
        null,
        7,
        { content: 'x', finishReason: 1 },
        { content: { parts: [null, { text: 1, functionCall: [] }] } },
      ],
      usageMetadata: { promptTokenCount: '9', candidatesTokenCount: -1 },
      modelVersion: null,
      promptFeedback: [],
    },
    expected: { events: 1 },
  },
  { name: 'an error', body: { error: { code: 'x', message: 'y' } }, expected: { events: 1, error: 'x' } },
  {
    name: "Gemini's errors in an array",
    body: [{ error: { code: 400 } }],
    expected: { events: 1, error: '400' },
  },
  {
    name: 'embeddings',
    body: { data: [{ embedding: [1] }], usage: { prompt_tokens: 8, total_tokens: 8 } },
    expected: { events: 1, usage: { prompt: 8 } },
  },
  { name: 'a number', body: 7, expected: { events: 1, unparsed: 1 } },
]

for (const { name, body, expected } of RESPONSES) {
  test(`a JSON response is metered the same wherever it is cut: ${name}`, () => {
    const bytes = Buffer.from(`\n\n${JSON.stringify(body)}\n`)
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.equal(facts(scan(new JsonMeter(), cutAt(bytes, [cut]))), expectation(expected), `cut at ${cut}`)
    }
  })
}

test('a body that is cut JSON or no JSON counts as unparsed, and what came of it is read', () => {
  const model = '{"model":"m","usage":{"prompt_tokens":1,"completion_tokens":2'
  assert.equal(
    facts(scan(new JsonMeter(), [Buffer.from(model)])),
    expectation({ events: 1, unparsed: 1, model: 'm', usage: { prompt: 1 } }),
  )
  for (const body of ['<html>', '7', '{"a":1}}', '{"a":1} {"b":2}', '{]'])
    assert.equal(
      facts(scan(new JsonMeter(), [Buffer.from(body)])),
      expectation({ events: 1, unparsed: 1 }),
      body,
    )
})

test('the usage of a JSON response of three megabytes is found at its end', () => {
  const body = Buffer.from(`{"data":"${'x'.repeat(3 * MIB)}","usage":{"prompt_tokens":8}}`)
  for (const cut of [10, 2 * MIB, body.length - 3]) {
    const wanted = expectation({ events: 1, unparsed: 1, usage: { prompt: 8 } })
    assert.equal(facts(scan(new JsonMeter(), cutAt(body, [cut]))), wanted)
  }
})

test('a JSON response that ends before all that was kept of it has been read is read to its end', () => {
  for (const length of [MIB - 10, MIB, MIB + 70_000, 2 * MIB]) {
    const body = Buffer.from(`{"usage":{"prompt_tokens":8},"data":"${'x'.repeat(length)}","model":"m"}`)
    for (const size of [1_000, 64 * 1024, 700_000]) {
      const cuts = Array.from({ length: Math.floor(body.length / size) }, (_, i) => (i + 1) * size)
      const wanted = expectation({ events: 1, unparsed: 1, usage: { prompt: 8 }, model: 'm' })
      assert.equal(facts(scan(new JsonMeter(), cutAt(body, cuts))), wanted, `${length} ${size}`)
    }
  }
})

test.run()
