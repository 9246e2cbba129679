import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { repairItems } from '../../../src/translate/repair/items.js'
import { readItems, show } from '../read/bodies.js'

const CANCELLED = 'Cancelled: this call has no result.'
const call = (...ids: string[]): object => ({
  role: 'assistant',
  tool_calls: ids.map((id) => ({ id, function: { name: 'f', arguments: '{}' } })),
})
const result = (id: string): object => ({ role: 'tool', tool_call_id: id, content: `r${id}` })
const say = (role: string): object => ({ role, content: 'x' })

const CASES: readonly (readonly [what: string, list: object[], items: string[]])[] = [
  [
    'a system message between a call and its result',
    [call('a', 'b'), result('a'), say('developer'), result('b'), say('user')],
    ['call a f({})', 'call b f({})', 'result a: ra', 'result b: rb', 'system: x', 'user: x'],
  ],
  [
    'a call that was stopped',
    [call('a'), say('user'), call('b')],
    ['call a f({})', `result a failed: ${CANCELLED}`, 'user: x', 'call b f({})'],
  ],
  [
    'results without a call, and doubled ones',
    [result('z'), call('a'), result('a'), result('a')],
    ['call a f({})', 'result a: ra'],
  ],
  [
    'a text behind a call',
    [call('a'), say('assistant'), result('a')],
    ['call a f({})', 'result a: ra', 'assistant: x'],
  ],
  [
    'an id that is used again, beside one that looks like its new id',
    [call('a'), result('a'), call('a_2'), result('a_2'), call('a', 'a'), result('a'), result('a'), call('a')],
    [
      ...['call a f({})', 'result a: ra', 'call a_2 f({})', 'result a_2: ra_2'],
      ...['call a_3 f({})', 'call a_4 f({})', 'result a_3: ra', 'result a_4: ra', 'call a_5 f({})'],
    ],
  ],
]

test('items are repaired in place', () => {
  for (const [what, list, expected] of CASES) {
    const items = repairItems(readItems('chat', list))
    assert.equal(show(items), expected, what)
    assert.is(repairItems(items), items, `${what}: a second time`)
  }
})

test('a conversation without faults stays the same list', () => {
  const items = readItems('chat', [
    say('system'),
    say('user'),
    call('a', 'b'),
    result('b'),
    result('a'),
    say('assistant'),
    call('c'),
  ])
  assert.is(repairItems(items), items)
})

test('calls of neighbouring items have their results behind all of them', () => {
  const items = readItems('responses', [
    { type: 'reasoning', id: 'r' },
    { role: 'assistant', content: 'x' },
    { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
    { type: 'reasoning', id: 's' },
    { type: 'function_call', call_id: 'b', name: 'f', arguments: '{}' },
    { type: 'function_call_output', call_id: 'b', output: 'r' },
    { type: 'function_call_output', call_id: 'a', output: 'r' },
  ])
  assert.is(repairItems(items), items)
})

test.run()
