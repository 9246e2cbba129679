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

const NOTHING = createEmptyAnswer('c1', 'm')

const chunk = (choice: object | null, more: object = {}): object => ({
  id: 'c1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: choice === null ? [] : [{ index: 0, finish_reason: null, ...choice }],
  ...more,
})
const delta = (delta: object): object => chunk({ delta })
const calls = (...calls: object[]): object => delta({ tool_calls: calls })
const fn = (name: string | undefined, args: unknown, more: object = {}): object => ({
  ...more,
  function: { ...(name === undefined ? {} : { name }), arguments: args },
})
const end = (reason: string): object => chunk({ delta: {}, finish_reason: reason })
const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }

const text = (content: unknown): object => delta({ content })

const STREAMS: readonly [name: string, data: readonly unknown[], told: Partial<Told>][] = [
  [
    'texts',
    [delta({ role: 'assistant', content: '' }), text('na'), text('ïve'), end('stop'), '[DONE]'],
    { content: 'naïve' },
  ],
  ['no [DONE]', [text('hi'), end('stop')], { content: 'hi' }],
  ['[DONE] alone', [text('hi'), '[DONE]'], { content: 'hi' }],
  [
    'parts, as Mistral sends them',
    [
      text([{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }]),
      text([{ type: 'text', text: 'hi' }, { type: 'reference', reference_ids: [1] }, '!']),
      end('model_length'),
    ],
    { reasoning: 'hm', content: 'hi!', finish: 'length' },
  ],
  [
    'reasoning in each form',
    [
      delta({ reasoning_content: 'a', content: null }),
      delta({ reasoning: 'b', reasoning_details: [{ type: 'reasoning.text', text: 'b' }] }),
      delta({ reasoning_content: 'c', reasoning: 'c' }),
      delta({
        reasoning_details: [{ text: 'd' }, { summary: 'e' }, { type: 'reasoning.encrypted', data: 'x' }],
      }),
      end('stop'),
    ],
    { reasoning: 'abcde' },
  ],
  ['<think> as text', [text('<think>a</think>b'), end('stop')], { content: '<think>a</think>b' }],
  ['a refusal', [delta({ refusal: 'no' }), end('stop')], { refusal: 'no' }],
  [
    "calls in OpenAI's form",
    [
      calls(fn('Shell', '', { index: 0, id: 'a', type: 'function' })),
      calls(fn(undefined, '{"c"', { index: 0 })),
      calls(fn('Read', '', { index: 1, id: 'b' })),
      calls(fn(undefined, '{}', { index: 1 })),
      calls(fn(undefined, ':1}', { index: 0 })),
      end('tool_calls'),
      '[DONE]',
    ],
    { calls: [createCall('a', 'Shell', '{"c":1}'), createCall('b', 'Read', '{}')], finish: 'tool_calls' },
  ],
  [
    'calls without an index, and the finish reason stop',
    [calls(fn('Shell', '{}', { id: 'a' }), fn('Read', '{"b":1}', { id: 'b' })), end('stop'), '[DONE]'],
    { calls: [createCall('a', 'Shell', '{}'), createCall('b', 'Read', '{"b":1}')], finish: 'tool_calls' },
  ],
  [
    'the same index for all calls',
    [
      calls(fn('Shell', '{}', { index: 0, id: 'a' })),
      calls(fn('Read', '{}', { index: 0, id: 'b' })),
      end('stop'),
    ],
    { calls: [createCall('a', 'Shell', '{}'), createCall('b', 'Read', '{}')], finish: 'tool_calls' },
  ],
  [
    'the same index for all calls, told apart by their ids',
    [
      calls(fn('Shell', '{', { index: 0, id: 'a' })),
      calls(fn('Read', '[', { index: 0, id: 'b' })),
      calls(fn(undefined, '}', { index: 0, id: 'a' })),
      calls(fn(undefined, ']', { index: 0, id: 'b' })),
      end('stop'),
    ],
    { calls: [createCall('a', 'Shell', '{}'), createCall('b', 'Read', '[]')], finish: 'tool_calls' },
  ],
  [
    'calls without index and id',
    [calls(fn('Shell', '{}'), fn('Read', '{}')), end('stop')],
    {
      calls: [createCall('call_0', 'Shell', '{}'), createCall('call_1', 'Read', '{}')],
      finish: 'tool_calls',
    },
  ],
  [
    'a name in each delta, and another id in each',
    [
      calls(fn('Shell', '{', { index: 0, id: 'a' })),
      calls(fn('Shell', '"a":', { index: 0, id: 'a' })),
      calls(fn(undefined, '1}', { index: 0, id: 'x' })),
      end('tool_calls'),
    ],
    { calls: [createCall('a', 'Shell', '{"a":1}')], finish: 'tool_calls' },
  ],
  [
    'a name that comes late',
    [
      calls({ index: 0, id: 'a', function: { arguments: '{"a"' } }),
      calls(fn(undefined, ':1', { index: 0 })),
      calls(fn('Shell', '}', { index: 0 })),
      end('tool_calls'),
    ],
    { calls: [createCall('a', 'Shell', '{"a":1}')], finish: 'tool_calls' },
  ],
  [
    'one id for two calls',
    [calls(fn('A', '{}', { index: 0, id: 'a' }), fn('B', '{}', { index: 1, id: 'a' })), end('tool_calls')],
    { calls: [createCall('a', 'A', '{}'), createCall('call_1', 'B', '{}')], finish: 'tool_calls' },
  ],
  [
    'calls of custom tools',
    [
      calls({ index: 0, id: 'a', type: 'custom', custom: { name: 'ApplyPatch', input: '*** ' } }),
      calls({ index: 0, custom: { input: 'Begin' } }),
      end('tool_calls'),
    ],
    { calls: [createCall('a', 'ApplyPatch', '*** Begin', true)], finish: 'tool_calls' },
  ],
  [
    'a wrapped custom tool',
    [
      calls(fn('Wrapped', '{"inp', { index: 0, id: 'a' })),
      calls(fn(undefined, 'ut":"x\\n', { index: 0 })),
      calls(fn(undefined, 'y"}', { index: 0 })),
      end('tool_calls'),
    ],
    { calls: [createCall('a', 'Wrapped', 'x\ny', true)], finish: 'tool_calls' },
  ],
  [
    'arguments that are an object',
    [
      `{"id":"c1","model":"m","choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"A","arguments":${EXACT}}}]},"finish_reason":"stop"}]}`,
    ],
    { calls: [createCall('a', 'A', EXACT)], finish: 'tool_calls' },
  ],
  [
    'an empty object ahead of arguments as text',
    [
      calls(fn('A', {}, { index: 0, id: 'a' })),
      calls(fn(undefined, '{"b":1}', { index: 0 })),
      end('tool_calls'),
    ],
    { calls: [createCall('a', 'A', '{"b":1}')], finish: 'tool_calls' },
  ],
  [
    'the older form of a call',
    [
      delta({ function_call: { name: 'A', arguments: '{"a"' } }),
      delta({ function_call: { arguments: ':1}' }, tool_calls: [] }),
      end('function_call'),
    ],
    { calls: [createCall('call_0', 'A', '{"a":1}')], finish: 'tool_calls' },
  ],
  [
    'a call that is cut',
    [calls(fn('A', '{"a', { index: 0, id: 'a' })), end('length'), '[DONE]'],
    { calls: [createCall('a', 'A', '{"a')], finish: 'length' },
  ],
  [
    'usage behind the end, and zeros behind the usage',
    [
      text('hi'),
      end('stop'),
      chunk(null, { usage: USAGE }),
      chunk(null, { usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 } }),
      '[DONE]',
    ],
    { content: 'hi', usage: USAGE },
  ],
  [
    'usage beside a choice, with cached tokens where DeepSeek has them',
    [
      chunk(
        { delta: { content: 'hi' }, finish_reason: 'stop' },
        { usage: { ...USAGE, prompt_cache_hit_tokens: 1 } },
      ),
    ],
    {
      content: 'hi',
      usage: {
        ...USAGE,
        prompt_cache_hit_tokens: 1,
        prompt_tokens_details: { cached_tokens: 1 },
      } as Told['usage'],
    },
  ],
  [
    'usage in a choice',
    [chunk({ delta: { content: 'hi' }, finish_reason: 'stop', usage: USAGE })],
    { content: 'hi', usage: USAGE },
  ],
  [
    'usage where Groq has it',
    [text('hi'), chunk({ delta: {}, finish_reason: 'stop' }, { x_groq: { usage: USAGE } })],
    { content: 'hi', usage: USAGE },
  ],
  [
    'a first chunk without choices and names',
    [
      { id: '', model: '', created: 0, choices: [], prompt_filter_results: [] },
      text('hi'),
      end('content_filter'),
    ],
    { content: 'hi', finish: 'content_filter' },
  ],
  [
    'several choices',
    [
      {
        ...chunk(null),
        choices: [
          { index: 1, delta: { content: 'x' } },
          { index: 0, delta: { content: 'hi' } },
        ],
      },
      chunk({ index: 1, delta: { content: 'y' }, finish_reason: 'length' }),
      end('stop'),
    ],
    { content: 'hi' },
  ],
  [
    'an empty finish reason in each chunk',
    [
      chunk({ delta: { content: 'a' }, finish_reason: '' }),
      chunk({ delta: { content: 'b' }, finish_reason: 'eos' }),
    ],
    { content: 'ab' },
  ],
  [
    'a whole message as the only chunk',
    [
      chunk({
        message: { content: 'hi', tool_calls: [fn('A', '{}', { id: 'a' }), fn('A', '{}', { id: 'b' })] },
        finish_reason: 'stop',
      }),
    ],
    { content: 'hi', calls: [createCall('a', 'A', '{}'), createCall('b', 'A', '{}')], finish: 'tool_calls' },
  ],
]

