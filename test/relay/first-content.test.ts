import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Beginning, FirstContentFinder } from '../../src/relay/first-content.js'
import { fc } from '../support/property.js'

function event(data: unknown, name?: string): string {
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`
}

const EMPTY = [
  ': keep-alive\n\n',
  '\n\n',
  'data: [DONE]\n\n',
  event({ type: 'ping' }, 'ping'),
  event(
    { type: 'message_start', message: { id: 'm', content: [], usage: { input_tokens: 5 } } },
    'message_start',
  ),
  event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
  event({ type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '' } }),
  event({ type: 'response.created', response: { id: 'r', output: [] } }),
  event({ type: 'response.in_progress', response: { id: 'r' } }),
  event({ type: 'response.output_item.added', item: { type: 'message', content: [] } }),
  event({ type: 'response.output_item.added', item: { type: 'reasoning', summary: [] } }),
  event({ type: 'response.content_part.added', part: { type: 'output_text', text: '' } }),
  event({ choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] }),
  event({ choices: [{ index: 0, delta: { role: 'assistant', content: null, tool_calls: [] } }] }),
  event({ choices: [], prompt_filter_results: [{ prompt_index: 0 }] }),
  event({ candidates: [{ content: { role: 'model', parts: [{ text: '' }] } }], usageMetadata: {} }),
  event({ candidates: [{ content: { role: 'model' } }] }),
]

const CONTENT = [
  event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'a' } }),
  event({ type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 't', name: 'f' } }),
  event({ type: 'response.output_text.delta', delta: 'a' }),
  event({ type: 'response.output_item.added', item: { type: 'function_call', name: 'f' } }),
  event({ type: 'response.completed', response: { status: 'completed' } }),
  event({ choices: [{ index: 0, delta: { content: 'a' } }] }),
  event({ choices: [{ index: 0, delta: { reasoning_content: 'a' } }] }),
  event({ choices: [{ index: 0, delta: { tool_calls: [{ index: 0 }] } }] }),
  event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
  event({ choices: [{ index: 0, text: 'a' }] }),
  event({ choices: [], usage: { prompt_tokens: 1 } }),
  event({ candidates: [{ content: { parts: [{ text: 'a' }] } }] }),
  event({ candidates: [{ content: { parts: [{ text: '', thoughtSignature: 's' }] } }] }),
  event({ candidates: [{ content: { parts: [{ functionCall: { name: 'f' } }] } }] }),
  event({ candidates: [{ finishReason: 'STOP' }] }),
  'data: no JSON\n\n',
]

const ERRORS: readonly (readonly [string, string | null])[] = [
  [
    event({ type: 'error', error: { type: 'overloaded_error', message: 'busy' } }, 'error'),
    'overloaded_error',
  ],
  [event({ error: { message: 'busy', type: 'server_error', code: 'x' } }), 'server_error'],
  [event({ error: { code: 503, status: 'UNAVAILABLE' } }), '503'],
  [
    event({ type: 'response.failed', response: { error: { code: 'rate_limit_exceeded' } } }),
    'rate_limit_exceeded',
  ],
  [event({ type: 'error', code: 'server_error', message: 'x' }), 'server_error'],
  [event({ message: 'no type' }, 'error'), null],
]

function feed(text: string, cut: number): FirstContentFinder {
  const finder = new FirstContentFinder()
  const bytes = Buffer.from(text)
  finder.push(bytes.subarray(0, cut))
  finder.push(bytes.subarray(cut))
  return finder
}

function find(text: string, cut = 0): Beginning {
  return feed(text, cut).found
}

test('events that only announce an answer are no content, in all APIs', () => {
  for (const text of EMPTY) assert.is(find(text), 'empty', text)
})

test('the first event with a part of an answer is content, in all APIs', () => {
  for (const text of CONTENT) assert.is(find(text), 'content', text)
})

test('an error in place of an answer is found with its type, behind any empty start', () => {
  for (const [text, type] of ERRORS)
    for (const start of ['', ...EMPTY]) {
      const finder = feed(start + text, 3)
      assert.is(finder.found, 'error', start + text)
      assert.is(finder.facts?.words[0] ?? null, type)
    }
})

test('any empty start before any event, cut anywhere, is judged by that event', () => {
  const rest = [
    ...CONTENT.map((text) => [text, 'content'] as const),
    ...ERRORS.map(([text]) => [text, 'error'] as const),
  ]
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...EMPTY)),
      fc.constantFrom(...rest),
      fc.nat(2_000),
      (start, [text, found], cut) => {
        assert.is(find(start.join('') + text, cut), found)
      },
    ),
  )
})

test('any JSON in an event is judged without an exception', () => {
  fc.assert(
    fc.property(fc.json(), (json) => ['empty', 'content', 'error'].includes(find(`data: ${json}\n\n`))),
  )
})

test('an event that never ends is content when it is too long to be an empty start', () => {
  assert.is(find(`data: ${'x'.repeat(300_000)}`), 'content')
})

test.run()
