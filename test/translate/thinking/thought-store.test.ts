import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Thought, ThoughtMemory } from '../../../src/translate/thinking/thought-memory.js'
import { ThoughtStore } from '../../../src/translate/thinking/thought-store.js'
import { fc } from '../../support/property.js'

const IDS = [
  'call_a1B2c3D4e5F6g7H8i9J0k1L2',
  'toolu_01ABCdef2345GHIjkl6789mn',
  'call_550e8400-e29b-41d4-a716-446655440000',
  ...['functions.read_file:0', 'call_0', 'read_a_very_long_tool_name_0', ''],
]

function createThought(text: string): Thought {
  return { upstream: 'kimi', model: 'k2', api: 'chat', json: JSON.stringify(text) }
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

type Message = Readonly<Record<string, unknown>>

const SYSTEM = { role: 'system', content: 'You help.' }
const say = (content: unknown): Message => ({ role: 'user', content })
const answer = (id: string, content: unknown = null): Message => ({
  ...{ role: 'assistant', content },
  tool_calls: [{ id, type: 'function', function: { name: 'read', arguments: '{}' } }],
})
const result = (id: string): Message => ({ role: 'tool', tool_call_id: id, content: 'found' })

function chat(messages: readonly unknown[], more: object = {}): Buffer {
  return Buffer.from(JSON.stringify({ messages: [SYSTEM, ...messages], ...more }))
}

/** Remembers what the answer to this request thought ahead of a call. */
function remember(store: ThoughtStore, body: Buffer, id: string, thought: Thought, owner = 'team'): void {
  store.open(owner, body).openRecorder().remember(id, thought)
}

/** What is found for the call in this message of the body. */
function find(store: ThoughtStore, body: Buffer, message: number, id: string, owner = 'team'): string | null {
  const text = store.open(owner, body).find({ id, message })?.json ?? null
  return text === null ? null : JSON.parse(text)
}

test('the next turns of a chat find the thinking of its earlier turn, whatever the form of the call id', () => {
  for (const id of IDS) {
    const { store } = createStore()
    const asked = [say('first')]
    remember(store, chat(asked), id, createThought('because'))
    const next = [...asked, answer(id), result(id)]
    assert.is(find(store, chat(next), 2, id), 'because', id)
    assert.is(find(store, chat([...next, say('second')]), 2, id), 'because', id)
    assert.is(find(store, chat(next), 1, id), null, 'not for another message')
    assert.is(find(store, chat(next), 99, id), null)
  }
})

test('another team never finds it', () => {
  for (const id of IDS) {
    const { store } = createStore()
    remember(store, chat([say('first')]), id, createThought('because'))
    assert.is(find(store, chat([say('first'), answer(id)]), 2, id, 'other'), null, id)
  }
})

test('two chats with the same call id do not share their thinking, whichever part of them differs', () => {
  const variants: readonly Message[][] = [
    [say('one'), answer('c'), result('c'), say('go')],
    [say('two'), answer('c'), result('c'), say('go')],
    [say('one'), answer('c', 'I look.'), result('c'), say('go')],
    [say('one'), answer('c'), { ...result('c'), content: 'lost' }, say('go')],
    [say('one'), answer('c'), result('c'), say('stop')],
    [
      say('one'),
      answer('c'),
      result('c'),
      say([
        { type: 'text', text: 'go' },
        { type: 'image_url', image_url: { url: 'u' } },
      ]),
    ],
    [
      say('one'),
      answer('c'),
      result('c'),
      say([
        { type: 'text', text: 'go' },
        { type: 'image_url', image_url: { url: 'v' } },
      ]),
    ],
    [{ role: 'system', content: 'Be brief.' }, say('one'), answer('c'), result('c'), say('go')],
    [say('one'), answer('c'), result('c'), say('g'), say('o')],
  ]
  for (const id of IDS) {
    const { store } = createStore()
    for (const [n, messages] of variants.entries())
      remember(store, chat(messages), id, createThought(`of ${n}`))
    for (const [n, messages] of variants.entries())
      assert.is(find(store, chat([...messages, answer(id)]), messages.length + 1, id), `of ${n}`)
    assert.is(find(store, chat([say('three'), answer(id)]), 2, id), null)
  }
})

test('of two chats that are alike so far and have the same call id, none gets the thinking of the other', () => {
  for (const [first, second] of [
    ['a', 'b'],
    ['a', null],
    [null, 'b'],
  ] as const) {
    const { store } = createStore()
    for (const text of [first, second])
      remember(
        store,
        chat([say('hi')]),
        'c',
        text === null ? { ...createThought(''), json: '' } : createThought(text),
      )
    assert.is(find(store, chat([say('hi'), answer('c')]), 2, 'c'), null)
    remember(store, chat([say('hi')]), 'c', createThought('third'))
    assert.is(find(store, chat([say('hi'), answer('c')]), 2, 'c'), null, 'nor a third one')
  }
  const { store } = createStore()
  for (let n = 0; n < 2; n++) remember(store, chat([say('hi')]), 'c', createThought('same'))
  assert.is(find(store, chat([say('hi'), answer('c')]), 2, 'c'), 'same')
})

test('a conversation with a name is told apart by it, and goes on from its last answer', () => {
  const { store } = createStore()
  const named = (id: string): object => ({ metadata: { cursorConversationId: id } })
  remember(store, chat([say('hi')], named('a')), 'c', createThought('of a'))
  remember(store, chat([say('hi')], named('b')), 'c', createThought('of b'))
  remember(store, chat([say('hi')], named('b')), 'c', createThought('of b again'))
  const next = [say('hi'), answer('c')]
  assert.is(find(store, chat(next, named('a')), 2, 'c'), 'of a')
  assert.is(find(store, chat(next, named('b')), 2, 'c'), 'of b again')
  assert.is(find(store, chat(next), 2, 'c'), null)
})

test('an edit of what the user said later does not hide the thinking, unless another turn has the same call id', () => {
  for (const id of IDS) {
    const { store } = createStore()
    const ahead = [say('first'), answer('b'), result('b')]
    remember(store, chat([...ahead, say('go')]), id, createThought('because'))
    const edited = chat([...ahead, say('changed'), answer(id)])
    assert.is(find(store, edited, 5, id), 'because', id)
    assert.is(find(store, chat([say('else'), ...ahead.slice(1), say('go'), answer(id)]), 5, id), null)
    remember(store, chat([...ahead, say('stop')]), id, createThought('another'))
    assert.is(find(store, edited, 5, id), null)
    assert.is(find(store, chat([...ahead, say('go'), answer(id)]), 5, id), 'because')
  }
})

/** A turn of a chat whose model counts the calls of the history, as Kimi does. */
interface Counted {
  readonly user: string
  readonly id: string
  readonly thought: string
}

function tellTurns(turns: readonly Counted[], user: string | null = null): Buffer {
  const told = turns.flatMap((turn) => [say(turn.user), answer(turn.id), result(turn.id)])
  return chat([say('first'), ...told, ...(user === null ? [] : [say(user)])])
}

test('where ids come again after turns were removed or changed, a turn has its own thinking or none', () => {
  let [found, lost] = [0, 0]
  const step = fc.record({ what: fc.constantFrom('ask', 'ask', 'ask', 'change', 'remove'), at: fc.nat(9) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const { store } = createStore()
      const turns: Counted[] = []
      const given = new Map<string, number>()
      steps.forEach(({ what, at }, n) => {
        const k = at % Math.max(1, turns.length)
        if (what === 'remove') turns.splice(k, 1)
        else if (what === 'change' && turns[k] !== undefined) turns[k] = { ...turns[k], user: `changed ${n}` }
        else if (what === 'ask') {
          const turn = { user: `say ${n}`, id: `functions.Grep:${turns.length}`, thought: `thought ${n}` }
          remember(store, tellTurns(turns, turn.user), turn.id, createThought(turn.thought))
          turns.push(turn)
          given.set(turn.id, (given.get(turn.id) ?? 0) + 1)
        }
        const body = tellTurns(turns)
        turns.forEach(({ id, thought }, place) => {
          const own = find(store, body, 3 * place + 3, id)
          if (own === thought) found++
          else {
            assert.is(own, null, 'of another turn')
            assert.ok((given.get(id) ?? 0) > 1, `the thinking of ${id} is lost`)
            lost++
          }
        })
      })
    }),
  )
  assert.ok(found > 20 * lost, `${found} were found, and ${lost} lost`)
})

