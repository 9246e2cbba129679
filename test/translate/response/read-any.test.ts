import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CONVERSATION_APIS, type ConversationApi } from '../../../src/api/apis.js'
import { parseJson } from '../../../src/json/values.js'
import { fc } from '../../support/property.js'
import { type Event, named } from '../chunks.js'
import { delta, MESSAGES, opened, START, STOP, stopped } from '../messages-streams.js'
import { createSink, eventsOf, tellStream, tellWhole, withShortIds } from '../readers.js'
import type { Told } from '../recording-writer.js'
import { call, completed, created, done, STREAMS, text } from '../responses-streams.js'

/** Digits that do not survive being parsed and printed. */
const EXACT = '{"id":2512292042121000001,"y":1e400,"x":1.0,"z":-0}'

const bytes = (text: string): Buffer[] => [Buffer.from(text)]
const plain = (told: Told): unknown => JSON.parse(withShortIds(JSON.stringify(told)))

test('the input of a whole Messages block keeps its digits', () => {
  const block = (id: string): string => `{"type":"tool_use","id":"${id}","input": ${EXACT} ,"name":"A"}`
  const message = `{"id":"m","content":["odd",${block('a')},{"type":"text","text":"x"},${block('b')}],"stop_reason":"tool_use"}`
  const { calls } = tellWhole('messages', message)
  assert.equal(
    calls.map(({ input }) => input),
    [EXACT, EXACT],
  )
  const begun = `{"type":"content_block_start","index":0,"content_block":${block('a')}}`
  const stream = eventsOf(START, begun, { type: 'content_block_stop', index: 0 }, stopped('tool_use'), STOP)
  assert.is(tellStream('messages', bytes(stream)).calls[0]?.input, EXACT)
})

test('arguments of Responses that are an object keep their digits', () => {
  const item = (n: number): string =>
    `{"type":"function_call","call_id":"c${n}","name":"A","arguments":${EXACT}}`
  const output = `{"object":"response","output":[null,${item(1)},${item(2)}]}`
  for (const { calls } of [
    tellWhole('responses', output),
    tellStream('responses', bytes(eventsOf(`{"type":"response.completed","response":${output}}`))),
    tellStream(
      'responses',
      bytes(
        eventsOf(...[1, 2].map((n) => `{"type":"response.output_item.done","item":${item(n)}}`), completed()),
      ),
    ),
  ])
    assert.equal(
      calls.map(({ id, input }) => [id, input]),
      [
        ['c1', EXACT],
        ['c2', EXACT],
      ],
    )
})

test('a wrapped custom tool is unwrapped in every API', () => {
  const input = JSON.stringify({ input: 'x\ny' })
  const options = { wrapped: ['ApplyPatch'] }
  const item = { type: 'function_call', call_id: 'a', name: 'ApplyPatch', arguments: input }
  const block = { type: 'tool_use', id: 'a', name: 'ApplyPatch', input: {} }
  const streamed = named(
    ...[
      START,
      opened(0, block),
      delta(0, { type: 'input_json_delta', partial_json: input }),
      stopped('tool_use'),
      STOP,
    ],
  )
  for (const { calls } of [
    tellWhole('responses', { output: [item] }, options),
    tellStream('responses', bytes(named(done(item, 0), completed())), options),
    tellWhole('messages', { content: [{ ...block, input: JSON.parse(input) }] }, options),
    tellStream('messages', bytes(streamed), options),
  ])
    assert.equal(calls, [{ id: 'a', name: 'ApplyPatch', input: 'x\ny', isCustom: true }])
})

test("a custom tool's call of Responses is read as one", () => {
  const item = { type: 'custom_tool_call', call_id: 'a', name: 'ApplyPatch', input: '***' }
  assert.is(tellWhole('responses', { output: [item] }).calls[0]?.isCustom, true)
})

