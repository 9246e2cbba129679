import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ConversationApi } from '../../../src/api/apis.js'
import { RepeatedEvents } from '../../../src/translate/response/repeated-events.js'
import { selectTranslation } from '../../../src/translate/response/select.js'
import { cutAt } from '../../support/cuts.js'
import { fc } from '../../support/property.js'
import { closed, delta, MESSAGES, opened, START, STOP, stopped } from '../messages-streams.js'
import { createSink, toChunks } from '../readers.js'
import { ODD_STREAMS } from '../responses-odd-streams.js'
import { STREAMS } from '../responses-streams.js'

// Events of one form are not parsed. A stream that comes byte by byte has no event in one piece, so that all of its
// events are parsed: it must say the same.

/** Values as they stand in an event: texts, and some that are none. */
const value = fc.oneof(
  { weight: 10, arbitrary: fc.string({ minLength: 1 }).map((text) => JSON.stringify(text)) },
  { weight: 10, arbitrary: fc.constantFrom('"a"', '"b"') },
  {
    weight: 5,
    arbitrary: fc.constantFrom(
      ...['"\u{1f98a}"', '"na\u00efve"', '"\\n"', '"\\u00e9"', '"\\ud83e\\udd8a"', '"\\ud800"', '""'],
      ...['"[DONE]"', '"\\"tool_calls\\""', '"\\"error\\""'],
    ),
  },
  // The stream ends with an error here, as a part of the answer would be missing.
  { weight: 1, arbitrary: fc.constantFrom('null', '5', '{}', '["x"]', '"\\x"', '"\t"', '"') },
)
const count = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom('1', '7', '12', '0') },
  { weight: 1, arbitrary: fc.constantFrom('007', '1.5', '-1', 'null', '"3"', '12345678901234567890') },
)

/** The holes of an event: its text, and members that change with it. */
interface Filling {
  readonly text: string
  readonly other: string
  readonly count: string
}
const filling: fc.Arbitrary<Filling> = fc.record({ text: value, other: value, count })

/** How the events of a run are written. */
interface Manner {
  readonly n: number
  readonly more: string
  readonly isNamed: boolean
  readonly space: string
  readonly lineEnd: string
  readonly comment: string
}
const manner: fc.Arbitrary<Manner> = fc.record({
  n: fc.integer({ min: 0, max: 2 }),
  more: fc.constantFrom(
    ...['', '', '', ',"obfuscation":OTHER', ',"sequence_number":COUNT', ',"text":OTHER', ',"delta":OTHER'],
    ...[
      ',"content":OTHER',
      ',"note":OTHER',
      ',"d\\u0065lta":OTHER',
      ',"totalTokenCount":COUNT',
      ',"logprobs":[]',
    ],
  ),
  isNamed: fc.boolean(),
  space: fc.constantFrom(' ', ' ', ''),
  lineEnd: fc.constantFrom('\n', '\n', '\r\n', '\r'),
  comment: fc.constantFrom('', '', '', ': hi', 'id: 1', 'data: '),
})

