import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi } from '../../../src/api/apis.js'
import { CANCELLED } from '../../../src/translate/repair/turns.js'
import { assertGrowsLinearly } from '../../support/growth.js'
import { fc } from '../../support/property.js'
import { edited } from '../bodies.js'
import { build, createMemory, createTarget, sent, type Target } from '../native.js'

const cancelled = JSON.parse(CANCELLED) as string

const call = (id: string, args: unknown = '{}', name = 'Read'): object => ({
  id,
  type: 'function',
  function: { name, arguments: args },
})
const calls = (...ids: string[]): object => ({
  role: 'assistant',
  content: null,
  tool_calls: ids.map((id) => call(id)),
})
const result = (id: string, content = 'r'): object => ({ role: 'tool', tool_call_id: id, content })
const user = { role: 'user', content: 'u' }
const system = { role: 'system', content: 's' }

const fcall = (id: string): object => ({ type: 'function_call', call_id: id, name: 'Read', arguments: '{}' })
const output = (id: string, text = 'r'): object => ({
  type: 'function_call_output',
  call_id: id,
  output: text,
})

const use = (id: string): object => ({ type: 'tool_use', id, name: 'Read', input: {} })
const done = (id: string, rest: object = {}): object => ({
  type: 'tool_result',
  tool_use_id: id,
  content: 'r',
  ...rest,
})
const stopped = (id: string): object => done(id, { content: cancelled, is_error: true })
const text = (words: string, rest: object = {}): object => ({ type: 'text', text: words, ...rest })
const MARK = { cache_control: { type: 'ephemeral' } }

const LISTS: Readonly<Record<BodyApi, string>> = {
  chat: 'messages',
  responses: 'input',
  messages: 'messages',
}

/** The messages or items that leave. */
function history(api: BodyApi, items: readonly unknown[], target: Target = {}, rest: object = {}): unknown {
  const limit = api === 'messages' ? { max_tokens: 9 } : {}
  return (sent(api, { ...limit, ...rest, [LISTS[api]]: items }, target) as Record<string, unknown>)[
    LISTS[api]
  ]
}

