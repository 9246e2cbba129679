import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Thought } from '../../../src/translate/thinking/thought-memory.js'
import { ThoughtStore } from '../../../src/translate/thinking/thought-store.js'

const RANDOM_IDS = [
  'call_a1B2c3D4e5F6g7H8i9J0k1L2',
  'toolu_01ABCdef2345GHIjkl6789mn',
  'call_550e8400-e29b-41d4-a716-446655440000',
]
const COUNTED_IDS = ['functions.read_file:0', 'call_0', 'read_a_very_long_tool_name_0', '']

function createThought(text: string): Thought {
  return { upstream: 'kimi', api: 'chat', json: JSON.stringify(text) }
}

function createStore(bounds = { maxBytes: 1_000_000, maxAgeMs: 1_000 }): {
  store: ThoughtStore
  clock: { now: number; evicted: number }
} {
  // lru-cache takes 0 for "no time".
  const clock = { now: 1, evicted: 0 }
  return {
    store: new ThoughtStore(bounds, { now: () => clock.now, onFull: () => void clock.evicted++ }),
    clock,
  }
}

function chat(user: string, ...later: string[]): Buffer {
  const turns = later.map((content, i) => ({ role: i % 2 === 0 ? 'assistant' : 'user', content }))
  return Buffer.from(
    JSON.stringify({
      messages: [{ role: 'system', content: 'You help.' }, { content: user, role: 'user' }, ...turns],
    }),
  )
}

test('the next turn of a chat finds the thinking of its earlier turn, whatever the form of the call id', () => {
  for (const id of [...RANDOM_IDS, ...COUNTED_IDS]) {
    const { store } = createStore()
    store.open('team', chat('first')).remember(id, createThought('because'))
    assert.equal(store.open('team', chat('first', 'answer', 'second')).find(id), createThought('because'), id)
  }
})

test('another team never finds it', () => {
  for (const id of [...RANDOM_IDS, ...COUNTED_IDS]) {
    const { store } = createStore()
    store.open('team', chat('first')).remember(id, createThought('because'))
    assert.is(store.open('other', chat('first')).find(id), null, id)
  }
})

test('two chats with the same counted call id do not share their thinking', () => {
  for (const id of COUNTED_IDS) {
    const { store } = createStore()
    store.open('team', chat('one')).remember(id, createThought('of one'))
    store.open('team', chat('two')).remember(id, createThought('of two'))
    assert.is(store.open('team', chat('one')).find(id)?.json, '"of one"')
    assert.is(store.open('team', chat('three')).find(id), null)
  }
})

test('a Responses body is told apart by its input', () => {
  const { store } = createStore()
  const body = (input: unknown): Buffer => Buffer.from(JSON.stringify({ input }))
  const first = { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'one' }] }
  store.open('team', body([first])).remember('call_0', createThought('because'))
  assert.ok(store.open('team', body([first, { type: 'function_call', call_id: 'call_0' }])).find('call_0'))
  assert.is(store.open('team', body('one')).find('call_0'), null)
})

test('thinking is forgotten when it was not used for the time that it is kept', () => {
  const { store, clock } = createStore()
  const memory = store.open('team', chat('first'))
  memory.remember('call_0', createThought('because'))
  clock.now += 900
  assert.ok(memory.find('call_0'))
  clock.now += 900
  assert.ok(memory.find('call_0'), 'it was used in between')
  clock.now += 1_100
  assert.is(memory.find('call_0'), null)
})

test('the oldest thinking makes room for new, and a single turn cannot fill the store', () => {
  const { store, clock } = createStore({ maxBytes: 3_000_000, maxAgeMs: 1_000 })
  const memory = store.open('team', chat('first'))
  for (let i = 0; i < 10; i++) memory.remember(`call_${i}`, createThought('x'.repeat(500_000)))
  assert.ok(store.bytes <= 3_000_000, String(store.bytes))
  assert.is(memory.find('call_0'), null)
  assert.is(clock.evicted, 5, 'each is counted')
  assert.ok(memory.find('call_9'))
  memory.remember('long', createThought('x'.repeat(2_000_000)))
  assert.is(memory.find('long'), null)
})

test('a body that is no JSON opens a memory like any other', () => {
  const { store } = createStore()
  for (const text of ['', '{', '[]', '{"messages":3}', '{"messages":[', '{"messages":[null,1]}']) {
    const memory = store.open('team', Buffer.from(text))
    memory.remember('call_0', createThought('x'))
    assert.ok(memory.find('call_0'), text)
  }
})

test.run()