const failed = (message: string, more: object = {}): Partial<Told> => ({
  finish: null,
  error: { message, type: 'server_error', param: null, code: null, ...more },
})

const FAILURES: readonly [name: string, data: readonly unknown[], told: Partial<Told>][] = [
  [
    'as an error event',
    [{ error: { message: 'no', code: 'x' } }],
    { id: null, model: null, ...failed('no', { code: 'x' }) },
  ],
  ['as a text', [text('hi'), { error: 'no' }], { content: 'hi', ...failed('no') }],
  [
    "as Gemini's list",
    [text('hi'), [{ error: { code: 503, message: 'no', status: 'UNAVAILABLE' } }]],
    { content: 'hi', ...failed('no', { code: 503, type: 'UNAVAILABLE' }) },
  ],
  [
    "in vLLM's older form",
    [{ object: 'error', message: 'no', type: 'BadRequestError', code: 400 }],
    { id: null, model: null, ...failed('no', { code: 400, type: 'BadRequestError' }) },
  ],
  [
    'beside a choice',
    [chunk({ delta: {}, finish_reason: 'error' }, { error: { message: 'no', code: 502 } })],
    { id: null, model: null, ...failed('no', { code: 502 }) },
  ],
  ['in a choice', [chunk({ delta: {}, error: { message: 'no', code: 502 } })], failed('no', { code: 502 })],
  [
    'as a finish reason',
    [text('hi'), end('insufficient_system_resource')],
    {
      content: 'hi',
      ...failed('The upstream stopped its answer: insufficient_system_resource.', {
        code: 'insufficient_system_resource',
      }),
    },
  ],
]

