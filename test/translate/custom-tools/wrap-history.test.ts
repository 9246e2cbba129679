import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { changes, edited } from '../bodies.js'
import { build } from '../native.js'
import { translateToChat } from '../to-chat.js'

// Cursor sends the arguments of a call back in later turns.

const PATCH = '*** Begin Patch\\n+\\"ï🦊\\"'
const WRAPPED = JSON.stringify(`{"input":"${PATCH}"}`)
const TOOL = '{"type":"custom","name":"ApplyPatch"}'
const NO_CUSTOMS = { customTools: false }

const call = (name: string, args: string): string =>
  `{"id":"c_${name}","type":"function","index":0,"function":{ "name": "${name}", "arguments" : ${args}}}`

/** Without the edits of the tools and the results of calls that have none, which other tests cover. */
function changed(shape: 'chat' | 'messages', text: string, options = {}): [string, string][] {
  const { edits } = build(shape, Buffer.from(text), options)
  return changes(text, edits).filter(
    ([before, after]) => before !== TOOL && !after.includes('Cancelled') && !before.includes('"role":"tool"'),
  )
}

const CHAT = (calls: string, tools = TOOL): string =>
  `{"messages":[{"role":"user","content":"ApplyPatch"}, {"role":"assistant","content":null,"tool_calls":[${calls}]},` +
  `{"role":"tool","tool_call_id":"c_ApplyPatch","content":"{\\"input\\":\\"x\\"}"}],"tools":[${tools}]}`

test("in a chat, a call's text becomes JSON arguments where the tool becomes a function, and nothing else changes", () => {
  const body = CHAT(`${call('Read', '"{}"')},${call('ApplyPatch', `"${PATCH}"`)}`)
  assert.equal(changed('chat', body, NO_CUSTOMS), [[`"${PATCH}"`, WRAPPED]])
})

test("in a chat, a call's text stays where the custom tool stays", () => {
  const body = CHAT(call('ApplyPatch', `"${PATCH}"`))
  assert.equal(changed('chat', body, {}), [])
  // Without the tool, its kind is unknown.
  assert.equal(changed('chat', CHAT(call('ApplyPatch', `"${PATCH}"`), ''), NO_CUSTOMS).length, 1)
})

test('arguments that are wrapped already, or are no text, stay', () => {
  for (const args of [WRAPPED, '" {\\"input\\":\\"x\\"}"', 'null', '["x"]'])
    assert.equal(changed('chat', CHAT(call('ApplyPatch', args)), NO_CUSTOMS), [], args)
  assert.equal(changed('chat', CHAT('null,{},{"function":null},{"function":{}}'), NO_CUSTOMS), [])
})

test('a text that looks like arguments of another form is wrapped as a text', () => {
  for (const args of ['""', '"{}"', '"{\\"input\\":1}"', '"{\\"input\\":\\"x\\",\\"y\\":1}"']) {
    const [[before, after] = []] = changed('chat', CHAT(call('ApplyPatch', args)), NO_CUSTOMS)
    assert.is(before, args)
    assert.is(JSON.parse(JSON.parse(after as string)).input, JSON.parse(args))
  }
})

test('a call of type custom becomes a call of the function', () => {
  const body = CHAT(
    `{"id":"c_ApplyPatch","custom":{"name":"ApplyPatch", "input": "${PATCH}"},"type":"custom"}`,
  )
  assert.equal(changed('chat', body, NO_CUSTOMS), [
    ['"custom"', '"function"'],
    ['"input"', '"arguments"'],
    [`"${PATCH}"`, WRAPPED],
    ['"custom"', '"function"'],
  ])
  assert.equal(changed('chat', body, {}), [])
  for (const custom of ['null', '{}', '{"input":1}']) {
    const odd = CHAT(`{"type":"custom","custom":${custom}},{"type":"custom"}`)
    assert.equal(changed('chat', odd, NO_CUSTOMS), [])
  }
})

const MESSAGES = (input: string): string =>
  '{"max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"text","text":"ApplyPatch"},' +
  `{"type":"tool_use","id":"t","name":"ApplyPatch", "input": ${input}},{"type":"tool_use","id":"u","name":"LS","input":"x"}]},` +
  `{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"done"}]}],"tools":[${TOOL}]}`

test("in Messages, a call's text becomes an object", () => {
  assert.equal(changed('messages', MESSAGES(`"${PATCH}"`)), [[`"${PATCH}"`, `{"input":"${PATCH}"}`]])
  assert.equal(changed('messages', MESSAGES(WRAPPED)), [[WRAPPED, `{"input":"${PATCH}"}`]])
  for (const input of ['{"input":"x"}', '{"patch":"x"}', '{}', 'null', '7'])
    assert.equal(changed('messages', MESSAGES(input)), [], input)
})

interface ChatBody {
  readonly messages: { tool_calls?: { function: { name: string; arguments: string } }[] }[]
}

function argumentsIn(body: Buffer): string[] {
  const { messages } = JSON.parse(body.toString()) as ChatBody
  return messages.flatMap((message) => message.tool_calls ?? []).map((each) => each.function.arguments)
}

test('calls of a translated Responses body get JSON arguments, in whichever form Cursor sent them back', () => {
  const text = JSON.parse(`"${PATCH}"`) as string
  const wrapped = JSON.stringify({ input: text })
  const items = [
    { type: 'function_call', call_id: '1', name: 'ApplyPatch', arguments: text },
    { type: 'function_call', call_id: '2', name: 'ApplyPatch', arguments: wrapped },
    { type: 'custom_tool_call', call_id: '3', name: 'ApplyPatch', input: text },
    { type: 'function_call', call_id: '4', name: 'Shell', arguments: '{"command":"ls"}' },
    { type: 'function_call', call_id: '5', name: 'Shell', arguments: '' },
    { type: 'function_call', call_id: '6', name: 'ApplyPatch', arguments: '' },
    { role: 'assistant', tool_calls: [{ function: { name: 'ApplyPatch', arguments: text } }, null] },
  ]
  const body = Buffer.from(JSON.stringify({ input: items, tools: [JSON.parse(TOOL)] }))
  const [last, ...others] = [...JSON.parse(translateToChat('responses', body).toString()).messages].reverse()
  const chat = Buffer.from(JSON.stringify({ messages: [...others.reverse(), last] }))
  const more = [wrapped, wrapped, wrapped, '{"command":"ls"}', '{}', '{"input":""}', wrapped]
  assert.equal(argumentsIn(chat), more)
})

test('calls of a translated Messages body get JSON arguments', () => {
  const body = Buffer.from(MESSAGES(`"${PATCH}"`))
  assert.equal(argumentsIn(translateToChat('messages', body)), [JSON.parse(WRAPPED), '{"arguments":"x"}'])
  assert.equal(argumentsIn(translateToChat('messages', Buffer.from(MESSAGES('{"input":"x"}')))), [
    '{"input":"x"}',
    '{"arguments":"x"}',
  ])
})

test('the same history becomes the same bytes in each turn', () => {
  const first = CHAT(call('ApplyPatch', `"${PATCH}"`))
  const next = first.replace('}],"tools"', '},{"role":"user","content":"more"}],"tools"')
  const sent = [first, next].map((body) => {
    const bytes = Buffer.from(body)
    return edited(bytes, build('chat', bytes, NO_CUSTOMS).edits)
  })
  const shared = (sent[0] as string).indexOf(']', (sent[0] as string).indexOf('"tool_call_id"'))
  assert.is(sent[1]?.slice(0, shared), sent[0]?.slice(0, shared))
})

test.run()