/** The data of events of each API, with `TEXT`, `COUNT`, `N` and `MORE` in the places of what changes. */
const FORMS: Readonly<Record<ConversationApi, readonly string[]>> = {
  chat: [
    '{"id":"c1","choices":[{"index":0,"delta":{"content":TEXTMORE}}]}',
    '{"id":"c1","choices":[{"index":0,"delta":{"content":TEXT},"finish_reason":null}]MORE}',
    '{"id":"c1","choices":[{"index":0,"delta":{"reasoning_content":TEXT}}]MORE}',
    '{"id":"c1","choices":[{"index":0,"delta":{"reasoning":TEXT,"content":OTHER}}]}',
    '{"id":"c1","choices":[{"index":0,"delta":{"reasoning_details":[{"text":TEXT}]MORE}}]}',
    '{"id":"c1","choices":[{"index":0,"delta":{"refusal":TEXTMORE}}]}',
    '{"id":"c1","choices":[{"index":0,"delta":{"content":[{"type":"text","text":TEXT}]}}]MORE}',
    '{"id":"c1","choices":[{"index":N,"delta":{"content":TEXT},"finish_reason":"stop"}],"usage":{"prompt_tokens":COUNT}}',
    '{"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":N,"function":{"arguments":TEXT}}]MORE}}]}',
    '{"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":N,"id":"aN","function":{"name":"A","arguments":TEXT}}]}}]}',
  ],
  responses: [
    '{"type":"response.created","response":{"id":"r1","created_at":1750000000}}',
    '{"type":"response.output_text.delta","item_id":"iN","output_index":N,"delta":TEXTMORE}',
    '{"type":"response.output_text.delta","delta":TEXTMORE}',
    '{"type":"response.reasoning_summary_text.delta","item_id":"iN","summary_index":N,"delta":TEXTMORE}',
    '{"type":"response.reasoning_text.delta","output_index":0,"content_index":N,"delta":TEXTMORE}',
    '{"type":"response.refusal.delta","item_id":"iN","delta":TEXTMORE}',
    '{"type":"response.output_item.added","output_index":N,"item":{"id":"iN","type":"function_call","name":"A","call_id":"aN"MORE}}',
    '{"type":"response.function_call_arguments.delta","item_id":"iN","output_index":N,"delta":TEXTMORE}',
    '{"type":"response.custom_tool_call_input.delta","item_id":"iN","delta":TEXTMORE}',
    '{"type":"response.output_text.done","item_id":"iN","output_index":N,"text":TEXTMORE}',
  ],
  messages: [
    '{"type":"message_start","message":{"id":"m1","usage":{"input_tokens":COUNT}}}',
    '{"type":"content_block_start","index":N,"content_block":{"type":"tool_use","id":"aN","name":"A","input":{}}}',
    '{"type":"content_block_start","index":N,"content_block":{"type":"thinking","thinking":TEXT}}',
    '{"type":"content_block_delta","index":N,"delta":{"type":"text_delta","text":TEXTMORE}}',
    '{"type":"content_block_delta","index":N,"delta":{"type":"thinking_delta","thinking":TEXTMORE}}',
    '{"type":"content_block_delta","index":N,"delta":{"type":"input_json_delta","partial_json":TEXT}MORE}',
    '{"type":"content_block_delta","index":N,"delta":{"type":"signature_delta","signature":"s"MORE}}',
    '{"type":"content_block_stop","index":N}',
  ],
  gemini: [
    '{"candidates":[{"content":{"parts":[{"text":TEXT}]}}],"usageMetadata":{"cachedContentTokenCount":2,"candidatesTokenCount":COUNT},"responseId":"g1"MORE}',
    '{"candidates":[{"content":{"parts":[{"text":TEXT,"thought":true}]}}],"usageMetadata":{"thoughtsTokenCount":COUNT},"responseId":"g1"}',
    '{"candidates":[{"content":{"parts":[{"text":TEXT},{"text":OTHER}]}}],"responseId":"g1"MORE}',
    '{"candidates":[{"content":{"parts":[{"text":TEXTMORE}]},"thoughtsTokenCount":COUNT,"index":N}],"promptTokenCount":COUNT,"responseId":"g1"}',
    '{"candidates":[{"content":{"parts":[{"functionCall":{"id":"aN","name":"A","args":{"text":TEXT}}}]}}],"responseId":"g1"}',
  ],
}

const ENDS: Readonly<Record<ConversationApi, string>> = {
  chat: 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
  responses:
    'data: {"type":"response.completed","response":{"id":"r1","status":"completed","output":[]}}\n\n',
  messages:
    'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7}}\n\ndata: {"type":"message_stop"}\n\n',
  gemini:
    'data: {"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":9},"responseId":"g1"}\n\n',
}

function print(form: string, how: Manner, { text, other, count }: Filling): Buffer {
  const data = form
    .replaceAll('MORE', () => how.more)
    .replaceAll('TEXT', () => text)
    .replaceAll('OTHER', () => other)
    .replaceAll('COUNT', () => count)
    .replaceAll(/\bN\b|(?<=")([ai])N(?=")/g, (_, letter = '') => `${letter}${how.n}`)
  const name = /"type":"([^"]*)"/.exec(data)?.[1] ?? 'x'
  const lines = [how.comment, how.isNamed ? `event: ${name}` : '', `data:${how.space}${data}`, '']
  return Buffer.from(lines.filter((line, n) => line !== '' || n === 3).join(how.lineEnd) + how.lineEnd)
}

