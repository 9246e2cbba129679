import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi } from '../../../src/api/apis.js'
import { removeShownThinking } from '../../../src/translate/request/shown-thinking.js'
import { ChunkWriter } from '../../../src/translate/response/chunk-writer.js'
import { fc } from '../../support/property.js'
import { readChatStream } from '../../support/readers/chat.js'

const LISTS = { chat: 'messages', responses: 'input', messages: 'messages' } as const

/** The messages that are left of these. */
function remove(api: BodyApi, messages: readonly object[]): unknown {
  const body = Buffer.from(JSON.stringify({ [LISTS[api]]: messages }))
  const left = removeShownThinking(api, body)
  assert.is(removeShownThinking(api, Buffer.from(body)).compare(left), 0)
  return JSON.parse(left.toString())[LISTS[api]]
}

const user = { role: 'user', content: 'hi' }
const said = (content: unknown, more: object = {}): object => ({ role: 'assistant', content, ...more })
const part = (text: string, type = 'text'): object => ({ type, text })
const calls = { tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }] }

test('shown thinking is removed from an answer, whatever form its text has', () => {
  const rows: readonly (readonly [what: string, api: BodyApi, given: object, left: object | null])[] = [
    ['a text', 'chat', said('<think>a</think>\n\nb'), said('b')],
    ['white space of the answer', 'chat', said('<think>a</think>\n\n\n\nb'), said('\n\nb')],
    ['an end in the thinking', 'chat', said('<think>a</think> b</think>\n\nc'), said('c')],
    ['a second one', 'chat', said('<think>a</think>\n\n<think>b</think>\n\n'), said('<think>b</think>\n\n')],
    ['with calls alone', 'chat', said('<think>a</think>\n\n', calls), said(null, calls)],
    ['cut white space', 'chat', said('<think>a</think>', calls), said(null, calls)],
    ['alone', 'chat', said('<think>a</think>\n\n'), said('')],
    ['a part', 'chat', said([part('<think>a</think>\n\nb')]), said([part('b')])],
    ['a part ahead of one', 'chat', said([part('<think>a</think>\n\n'), part('b')]), said([part('b')])],
    ['a part alone', 'chat', said([part('<think>a</think>\n\n')], calls), said(null, calls)],
    ['an item', 'responses', said('<think>a</think>\n\nb'), said('b')],
    [
      'parts of an item',
      'responses',
      said([part('<think>a</think>\n\nb', 'output_text')]),
      said([part('b', 'output_text')]),
    ],
    ['an item alone', 'responses', said([part('<think>a</think>\n\n', 'output_text')]), null],
    ['a block', 'messages', said([part('<think>a</think>\n\nb')]), said([part('b')])],
    [
      'a block of its own',
      'messages',
      said([part('<think>a</think>\n\n'), { type: 'tool_use', id: 'a', name: 'f', input: {} }]),
      said([part(''), { type: 'tool_use', id: 'a', name: 'f', input: {} }]),
    ],
  ]
  for (const [what, api, given, left] of rows)
    assert.equal(remove(api, [user, given, user]), [user, ...(left === null ? [] : [left]), user], what)
})

test('nothing else is removed', () => {
  const whole = '<think>a</think>\n\nb'
  const others: readonly object[] = [
    { role: 'user', content: whole },
    { role: 'system', content: whole },
    { role: 'tool', tool_call_id: 'a', content: whole },
    { type: 'function_call_output', call_id: 'a', output: whole },
    { type: 'function_call', call_id: 'a', name: 'f', arguments: whole },
    said(` ${whole}`),
    said(`b ${whole}`),
    said([part('b'), part(whole)]),
    said('<think>a'),
    said('<think>a</think>b'),
    said('<thinking>a</thinking>\n\nb'),
    said('a</think>\n\nb'),
    said('&lt;think>a</think>\n\nb'),
    said('\\u003cthink>a</think>\n\nb'),
    said(null, { reasoning_content: whole }),
    said(''),
    said([]),
  ]
  for (const api of ['chat', 'responses', 'messages'] as const) {
    const body = Buffer.from(JSON.stringify({ [LISTS[api]]: others }))
    assert.is(removeShownThinking(api, body), body, api)
  }
  for (const text of ['', '[]', '{}', '{"messages":1}', '{"messages":[1,null,{}]}', '{"messages":[{"role'])
    assert.is(removeShownThinking('chat', Buffer.from(text)).toString(), text)
})

test('letters may be escaped, and all other bytes stay', () => {
  const remove = (content: string): string => {
    const body = `{ "messages" : [ {"role":"assistant", "content": "${content}" } ],"n":1.0}`
    return removeShownThinking('chat', Buffer.from(body)).toString().split('"content": ')[1] as string
  }
  assert.is(
    remove(String.raw`\u003cthink\u003ea\u003c/think\u003e\n\nb\u00e9 \/`),
    '"b\\u00e9 \\/" } ],"n":1.0}',
  )
  assert.is(remove(String.raw`<think>é \\u003c/think\u003e <\/think>\n\né`), '"é" } ],"n":1.0}')
})

test('what a stream shows as thinking is removed, and the text of the answer stays', () => {
  // An end with two line ends in the thinking is one that nobody can tell from the relay's.
  const thinking = fc.string({ unit: 'binary', minLength: 1, maxLength: 7 })
  fc.assert(
    fc.property(fc.array(thinking, { minLength: 1 }), fc.string({ unit: 'binary' }), (thoughts, text) => {
      const writer = new ChunkWriter(false, 'm', 'think_tags')
      for (const each of thoughts) writer.reasoning(each)
      writer.content(text)
      writer.finish('stop', null)
      const shown = readChatStream(writer.take().toString()).text
      assert.equal(remove('chat', [said(shown)]), [said(text)])
    }),
  )
})

test.run()
