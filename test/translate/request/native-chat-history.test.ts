import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fc } from '../../support/property.js'
import { validateChat } from '../../support/vendors/chat.js'
import { sent } from '../native.js'

const PIXEL = 'data:image/png;base64,iVBORw0KGgo='
const image = { type: 'image_url', image_url: { url: PIXEL } }
const words = (text: string): object => ({ type: 'text', text })
const call = (id: string, args: unknown = '{}'): object => ({
  ...{ id, type: 'function', function: { name: 'read', arguments: args } },
})
const calls = (...list: object[]): object => ({ role: 'assistant', content: null, tool_calls: list })
const result = (id: string, content: unknown = 'r'): object => ({ role: 'tool', tool_call_id: id, content })
const legacy = { role: 'assistant', content: null, function_call: { name: 'read', arguments: '{}' } }
const returned = { role: 'function', name: 'read', content: 'r' }
const user = { role: 'user', content: 'u' }
const shown = { role: 'user', content: [image] }

type Sent = { messages: unknown[]; tools?: unknown; tool_choice?: unknown }

function send(messages: readonly unknown[], more: object = {}): Sent {
  return sent('chat', { messages, ...more }) as Sent
}

const CASES: readonly [name: string, given: unknown[], wanted: unknown[]][] = [
  [
    'an image in a result',
    [user, calls(call('a')), result('a', [words('seen'), image])],
    [user, calls(call('a')), result('a', [words('seen')]), shown],
  ],
  [
    'images alone, behind all results of the turn',
    [user, calls(call('a'), call('b')), result('a', [image]), result('b', [words('x'), image]), user],
    [
      ...[user, calls(call('a'), call('b')), result('a', ''), result('b', [words('x')])],
      { role: 'user', content: [image, image] },
      user,
    ],
  ],
  [
    'an image in a result that is in the wrong place',
    [user, calls(call('a'), call('b')), result('a'), user, result('b', [image]), user],
    [user, calls(call('a'), call('b')), result('a'), result('b', ''), shown, user, user],
  ],
  ['an image in a result without a call', [user, result('x', [image]), user], [user, user]],
  [
    'parts of other APIs in a result',
    [
      user,
      calls(call('a')),
      result('a', [
        { type: 'input_image', image_url: PIXEL },
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } },
      ]),
    ],
    [user, calls(call('a')), result('a', ''), { role: 'user', content: [image, image] }],
  ],
  [
    'two calls with one id',
    [user, calls(call('a'), call('a')), result('a', '1'), result('a', '2')],
    [user, calls(call('a'), call('a_2')), result('a', '1'), result('a_2', '2')],
  ],
  [
    'three, with an id that another call has',
    [
      user,
      calls(call('a'), call('a_2'), call('a'), call('a')),
      ...['a', 'a_2', 'a', 'a'].map((id) => result(id)),
    ],
    [
      ...[user, calls(call('a'), call('a_2'), call('a_3'), call('a_4'))],
      ...['a', 'a_2', 'a_3', 'a_4'].map((id) => result(id)),
    ],
  ],
  [
    'two calls with one id, of which one was stopped',
    [user, calls(call('a'), call('a')), result('a', '1'), user],
    [
      ...[user, calls(call('a'), call('a_2')), result('a_2', 'Cancelled: this call has no result.')],
      ...[result('a', '1'), user],
    ],
  ],
  [
    'the same id in two turns',
    [user, calls(call('a')), result('a'), calls(call('a')), result('a')],
    [user, calls(call('a')), result('a'), calls(call('a')), result('a')],
  ],
  [
    'the older form of a call and its result',
    [user, legacy, returned, user],
    [
      user,
      calls({ ...call('call_unnamed_0'), type: 'function' }),
      { ...returned, role: 'tool', tool_call_id: 'call_unnamed_0' },
      user,
    ],
  ],
  [
    'the older form with arguments as an object, and beside the new one',
    [
      user,
      { role: 'assistant', function_call: { name: 'read', arguments: { n: 1 } } },
      returned,
      { ...calls(call('a')), function_call: { name: 'read', arguments: '{}' } },
      result('a'),
    ],
    [
      user,
      calls(call('call_unnamed_0', '{"n":1}')),
      { ...returned, role: 'tool', tool_call_id: 'call_unnamed_0' },
      calls(call('a')),
      result('a'),
    ],
  ],
]

for (const [name, given, wanted] of CASES)
  test(`a chat leaves as vendors take it: ${name}`, () => {
    const { messages } = send(given)
    assert.equal(messages, wanted)
    assert.equal(send(messages).messages, messages, 'it needs no further change')
  })

test('functions and function_call become tools and tool_choice', () => {
  const functions = [{ name: 'read', parameters: { type: 'object' } }]
  const tools = [{ type: 'function', function: functions[0] }]
  const one = { type: 'function', function: { name: 'read' } }
  for (const [given, wanted] of [
    [{ functions }, { tools }],
    [
      { functions, function_call: 'auto' },
      { tools, tool_choice: 'auto' },
    ],
    [
      { functions, function_call: { name: 'read' }, tools: [] },
      { tools, tool_choice: one },
    ],
    [
      { functions, function_call: 'none', tool_choice: 'auto' },
      { tools, tool_choice: 'auto' },
    ],
    [{ functions, function_call: 'none', tools }, { tools }],
    [{ functions: [], function_call: 'auto' }, {}],
  ])
    assert.equal(send([user], given), { messages: [user], ...wanted }, JSON.stringify(given))
})

/** A turn of calls with whatever ids, and results with whatever content, perhaps with some missing. */
const id = fc.constantFrom('a', 'a', 'b', 'a_2', 'functions.read:0')
const content = fc.constantFrom<unknown>('r', [words('x')], [image], [words('x'), image, words('y'), image])
const turn = fc.record({
  ids: fc.array(id, { minLength: 1, maxLength: 4 }),
  content,
  isLegacy: fc.boolean(),
  isStopped: fc.boolean(),
  ahead: fc.boolean(),
})

const chat = fc.array(turn, { minLength: 1, maxLength: 4 }).map((turns) =>
  turns.map(({ ids, content: given, isLegacy, isStopped, ahead }) => {
    const made = isLegacy ? [legacy] : [calls(...ids.map((each) => call(each)))]
    const results = isLegacy ? [{ ...returned, content: given }] : ids.map((each) => result(each, given))
    const kept = isStopped ? results.slice(1) : results
    return [user, ...made, ...(ahead ? [{ role: 'system', content: 's' }] : []), ...kept]
  }),
)

const TOOLS = { tools: [{ type: 'function', function: { name: 'read', parameters: { type: 'object' } } }] }

test('a vendor takes any chat with images in results, doubled ids and calls of the older form', () => {
  fc.assert(
    fc.property(chat, (turns) => {
      const body = { model: 'm', ...send([...turns.flat(), user], TOOLS) }
      // OpenAI takes the name of a function in its result.
      const messages = body.messages.map((message) => ({ ...(message as object), name: undefined }))
      assert.equal(validateChat(JSON.parse(JSON.stringify({ ...body, messages }))), [])
    }),
    { numRuns: 500 },
  )
})

test('such a chat keeps its beginning while it grows', () => {
  fc.assert(
    fc.property(chat, (turns) => {
      let before: unknown[] = []
      for (let n = 1; n <= turns.length; n++) {
        const { messages } = send([...turns.slice(0, n).flat(), user])
        assert.equal(messages.slice(0, before.length), before)
        before = messages.slice(0, -1)
      }
    }),
    { numRuns: 200 },
  )
})

test.run()
