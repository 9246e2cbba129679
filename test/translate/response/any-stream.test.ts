import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CONVERSATION_APIS } from '../../../src/api/apis.js'
import type { Translation } from '../../../src/translate/translation.js'
import { fc } from '../../support/property.js'
import { type Chunk, type Event, readChunks, translate } from '../chunks.js'
import { toChunks, withShortIds } from '../readers.js'

// The chunks of any response must say what the response says. Any events at all must give chunks in order.

interface Call {
  readonly kind: 'call' | 'custom'
  readonly name: string
  readonly pieces: readonly string[]
}

type Part = { readonly kind: 'text' | 'thought'; readonly pieces: readonly string[] } | Call

const piece = fc.oneof(
  fc.string({ minLength: 1 }),
  fc.constantFrom('ï', '🦊', '\n\n', '"', 'data: x', '[DONE]', '\r'),
)
const pieces = fc.array(piece, { minLength: 1, maxLength: 6 })
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ kind: fc.constantFrom('text' as const, 'thought' as const), pieces }),
  fc.record({
    kind: fc.constantFrom('call' as const, 'custom' as const),
    name: fc.constantFrom('a', 'b'),
    pieces,
  }),
)

interface Assembled {
  text: string
  thought: string
  calls: { id: string; name: string; input: string }[]
  finish: string[]
}

interface Delta {
  content?: string
  reasoning_content?: string
  tool_calls?: { index: number; id?: string; function: { name: string; arguments: string } }[]
}

function assemble(chunks: readonly Chunk[]): Assembled {
  const all: Assembled = { text: '', thought: '', calls: [], finish: [] }
  for (const chunk of chunks) {
    if (typeof chunk === 'string' || !('delta' in chunk)) continue
    const { content, reasoning_content, tool_calls } = chunk.delta as Delta
    all.text += content ?? ''
    all.thought += reasoning_content ?? ''
    for (const { index, id, function: made } of tool_calls ?? []) {
      if (id !== undefined) {
        assert.is(index, all.calls.length)
        all.calls.push({ id, name: made.name, input: '' })
      }
      const call = all.calls[index]
      assert.ok(call !== undefined, 'arguments come behind the beginning of their call')
      call.input += made.arguments
    }
    if (chunk.finish !== undefined) all.finish.push(chunk.finish)
  }
  return all
}

function said(parts: readonly Part[], apart: string): Assembled {
  const of = (kind: Part['kind']): string[] =>
    parts.filter((part) => part.kind === kind).map(({ pieces }) => pieces.join(''))
  const calls = parts.filter((part): part is Call => part.kind === 'call' || part.kind === 'custom')
  return {
    text: of('text').join(apart),
    thought: of('thought').join('\n\n'),
    calls: calls.map(({ name, pieces }, i) => ({ id: `id_${i}`, name, input: pieces.join('') })),
    finish: [calls.length > 0 ? 'tool_calls' : 'stop'],
  }
}

interface Manner {
  /** What the stream has of an item: its deltas, only its complete parts, only the item, or only the last event. */
  readonly tells: 'deltas' | 'done' | 'items' | 'end'
  readonly ids: boolean
  readonly indexes: boolean
  /** The deltas of several items are interleaved. */
  readonly mixed: boolean
  readonly lineEnd: string
  readonly comments: boolean
}

const manner: fc.Arbitrary<Manner> = fc
  .record({
    tells: fc.constantFrom('deltas' as const, 'done' as const, 'items' as const, 'end' as const),
    ids: fc.boolean(),
    indexes: fc.boolean(),
    mixed: fc.boolean(),
    lineEnd: fc.constantFrom('\n', '\r\n', '\r'),
    comments: fc.boolean(),
  })
  .filter(({ ids, indexes }) => ids || indexes)