/** A response of this API, in which events of a few forms come again and again. */
function eventsOf(api: ConversationApi): fc.Arbitrary<Buffer[]> {
  const forms = fc.array(fc.tuple(fc.constantFrom(...FORMS[api]), manner), { minLength: 3, maxLength: 3 })
  const run = fc.tuple(fc.nat({ max: 2 }), fc.array(filling, { minLength: 1, maxLength: 3 }))
  return fc.tuple(forms, fc.array(run, { minLength: 1, maxLength: 10 })).map(([known, runs]) => {
    const events = runs.flatMap(([n, fillings]) => {
      const [form, how] = known[n] as [string, Manner]
      return fillings.map((each) => print(form, how, each))
    })
    return [...events, Buffer.from(ENDS[api])]
  })
}

/** A response that does not say its id, or when it was made, gets both. */
function withoutRandom(written: unknown): string {
  return JSON.stringify(written).replaceAll(/(chatcmpl-|call_)\w+|(?<=created\\":)\d+/g, '$1')
}

function translate(api: ConversationApi, pieces: readonly Buffer[]): unknown {
  const sink = createSink()
  const translation = toChunks(api, true, 'm', { thoughts: sink, wrapped: ['A'] })
  let out = ''
  for (const piece of pieces) out += translation.push(piece).toString('latin1')
  out += translation.end().toString('latin1')
  return withoutRandom([out, sink.got])
}

for (const api of Object.keys(FORMS) as ConversationApi[]) {
  test(`events of one form say what they say when each is parsed (${api})`, () =>
    fc.assert(
      fc.property(eventsOf(api), fc.array(fc.nat({ max: 3_000 }), { maxLength: 8 }), (events, cuts) => {
        const bytes = Buffer.concat(events)
        const parsed = translate(
          api,
          Array.from(bytes, (byte) => Buffer.from([byte])),
        )
        assert.equal(translate(api, events), parsed, 'an event at a time')
        assert.equal(translate(api, [bytes]), parsed, 'all at once')
        assert.equal(translate(api, pairsOf(events)), parsed, 'some at a time')
        const places = cuts.filter((at) => at <= bytes.length).sort((a, b) => a - b)
        assert.equal(translate(api, cutAt(bytes, places)), parsed, 'cut anywhere')
      }),
      { numRuns: 400 },
    ))
}

/** Each byte in a piece of its own. */
function bytesOf(pieces: readonly Buffer[]): Buffer[] {
  return Array.from(Buffer.concat(pieces), (byte) => Buffer.from([byte]))
}

/** The first event alone, so that its form is known, and then three in each piece. */
function pairsOf([first, ...events]: readonly Buffer[]): Buffer[] {
  const pieces = [first as Buffer]
  for (let n = 0; n < events.length; n += 3) pieces.push(Buffer.concat(events.slice(n, n + 3)))
  return pieces
}

/** What a client gets of a chat that is looked at for calls and for thinking, and what is remembered. */
function look(pieces: readonly Buffer[]): string {
  const sink = createSink()
  const translation = selectTranslation({
    ...{ from: 'chat', status: 200, eventStream: true, stream: true, includeUsage: true, model: null },
    ...{ hasTools: true, thoughts: sink },
  })
  if (translation === null) throw new Error('it is not looked at')
  const out = pieces.map((piece) => Buffer.from(translation.push(piece)).toString('latin1')).join('')
  return withoutRandom([out.replaceAll(COMMENT, '') + translation.end().toString('latin1'), sink.got])
}

const COMMENT = ': as no form has it\n'

/** The same for events that have no form, which may be known however they come. */
function lookAtEach(events: readonly Buffer[]): string {
  return look(events.map((each) => Buffer.concat([Buffer.from(COMMENT), each])))
}

test('a chat that is only looked at passes and is remembered as if each event were parsed', () =>
  fc.assert(
    fc.property(eventsOf('chat'), (events) => {
      const parsed = lookAtEach(events)
      assert.equal(look(events), parsed, 'an event at a time')
      assert.equal(look(pairsOf(events)), parsed, 'some at a time')
    }),
    { numRuns: 400 },
  ))

const event = (data: string, name = ''): Buffer => Buffer.from(`${name}data: ${data}\n\n`)

/** An event, its text, and whether the next one with another text is read by its form. */
const LEARNED: readonly (readonly [name: string, event: Buffer, said: string, isKnown: boolean])[] = [
  ['a chat', event('{"id":"c","choices":[{"delta":{"content":"a"}}],"obfuscation":"x"}'), 'a', true],
  ['an event with a name', event('{"type":"t","sequence_number":7,"delta":"a"}', 'event: t\n'), 'a', true],
  ['Gemini, with CRLF', Buffer.from('data: {"text":"a","totalTokenCount":7}\r\n\r\n'), 'a', true],
  ['a text with escapes', event('{"delta":"\\n\\"\\u00e9"}'), '\n"\u00e9', true],
  ['another text than was said', event('{"delta":"a"}'), 'b', false],
  ['two texts', event('{"delta":"a","text":"a"}'), 'a', false],
  ['a key with an escape', event('{"d\\u0065lta":"a","text":"a"}'), 'a', false],
  ['a string with an escape beside the text', event('{"delta":"a","note":"\\n"}'), 'a', false],
  ['a text under a name that is not known', event('{"words":"a"}'), 'a', false],
  [
    'counts of one name at two places',
    event('{"delta":"a","xTokenCount":1,"y":{"xTokenCount":1}}'),
    'a',
    false,
  ],
  ['a comment', event('{"delta":"a"}', ': hi\n'), 'a', false],
  ['an id', event('{"delta":"a"}', 'id: 1\n'), 'a', false],
  ['two lines of data', event('{"delta":"a"}', 'data: \n'), 'a', false],
  ['lines that end with CR', Buffer.from('data: {"delta":"a"}\r\r'), 'a', false],
  ['lines that end in two ways', Buffer.from('data: {"delta":"a"}\r\n\n'), 'a', false],
  ['no blank line', Buffer.from('data: {"delta":"a"}\n'), 'a', false],
  ['an event that is too long', event(`{"delta":"a","x":"${'x'.repeat(4_096)}"}`), 'a', false],
]

for (const [name, first, said, isKnown] of LEARNED)
  test(`a form is ${isKnown ? '' : 'not '}made of ${name}`, () => {
    const known = new RepeatedEvents()
    const texts: string[] = []
    known.learn(first, said, (text) => void texts.push(text))
    assert.is(known.covers(first), isKnown)
    assert.is(known.read(Buffer.concat([first, first])), isKnown ? 2 * first.length : 0)
    assert.equal(texts, isKnown ? [said, said] : [])
  })

test('an event is read by a form only where nothing but its text, noise and counts differ', () => {
  const print = (text: string, number: string, noise: string, more = ''): Buffer =>
    event(
      `{"sequence_number":${number},"delta":${text},"xTokenCount":${number},"obfuscation":${noise}${more}}`,
    )
  for (const [next, isRead] of [
    [print('"b"', '0', '""'), true],
    [print('"\\ud83e\\udd8a"', '123456789012345', '"yz"'), true],
    [print('""', '1', '"x"'), false],
    [print('null', '1', '"x"'), false],
    [print('"\\x"', '1', '"x"'), false],
    [print('"\t"', '1', '"x"'), false],
    [print('"b"', '01', '"x"'), false],
    [print('"b"', '1.5', '"x"'), false],
    [print('"b"', '', '"x"'), false],
    [print('"b"', '1234567890123456', '"x"'), false],
    [print('"b"', '1', '"\\n"'), false],
    [print('"b"', '1', '"x"', ',"n":1'), false],
  ] as const) {
    const known = new RepeatedEvents()
    const counts: unknown[] = []
    known.learn(print('"a"', '1', '"x"'), 'a', (text, form) => void counts.push([text, ...form.counts]))
    assert.is(known.read(next), isRead ? next.length : 0, next.toString())
    const { delta, xTokenCount } = isRead ? JSON.parse(next.toString().slice('data: '.length)) : {}
    assert.equal(counts, isRead ? [[delta, xTokenCount]] : [])
    // The event that was parsed in between may have changed what the text is handed to.
    assert.is(known.read(print('"a"', '1', '"x"')) > 0, isRead)
  }
})

test('streams of all kinds say the same an event at a time and byte by byte', () => {
  const named = [...STREAMS, ...ODD_STREAMS].map(([name, events]) => ['responses', name, events] as const)
  for (const [api, name, events] of [
    ...named,
    ...MESSAGES.map(([name, events]) => ['messages', name, events] as const),
  ]) {
    const pieces = events.map((each) => Buffer.from(`event: ${each.type}\ndata: ${JSON.stringify(each)}\n\n`))
    assert.equal(translate(api, pieces), translate(api, bytesOf(pieces)), name)
  }
})

test('thinking that comes in many events goes back with all of its parts', () => {
  const thinking = ['a', 'b', 'c'].map((thinking) => delta(0, { type: 'thinking_delta', thinking }))
  const events = [
    ...[START, opened(0, { type: 'thinking', thinking: '' }), ...thinking],
    ...[delta(0, { type: 'signature_delta', signature: 's' }), closed(0)],
    ...[
      opened(1, { type: 'tool_use', id: 'a1', name: 'B', input: {} }),
      closed(1),
      stopped('tool_use'),
      STOP,
    ],
  ]
  const pieces = events.map((each) => event(JSON.stringify(each)))
  assert.match(JSON.stringify(translate('messages', pieces)), /thinking[^:]*:[^:]*abc/)
})

const choice = (delta: string, reason = 'null'): Buffer =>
  event(`{"id":"c1","choices":[{"index":0,"delta":${delta},"finish_reason":${reason}}]}`)
const CALL = choice('{"tool_calls":[{"index":0,"id":"a1","function":{"name":"A","arguments":"{}"}}]}')

/** Pieces in which an event is not what the one of its form before it was. */
const CHANGED: readonly (readonly [name: string, api: ConversationApi | null, pieces: readonly Buffer[]])[] =
  [
    [
      'an event that says nothing, with the same text as the one before it',
      'responses',
      [
        Buffer.concat([
          event('{"type":"response.output_text.delta","delta":"a"}'),
          event('{"type":"x","delta":"a"}'),
        ]),
        ...['b', 'c'].map((text) => event(`{"type":"x","delta":"${text}"}`)),
      ],
    ],
    [
      'whole messages with a call each',
      'chat',
      ['a', 'b', 'c'].map((text) =>
        event(
          `{"id":"c1","choices":[{"message":{"content":"${text}","tool_calls":[{"function":{"name":"A"}}]}}]}`,
        ),
      ),
    ],
    [
      'counts that stand somewhere else',
      'gemini',
      ['1', '2', '3'].map((count) =>
        event(
          `{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"candidatesTokenCount":${count},"usageMetadata":{"promptTokenCount":5},"responseId":"g1"}`,
        ),
      ),
    ],
    [
      'an end that was repeated ahead of a call, and comes behind it',
      null,
      [
        ...['a', 'b'].map((text) => choice(`{"content":"${text}"}`, '"stop"')),
        CALL,
        choice('{"content":"c"}', '"stop"'),
      ],
    ],
    [
      'thinking and text that are the same',
      null,
      [
        Buffer.concat([choice('{"reasoning":"a"}'), choice('{"content":"a"}')]),
        Buffer.concat([choice('{"content":"b"}'), choice('{"reasoning":"c"}')]),
        ...[CALL, choice('{}', '"tool_calls"'), event('[DONE]')],
      ],
    ],
  ]

for (const [name, api, pieces] of CHANGED)
  test(`each event is taken for what it is: ${name}`, () => {
    const events = pieces
      .flatMap((piece) => piece.toString().match(/.+\n\n/g) ?? [])
      .map((each) => Buffer.from(each))
    if (api === null) assert.equal(look(pieces), lookAtEach(events))
    else assert.equal(translate(api, pieces), translate(api, bytesOf(pieces)))
  })

test('an event whose name came in another piece is not taken for one without a name', () => {
  const [name, data] = ['event: response.output_text.delta\n', '{"delta":"a"}']
  const pieces = [Buffer.from(name), event(data), event(data), Buffer.from(ENDS.responses)]
  assert.is(translate('responses', pieces), translate('responses', [Buffer.concat(pieces)]))
})

test('an event that is not complete is left to the reader', () => {
  const first = event('{"delta":"a"}')
  for (let at = 0; at < first.length; at++) {
    const known = new RepeatedEvents()
    known.learn(first, 'a', () => {})
    assert.is(known.read(Buffer.concat([first, first.subarray(0, at)])), first.length)
  }
})

test.run()