test('a whole body says the same as the stream with its content', () => {
  let compared = 0
  for (const [name, events] of MESSAGES) {
    const whole = messageOf(events)
    if (whole === null) continue
    const { comments: _, ...streamed } = tellStream('messages', bytes(named(...events)))
    const { comments: __, ...read } = tellWhole('messages', whole)
    assert.equal(withPlainInputs(read), withPlainInputs(streamed), name)
    compared++
  }
  for (const [name, events] of STREAMS) {
    const last = events.at(-1) as Event
    const response = last.response as { output?: unknown[] } | undefined
    if (!response?.output?.length) continue
    const streamed = tellStream('responses', bytes(named(last)))
    assert.equal(plain(tellWhole('responses', response)), plain(streamed), name)
    compared++
  }
  assert.ok(compared >= 7, `${compared}`)
})

/** White space between the tokens of an input is no difference. */
function withPlainInputs({ calls, ...told }: Omit<Told, 'comments'>): unknown {
  return { ...told, calls: calls.map((call) => ({ ...call, input: parseJson(call.input) ?? call.input })) }
}

/** The message that a stream of complete blocks builds; null if the stream is odd. */
function messageOf(events: readonly Event[]): object | null {
  const content: Record<string, unknown>[] = []
  let [start, end]: [object, Record<string, unknown>] = [{}, {}]
  for (const event of events) {
    if (event.type === 'message_stop') break
    if (event.type === 'message_start') start = event.message as object
    else if (event.type === 'message_delta') end = event as Record<string, unknown>
    else if (event.type === 'content_block_start')
      content[event.index as number] = { ...(event.content_block as object) }
    else if (event.type === 'content_block_delta') {
      const { type, ...parts } = event.delta as Record<string, string>
      const block = content[event.index as number]
      if (block === undefined) return null
      const text = type === 'input_json_delta' ? { partial: parts.partial_json } : parts
      for (const [field, part] of Object.entries(text)) block[field] = `${block[field] ?? ''}${part}`
    }
  }
  for (const block of content) {
    if (typeof block?.partial !== 'string' || block.partial === '') continue
    block.input = parseJson(block.partial)
    if (block.input === undefined) return null
  }
  const usage = { ...(start as { usage?: object }).usage, ...(end.usage as object) }
  const { stop_reason } = (end.delta ?? {}) as { stop_reason?: string }
  return stop_reason === undefined ? null : { ...start, content, stop_reason, usage }
}

test('thinking blocks of Messages are handed on with the calls behind them', () => {
  const tool = (id: string): object => ({ type: 'tool_use', id, name: 'A', input: {} })
  const events = [
    START,
    opened(0, { type: 'thinking', thinking: '', signature: '' }),
    delta(0, { type: 'thinking_delta', thinking: 'na' }),
    delta(0, { type: 'thinking_delta', thinking: 'ïve' }),
    delta(0, { type: 'signature_delta', signature: 's1' }),
    { type: 'content_block_stop', index: 0 },
    opened(1, { type: 'redacted_thinking', data: 'r1' }),
    opened(2, tool('a')),
    opened(3, tool('b')),
    opened(4, { type: 'thinking', thinking: '', signature: 's2' }),
    opened(5, tool('c')),
    opened(6, { type: 'thinking', thinking: 'without a signature' }),
    opened(7, tool('d')),
  ]
  const first =
    '{"type":"thinking","thinking":"naïve","signature":"s1"},{"type":"redacted_thinking","data":"r1"}'
  const expected = [
    [['a', 'b'], first],
    [['c', 'd'], '{"type":"thinking","thinking":"","signature":"s2"}'],
  ]
  const streamed = createSink()
  tellStream('messages', bytes(named(...events)), { thoughts: streamed })
  assert.equal(streamed.got, [], 'an incomplete answer')
  tellStream('messages', bytes(named(...events, stopped('tool_use'), STOP)), { thoughts: streamed })
  assert.equal(streamed.got, expected)
  const whole = createSink()
  const content = [
    ...JSON.parse(`[${first}]`),
    ...[tool('a'), tool('b'), { type: 'thinking', thinking: '', signature: 's2' }, tool('c'), tool('d')],
  ]
  tellWhole('messages', { content, stop_reason: 'tool_use' }, { thoughts: whole })
  assert.equal(whole.got, expected)
})