function responseOf(parts: readonly Part[], how: Manner): Event[] {
  let calls = 0
  const threads = parts.map((part, index): Event[] => {
    const all = part.pieces.join('')
    const n = part.kind === 'call' || part.kind === 'custom' ? calls++ : -1
    const place = {
      ...(how.ids ? { item_id: `item_${index}` } : {}),
      ...(how.indexes ? { output_index: index } : {}),
    }
    const { type, begun, whole, channel } = {
      text: {
        type: 'message',
        begun: { content: [] },
        whole: { content: [{ type: 'output_text', text: all }] },
        channel: ['output_text', 'text'],
      },
      thought: {
        type: 'reasoning',
        begun: { summary: [] },
        whole: { summary: [{ type: 'summary_text', text: all }] },
        channel: ['reasoning_summary_text', 'text'],
      },
      call: {
        type: 'function_call',
        begun: { arguments: '' },
        whole: { arguments: all },
        channel: ['function_call_arguments', 'arguments'],
      },
      custom: {
        type: 'custom_tool_call',
        begun: { input: '' },
        whole: { input: all },
        channel: ['custom_tool_call_input', 'input'],
      },
    }[part.kind]
    const item = {
      type,
      ...(how.ids ? { id: `item_${index}` } : {}),
      ...('name' in part ? { name: part.name, call_id: `id_${n}` } : {}),
    }
    const where = how.indexes ? { output_index: index } : {}
    const last: Event = { type: 'response.output_item.done', ...where, item: { ...item, ...whole } }
    if (how.tells === 'items' || how.tells === 'end') return [last]
    const deltas = part.pieces.map((delta) => ({ type: `response.${channel[0]}.delta`, ...place, delta }))
    return [
      { type: 'response.output_item.added', ...where, item: { ...item, ...begun } },
      ...(how.tells === 'deltas' ? deltas : []),
      { type: `response.${channel[0]}.done`, ...place, [channel[1] as string]: all },
      last,
    ]
  })
  const output = threads.map((events) => events.at(-1)?.item)
  const between = how.tells === 'end' ? [] : how.mixed ? inTurns(threads) : threads.flat()
  return [...between, { type: 'response.completed', response: { status: 'completed', output } }]
}

/** Only calls are interleaved, as interleaved texts would be another answer. All calls begin in order. */
function inTurns(threads: readonly Event[][]): Event[] {
  const isCall = (events: readonly Event[]): boolean => 'call_id' in ((events.at(-1) as Event).item as object)
  const rest = threads.filter(isCall).map((events) => [...events])
  const out = threads.filter((events) => !isCall(events)).flat()
  out.push(...rest.flatMap((events) => events.splice(0, 1)))
  while (rest.some((events) => events.length > 0)) out.push(...rest.flatMap((events) => events.splice(0, 1)))
  return out
}

function messageOf(parts: readonly Part[]): Event[] {
  let calls = 0
  const blocks = parts.flatMap(({ kind, pieces, ...part }, index): Event[] => {
    const type = kind === 'text' ? 'text' : kind === 'thought' ? 'thinking' : 'tool_use'
    const field = { text: ['text_delta', 'text'], thinking: ['thinking_delta', 'thinking'] }
    const [delta, name] = field[type as 'text'] ?? ['input_json_delta', 'partial_json']
    const block =
      type === 'tool_use' ? { type, id: `id_${calls++}`, input: {}, ...part } : { type, [name as string]: '' }
    return [
      { type: 'content_block_start', index, content_block: block },
      ...pieces.map((piece) => ({
        type: 'content_block_delta',
        index,
        delta: { type: delta, [name as string]: piece },
      })),
      { type: 'content_block_stop', index },
    ]
  })
  return [...blocks, { type: 'message_delta', delta: { stop_reason: 'end_turn' } }, { type: 'message_stop' }]
}

function bytesOf(events: readonly Event[], { lineEnd, comments }: Manner): Buffer {
  const lines = events.flatMap((event) => [
    ...(comments ? [': keep-alive', ''] : []),
    `event: ${event.type}`,
    `data: ${JSON.stringify(event)}`,
    '',
  ])
  return Buffer.from(lines.map((line) => line + lineEnd).join(''))
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set([0, bytes.length, ...cuts.map((cut) => cut % (bytes.length + 1))])].sort(
    (a, b) => a - b,
  )
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end))
}

const cuts = fc.array(fc.nat(), { maxLength: 20 })

test('the chunks of any response say the same as the response', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), manner, cuts, (parts, how, at) => {
      const bytes = bytesOf(responseOf(parts, how), how)
      const { chunks } = readChunks(translate(toChunks('responses', true, null), cut(bytes, at)))
      assert.equal(assemble(chunks), said(parts, '\n\n'))
      requireOrder(chunks)
    }),
    { numRuns: 2_000 },
  )
})

