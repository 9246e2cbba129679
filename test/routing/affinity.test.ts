import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { peekFields } from '../../src/json/peek.js'
import { findAffinity, findSession } from '../../src/routing/affinity.js'
import { fc } from '../support/property.js'

const KEY = { id: 'k_1' }

function of(body: unknown, headers: readonly string[] = [], key: { id: string } | null = KEY): string | null {
  return ask(Buffer.from(JSON.stringify(body)), headers, key)
}

function ask(bytes: Buffer, headers: readonly string[], key: { id: string } | null): string | null {
  return findAffinity({ rawHeaders: headers, key }, { bytes, session: peekFields(bytes).session })
}

type Turns = readonly unknown[]
const user = (content: unknown) => ({ role: 'user', content })
const assistant = (content: unknown) => ({ role: 'assistant', content })

/** How each API writes a conversation of some turns, of which the user's first one is given. */
const FORMS: Readonly<Record<string, (first: string, more: number) => unknown>> = {
  chat: (first, more) => ({
    model: 'm',
    messages: [{ role: 'system', content: 'S' }, user(first), ...turns(more)],
    tools: [{ type: 'function', function: { name: 'f', parameters: { properties: { messages: {} } } } }],
  }),
  'chat with the content first': (first, more) => ({
    messages: [{ content: 'S', role: 'developer' }, { content: first, role: 'user' }, ...turns(more)],
  }),
  'chat of parts': (first, more) => ({ messages: [user([{ type: 'text', text: first }]), ...turns(more)] }),
  messages: (first, more) => ({
    system: [{ type: 'text', text: 'S' }],
    messages: [user(first), ...turns(more)],
  }),
  responses: (first, more) => ({
    instructions: 'S',
    input: [user(first), { type: 'reasoning' }, ...turns(more)],
  }),
  gemini: (first, more) => ({
    contents: [
      { parts: [{ text: first }] },
      ...turns(more).map((turn) => ({ ...(turn as object), parts: [] })),
    ],
  }),
}

function turns(count: number): Turns {
  return Array.from({ length: count }, (_, i) => [assistant(`a${i}`), user(`u${i}`)]).flat()
}

for (const [name, write] of Object.entries(FORMS))
  test(`a growing ${name} conversation keeps its affinity, and another one has another`, () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), fc.nat(5), (one, other, more) => {
        const first = of(write(one, 0))
        assert.ok(first)
        assert.is(of(write(one, more)), first)
        if (JSON.stringify(one) !== JSON.stringify(other)) assert.is.not(of(write(other, more)), first)
        assert.is.not(of(write(one, more), [], { id: 'k_2' }), first)
      }),
    )
  })

const NAMED: Readonly<Record<string, [body: unknown, headers?: readonly string[]]>> = {
  'a header of ours': [{}, ['X-Thinwire-Session', 's1']],
  "Claude Code's header": [{}, ['x-claude-code-session-id', 's1']],
  "Codex's header": [{}, ['session_id', 's1']],
  'x-session-id': [{}, ['X-Session-Id', 's1']],
  prompt_cache_key: [{ prompt_cache_key: 's1' }],
  'session_id of a body': [{ session_id: 's1' }],
  'metadata.user_id': [{ metadata: { user_id: 's1' } }],
  'metadata.user_id in the form of later versions': [
    { metadata: { user_id: 's1', device: { session_id: 'no' } } },
  ],
  'prompt_cache_key, also behind metadata': [{ metadata: { user_id: 'no' }, prompt_cache_key: 's1' }],
  'metadata.cursorConversationId': [{ metadata: { cursorConversationId: 's1' } }],
}

for (const [name, [body, headers]] of Object.entries(NAMED))
  test(`${name} names the session, whatever the prompt and its length`, () => {
    const long = 'x'.repeat(20_000)
    for (const text of ['a', 'b', long])
      for (const order of [
        { messages: [user(text)], ...(body as object) },
        { ...(body as object), messages: [user(text)] },
      ])
        assert.is(of(order, headers), 's1')
  })

test('a text that looks like a member names no session', () => {
  const spoken = 'my "prompt_cache_key": "x", "session_id":"y"'
  assert.is(of({ messages: [user(spoken)] }), of({ messages: [user(spoken), assistant('b')] }))
  assert.match(of({ messages: [user(spoken)] }) ?? '', /^k_1\n/)
  const call = {
    type: 'tool_use',
    name: 'f',
    input: { session_id: 'x', user_id: 'y', prompt_cache_key: 'z' },
  }
  const talk = [user('a'), assistant([call])]
  assert.is(of({ messages: talk, tools: [{ properties: { user_id: 'u' } }] }), of({ messages: [user('a')] }))
})

test('a prompt is known by its beginning, and a body without one by nothing', () => {
  const code = 'import x\n'.repeat(400)
  assert.is(of({ prompt: `${code}a` }), of({ prompt: `${code}ab` }))
  assert.is.not(of({ prompt: `x${code}` }), of({ prompt: code }))
  for (const body of [
    {},
    { messages: [] },
    { messages: [assistant('a')] },
    { input: [1, 'a'] },
    { input: 7 },
    [],
  ])
    assert.is(of(body), null)
  assert.is(findAffinity({ rawHeaders: [], key: KEY }, null), null)
  assert.is(findSession(['x-session-id', '']), null)
})

test('bytes that are no JSON do no harm', () => {
  const pieces = [
    '"messages"',
    ':',
    '[',
    '{',
    '"role"',
    '"user"',
    '"content"',
    '"',
    '\\',
    ']',
    '}',
    ',',
    '"input":"',
    ' ',
  ]
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 30 }), (list) => {
      ask(Buffer.from(list.join('')), [], null)
      ask(Buffer.from(`{"messages":${list.join('')}`), [], null)
    }),
  )
})

test.run()