test('a change far ahead of a turn does not hide its thinking, though another turn has the same call id', () => {
  const { store } = createStore()
  const turns = ['one', 'two', 'three'].map(
    (user): Counted => ({ user, id: 'functions.Grep:0', thought: user }),
  )
  turns.forEach(({ user, id, thought }, n) => {
    remember(store, tellTurns(turns.slice(0, n), user), id, createThought(thought))
  })
  const changed = tellTurns([{ ...(turns[0] as Counted), user: 'else' }, ...turns.slice(1)])
  assert.equal(
    [3, 6, 9].map((message) => find(store, changed, message, 'functions.Grep:0')),
    [null, 'two', 'three'],
  )
})

test('a chat that was forgotten does not get the thinking of one that is alike', () => {
  const { store, clock } = createStore()
  const [asked, next] = [chat([say('hi')]), chat([say('hi'), answer('c')])]
  remember(store, asked, 'c', createThought('of the first'))
  clock.now += 2_000
  assert.is(find(store, next, 2, 'c'), null)
  remember(store, asked, 'c', createThought('of the second'))
  assert.is(find(store, next, 2, 'c'), null)
})

test('what clients change from turn to turn does not hide the thinking', () => {
  const mark = { cache_control: { type: 'ephemeral' } }
  const used = { type: 'tool_use', id: 'c', name: 'read', input: {} }
  const results = [{ type: 'tool_result', tool_use_id: 'b', content: 'x' }]
  const messages = (marked: boolean, thinks: boolean): unknown[] => [
    { role: 'user', content: marked ? [{ type: 'text', text: 'hi', ...mark }] : 'hi' },
    {
      role: 'assistant',
      content: [
        ...(thinks ? [{ type: 'thinking', thinking: 't', signature: 's' }] : []),
        { ...used, id: 'b' },
      ],
    },
    { role: 'user', content: marked ? [{ ...results[0], ...mark }] : results },
  ]
  const body = (list: unknown[], system: unknown = 'Be brief.'): Buffer =>
    Buffer.from(JSON.stringify({ system, messages: list }))
  const { store } = createStore()
  remember(store, body(messages(true, true)), 'c', createThought('because'))
  const marked = [{ type: 'text', text: 'Be brief.', ...mark }]
  const next = [...messages(false, false), { role: 'assistant', content: [used] }]
  assert.is(find(store, body(next), 3, 'c'), 'because')
  assert.is(find(store, body(next, marked), 3, 'c'), 'because')
})

