import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { answer, continueText, createSnippet, splitPieces } from '../../src/demo/model.js'
import { countTokens, type Prompt, readToolChoice, type Turn } from '../../src/demo/prompt.js'
import { createArguments, readTools } from '../../src/demo/tool.js'

function promptOf(turns: readonly Turn[], rest: Partial<Prompt> = {}): Prompt {
  return {
    model: 'thinwire-demo',
    turns,
    tools: [],
    toolChoice: { mode: 'auto', name: null },
    maxTokens: Number.POSITIVE_INFINITY,
    stops: [],
    tokens: 1,
    ...rest,
  }
}

function user(...texts: string[]): Turn {
  return { role: 'user', texts }
}

const SHELL = readTools([{ type: 'function', function: { name: 'Shell', parameters: {} } }])

test('the answer says that it is the demo, what the user said, and how to get a real model', () => {
  const text = answer(promptOf([user('What is a relay?')])).pieces.join('')
  for (const part of [
    "Thinwire's demo upstream",
    'What is a relay?',
    'OPENAI_API_KEY',
    'ANTHROPIC_API_KEY',
  ]) {
    assert.ok(text.includes(part), part)
  }
  assert.ok(Buffer.byteLength(text) > text.length, 'it has characters of more than one byte')
})

test('the same prompt gets the same answer', () => {
  assert.equal(answer(promptOf([user('hi')])), answer(promptOf([user('hi')])))
})

test('the pieces together are the text, and each is valid UTF-8', () => {
  const text = 'naïve 🦊🦊🦊  two\n\n\tspaces, 名前は長い名前です and_more: {"a":[1,2]} '
  const pieces = splitPieces(text)
  assert.is(pieces.join(''), text)
  for (const piece of pieces) assert.is(Buffer.from(piece).toString(), piece)
  assert.is(splitPieces('').length, 0)
})

test('the answer repeats one short line of the prompt, however long the prompt is', () => {
  assert.is(createSnippet('  a\n\n  b ', 10), 'a b')
  assert.is(createSnippet('🦊'.repeat(1000), 3), '🦊🦊🦊…')
  assert.ok(answer(promptOf([user('x '.repeat(1_000_000))])).pieces.length < 150)
})

test('the words of the user are found after the context that an editor adds', () => {
  const text = answer(
    promptOf([user('<context>secret</context>', '<user_query>\nfix it\n</user_query>')]),
  ).pieces.join('')
  assert.ok(text.includes('“fix it”'))
  assert.not.ok(text.includes('secret'))
})

test('an empty conversation gets an answer, too', () => {
  assert.ok(answer(promptOf([])).pieces.length > 0)
  assert.ok(answer(promptOf([user('')])).pieces.length > 0)
})

test('a token limit cuts the answer after this number of pieces', () => {
  const generation = answer(promptOf([user('hi')], { maxTokens: 3 }))
  assert.is(generation.pieces.length, 3)
  assert.is(generation.outputTokens, 3)
  assert.is(generation.end, 'length')
})

test('the first stop sequence in the text ends the answer and is not part of it', () => {
  const generation = answer(promptOf([user('hi')], { stops: ['nowhere', 'demo', 'Thinwire'] }))
  assert.is(generation.end, 'stop')
  assert.is(generation.stop, 'Thinwire')
  assert.ok(generation.pieces.join('').endsWith('This is '))
})

test('a tool is called when the user names it as a whole word', () => {
  const call = answer(promptOf([user('run Shell, please')], { tools: SHELL }))
  assert.is(call.tool, 'Shell')
  assert.is(call.end, 'tool')
  assert.is(answer(promptOf([user('a Shellfish')], { tools: SHELL })).tool, null)
  assert.is(answer(promptOf([user('hello')], { tools: SHELL })).tool, null)
})