test('encrypted reasoning of Responses is handed on with the calls behind it, in a form that a request may have', () => {
  const thought = (n: number): object => ({
    id: `rs_${n}`,
    type: 'reasoning',
    status: null,
    summary: [{ type: 'summary_text', text: 'a' }],
    encrypted_content: `e${n}`,
  })
  const kept = (n: number): string =>
    `{"type":"reasoning","id":"rs_${n}","summary":[{"type":"summary_text","text":"a"}],"encrypted_content":"e${n}"}`
  const plainThought = { ...thought(9), encrypted_content: null }
  const output = [
    thought(1),
    thought(2),
    call(1, 'A', '{}'),
    call(2, 'A', '{}'),
    plainThought,
    thought(3),
    call(3, 'A', '{}'),
  ]
  const expected = [
    [['call_1', 'call_2'], `${kept(1)},${kept(2)}`],
    [['call_3'], kept(3)],
  ]
  const items = output.map((item, index) => done(item, index))
  for (const tell of [
    (thoughts: ReturnType<typeof createSink>) =>
      tellStream('responses', bytes(named(created, ...items, completed())), { thoughts }),
    (thoughts: ReturnType<typeof createSink>) =>
      tellStream('responses', bytes(named(created, text('x'), completed({ output }))), { thoughts }),
    (thoughts: ReturnType<typeof createSink>) => tellWhole('responses', { output }, { thoughts }),
  ]) {
    const thoughts = createSink()
    tell(thoughts)
    assert.equal(thoughts.got, expected)
  }
})

test('thinking that is too long is not handed on, nor a part of it', () => {
  const content = Array.from({ length: 3 }, (_, n) => [
    { type: 'thinking', thinking: 'x'.repeat(100_000), signature: 's' },
    { type: 'tool_use', id: `c${n}`, name: 'A' },
  ]).flat()
  const thoughts = createSink()
  tellWhole('messages', { content }, { thoughts })
  assert.equal(thoughts.got, [
    [['c0'], ''],
    [['c1', 'c2'], ''],
  ])
})

const UNREADABLE: readonly [api: ConversationApi, event: unknown][] = [
  ['messages', '{"type":"content_block_delta"'],
  ['messages', delta(0, { type: 'text_delta', text: 1 })],
  ['messages', delta(0, { type: 'thinking_delta', thinking: {} })],
  ['messages', { type: 'content_block_delta', index: 0, delta: 'x' }],
  ['messages', { type: 'content_block_start', index: 0 }],
  ['messages', opened(0, { type: 'tool_use', id: 'a', name: 'A', input: 'x' })],
  ['messages', opened(0, { type: 'tool_use', id: 'a', name: 'A', input: [1] })],
  ['responses', '{"type":"response.output_text.delta"'],
  ['responses', { type: 'response.output_text.delta', output_index: 0, delta: 1 }],
  ['responses', { type: 'response.function_call_arguments.delta', output_index: 0, delta: {} }],
  ['responses', { type: 'response.refusal.delta', output_index: 0, delta: [] }],
  ['responses', { type: 'response.output_item.done', item: 'x' }],
]

test('an event that cannot be read ends a stream with an error, and unknown events do not', () => {
  for (const [api, event] of UNREADABLE) {
    const end = api === 'messages' ? named(stopped('end_turn'), STOP) : named(completed())
    const told = tellStream(api, bytes(eventsOf({ type: 'new', x: [1] }, event) + end))
    assert.is(told.error?.code, 'upstream_unreadable', JSON.stringify(event))
    const unknown = tellStream(api, bytes(eventsOf({ type: 'new', delta: 1 }, { a: 1 }) + end))
    assert.is(unknown.finish, 'stop', api)
  }
})

test('zeros and nulls of later events do not replace the counts of a message', () => {
  const start = {
    ...START,
    message: { id: 'm', usage: { input_tokens: 25, cache_read_input_tokens: 10, output_tokens: 1 } },
  }
  const last = stopped('end_turn', { input_tokens: 0, cache_read_input_tokens: null, output_tokens: 7 })
  const { usage } = tellStream('messages', bytes(named(start, last, STOP)))
  assert.equal(usage, {
    prompt_tokens: 35,
    completion_tokens: 7,
    total_tokens: 42,
    prompt_tokens_details: { cached_tokens: 10 },
  })
})