for (const [name, data, told] of [...STREAMS, ...FAILURES]) {
  test(`a stream of chat completions is read wherever it is cut: ${name}`, () => {
    const bytes = Buffer.from(eventsOf(...data))
    const step = bytes.length > 800 ? 7 : 1
    let n = 0
    for (const pieces of cutsOf(bytes)) {
      if (n++ % step !== 0 && pieces.length === 2) continue
      const read = tellStream('chat', pieces, { wrapped: ['Wrapped'] })
      assert.equal(JSON.parse(withShortIds(JSON.stringify(read))), { ...NOTHING, ...told })
    }
  })
}

for (const [name, data] of [
  ['JSON that is cut', ['{"choices":[{"delta":{"content":"x']],
  ['no object', ['17']],
  ['choices that are no list', [{ choices: 'x' }]],
  ['a content that is a number', [text(17)]],
  ['a reasoning that is a number', [delta({ reasoning_content: 1 })]],
  ['calls that are no list', [delta({ tool_calls: { id: 'a' } })]],
  ['arguments that are a list', [calls(fn('A', [1], { index: 0, id: 'a' }))]],
  ['a delta that is a text', [chunk({ delta: 'x' })]],
] as const) {
  test(`an event of chat completions that cannot be read ends the stream with an error: ${name}`, () => {
    const told = tellStream('chat', [
      Buffer.from(eventsOf(text('hi'), ...data, text('late'), end('stop'), '[DONE]')),
    ])
    assert.is(told.error?.code, 'upstream_unreadable')
    assert.is(told.finish, null)
    assert.is(told.content, 'hi')
  })
}

test('unknown events, empty data and keep-alives do not end a stream of chat completions', () => {
  const odd =
    ': x\n\ndata:\n\nevent: ping\n\nevent: heartbeat\ndata: ok\n\ndata: {"new":1}\n\nevent: new\ndata: {"a":[]}\n\n'
  const told = tellStream('chat', [Buffer.from(odd + eventsOf(text('hi'), end('stop'), '[DONE]'))])
  assert.is(told.finish, 'stop')
  assert.equal(told.comments, [': x', 'keep-alive', 'keep-alive'])
})

test('a stream of chat completions without finish reason and [DONE] is incomplete', () => {
  const told = tellStream('chat', [Buffer.from(eventsOf(text('hi')))])
  assert.is(told.error?.code, 'upstream_incomplete')
})

const completion = (message: object, more: object = {}): object => ({
  id: 'c1',
  object: 'chat.completion',
  model: 'm',
  choices: [{ index: 0, message, finish_reason: 'stop', ...more }],
})

