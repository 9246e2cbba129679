import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi, ConversationApi } from '../../src/api/apis.js'
import { findTraits } from '../../src/api/model-table.js'
import type { ModelTraits } from '../../src/api/model-traits.js'
import type { PresetName } from '../../src/api/presets.js'
import { createResponseFacts } from '../../src/http/response-headers.js'
import type { OutboundRequest } from '../../src/translate/conversation-request.js'
import { prepareConversation } from '../../src/translate/prepare-conversation.js'
import { ToolNames } from '../../src/translate/repair/tool-names.js'
import { fc } from '../support/property.js'
import { edited } from './bodies.js'

const LEGAL = {
  openai: /^[a-zA-Z0-9_-]{1,64}$/,
  anthropic: /^[a-zA-Z0-9_-]{1,128}$/,
  gemini: /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/,
} as const
const FORMS = ['openai', 'anthropic', 'gemini'] as const

const name = fc.oneof(
  fc.constantFrom(
    'mcp.files/read',
    'mcp.files/write',
    '1st',
    '-x',
    'größe',
    'a b',
    'x'.repeat(65),
    'x'.repeat(129),
  ),
  fc.string({ minLength: 1, maxLength: 140 }),
  fc.stringMatching(/^[a-zA-Z0-9_.:-]{1,70}$/),
)

test('a name that is legal stays, and any other becomes a legal one of its own, the same each time', () => {
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 30 }), fc.constantFrom(...FORMS), (names, form) => {
      const tools = new ToolNames(form)
      const made = names.map((each) => tools.nameFor(each))
      for (const [n, each] of names.entries()) {
        assert.match(made[n] as string, LEGAL[form])
        assert.is(made[n] === each, LEGAL[form].test(each), each)
        assert.is(new ToolNames(form).nameFor(each), made[n])
        if (made[n] !== each) assert.is(tools.clients.get(made[n] as string), each)
      }
      assert.is(new Set(made).size, made.length)
    }),
    { numRuns: 500 },
  )
  assert.is(new ToolNames(null).nameFor('a.b/c'), 'a.b/c')
})

const READ = 'mcp.files/read'
const PATCH = 'Apply Patch'
const PLAIN = 'grep'
const SCHEMA = { type: 'object', properties: {} }

/** Bodies that have each name wherever a body has one. */
const BODIES: Readonly<Record<BodyApi, object>> = {
  chat: {
    messages: [
      { role: 'user', content: 'hi' },
      {
        ...{ role: 'assistant', content: null },
        tool_calls: [
          { id: 'a', type: 'function', function: { name: READ, arguments: '{}' } },
          { id: 'b', type: 'function', function: { name: PATCH, arguments: 'text' } },
          { id: 'c', type: 'function', function: { name: PLAIN, arguments: '{}' } },
        ],
      },
      { role: 'tool', name: READ, tool_call_id: 'a', content: 'r' },
      { role: 'tool', tool_call_id: 'b', content: 'r' },
      { role: 'tool', tool_call_id: 'c', content: 'r' },
      { role: 'assistant', content: null, function_call: { name: READ, arguments: '{}' } },
      { role: 'function', name: READ, content: 'r' },
    ],
    tools: [
      { type: 'function', function: { name: READ, parameters: SCHEMA } },
      { type: 'custom', name: PATCH },
      { name: PLAIN, input_schema: SCHEMA },
    ],
    tool_choice: { type: 'function', function: { name: READ } },
  },
  responses: {
    input: [
      { role: 'user', content: 'hi' },
      { type: 'function_call', call_id: 'a', name: READ, arguments: '{}' },
      { type: 'function_call', call_id: 'b', name: PATCH, arguments: 'text' },
      { type: 'function_call', call_id: 'c', name: PLAIN, arguments: '{}' },
      ...['a', 'b', 'c'].map((id) => ({ type: 'function_call_output', call_id: id, output: 'r' })),
    ],
    tools: [
      { type: 'function', name: READ, parameters: SCHEMA },
      { type: 'custom', name: PATCH },
      { type: 'function', function: { name: PLAIN, parameters: SCHEMA } },
    ],
    tool_choice: { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: READ }] },
  },
  messages: {
    max_tokens: 9,
    messages: [
      { role: 'user', content: 'hi' },
      {
        role: 'assistant',
        content: [
          { type: 'tool_use', id: 'a', name: READ, input: {} },
          { type: 'tool_use', id: 'b', name: PATCH, input: 'text' },
          { type: 'tool_use', id: 'c', name: PLAIN, input: {} },
        ],
      },
      {
        role: 'user',
        content: ['a', 'b', 'c'].map((id) => ({ type: 'tool_result', tool_use_id: id, content: 'r' })),
      },
    ],
    tools: [
      { name: READ, input_schema: SCHEMA },
      { type: 'custom', name: PATCH },
      { type: 'function', function: { name: PLAIN, parameters: SCHEMA } },
    ],
    tool_choice: { type: 'tool', name: READ },
  },
}

