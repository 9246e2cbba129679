import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CachedResponse } from '../../src/cache/cached-response.js'
import { PrefixEntry, PrefixIndex } from '../../src/cache/prefix-index.js'
import { createResponseFacts } from '../../src/http/response-headers.js'

const ACCOUNT = {
  usage: { prompt: 10, cached: 4, cacheWritten: null, completion: 10, reasoning: null, details: null },
  source: 'upstream',
} as const
const HEAD = {
  status: 200,
  reason: 'OK',
  headers: ['content-type', 'application/json'],
  facts: { ...createResponseFacts(), json: true },
}

function answerOf(text: string, finish = 'stop'): CachedResponse {
  const body = JSON.stringify({ choices: [{ text, index: 0, finish_reason: finish }] })
  return new CachedResponse(HEAD, Buffer.from(body), ACCOUNT)
}

interface Parts {
  readonly before: string
  readonly prompt: string
  readonly after: string
}

function requestOf(prompt: string, more = ''): Parts {
  return { before: '{"prompt":"', prompt, after: `"${more}}` }
}

/** The response that an index with these prompts finds for a request. */
function find(kept: Readonly<Record<string, CachedResponse>>, asked: Parts): CachedResponse | null {
  const index = new PrefixIndex()
  for (const [prompt, answer] of Object.entries(kept))
    index.add('key', new PrefixEntry(prompt, Buffer.from(prompt), answer))
  return findIn(index, asked)
}

function findIn(
  index: PrefixIndex,
  { before, prompt, after }: Parts,
  prefixKey = 'key',
): CachedResponse | null {
  const start = Buffer.byteLength(before)
  const span = { start, end: start + Buffer.byteLength(prompt) }
  return index.find(prefixKey, Buffer.from(before + prompt + after), span, () => true)
}

function textOf(answer: CachedResponse | null): string | null {
  return answer === null ? null : JSON.parse(answer.chunk().toString()).choices[0].text
}

/** @param asked prompts as they are in JSON, and the text that each must get */
function check(prompt: string, text: string, asked: Readonly<Record<string, string | null>>): void {
  for (const [longer, wanted] of Object.entries(asked))
    assert.is(textOf(find({ [prompt]: answerOf(text) }, requestOf(longer))), wanted, longer)
}

test('a prompt that is continued like the completion gets the rest of it', () => {
  check('const a', ' = b()', {
    'const a ': '= b()',
    'const a =': ' b()',
    'const a = b(': ')',
    'const a': null,
    'const a = b()': null,
    'const a = b();': null,
    'const a  ': null,
    'const a = c': null,
    'const ': null,
    'const b =': null,
    '': null,
  })
})

test('escapes are compared by their characters and never cut', () => {
  check('a\\\\', '\n"b" \\d é', {
    'a\\\\\\n': '"b" \\d é',
    'a\\\\\\u000a': '"b" \\d é',
    'a\\\\\\n\\"b\\" \\\\': 'd é',
    'a\\\\\\n\\u0022b\\" \\\\d ': 'é',
    'a\\\\n': null,
    'a\\\\\\n\\"b\\" \\\\d é': null,
    'a\\\\\\n\\q': null,
    'a\\\\\n': null,
  })
  // The first prompt itself must have the same escapes.
  check('a/', 'bc', { 'a\\/b': null, 'a/b': 'c' })
})

test('no character is split', () => {
  check('a', '🦊b', {
    'a\\ud83e': null,
    'a\\ud83e\\udd8a': 'b',
    'a🦊': 'b',
  })
  check('a\\ud83e', '\udd8ab', { 'a\\ud83e\\udd8a': null, 'a\\ud83e\\udd8ab': null })
  check('a', 'e\u0301b', { ae: '\u0301b' })
})

test('invalid UTF-8 in a prompt matches no completion', () => {
  const index = new PrefixIndex()
  index.add('key', new PrefixEntry('k', Buffer.from('a'), answerOf('\ufffdb')))
  const body = Buffer.from('{"prompt":"a?"}')
  body[12] = 0xff
  assert.is(
    index.find('key', body, { start: 11, end: 13 }, () => true),
    null,
  )
})

test('the newest match among the last eight prompts is used', () => {
  const kept = { a: answerOf('bcd'), ab: answerOf('xyz'), abc: answerOf('!') }
  assert.is(textOf(find(kept, requestOf('ab'))), 'cd')
  assert.is(textOf(find(kept, requestOf('abc'))), 'd')
  assert.is(textOf(find(kept, requestOf('abx'))), 'yz')
  assert.is(textOf(find({ a: answerOf('bcd'), ab: answerOf('c!') }, requestOf('abc'))), '!')
  const many = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`x${i}`, answerOf('y')]))
  assert.is(find({ a: answerOf('bc'), ...many }, requestOf('ab')), null)
  delete many.x0
  assert.is(textOf(find({ a: answerOf('bc'), ...many }, requestOf('ab'))), 'c')
})

test('an evicted response is not found and leaves no entry', () => {
  const index = new PrefixIndex()
  const [first, second] = [answerOf('bc'), answerOf('bd')]
  index.add('key', new PrefixEntry('1', Buffer.from('a'), first))
  index.add('key', new PrefixEntry('2', Buffer.from('a'), second))
  assert.is(textOf(findIn(index, requestOf('ab'))), 'd')
  assert.is(findIn(index, requestOf('ab'), 'other'), null)
  index.remove('key', second)
  index.remove('key', second)
  index.remove('other', first)
  assert.is(textOf(findIn(index, requestOf('ab'))), 'c')
  // This response is found to be expired only by the lookup.
  const isKept = ({ response }: PrefixEntry): boolean => {
    index.remove('key', response)
    return false
  }
  const body = Buffer.from('{"prompt":"ab"}')
  assert.is(index.find('key', body, { start: 11, end: 13 }, isKept), null)
  assert.is(index.promptCounts.length, 0)
})

test('a request with a parameter that forbids trimming gets nothing', () => {
  const ask = (more: string): string | null => textOf(find({ a: answerOf('bc') }, requestOf('ab', more)))
  for (const fine of [
    '',
    ',"model":"m","max_tokens":16,"temperature":0.2,"stop":["\\n"],"suffix":"x","stream":false',
    ',"n":1,"best_of":1,"echo":false,"logprobs":null,"seed":5,"min_tokens":null,"user":"me"',
  ])
    assert.is(ask(fine), 'c', fine)
  for (const other of [
    ',"n":2',
    ',"best_of":3',
    ',"echo":true',
    ',"logprobs":0',
    ',"logprobs":5',
    ',"min_tokens":5',
    ',"grammar":"root ::= x"',
    ',"response_format":{"type":"json_object"}',
    ',"anything":true',
  ])
    assert.is(ask(other), null, other)
  assert.is(ask(',"broken'), null)
})

test('a completion that was cut off is not trimmed', () => {
  assert.is(find({ a: answerOf('bc', 'length') }, requestOf('ab')), null)
})

test('the typed part of a completion counts as prompt tokens', () => {
  const rest = find({ a: answerOf('0123456789') }, requestOf('a0123456'))
  assert.equal(rest?.usage, {
    usage: { ...ACCOUNT.usage, prompt: 17, completion: 3 },
    source: 'upstream',
  })
})

test.run()