test('the chunks of any message say the same as the message', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), manner, cuts, (parts, how, at) => {
      const bytes = bytesOf(messageOf(parts), how)
      const { chunks } = readChunks(translate(toChunks('messages', true, null), cut(bytes, at)))
      assert.equal(assemble(chunks), said(parts, ''))
      requireOrder(chunks)
    }),
    { numRuns: 2_000 },
  )
})

/** The role comes first, one end last, and nothing follows it. */
function requireOrder(chunks: readonly Chunk[]): void {
  const events = chunks.filter((chunk) => typeof chunk !== 'string' || chunk === '[DONE]')
  const kinds = events.map((chunk) => {
    if (typeof chunk === 'string') return 'D'
    if ('error' in chunk) return 'e'
    if ('usage' in chunk) return 'u'
    if (chunk.finish !== undefined) return 'f'
    return 'role' in chunk.delta ? 'r' : 'c'
  })
  assert.match(kinds.join(''), /^(rc*(fu?D|e)|e)$/)
  assert.is(chunks.at(-1), events.at(-1))
}

const odd = fc.oneof(
  fc.constantFrom('', 'x', 'call_1', 'fc_1', '🦊', 0, 1, -1, 1.5, 1e9, null, true),
  fc.constantFrom({}, [], [[]], [{ text: 'x' }, null, { type: 'refusal', refusal: 1 }]),
)
const FIELDS = [
  ...[
    'delta',
    'text',
    'item_id',
    'output_index',
    'content_index',
    'summary_index',
    'index',
    'arguments',
    'input',
  ],
  ...[
    'refusal',
    'error',
    'usage',
    'message',
    'partial_json',
    'thinking',
    'stop_reason',
    'call_id',
    'name',
    'id',
  ],
  ...['status', 'output', 'content', 'summary', 'model', 'created_at', 'output_tokens', 'input_tokens'],
]
const fields = fc.dictionary(fc.constantFrom(...FIELDS), odd, { maxKeys: 6, noNullPrototype: true })
const nested = fc.tuple(
  fc.constantFrom('item', 'response', 'message', 'content_block', 'delta', 'error', 'usage'),
  fc.tuple(
    fields,
    fc.constantFrom('function_call', 'custom_tool_call', 'message', 'tool_use', 'text', 'text_delta'),
  ),
)
const TYPES = [
  ...['created', 'output_text.delta', 'output_text.done', 'refusal.done', 'reasoning_summary_text.delta'].map(
    (name) => `response.${name}`,
  ),
  ...[
    'output_item.added',
    'output_item.done',
    'function_call_arguments.delta',
    'custom_tool_call_input.done',
  ].map((name) => `response.${name}`),
  ...['response.completed', 'response.failed', 'response.incomplete', 'response.x', 'error', 'ping'],
  ...['message_start', 'content_block_start', 'content_block_delta', 'content_block_stop', 'message_delta'],
  'message_stop',
]
const event = fc
  .tuple(fc.option(fc.constantFrom(...TYPES)), fields, fc.option(nested))
  .map(([type, some, inner]) =>
    JSON.stringify({
      ...some,
      ...(inner === null ? {} : { [inner[0]]: { ...inner[1][0], type: inner[1][1] } }),
      ...(type === null ? {} : { type }),
    }),
  )
const block = fc.oneof(
  { arbitrary: event.map((data) => `data: ${data}\n\n`), weight: 12 },
  {
    arbitrary: fc.constantFrom(
      'data: [DONE]\n\n',
      'data: {\n\n',
      'event: ping\n\n',
      ': x\n\n',
      'data: 1\n\n',
    ),
    weight: 1,
  },
)

test('any events give chunks in order with one end', () => {
  fc.assert(
    fc.property(
      fc.array(block, { maxLength: 12 }),
      cuts,
      fc.constantFrom(...CONVERSATION_APIS),
      (blocks, at, api) => {
        const made = (): Translation => toChunks(api)
        const bytes = Buffer.from(blocks.join(''))
        const { chunks } = readChunks(withShortIds(translate(made(), cut(bytes, at))))
        assemble(chunks)
        requireOrder(chunks)
        assert.equal(readChunks(withShortIds(translate(made(), [bytes]))).chunks, chunks)
      },
    ),
    { numRuns: 5_000 },
  )
})

test.run()