const HISTORIES: readonly [name: string, api: BodyApi, given: unknown[], wanted: unknown[]][] = [
  [
    'an empty list of calls is cut',
    'chat',
    [user, { role: 'assistant', content: 'x', tool_calls: [] }],
    [user, { role: 'assistant', content: 'x' }],
  ],
  [
    'no calls and no content',
    'chat',
    [user, { role: 'assistant', content: null, tool_calls: null }],
    [user, { role: 'assistant', content: '' }],
  ],
  [
    'arguments as an object',
    'chat',
    [user, { ...calls(), tool_calls: [call('a', { n: 1 })] }, result('a')],
    [user, { ...calls(), tool_calls: [call('a', '{"n":1}')] }, result('a')],
  ],
  [
    'a stopped call',
    'chat',
    [user, calls('a', 'b'), result('a'), user],
    [user, calls('a', 'b'), result('b', cancelled), result('a'), user],
  ],
  [
    'a system message ahead of a result',
    'chat',
    [user, calls('a'), system, result('a'), user],
    [user, calls('a'), result('a'), system, user],
  ],
  ['a result without a call', 'chat', [user, result('x'), user], [user, user]],
  ['calls of the last message', 'chat', [user, calls('a')], [user, calls('a')]],
  [
    'a stopped call of Responses',
    'responses',
    [fcall('a'), fcall('b'), output('b'), user],
    [fcall('a'), fcall('b'), output('a', cancelled), output('b'), user],
  ],
  [
    'a message ahead of an output',
    'responses',
    [fcall('a'), system, output('a'), user],
    [fcall('a'), output('a'), system, user],
  ],
  ['an output without a call', 'responses', [user, output('x')], [user]],
  [
    'ids that no vendor made',
    'responses',
    [
      { ...fcall('a'), id: 'call_1' },
      { ...output('a'), id: 'x' },
      { role: 'user', content: 'u', id: 7 },
    ],
    [fcall('a'), output('a'), user],
  ],
  [
    'ids that the vendor made',
    'responses',
    [
      { ...fcall('a'), id: 'fc_1a' },
      { ...output('a'), id: 'fc_2b' },
      { ...user, id: 'msg_1' },
    ],
    [
      { ...fcall('a'), id: 'fc_1a' },
      { ...output('a'), id: 'fc_2b' },
      { ...user, id: 'msg_1' },
    ],
  ],
  [
    'empty calls in an item',
    'responses',
    [{ role: 'assistant', content: 'x', tool_calls: [] }],
    [{ role: 'assistant', content: 'x' }],
  ],
  [
    'arguments as an object in an item',
    'responses',
    [{ ...fcall('a'), arguments: { n: 1 } }, output('a')],
    [{ ...fcall('a'), arguments: '{"n":1}' }, output('a')],
  ],
  [
    'parts of chat completions',
    'responses',
    [
      {
        role: 'user',
        content: [text('x'), { type: 'image_url', image_url: { url: 'data:,', detail: 'low' } }],
      },
      { role: 'assistant', content: [text('y')] },
    ],
    [
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'x' },
          { type: 'input_image', image_url: 'data:,', detail: 'low' },
        ],
      },
      { role: 'assistant', content: [{ type: 'output_text', text: 'y' }] },
    ],
  ],
  [
    'a stopped call of Messages, beside a result',
    'messages',
    [
      user,
      { role: 'assistant', content: [use('a'), use('b')] },
      { role: 'user', content: [done('a'), text('u')] },
    ],
    [
      user,
      { role: 'assistant', content: [use('a'), use('b')] },
      { role: 'user', content: [stopped('b'), done('a'), text('u')] },
    ],
  ],
  [
    'a stopped call of Messages, ahead of a text',
    'messages',
    [user, { role: 'assistant', content: [use('a')] }, user],
    [user, { role: 'assistant', content: [use('a')] }, { role: 'user', content: [stopped('a'), text('u')] }],
  ],
  [
    'a system message ahead of a result of Messages',
    'messages',
    [user, { role: 'assistant', content: [use('a')] }, system, { role: 'user', content: [done('a')] }],
    [
      user,
      { role: 'assistant', content: [use('a')] },
      { role: 'user', content: [done('a')] },
      { role: 'user', content: 's' },
    ],
  ],
  [
    'a text ahead of a result in one message',
    'messages',
    [
      user,
      { role: 'assistant', content: [use('a:1')] },
      { role: 'user', content: [text('u'), done('a:1'), text('v')] },
    ],
    [
      user,
      { role: 'assistant', content: [use('call_c9463a68e2c6d3d1f9c3a9f0c8d0e1a2b3c4d5e6')] },
      {
        role: 'user',
        content: [done('call_c9463a68e2c6d3d1f9c3a9f0c8d0e1a2b3c4d5e6'), text('u'), text('v')],
      },
    ],
  ],
  [
    'blank texts, whose cache marks move',
    'messages',
    [
      { role: 'user', content: [text('u'), text(' \n', MARK)] },
      { role: 'assistant', content: '' },
      { role: 'user', content: [text('', MARK), text('v')] },
      { role: 'assistant', content: [text('\t')] },
      user,
    ],
    [{ role: 'user', content: [text('u', MARK)] }, { role: 'user', content: [text('v')] }, user],
  ],
  [
    'a first message that is blank',
    'messages',
    [
      { role: 'user', content: [text('')] },
      { role: 'assistant', content: 'x' },
    ],
    [
      { role: 'user', content: '(no text)' },
      { role: 'assistant', content: 'x' },
    ],
  ],
  [
    'blank texts in a result',
    'messages',
    [
      user,
      { role: 'assistant', content: [use('a'), use('b')] },
      {
        role: 'user',
        content: [done('a', { content: [text('')] }), done('b', { content: [text('x'), text(' ', MARK)] })],
      },
    ],
    [
      user,
      { role: 'assistant', content: [use('a'), use('b')] },
      { role: 'user', content: [done('a', { content: '' }), done('b', { content: [text('x', MARK)] })] },
    ],
  ],
  [
    'images of chat completions',
    'messages',
    [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'data:image/PNG;base64,AA/=' }, ...MARK },
          { type: 'image_url', image_url: 'https://x/y.png' },
          { type: 'input_text', text: 'x' },
        ],
      },
    ],
    [
      {
        role: 'user',
        content: [
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA/=' }, ...MARK },
          { type: 'image', source: { type: 'url', url: 'https://x/y.png' } },
          text('x'),
        ],
      },
    ],
  ],
  [
    'empty calls in Messages',
    'messages',
    [user, { role: 'assistant', content: 'x', tool_calls: [] }],
    [user, { role: 'assistant', content: 'x' }],
  ],
]