for (const [name, body, told] of [
  [
    'texts',
    completion({ content: 'hi', reasoning_content: 'hm', refusal: 'no' }),
    { content: 'hi', reasoning: 'hm', refusal: 'no' },
  ],
  [
    'parts',
    completion({
      content: [
        { type: 'thinking', thinking: 'hm' },
        { type: 'text', text: 'hi' },
      ],
    }),
    { content: 'hi', reasoning: 'hm' },
  ],
  [
    'a custom call',
    completion({
      content: null,
      tool_calls: [{ id: 'a', type: 'custom', custom: { name: 'ApplyPatch', input: 'x' } }],
    }),
    { calls: [createCall('a', 'ApplyPatch', 'x', true)], finish: 'tool_calls' },
  ],
  [
    'calls of one tool without ids',
    completion({ tool_calls: [fn('A', '{}'), fn('A', '{"b":1}')] }),
    { calls: [createCall('call_0', 'A', '{}'), createCall('call_1', 'A', '{"b":1}')], finish: 'tool_calls' },
  ],
  [
    'a wrapped custom tool',
    completion({
      tool_calls: [fn('Wrapped', '{"input":"x"}', { id: 'a' }), fn('Wrapped', '{"b":1}', { id: 'b' })],
    }),
    {
      calls: [createCall('a', 'Wrapped', 'x', true), createCall('b', 'Wrapped', '{"b":1}', true)],
      finish: 'tool_calls',
    },
  ],
  [
    'the older form of a call',
    completion({ function_call: { name: 'A', arguments: '{}' } }),
    { calls: [createCall('call_0', 'A', '{}')], finish: 'tool_calls' },
  ],
  [
    'arguments that are an object',
    `{"id":"c1","model":"m","choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"A","arguments":${EXACT}}},{"id":"b","function":{"name":"B","arguments": {"n" : 1.50} }}]}}]}`,
    { calls: [createCall('a', 'A', EXACT), createCall('b', 'B', '{"n" : 1.50}')], finish: 'tool_calls' },
  ],
  [
    'usage',
    { ...completion({ content: 'hi' }), usage: { ...USAGE, cost: 0.5 } },
    { content: 'hi', usage: { ...USAGE, cost: 0.5 } as Told['usage'] },
  ],
] as const) {
  test(`a whole chat completion is read: ${name}`, () => {
    const read = tellWhole('chat', body, { wrapped: ['Wrapped'] })
    assert.equal(JSON.parse(withShortIds(JSON.stringify(read))), { ...NOTHING, ...told })
  })
}

test('a usage of any depth is written', () => {
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
  const usage = `{"prompt_tokens":3,"completion_tokens":2,"a":${deep},"b":{"c":${deep},"d":1}}`
  const { usage: read } = tellWhole('chat', `{"choices":[{"message":{"content":"x"}}],"usage":${usage}}`)
  assert.equal(read, { ...USAGE, b: { d: 1 } })
})

test('the reasoning of chat completions is handed on for all calls, once the answer is complete', () => {
  const data = [
    delta({ reasoning_content: 'naï' }),
    delta({ reasoning_content: 've' }),
    calls(fn('A', '{}', { index: 0, id: 'a' })),
    calls(fn('B', '{}', { index: 1, id: 'b' })),
  ]
  const thoughts = createSink()
  tellStream('chat', [Buffer.from(eventsOf(...data))], { thoughts })
  assert.equal(thoughts.got, [])
  tellStream('chat', [Buffer.from(eventsOf(...data, end('tool_calls')))], { thoughts })
  assert.equal(thoughts.got, [[['a', 'b'], '"naïve"']])
})

test('what Gemini adds to a call is handed on for that call, in its own bytes', () => {
  const extra = '{"google": {"thought_signature":"x\\u00e9","n":1.0}}'
  const call = (id: string, more: string): string =>
    `{"id":"${id}","function":{"name":"A","arguments":"{}"}${more}}`
  const list = `[${call('a', `,"extra_content":${extra}`)},${call('b', '')}]`
  for (const tell of ['delta', 'message']) {
    const thoughts = createSink()
    const chunk = `{"choices":[{"${tell}":{"reasoning_content":"hm","tool_calls":${list}},"finish_reason":"stop"}]}`
    if (tell === 'delta') tellStream('chat', [Buffer.from(eventsOf(chunk))], { thoughts })
    else tellWhole('chat', chunk, { thoughts })
    assert.equal(thoughts.got, [
      [['a'], extra],
      [['b'], '"hm"'],
    ])
  }
})

test('reasoning that is too long is not handed on', () => {
  const long = 'x'.repeat(200_000)
  const thoughts = createSink()
  const data = [
    delta({ reasoning_content: long }),
    delta({ reasoning_content: long }),
    calls(fn('A', '{}', { id: 'a' })),
    end('stop'),
  ]
  tellStream('chat', [Buffer.from(eventsOf(...data))], { thoughts })
  assert.equal(thoughts.got, [[['a'], '']])
})

test.run()