test('an error body with status 200 is read as an error, and any other body as unreadable', () => {
  for (const api of CONVERSATION_APIS) {
    for (const body of [
      { error: { message: 'no' } },
      { type: 'error', error: { message: 'no' } },
      [{ error: { message: 'no' } }],
    ])
      assert.is(tellWhole(api, body).error?.message, 'no')
    for (const body of [
      '',
      '<html>',
      '[]',
      '{}',
      'null',
      '1',
      '{"choices":[]}',
      '{"output":1}',
      '{"content":1}',
      '{"a":',
    ])
      assert.is(tellWhole(api, body).error?.code, 'upstream_unreadable', `${api} ${body}`)
  }
})

const KEYS = [
  ...[
    'choices',
    'delta',
    'message',
    'content',
    'tool_calls',
    'function',
    'custom',
    'arguments',
    'name',
    'id',
    'index',
  ],
  ...[
    'finish_reason',
    'usage',
    'reasoning_details',
    'extra_content',
    'candidates',
    'parts',
    'functionCall',
    'args',
  ],
  ...[
    'text',
    'thought',
    'thoughtSignature',
    'usageMetadata',
    'promptFeedback',
    'output',
    'item',
    'response',
    'input',
  ],
  ...[
    'content_block',
    'summary',
    'encrypted_content',
    'error',
    '__proto__',
    'constructor',
    'thinking',
    'signature',
  ],
]
const TYPES = [
  ...[
    'message_start',
    'content_block_start',
    'content_block_delta',
    'content_block_stop',
    'message_delta',
    'message_stop',
  ],
  ...['response.created', 'response.output_item.added', 'response.output_item.done', 'response.completed'],
  ...[
    'response.function_call_arguments.done',
    'response.failed',
    'tool_use',
    'thinking',
    'text_delta',
    'input_json_delta',
  ],
  ...['function_call', 'custom_tool_call', 'reasoning', 'redacted_thinking', 'custom', 'signature_delta'],
]
const anything = fc.letrec<{ value: unknown; object: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, 0, 1, -1, 1.5, '', 'x', 'A', '{}', {}, []),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc
    .tuple(
      fc.dictionary(fc.constantFrom(...KEYS), tie('value'), { maxKeys: 5, noNullPrototype: true }),
      fc.option(fc.constantFrom(...TYPES), { freq: 2 }),
    )
    .map(([object, type]) => (type === null ? object : { ...object, type })),
})).object

test('any JSON is read without an exception, and ends with a finish or an error', () => {
  fc.assert(
    fc.property(
      fc.array(anything, { maxLength: 8 }),
      fc.constantFrom(...CONVERSATION_APIS),
      (events, api) => {
        const options = { wrapped: ['A'], thoughts: createSink() }
        for (const told of [
          tellStream(api, bytes(eventsOf(...events)), options),
          ...events.map((event) => tellWhole(api, event, options)),
        ])
          assert.ok((told.finish === null) !== (told.error === null))
      },
    ),
    { numRuns: 3_000 },
  )
})

test('JSON of any depth is read without an exception', () => {
  const deep = `${'{"a":['.repeat(20_000)}${']}'.repeat(20_000)}`
  for (const api of CONVERSATION_APIS) {
    for (const shape of [
      (value: string) => `{"choices":[{"delta":{"content":${value}}}]}`,
      (value: string) =>
        `{"choices":[{"delta":{"tool_calls":[{"extra_content":${value},"function":{"name":"A","arguments":${value}}}]}}]}`,
      (value: string) =>
        `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"A","args":${value}}}]}}]}`,
      (value: string) =>
        `{"type":"content_block_start","content_block":{"type":"tool_use","input":${value}}}`,
      (value: string) =>
        `{"type":"response.output_item.done","item":{"type":"reasoning","summary":[${value}],"encrypted_content":"x"}}`,
      (value: string) =>
        `{"type":"response.output_item.done","item":{"type":"function_call","name":"A","arguments":${value}}}`,
      (value: string) => `{"error":${value}}`,
      (value: string) => `{"output":[${value}],"content":[${value}],"usage":${value}}`,
    ]) {
      tellStream(api, bytes(eventsOf(shape(deep))), { thoughts: createSink() })
      tellWhole(api, shape(deep), { thoughts: createSink() })
    }
  }
})

test.run()
