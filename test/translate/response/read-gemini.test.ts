import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cutsOf } from '../chunks.js'
import {
  createCall,
  createEmptyAnswer,
  createSink,
  EXACT,
  eventsOf,
  tellStream,
  tellWhole,
  withShortIds,
} from '../readers.js'
import type { Told } from '../recording-writer.js'

const NOTHING = createEmptyAnswer('r1', 'gemini-test')

const head = { responseId: 'r1', modelVersion: 'gemini-test' }
const parts = (...parts: readonly unknown[]): object => ({
  candidates: [{ content: { role: 'model', parts }, index: 0 }],
  ...head,
})
const ended = (finishReason: string, more: object = {}): object => ({
  candidates: [{ content: { parts: [{ text: '' }], role: 'model' }, finishReason, index: 0 }],
  ...head,
  ...more,
})
const called = (name: string, args: unknown, more: object = {}): object => ({
  functionCall: { name, args, ...more },
})

const RESPONSES: readonly [name: string, chunks: readonly unknown[], told: Partial<Told>][] = [
  ['texts', [parts({ text: 'na' }), parts({ text: 'ïve' }), ended('STOP')], { content: 'naïve' }],
  [
    'thinking and usage',
    [
      parts({ text: 'hm', thought: true }),
      { ...parts({ text: 'hi' }), usageMetadata: { promptTokenCount: 7, cachedContentTokenCount: 4 } },
      ended('STOP', {
        usageMetadata: {
          promptTokenCount: 7,
          candidatesTokenCount: 3,
          thoughtsTokenCount: 2,
          totalTokenCount: 12,
        },
      }),
    ],
    {
      content: 'hi',
      reasoning: 'hm',
      usage: {
        prompt_tokens: 7,
        completion_tokens: 5,
        total_tokens: 12,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
    },
  ],
  [
    'calls with and without ids and arguments',
    [parts(called('A', { b: 1 }), called('B', undefined), called('C', {}, { id: 'own' })), ended('STOP')],
    {
      calls: [
        createCall('call_0', 'A', '{"b":1}'),
        createCall('call_1', 'B', '{}'),
        createCall('own', 'C', '{}'),
      ],
      finish: 'tool_calls',
    },
  ],
  [
    'arguments with exact numbers',
    [
      `{"responseId":"r1","modelVersion":"gemini-test","candidates":[{"content":{"parts":[{"text":"x"},{"functionCall":{"args":${EXACT},"name":"A"}}]},"finishReason":"STOP"}]}`,
    ],
    { content: 'x', calls: [createCall('call_0', 'A', EXACT)], finish: 'tool_calls' },
  ],
  [
    'a wrapped custom tool',
    [parts(called('Wrapped', { input: 'x\ny' })), ended('STOP')],
    { calls: [createCall('call_0', 'Wrapped', 'x\ny', true)], finish: 'tool_calls' },
  ],
  [
    'parts of tools that Google runs, and an image',
    [
      parts(
        { executableCode: { code: 'x' } },
        { text: 'a' },
        { inlineData: { mimeType: 'image/png', data: 'AA' } },
      ),
      ended('STOP'),
    ],
    { content: 'a[image/png]' },
  ],
  [
    'another candidate',
    [
      {
        ...head,
        candidates: [
          { index: 1, content: { parts: [{ text: 'x' }] } },
          { content: { parts: [{ text: 'hi' }] } },
        ],
      },
      ended('STOP'),
    ],
    { content: 'hi' },
  ],
  [
    'a prompt that is blocked',
    [{ ...head, promptFeedback: { blockReason: 'SAFETY' } }],
    { finish: 'content_filter' },
  ],
  [
    'a candidate without content',
    [{ ...head, candidates: [{ finishReason: 'SAFETY' }] }],
    { finish: 'content_filter' },
  ],
  ...['SAFETY', 'RECITATION', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'SPII', 'IMAGE_SAFETY'].map(
    (reason): [string, unknown[], Partial<Told>] => [
      `the finish reason ${reason}`,
      [parts({ text: 'a' }), ended(reason)],
      { content: 'a', finish: 'content_filter' },
    ],
  ),
  [
    'the finish reason MAX_TOKENS',
    [parts({ text: 'a' }), ended('MAX_TOKENS')],
    { content: 'a', finish: 'length' },
  ],
  ['the finish reason OTHER behind a text', [parts({ text: 'a' }), ended('OTHER')], { content: 'a' }],
  ...['OTHER', 'MALFORMED_FUNCTION_CALL', 'UNEXPECTED_TOOL_CALL'].map(
    (reason): [string, unknown[], Partial<Told>] => [
      `the finish reason ${reason} without an answer`,
      [ended(reason)],
      {
        finish: null,
        error: {
          message: `Gemini gave up its answer: ${reason}. Try again.`,
          type: 'server_error',
          param: null,
          code: reason.toLowerCase(),
        },
      },
    ],
  ),
  [
    'an error',
    [parts({ text: 'a' }), { error: { code: 503, message: 'no', status: 'UNAVAILABLE' } }],
    { content: 'a', finish: null, error: { message: 'no', type: 'UNAVAILABLE', param: null, code: 503 } },
  ],
]

for (const [name, chunks, told] of RESPONSES) {
  test(`a response of Gemini is the same in a stream, wherever it is cut, and in a list: ${name}`, () => {
    const bytes = Buffer.from(eventsOf(...chunks))
    const options = { wrapped: ['Wrapped'] }
    const expected = { ...NOTHING, ...told }
    const plain = (read: Told): unknown => JSON.parse(withShortIds(JSON.stringify(read)))
    for (const pieces of cutsOf(bytes)) assert.equal(plain(tellStream('gemini', pieces, options)), expected)
    const list = chunks.map((chunk) => (typeof chunk === 'string' ? chunk : JSON.stringify(chunk)))
    assert.equal(plain(tellWhole('gemini', `[${list.join(', ')}]`, options)), expected)
    if (list.length === 1) assert.equal(plain(tellWhole('gemini', list[0], options)), expected)
  })
}

test('ids that the relay makes are the same in each reading, and differ from response to response', () => {
  const idOf = (responseId: string): string =>
    tellWhole('gemini', { ...parts(called('A', {})), responseId }).calls[0]?.id ?? ''
  assert.is(idOf('a'), idOf('a'))
  assert.is.not(idOf('a'), idOf('b'))
  assert.match(idOf('a'), /^call_[0-9a-f]{12}_0$/)
})

test('a stream of Gemini without a finish reason is incomplete', () => {
  const told = tellStream('gemini', [Buffer.from(eventsOf(parts({ text: 'a' })))])
  assert.is(told.error?.code, 'upstream_incomplete')
})

for (const [name, chunk] of [
  ['broken JSON', '{"candidates":['],
  ['candidates that are an object', { candidates: {} }],
  ['a candidate that is a text', { candidates: ['x'] }],
  ['parts that are an object', { candidates: [{ content: { parts: {} } }] }],
  ['a part that is a text', parts('x')],
  ['a text that is a number', parts({ text: 1 })],
  ['arguments that are a list', parts(called('A', [1]))],
] as const) {
  test(`a chunk of Gemini that cannot be read ends the response with an error: ${name}`, () => {
    const told = tellStream('gemini', [Buffer.from(eventsOf(chunk, ended('STOP')))])
    assert.is(told.error?.code, 'upstream_unreadable')
    assert.is(tellWhole('gemini', chunk).error?.code, 'upstream_unreadable')
  })
}

test("thought signatures of Gemini are handed on by their calls' ids", () => {
  const thoughts = createSink()
  const signed = { ...called('A', {}, { id: 'a' }), thoughtSignature: 'sig"' }
  const response = parts({ text: 'hm', thought: true }, signed, called('B', {}, { id: 'b' }))
  tellWhole('gemini', response, { thoughts })
  assert.equal(thoughts.got, [
    [['a'], '"sig\\""'],
    [['b'], ''],
  ])
})

test.run()
