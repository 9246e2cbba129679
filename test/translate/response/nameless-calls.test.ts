import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ConversationApi } from '../../../src/api/apis.js'
import { selectTranslation } from '../../../src/translate/response/select.js'

// A tool without a name cannot be called: without the call, the answer would look complete.

type Call = Readonly<Record<string, unknown>>

const STREAMS: Readonly<Record<'responses' | 'messages' | 'gemini', (name: Call) => object[]>> = {
  responses: (name) => {
    const item = { type: 'function_call', id: 'fc', call_id: 'c', arguments: '{}', ...name }
    return [
      { type: 'response.created', response: { id: 'r' } },
      { type: 'response.output_item.added', output_index: 0, item },
      { type: 'response.output_item.done', output_index: 0, item },
      { type: 'response.completed', response: { id: 'r', status: 'completed', output: [item] } },
    ]
  },
  messages: (name) => [
    { type: 'message_start', message: { id: 'm' } },
    {
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'tool_use', id: 'c', input: {}, ...name },
    },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'tool_use' } },
    { type: 'message_stop' },
  ],
  gemini: (name) => [
    { candidates: [{ content: { parts: [{ functionCall: { args: {}, ...name } }] }, finishReason: 'STOP' }] },
  ],
}

const WHOLES: Readonly<Record<keyof typeof STREAMS, (name: Call) => object>> = {
  responses: (name) => ({
    ...{ object: 'response', status: 'completed' },
    output: [{ type: 'function_call', call_id: 'c', arguments: '{}', ...name }],
  }),
  messages: (name) => ({
    ...{ type: 'message', stop_reason: 'tool_use' },
    content: [{ type: 'tool_use', id: 'c', input: {}, ...name }],
  }),
  gemini: (name) => STREAMS.gemini(name)[0] as object,
}

function read(from: ConversationApi, text: string, eventStream: boolean): string {
  const translation = selectTranslation({
    ...{ from, status: 200, eventStream, json: !eventStream, stream: eventStream },
    ...{ includeUsage: false, model: null, hasTools: true },
  })
  if (translation === null) throw new Error('it has to be translated')
  const parts = [translation.push(Buffer.from(text)).toString(), translation.end().toString()]
  return parts.join('')
}

const sse = (events: readonly object[]): string =>
  events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')

for (const from of ['responses', 'messages', 'gemini'] as const)
  test(`a call of ${from} without a name ends the answer with an error`, () => {
    for (const name of [{}, { name: '' }, { name: null }, { name: 7 }]) {
      for (const [text, isStream] of [
        [sse(STREAMS[from](name)), true],
        [JSON.stringify(WHOLES[from](name)), false],
      ] as const) {
        const got = read(from, text, isStream)
        assert.match(got, 'upstream_unreadable', JSON.stringify(name))
        assert.not.match(got, '[DONE]')
        assert.not.match(got, /"finish_reason":"\w/)
      }
    }
    const named = read(from, sse(STREAMS[from]({ name: 'read' })), true)
    assert.match(named, '"name":"read"')
    assert.match(named, '[DONE]')
  })

test('a call of Responses that begins without a name, and never goes on, ends the answer with an error', () => {
  const item = { type: 'function_call', id: 'fc', call_id: 'c', arguments: '' }
  const events = [
    { type: 'response.output_item.added', output_index: 0, item },
    { type: 'response.function_call_arguments.delta', output_index: 0, item_id: 'fc', delta: '{}' },
  ]
  const end = { type: 'response.completed', response: { id: 'r', status: 'completed', output: [] } }
  for (const last of [sse([end]), 'data: [DONE]\n\n']) {
    const got = read('responses', sse(events) + last, true)
    assert.match(got, 'upstream_unreadable')
    assert.not.match(got, '[DONE]')
  }
  const done = {
    type: 'response.output_item.done',
    output_index: 0,
    item: { ...item, name: 'read', arguments: '{}' },
  }
  assert.match(read('responses', sse([...events, done, end]), true), '"finish_reason":"tool_calls"')
})

test.run()