/** The same with functions of the older form. */
const LEGACY = {
  messages: (BODIES.chat as { messages: object[] }).messages,
  functions: [
    { name: READ, parameters: SCHEMA },
    { name: PLAIN, parameters: SCHEMA },
  ],
  function_call: { name: READ },
}

/** An answer that calls these tools. */
function answer(api: ConversationApi, names: readonly string[]): object {
  const calls = names.map((each, n) => ({
    ...{ id: `id${n}`, type: 'function' },
    function: { name: each, arguments: '{"input":"x"}' },
  }))
  switch (api) {
    case 'chat':
      return { choices: [{ index: 0, message: { tool_calls: calls }, finish_reason: 'tool_calls' }] }
    case 'responses': {
      const output = names.map((each, n) => ({
        ...{ type: 'function_call', call_id: `id${n}`, name: each, arguments: '{"input":"x"}' },
      }))
      return { object: 'response', status: 'completed', output }
    }
    case 'messages':
      return {
        ...{ type: 'message', stop_reason: 'tool_use' },
        content: names.map((each, n) => ({
          type: 'tool_use',
          id: `id${n}`,
          name: each,
          input: { input: 'x' },
        })),
      }
    case 'gemini': {
      const parts = names.map((each) => ({ functionCall: { name: each, args: { input: 'x' } } }))
      return { candidates: [{ content: { parts }, finishReason: 'STOP' }] }
    }
  }
}

function fit(
  body: object,
  from: BodyApi,
  to: ConversationApi,
  traits: ModelTraits,
  isCursor = true,
): OutboundRequest {
  const bytes = Buffer.from(JSON.stringify({ model: 'asked', ...body }))
  const conversation = prepareConversation(from, bytes, {
    ...{ reads: isCursor ? 'chat' : from, isCursor, model: 'asked', modelName: null, effort: null },
    ...{ showThinking: 'reasoning_content', thoughts: null },
  })
  return conversation.requestFor({ api: to, traits, model: 'm', upstream: 'up' })
}

const bytesOf = ({ pieces, edits }: OutboundRequest): string => edited(Buffer.concat(pieces), edits)

/** What the client reads of an answer. */
function read({ translate }: OutboundRequest, body: object, stream: boolean): string {
  const text = stream ? `data: ${JSON.stringify(body)}\n\ndata: [DONE]\n\n` : JSON.stringify(body)
  const facts = { ...createResponseFacts(), json: !stream, eventStream: stream }
  const translation = translate?.(200, facts) ?? null
  if (translation === null) return text
  return Buffer.concat([Buffer.from(translation.push(Buffer.from(text))), translation.end()]).toString()
}

const USUAL = findTraits({ model: null, upstream: null, preset: null, rules: [] }).traits

const CASES: readonly [from: BodyApi, body: object][] = [
  ...(['chat', 'responses', 'messages'] as const).map((from): [BodyApi, object] => [from, BODIES[from]]),
  ['chat', LEGACY],
]

