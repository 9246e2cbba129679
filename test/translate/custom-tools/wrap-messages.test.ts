import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { selectTranslation } from '../../../src/translate/response/select.js'
import type { Translation } from '../../../src/translate/translation.js'
import { fc } from '../../support/property.js'
import {
  argue,
  type Chunk,
  cutsOf,
  DONE,
  type Event,
  finish,
  named,
  open,
  ROLE,
  readChunks,
  translate,
} from '../chunks.js'
import { closed, delta, opened, START, STOP, stopped } from '../messages-streams.js'

const WRAPPED = ['ApplyPatch']

function translation(eventStream = true): Translation {
  const facts = { from: 'messages', status: 200, includeUsage: false, model: null } as const
  return selectTranslation({ ...facts, eventStream, stream: eventStream, wrapped: WRAPPED }) as Translation
}

const use = (index: number, name: string, input: object = {}): Event =>
  opened(index, { type: 'tool_use', id: `toolu_${index}`, name, input })
const json = (index: number, partial: string): Event =>
  delta(index, { type: 'input_json_delta', partial_json: partial })

const STREAMS: readonly [name: string, events: readonly Event[], chunks: readonly Chunk[]][] = [
  [
    'a patch in pieces, beside a call of a function',
    [
      ...[START, use(0, 'ApplyPatch'), json(0, ''), json(0, '{"inp'), json(0, 'ut": "*** Begin')],
      ...[json(0, ' Patch\\n+\\ud83e'), json(0, '\\udd8a\\"'), json(0, '"}'), closed(0)],
      ...[use(1, 'LS'), json(1, '{"input":"."}'), closed(1), stopped('tool_use'), STOP],
    ],
    [
      ...[ROLE, open(0, 'toolu_0', 'ApplyPatch'), argue(0, '*** Begin'), argue(0, ' Patch\n+')],
      ...[argue(0, '🦊"'), open(1, 'toolu_1', 'LS'), argue(1, '{"input":"."}')],
      ...[finish('tool_calls'), DONE],
    ],
  ],
  [
    'an input that comes with its block',
    [START, use(0, 'ApplyPatch', { input: 'a\n"b"' }), closed(0), stopped('tool_use'), STOP],
    [ROLE, open(0, 'toolu_0', 'ApplyPatch'), argue(0, 'a\n"b"'), finish('tool_calls'), DONE],
  ],
  [
    'other forms: the text alone, or all as it is',
    [
      ...[START, use(0, 'ApplyPatch', { patch: 'a' }), closed(0), use(1, 'ApplyPatch'), closed(1)],
      ...[use(2, 'ApplyPatch'), json(2, '{"patch":'), json(2, '"a"}'), closed(2)],
      ...[use(3, 'ApplyPatch'), json(3, '{"input":"a"'), json(3, ',"b":1}'), closed(3)],
      ...[stopped('tool_use'), STOP],
    ],
    [
      ...[ROLE, open(0, 'toolu_0', 'ApplyPatch'), argue(0, 'a')],
      ...[open(1, 'toolu_1', 'ApplyPatch'), argue(1, '{}')],
      ...[open(2, 'toolu_2', 'ApplyPatch'), argue(2, 'a')],
      ...[open(3, 'toolu_3', 'ApplyPatch'), argue(3, 'a')],
      ...[finish('tool_calls'), DONE],
    ],
  ],
  [
    'a call that is cut short',
    [START, use(0, 'ApplyPatch'), json(0, '{"input":"a\\u00'), stopped('max_tokens'), STOP],
    [ROLE, open(0, 'toolu_0', 'ApplyPatch'), argue(0, 'a'), argue(0, '\\u00'), finish('length'), DONE],
  ],
]

for (const [name, events, chunks] of STREAMS) {
  test(`calls of wrapped tools in a Messages stream are unwrapped wherever it is cut: ${name}`, () => {
    for (const pieces of cutsOf(Buffer.from(named(...events))))
      assert.equal(readChunks(translate(translation(), pieces)).chunks, chunks)
  })
}

test('the client gets any text of a wrapped call in a Messages stream unchanged', () => {
  const cuts = fc.array(fc.nat(), { maxLength: 8 })
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), cuts, (text, at) => {
      const input = JSON.stringify({ input: text })
      const ends = [...at.map((cut) => cut % input.length), input.length].sort((a, b) => a - b)
      const pieces = ends.map((end, i) => json(0, input.slice(ends[i - 1] ?? 0, end)))
      const events = [START, use(0, 'ApplyPatch'), ...pieces, closed(0), stopped('tool_use'), STOP]
      const { chunks } = readChunks(translate(translation(), [Buffer.from(named(...events))]))
      let got = ''
      for (const chunk of chunks) {
        if (typeof chunk === 'string' || !('delta' in chunk) || !('tool_calls' in chunk.delta)) continue
        const [call] = chunk.delta.tool_calls as [{ function: { arguments: string } }]
        got += call.function.arguments
      }
      assert.is(got, text)
    }),
  )
})

test('calls of wrapped tools in a whole message are unwrapped', () => {
  const content = [
    { type: 'tool_use', id: 'a', name: 'ApplyPatch', input: { input: 'x\n"y"' } },
    { type: 'tool_use', id: 'b', name: 'ApplyPatch', input: { input: 'x', why: 'z' } },
    { type: 'tool_use', id: 'c', name: 'LS', input: { input: '.' } },
  ]
  const body = Buffer.from(JSON.stringify({ type: 'message', id: 'm', content, stop_reason: 'tool_use' }))
  const [choice] = JSON.parse(translate(translation(false), [body])).choices
  assert.equal(
    choice.message.tool_calls.map((call: { function: { arguments: string } }) => call.function.arguments),
    ['x\n"y"', 'x', '{"input":"."}'],
  )
})

test.run()