test('a Responses body is told apart by its input', () => {
  const { store } = createStore()
  const body = (input: unknown): Buffer => Buffer.from(JSON.stringify({ input }))
  const first = { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'one' }] }
  const reasoning = { type: 'reasoning', id: 'rs', summary: [] }
  const call = { type: 'function_call', call_id: 'c', name: 'read', arguments: '{}' }
  remember(store, body([first]), 'c', createThought('because'))
  assert.is(find(store, body([first, call]), 1, 'c'), 'because')
  assert.is(
    find(store, body([first, reasoning, { role: 'assistant', content: 'I look.' }, call]), 3, 'c'),
    'because',
  )
  assert.is(find(store, body([{ ...first, content: 'two' }, first, call]), 2, 'c'), null)
  assert.is(find(store, body('one'), 0, 'c'), null)
})

test('thinking is forgotten when it was not used for the time that it is kept', () => {
  const { store, clock } = createStore()
  const next = chat([say('first'), answer('c')])
  remember(store, chat([say('first')]), 'c', createThought('because'))
  clock.now += 900
  assert.is(find(store, next, 2, 'c'), 'because')
  clock.now += 900
  assert.is(find(store, next, 2, 'c'), 'because', 'it was used in between')
  clock.now += 1_100
  assert.is(find(store, next, 2, 'c'), null)
})

test('the oldest thinking makes room for new, and a single turn cannot fill the store', () => {
  const { store, clock } = createStore({ maxBytes: 3_000_000, maxAgeMs: 1_000 })
  const [first, next] = [chat([say('first')]), chat([say('first'), answer('x')])]
  for (let i = 0; i < 10; i++) remember(store, first, `call_${i}`, createThought('x'.repeat(500_000)))
  assert.ok(store.bytes <= 3_000_000, String(store.bytes))
  assert.is(find(store, next, 2, 'call_0'), null)
  assert.is(clock.evicted, 5, 'each is counted')
  assert.ok(find(store, next, 2, 'call_9'))
  remember(store, first, 'long', createThought('x'.repeat(2_000_000)))
  assert.is(find(store, next, 2, 'long'), null)
  remember(store, first, 'x'.repeat(2_000), createThought('x'))
  assert.is(find(store, next, 2, 'x'.repeat(2_000)), null)
})

test('a body that cannot be read opens a memory in which nothing is found', () => {
  const { store } = createStore()
  for (const text of ['', '{', '[]', '{"messages":3}', '{"messages":[', '{"messages":[null,1]}']) {
    const memory: ThoughtMemory = store.open('team', Buffer.from(text))
    memory.openRecorder().remember('call_0', createThought('x'))
    assert.is(memory.find({ id: 'call_0', message: 7 }), null, text)
  }
})

test.run()