/** Hashes stand for each other, as long as the same stands for the same. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value).replace(/call_[0-9a-f]{40}/g, 'call_HASH'))

for (const [name, api, given, wanted] of HISTORIES) {
  test(`a history leaves as vendors take it: ${name}`, () => {
    assert.equal(plain(history(api, given)), plain(wanted))
    const again = history(api, wanted)
    assert.equal(plain(again), plain(wanted), 'it needs no further change')
  })
}

test('the system prompt of Messages has no blank texts', () => {
  const given = { max_tokens: 9, messages: [user] }
  const cases: [unknown, unknown][] = [
    [[text('s'), text(' ', MARK)], [text('s', MARK)]],
    [[text('', MARK)], undefined],
    ['\n', undefined],
    ['s', 's'],
  ]
  for (const [prompt, wanted] of cases)
    assert.equal((sent('messages', { ...given, system: prompt }) as { system?: unknown }).system, wanted)
  const hoisted = { max_tokens: 9, messages: [{ role: 'system', content: [text('')] }, user] }
  assert.equal(sent('messages', hoisted), given)
})

test('what the vendor has of a conversation is not missed in the body', () => {
  const input = [output('a'), user]
  assert.equal(history('responses', input, {}, { previous_response_id: 'resp_1' }), input)
  const reference = [{ type: 'item_reference', id: 'fc_1' }, output('a')]
  assert.equal(history('responses', reference), reference)
})

test('custom tools become functions in Responses too, with their calls, outputs and choice', () => {
  const body = {
    input: [
      { type: 'custom_tool_call', id: 'ctc_1', call_id: 'a', name: 'Patch', input: 'x "y"' },
      { type: 'custom_tool_call_output', call_id: 'a', output: 'r' },
      { ...fcall('b'), name: 'Patch', arguments: 'z' },
      output('b'),
    ],
    tools: [{ type: 'custom', name: 'Patch' }],
    tool_choice: { type: 'custom', name: 'Patch' },
  }
  const made = sent('responses', body, { customTools: false }) as Record<string, unknown>
  assert.equal(made.input, [
    { type: 'function_call', call_id: 'a', name: 'Patch', arguments: '{"input":"x \\"y\\""}' },
    output('a'),
    { ...fcall('b'), name: 'Patch', arguments: '{"input":"z"}' },
    output('b'),
  ])
  assert.equal(made.tool_choice, { type: 'function', name: 'Patch' })
  assert.equal(build('responses', Buffer.from(JSON.stringify(body)), { customTools: false }).wrapped, [
    'Patch',
  ])
})

test('ids of Mistral have nine characters, and others keep the form of their vendor', () => {
  const given = [user, calls('functions.read:0'), result('functions.read:0')]
  assert.equal(history('chat', given), given)
  const [, made, answer] = history('chat', given, { callIds: 'nine' }) as [
    unknown,
    { tool_calls: [{ id: string }] },
    { tool_call_id: string },
  ]
  assert.match(made.tool_calls[0].id, /^[A-Za-z0-9]{9}$/)
  assert.is(answer.tool_call_id, made.tool_calls[0].id)
})

test('what is remembered of thinking goes back to its upstream and model, and to no other', () => {
  const reasoning = '{"type":"reasoning","id":"rs_1","summary":[]}'
  const thinking = '{"type":"thinking","thinking":"t","signature":"s"}'
  const known = (api: BodyApi, json: string): Target => ({
    thoughts: createMemory({
      a: { upstream: 'up', model: 'm', api, json },
      b: { upstream: 'other', model: 'm', api, json },
      d: { upstream: 'up', model: 'other', api, json },
    }),
  })
  const chat = (id: string): unknown[] => [user, calls(id), result(id)]
  const deepseek: Target = { chatThinking: 'reasoning_content' }
  const content = (id: string, target: Target): unknown =>
    (history('chat', chat(id), target) as { reasoning_content?: string }[])[1]?.reasoning_content
  assert.is(content('a', { ...deepseek, ...known('chat', '"why"') }), 'why')
  assert.is(content('b', { ...deepseek, ...known('chat', '"why"') }), '')
  assert.is(content('d', { ...deepseek, ...known('chat', '"why"') }), '')
  assert.is(content('a', known('chat', '"why"')), undefined)
  const signed = history('chat', chat('a'), {
    chatThinking: 'thought_signature',
    ...known('chat', '{"google":{}}'),
  })
  assert.equal((signed as { tool_calls: object[] }[])[1]?.tool_calls, [
    { ...call('a'), extra_content: { google: {} } },
  ])

  const items = [user, fcall('a'), fcall('c'), output('a'), output('c'), fcall('b'), output('b')]
  assert.equal(history('responses', items, known('responses', reasoning)), [
    user,
    JSON.parse(reasoning),
    ...items.slice(1),
  ])
  const given = [user, { type: 'reasoning', id: 'rs_9', summary: [] }, fcall('a'), output('a')]
  assert.equal(history('responses', given, known('responses', reasoning)), given)

  const turns = [
    user,
    { role: 'assistant', content: [text('x'), use('a')] },
    { role: 'user', content: [done('a')] },
  ]
  const rest = { max_tokens: 9000, thinking: { type: 'enabled', budget_tokens: 1024 } }
  const [, turn] = history('messages', turns, known('messages', thinking), rest) as { content: unknown[] }[]
  assert.equal(turn?.content, [JSON.parse(thinking), text('x'), use('a')])
  const lost = build('messages', Buffer.from(JSON.stringify({ ...rest, messages: turns })))
  assert.equal(lost.dropped, ['thinking'], 'a budget requires the thinking of the last turn')
})

test('a call without a known signature gets what Gemini takes for one, if it is the first of its message', () => {
  const target: Target = { chatThinking: 'thought_signature' }
  const own = { google: { thought_signature: 'own' } }
  const signatures = (messages: unknown[]): unknown[] =>
    (history('chat', messages, target) as { tool_calls?: { extra_content?: unknown }[] }[])
      .flatMap(({ tool_calls: made = [] }) => made)
      .map(({ extra_content: extra }) => extra)
  const unknown = { google: { thought_signature: 'skip_thought_signature_validator' } }
  const turns = [user, calls('a', 'b'), result('a'), result('b'), calls('c'), result('c')]
  assert.equal(signatures(turns), [unknown, undefined, unknown])
  const signed = { role: 'assistant', content: null, tool_calls: [{ ...call('a'), extra_content: own }] }
  assert.equal(signatures([user, signed, result('a')]), [own])
})

test('empty arguments of a call become an empty object, which servers that parse them need', () => {
  const message = { role: 'assistant', content: null, tool_calls: [call('a', ''), call('b', '{"x":1}')] }
  assert.equal(history('chat', [user, message, result('a'), result('b')]), [
    user,
    { ...message, tool_calls: [call('a'), call('b', '{"x":1}')] },
    result('a'),
    result('b'),
  ])
})

test('an id of a call that is too long for chat completions is replaced, in the call and in its result', () => {
  for (const length of [40, 41, 64, 65, 2000]) {
    const id = 'i'.repeat(length)
    const [, made, answer] = history('chat', [user, calls(id), result(id)]) as [
      unknown,
      { tool_calls: [{ id: string }] },
      { tool_call_id: string },
    ]
    assert.is(made.tool_calls[0].id === id, length === 40)
    assert.ok(made.tool_calls[0].id.length <= 40)
    assert.is(answer.tool_call_id, made.tool_calls[0].id)
  }
})

test('fields are sent as the model takes them, and the client can see which are not', () => {
  const cases: [BodyApi, object, Target, object, string[]][] = [
    [
      'chat',
      { temperature: 0, top_p: null, x: 1 },
      { refuses: ['temperature', 'top_p', 'n'] },
      { x: 1 },
      ['temperature'],
    ],
    ['chat', { max_tokens: 5 }, {}, { max_completion_tokens: 5 }, []],
    [
      'chat',
      { max_completion_tokens: 5, max_tokens: 6 },
      { limitField: 'max_tokens' },
      { max_tokens: 6 },
      [],
    ],
    ['chat', { reasoning_effort: 'xhigh' }, { efforts: ['low', 'high'] }, { reasoning_effort: 'high' }, []],
    [
      'chat',
      { reasoning: { effort: 'max' } },
      { efforts: ['low', 'high'] },
      { reasoning: { effort: 'high' } },
      [],
    ],
    [
      'chat',
      { reasoning: { effort: 'max' } },
      { efforts: ['high'], reasoningObject: false },
      { reasoning_effort: 'high' },
      [],
    ],
    [
      'chat',
      { reasoning_effort: 'low', reasoning: {} },
      { efforts: [] },
      {},
      ['reasoning', 'reasoning_effort'],
    ],
    ['chat', { reasoning_effort: 'low' }, { effort: 'high' }, { reasoning_effort: 'high' }, []],
    ['chat', {}, { effort: 'high' }, { reasoning_effort: 'high' }, []],
    [
      'responses',
      { temperature: 0, max_tokens: 4 },
      { refuses: ['temperature', 'max_output_tokens'] },
      {},
      ['temperature', 'max_tokens'],
    ],
    [
      'responses',
      { reasoning: { effort: 'minimal', summary: 'auto' } },
      { efforts: ['low'] },
      { reasoning: { summary: 'auto', effort: 'low' } },
      [],
    ],
    ['responses', { reasoning_effort: 'max' }, { efforts: ['low'] }, { reasoning: { effort: 'low' } }, []],
    ['responses', {}, { effort: 'high' }, { reasoning: { effort: 'high' } }, []],
    [
      'responses',
      { reasoning: {}, include: ['reasoning.encrypted_content'] },
      { efforts: [] },
      {},
      ['reasoning'],
    ],
    ['responses', { text: { verbosity: 'low' } }, { refuses: ['text.verbosity'] }, {}, ['text']],
    [
      'messages',
      { max_tokens: 9000, temperature: 0 },
      { effort: 'low' },
      { max_tokens: 9000, thinking: { type: 'enabled', budget_tokens: 2048 } },
      ['temperature'],
    ],
    [
      'messages',
      { max_tokens: 9000 },
      { effort: 'low', thinking: 'adaptive' },
      { max_tokens: 9000, thinking: { type: 'adaptive' }, output_config: { effort: 'low' } },
      [],
    ],
    [
      'messages',
      { max_tokens: 9000, thinking: { type: 'enabled', budget_tokens: 2048 } },
      { thinking: 'none' },
      { max_tokens: 9000 },
      ['thinking'],
    ],
  ]
  for (const [api, body, target, wanted, dropped] of cases) {
    const words = JSON.stringify([body, target])
    assert.equal(sent(api, body, target), wanted, words)
    assert.equal(build(api, Buffer.from(JSON.stringify(body)), target).dropped, dropped, words)
  }
})

const id = fc.constantFrom('a', 'b', 'c:1')
const block = fc.oneof(
  id.map(use),
  id.map((each) => done(each)),
  fc.constantFrom(text('t'), text(' ', MARK), text('')),
)
const MESSAGE: Readonly<Record<BodyApi, fc.Arbitrary<unknown>>> = {
  chat: fc.oneof(
    fc.constantFrom<unknown>(user, system, null, { role: 'assistant', tool_calls: [] }),
    fc.array(id, { maxLength: 2 }).map((ids) => calls(...ids)),
    id.map((each) => result(each)),
  ),
  responses: fc.oneof(
    fc.constantFrom<unknown>(user, system, null, {}),
    id.map(fcall),
    id.map((each) => output(each)),
  ),
  messages: fc.oneof(
    fc.constantFrom<unknown>(user, system, null, { role: 'assistant', content: '' }),
    fc.record({ role: fc.constantFrom('user', 'assistant'), content: fc.array(block, { maxLength: 4 }) }),
  ),
}

for (const api of ['chat', 'responses', 'messages'] as const) {
  test(`any repaired history of ${api} is JSON, needs no further repair, and is the same each time`, () => {
    fc.assert(
      fc.property(fc.array(MESSAGE[api], { maxLength: 12 }), (items) => {
        const bytes = Buffer.from(JSON.stringify({ max_tokens: 9, [LISTS[api]]: items }))
        const target: Target = { limitField: 'max_tokens' }
        const first = edited(bytes, build(api, bytes, target).edits)
        JSON.parse(first)
        assert.equal(build(api, Buffer.from(first), target).edits, [], first)
        assert.is(edited(bytes, build(api, bytes, target).edits), first)
      }),
      { numRuns: 1000 },
    )
  })
}

test('the work grows with the size of a body, and not faster', () => {
  const shapes: [string, (n: number) => string, BodyApi][] = [
    [
      'custom tools',
      (n) =>
        `{"messages":[],"tools":[${Array.from({ length: n }, (_, k) => `{"type":"custom","name":"t${k}"}`).join()}]}`,
      'chat',
    ],
    ['keys', (n) => `{${Array.from({ length: n }, (_, k) => `"k${k}":1,"n":1`).join()}}`, 'messages'],
    [
      'calls of wrapped tools',
      (n) =>
        `{"messages":[${Array.from({ length: n }, (_, k) => `${JSON.stringify({ role: 'assistant', tool_calls: [call(`c${k}`, 'x', `t${k}`)] })},${JSON.stringify(result(`x${k}`))}`).join()}],"tools":[${Array.from({ length: n }, (_, k) => `{"type":"custom","name":"t${k}"}`).join()}]}`,
      'chat',
    ],
    [
      'blocks in one message',
      (n) =>
        `{"max_tokens":1,"messages":[{"role":"user","content":[${Array.from({ length: n }, (_, k) => JSON.stringify(k % 2 ? done(`a${k}`) : text('', MARK))).join()}]}]}`,
      'messages',
    ],
    [
      'items',
      (n) =>
        `{"input":[${Array.from({ length: n }, (_, k) => JSON.stringify(k % 3 ? fcall(`a${k}`) : output(`a${k}`))).join()}]}`,
      'responses',
    ],
  ]
  const target = createTarget({ customTools: false })
  for (const [name, make, api] of shapes)
    assertGrowsLinearly(
      name,
      2_500,
      (size) => Buffer.from(make(size)),
      (body) => build(api, body, { customTools: target.traits.customTools }),
    )
})

test.run()