for (const [from, body] of CASES)
  for (const to of ['chat', 'responses', 'messages', 'gemini'] as const)
    for (const form of FORMS)
      for (const customTools of [true, false])
        test(`${body === LEGACY ? 'older ' : ''}${from} to ${to}, names of ${form}, ${customTools ? 'with' : 'without'} custom tools: the target gets legal names, and the client its own`, () => {
          const outbound = fit(body, from, to, { ...USUAL, toolNames: form, customTools })
          const sent = bytesOf(outbound)
          assert.not.match(sent, 'mcp.files/read')
          assert.not.match(sent, 'Apply Patch')
          assert.match(sent, `"${PLAIN}"`)
          const names = new ToolNames(form)
          const [readName, patch] = [names.nameFor(READ), names.nameFor(PATCH)]
          const has = (text: string): number => sent.split(`"${text}"`).length - 1
          // Messages has no choice among some of the tools.
          assert.ok(
            has(readName) >= (from === 'responses' && to === 'messages' ? 2 : 3),
            `${sent} has the tool, its call and the choice`,
          )
          const got = JSON.parse(read(outbound, answer(to, [readName, patch, PLAIN]), false))
          const calls: { function: { name: string; arguments: string } }[] = got.choices[0].message.tool_calls
          assert.equal(
            calls.map((call) => call.function.name),
            [READ, PATCH, PLAIN],
          )
          // A custom tool that went out as a function comes back as its text.
          const isWrapped = body !== LEGACY && (!customTools || to === 'messages' || to === 'gemini')
          assert.is(calls[1]?.function.arguments, isWrapped ? 'x' : '{"input":"x"}')
        })

test('names come back in a stream of chat completions as they do in a whole one', () => {
  const outbound = fit({ ...BODIES.chat, stream: true }, 'chat', 'chat', { ...USUAL, toolNames: 'openai' })
  const made = new ToolNames('openai').nameFor(READ)
  const call = { index: 0, id: 'a', type: 'function', function: { name: made, arguments: '' } }
  const got = read(outbound, { choices: [{ index: 0, delta: { tool_calls: [call] } }] }, true)
  assert.match(got, `"name":"${READ}"`)
  assert.not.match(got, made)
})

test('a body whose names are legal, and one for a target that takes any, keep their bytes', () => {
  for (const [body, form] of [
    [BODIES.chat, null],
    [{ messages: [], tools: [{ type: 'function', function: { name: PLAIN } }] }, 'openai'],
  ] as const) {
    const given = fit(body, 'chat', 'chat', { ...USUAL, toolNames: null })
    assert.is(bytesOf(fit(body, 'chat', 'chat', { ...USUAL, toolNames: form })), bytesOf(given))
  }
  assert.match(bytesOf(fit(BODIES.chat, 'chat', 'chat', USUAL)), READ)
  const forwarded = fit(BODIES.messages, 'messages', 'messages', { ...USUAL, toolNames: 'anthropic' }, false)
  assert.equal([forwarded.edits, forwarded.translate], [[], null])
})

test('a target without the trait gets names by the rules of an API that the body is translated to', () => {
  for (const [to, form] of [
    ['responses', 'openai'],
    ['messages', 'anthropic'],
    ['gemini', 'gemini'],
  ] as const)
    assert.match(bytesOf(fit(BODIES.chat, 'chat', to, USUAL)), `"${new ToolNames(form).nameFor(READ)}"`)
})

test('vendors that refuse names have the trait', () => {
  const wanted: Partial<Record<PresetName, ModelTraits['toolNames']>> = {
    ...{ openai: 'openai', azure: 'openai', 'azure-deployments': 'openai', helicone: 'openai' },
    ...{
      anthropic: 'anthropic',
      gemini: 'gemini',
      'gemini-native': 'gemini',
      ollama: null,
      openrouter: null,
    },
  }
  for (const [preset, form] of Object.entries(wanted)) {
    const found = findTraits({ model: 'm', upstream: 'u', preset: preset as PresetName, rules: [] })
    assert.is(found.traits.toolNames, form, preset)
  }
})

test.run()