test('a tool is called when the request demands it, or with the tools model', () => {
  const required = readToolChoice('required')
  assert.is(answer(promptOf([user('hello')], { tools: SHELL, toolChoice: required })).tool, 'Shell')
  assert.is(answer(promptOf([user('hello')], { tools: SHELL, model: 'thinwire-demo-tools' })).tool, 'Shell')
  assert.is(answer(promptOf([user('hello')], { toolChoice: required })).tool, null)
})

test('no tool is called when tools are forbidden, or after a tool result', () => {
  const turns = [user('run Shell')]
  const none = readToolChoice('none')
  assert.is(answer(promptOf(turns, { tools: SHELL, toolChoice: none })).tool, null)
  const result: Turn = { role: 'tool', texts: ['file.txt'] }
  const after = answer(promptOf([...turns, result], { tools: SHELL, toolChoice: readToolChoice('required') }))
  assert.is(after.tool, null)
  assert.ok(after.pieces.join('').includes('“file.txt”'))
})

test('all formats of a tool choice are understood', () => {
  assert.equal(readToolChoice(undefined), { mode: 'auto', name: null })
  assert.equal(readToolChoice({ type: 'auto' }), { mode: 'auto', name: null })
  assert.equal(readToolChoice({ type: 'none' }), { mode: 'none', name: null })
  assert.equal(readToolChoice({ type: 'any' }), { mode: 'required', name: null })
  for (const choice of [
    { type: 'function', function: { name: 'f' } },
    { type: 'function', name: 'f' },
    { type: 'tool', name: 'f' },
  ]) {
    assert.equal(readToolChoice(choice), { mode: 'required', name: 'f' })
  }
})

test('tools are read in all three formats, and tools without a JSON schema are left out', () => {
  const tools = readTools([
    { type: 'function', function: { name: 'nested', parameters: { type: 'object' } } },
    { type: 'function', name: 'flat', parameters: {} },
    { name: 'anthropic', input_schema: { type: 'object' } },
    { type: 'custom', name: 'ApplyPatch', format: { type: 'grammar' } },
    { type: 'web_search_20250305', name: 'web_search' },
    'nonsense',
    null,
  ])
  assert.equal(
    tools.map((tool) => tool.name),
    ['nested', 'flat', 'anthropic'],
  )
})

test('created arguments fit the schema of the tool', () => {
  const schema = {
    type: 'object',
    properties: {
      text: { type: 'string' },
      count: { type: ['null', 'number'] },
      on: { type: 'boolean' },
      items: { type: 'array' },
      mode: { enum: ['fast', 'slow'] },
      fixed: { const: 7 },
      either: { anyOf: [{ type: 'integer' }, { type: 'string' }] },
      nested: { type: 'object', properties: { inner: { type: 'boolean' } } },
      anything: {},
      nothing: { type: 'null' },
    },
    required: ['text', 'undeclared'],
  }
  assert.equal(JSON.parse(createArguments({ name: 'f', schema }, 'words')), {
    text: 'words',
    count: 1,
    on: true,
    items: [],
    mode: 'fast',
    fixed: 7,
    either: 1,
    nested: { inner: true },
    anything: 'words',
    nothing: null,
    undeclared: 'words',
  })
})

test('a property named __proto__ in a schema gives an argument of that name', () => {
  const schema = JSON.parse('{"properties":{"__proto__":{"type":"integer"}},"required":["constructor"]}')
  assert.is(createArguments({ name: 'f', schema }, 'x'), '{"__proto__":1,"constructor":"x"}')
})

test('a completion continues a sentence, follows a sentence, or continues code', () => {
  const of = (text: string) => continueText(promptOf([user(text)])).pieces.join('')
  assert.ok(of('Once upon a time').startsWith(' and so'))
  assert.ok(of('The end.').startsWith(' And so'))
  assert.ok(of('function f() {\n').startsWith('\n  // '))
})

test('a token is about four bytes', () => {
  assert.is(countTokens(''), 0)
  assert.is(countTokens('abcd'), 1)
  assert.is(countTokens('🦊🦊'), 2)
  assert.is(countTokens('abcde'), 2)
})

test.run()
