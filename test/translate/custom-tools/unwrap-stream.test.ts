import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UnwrapStream } from '../../../src/translate/custom-tools/unwrap-stream.js'
import { selectTranslation } from '../../../src/translate/response/select.js'
import { assertGrowsLinearly } from '../../support/growth.js'
import { fc } from '../../support/property.js'
import { cutsOf, translate } from '../chunks.js'

const TOOLS = ['ApplyPatch', 'Sketch']
const HEAD = '"id":"c","object":"chat.completion.chunk","created":1,"model":"m"'

/** As DeepSeek writes it, with members that have to reach the client. */
function chunk(delta: string, finish = 'null', choice = 0): string {
  return `data: {${HEAD},"system_fingerprint":"f","choices":[{"index":${choice},"delta":${delta},"logprobs":null,"finish_reason":${finish}}]}\n\n`
}

function opened(name: string, args = '', index = 0, id = `call_${index}`): string {
  const made = `{"name":"${name}","arguments":${JSON.stringify(args)}}`
  return chunk(`{"tool_calls":[{"index":${index},"id":"${id}","type":"function","function":${made}}]}`)
}

function argued(args: string, index = 0, finish = 'null', choice = 0): string {
  const made = `{"arguments":${JSON.stringify(args)}}`
  return chunk(`{"tool_calls":[{"index":${index},"function":${made}}]}`, finish, choice)
}

/** In a chunk of its own. */
function rest(args: string, index = 0): string {
  return `data: {${HEAD},"choices":[{"index":0,"delta":{"tool_calls":[{"index":${index},"function":{"arguments":${JSON.stringify(args)}}}]},"logprobs":null,"finish_reason":null}]}\n\n`
}

const FINISH = chunk('{}', '"tool_calls"')
const DONE = 'data: [DONE]\n\n'
const SAY = chunk('{"content":"naïve 🦊 \\"tool_calls\\" {\\"input\\":\\"x\\"}"}')

interface Stream {
  readonly name: string
  readonly events: readonly string[]
  readonly left: readonly string[]
}

const STREAMS: readonly Stream[] = [
  {
    name: 'a patch in pieces',
    events: [
      SAY,
      opened('ApplyPatch'),
      argued('{"in'),
      argued('put": "*** Begin'),
      argued(' Patch\\n+x = \\"1\\"\\u00'),
      argued('e9\\ud83e'),
      argued('\\udd8a"'),
      argued('}'),
      FINISH,
      DONE,
    ],
    left: [
      SAY,
      opened('ApplyPatch'),
      argued(''),
      argued('*** Begin'),
      argued(' Patch\n+x = "1"'),
      argued('é'),
      argued('🦊'),
      argued(''),
      FINISH,
      DONE,
    ],
  },
  {
    name: 'calls of other tools beside it, by turns',
    events: [
      opened('Shell', '{"input":"', 0),
      opened('Sketch', '{"input":"a', 1),
      argued('ls"}', 0),
      argued('b"}', 1),
      FINISH,
      DONE,
    ],
    left: [
      opened('Shell', '{"input":"', 0),
      opened('Sketch', 'a', 1),
      argued('ls"}', 0),
      argued('b', 1),
      FINISH,
      DONE,
    ],
  },
  {
    name: 'all of it in one event, with its end',
    events: [
      chunk(
        '{"role":"assistant","tool_calls":[ {"id":"a" , "function":{"arguments":"{\\"input\\":\\"1\\"}","name":"ApplyPatch"}},{"id":"b","function":{"name":"ApplyPatch","arguments":"{\\"input\\":\\"2\\\\"}}]}',
        '"tool_calls"',
      ),
      DONE,
    ],
    left: [
      chunk(
        '{"role":"assistant","tool_calls":[ {"id":"a" , "function":{"arguments":"1","name":"ApplyPatch"}},{"id":"b","function":{"name":"ApplyPatch","arguments":"2\\\\"}}]}',
        '"tool_calls"',
      ),
      DONE,
    ],
  },
  {
    name: 'calls that are cut short',
    events: [
      opened('ApplyPatch', '{"input":"a\\u00', 0),
      opened('Sketch', '{"inp', 1),
      chunk('{}', '"length"'),
      DONE,
    ],
    left: [
      opened('ApplyPatch', 'a', 0),
      opened('Sketch', '', 1),
      rest('\\u00', 0) + rest('{"inp', 1),
      chunk('{}', '"length"'),
      DONE,
    ],
  },
  {
    name: 'a stream that ends with [DONE] only',
    events: [opened('ApplyPatch', '{"input":"a\\'), DONE],
    left: [opened('ApplyPatch', 'a'), rest('\\'), DONE],
  },
  {
    name: 'a stream without an end',
    events: [opened('ApplyPatch', '{"input":"a\\')],
    left: [opened('ApplyPatch', 'a'), rest('\\')],
  },
  {
    name: 'another form, from the first letter on and behind the text',
    events: [
      opened('ApplyPatch', '["pa', 0),
      argued('tch","x"]', 0),
      opened('Sketch', '{"input":"x"', 1),
      argued(',"y":1}', 1),
      FINISH,
    ],
    left: [
      opened('ApplyPatch', '["pa', 0),
      argued('tch","x"]', 0),
      opened('Sketch', 'x', 1),
      argued('', 1),
      FINISH,
    ],
  },
  {
    name: 'the same index for each call, and names and ids again and again',
    events: [
      opened('ApplyPatch', '{"input":"a', 0, 'call_a'),
      opened('', 'b', 0, 'call_x'),
      opened('ApplyPatch', 'c\\', 0, 'call_a'),
      opened('ApplyPatch', '{"input":"d"}', 0, 'call_d'),
      FINISH,
    ],
    left: [
      opened('ApplyPatch', 'a', 0, 'call_a'),
      opened('', 'b', 0, 'call_x'),
      opened('ApplyPatch', 'c', 0, 'call_a'),
      rest('\\') + opened('ApplyPatch', 'd', 0, 'call_d'),
      FINISH,
    ],
  },
  {
    name: 'the same index for each call, which begin without arguments',
    events: [
      ...[opened('ApplyPatch', '', 0, 'call_a'), argued('{"input":"a'), argued('b"}')],
      ...[opened('Shell', '', 0, 'call_b'), argued('{"input":"a'), argued('b"}')],
      ...[opened('Sketch', '', 0, 'call_c'), argued('{"input":"a'), argued('b"}'), FINISH],
    ],
    left: [
      ...[opened('ApplyPatch', '', 0, 'call_a'), argued('a'), argued('b')],
      ...[opened('Shell', '', 0, 'call_b'), argued('{"input":"a'), argued('b"}')],
      ...[opened('Sketch', '', 0, 'call_c'), argued('a'), argued('b'), FINISH],
    ],
  },
  {
    name: 'pieces that look like more than a piece',
    events: [
      opened('ApplyPatch'),
      argued('{"input":"'),
      argued('x"}').replace('"x', '"y","arguments":"x'),
      chunk('{"tool_calls":[{"index":0,"function":{"arguments":null}}]}'),
      argued(''),
      argued('z'),
    ],
    left: [
      opened('ApplyPatch'),
      argued(''),
      argued('x').replace('"x', '"y","arguments":"x'),
      chunk('{"tool_calls":[{"index":0,"function":{"arguments":null}}]}'),
      argued(''),
      argued('"}z'),
    ],
  },
  {
    name: 'an empty finish reason in each chunk',
    events: [
      opened('ApplyPatch'),
      argued('{"in', 0, '""'),
      argued('put":"a\\', 0, '""'),
      argued('n"}', 0, '""'),
    ],
    left: [opened('ApplyPatch'), argued('', 0, '""'), argued('a', 0, '""'), argued('\n', 0, '""')],
  },
  {
    name: 'a name that comes behind its index',
    events: [opened(''), opened('ApplyPatch'), argued('{"input":"a"}'), FINISH],
    left: [opened(''), opened('ApplyPatch'), argued('a'), FINISH],
  },
  {
    name: 'two choices',
    events: [
      opened('ApplyPatch', '{"input":"a'),
      argued('{"input":"b"}', 0, 'null', 1),
      argued('c"}'),
      FINISH,
    ],
    left: [opened('ApplyPatch', 'a'), argued('{"input":"b"}', 0, 'null', 1), argued('c'), FINISH],
  },
  {
    name: 'an empty input, and no arguments',
    events: [opened('ApplyPatch', '{"input":""}', 0), opened('Sketch', '', 1), FINISH, DONE],
    left: [opened('ApplyPatch', '', 0), opened('Sketch', '', 1), FINISH, DONE],
  },
  ...[
    [SAY, opened('Shell', '{"input":"ls"}'), FINISH, DONE],
    [': keep-alive\n\n', 'event: x\nid: 1\ndata: {"tool_calls":1}\n\n', 'data: {"tool_calls"\n\n', '\n\n'],
    ['data: {"error":{"message":"tool_calls"}}\n\n', 'data: 1\n\n', 'data: [DONE]\n\n', 'data: {"choi'],
    [chunk('{"tool_calls":[{"index":0,"function":{"name":"ApplyPatch","arguments":{"input":"x"}}}]}'), DONE],
    [chunk('{"tool_calls":[null,{},{"index":"0","function":null}]}'), chunk('{"tool_calls":{}}'), DONE],
  ].map((events) => ({
    name: `nothing to unwrap: ${events[0]?.slice(0, 60).trim()}`,
    events,
    left: events,
  })),
]

for (const { name, events, left } of STREAMS) {
  for (const lineEnd of ['\n', '\r\n', '\r']) {
    test(`calls are unwrapped wherever the stream is cut, with ${JSON.stringify(lineEnd)}: ${name}`, () => {
      const bytes = Buffer.from(events.join('').replaceAll('\n', lineEnd))
      // Events that the relay adds have its own line ends.
      const wanted = left.join('').replaceAll('\n', lineEnd)
      const normal = (text: string): string => text.replaceAll(lineEnd, '\n')
      for (const pieces of cutsOf(bytes))
        assert.is(normal(translate(new UnwrapStream(TOOLS), pieces)), normal(wanted))
    })
  }
}

test('each event leaves when it is complete, with its part of the text', () => {
  const stream = new UnwrapStream(TOOLS)
  const { events, left } = STREAMS[0] as Stream
  for (let i = 0; i < events.length; i++) {
    const event = Buffer.from(events[i] as string)
    assert.is(stream.push(event.subarray(0, -1)).length, 0)
    assert.is(stream.push(event.subarray(-1)).toString(), left[i])
  }
  assert.is(stream.end().length, 0)
})

test('a stream of wrapped calls that breaks off has its complete events and nothing else', () => {
  for (const { events, left } of STREAMS) {
    const bytes = Buffer.from(events.join(''))
    for (let at = 0; at <= bytes.length; at++) {
      const stream = new UnwrapStream(TOOLS)
      const out = Buffer.concat([stream.push(bytes.subarray(0, at)), stream.breakOff()]).toString()
      assert.ok(left.join('').startsWith(out))
    }
  }
})

interface Made {
  readonly name: string
  readonly text: string
  readonly pieces: readonly string[]
}

const made: fc.Arbitrary<Made> = fc
  .record({
    name: fc.constantFrom('ApplyPatch', 'Sketch', 'Shell'),
    text: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '🦊"\\\n', '{"input":"x"}')),
    space: fc.constantFrom('', ' ', '\n '),
    cuts: fc.array(fc.nat(), { maxLength: 6 }),
  })
  .map(({ name, text, space, cuts }) => {
    const args = `{${space}"input"${space}:${space}${JSON.stringify(text)}${space}}`
    const ends = [...cuts.map((cut) => cut % args.length), args.length].sort((a, b) => a - b)
    const pieces = ends.map((end, i) => args.slice(ends[i - 1] ?? 0, end))
    return { name, text: name === 'Shell' ? args : text, pieces }
  })

test('a client assembles the texts of any calls, interleaved and cut anywhere', () => {
  fc.assert(
    fc.property(fc.array(made, { maxLength: 4 }), fc.array(fc.nat(), { maxLength: 20 }), (calls, cuts) => {
      const rounds = Math.max(0, ...calls.map(({ pieces }) => pieces.length))
      const events = calls.map(({ name }, i) => opened(name, '', i))
      for (let round = 0; round < rounds; round++) {
        for (const [i, { pieces }] of calls.entries()) {
          if (round < pieces.length) events.push(argued(pieces[round] as string, i))
        }
      }
      const bytes = Buffer.from([...events, FINISH, DONE].join(''))
      const ends = [...cuts.map((cut) => cut % bytes.length), bytes.length].sort((a, b) => a - b)
      const pieces = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
      const out = translate(new UnwrapStream(TOOLS), pieces)
      assert.is(out, translate(new UnwrapStream(TOOLS), [bytes]))
      const got = out.split('\n\n').slice(0, -2)
      // One event for each: what nothing comes of has empty arguments.
      assert.is(got.length, events.length + 1)
      const texts = calls.map(() => '')
      for (const event of got) {
        const [choice] = JSON.parse(event.slice(6)).choices
        for (const { index, function: given } of choice.delta.tool_calls ?? [])
          texts[index] += given.arguments
      }
      assert.equal(
        texts,
        calls.map(({ text }) => text),
      )
    }),
    { numRuns: 1_000 },
  )
})

test('any bytes pass unchanged where there is no call of a wrapped tool', () => {
  const sign = fc.constantFrom(
    ...['data: ', 'data:', '"choices":', '"tool_calls":', '"function":', '"arguments":', '"name":"Shell"'],
    ...['\n', '\r', '\r\n', '\n\n', '{', '}', '[', ']', ',', ':', 'null', '"x"', '[DONE]', 'ü', '"'],
  )
  fc.assert(
    fc.property(fc.array(sign), fc.array(fc.nat(80)), (parts, cuts) => {
      const bytes = Buffer.from(parts.join(''))
      const ends = [...cuts.filter((at) => at < bytes.length), bytes.length].sort((a, b) => a - b)
      const pieces = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
      assert.is(translate(new UnwrapStream(TOOLS), pieces), bytes.toString())
    }),
    { numRuns: 2_000 },
  )
})

test('a response is unwrapped only if tools were wrapped and it is no error, and as a stream if it is one', () => {
  const facts = {
    from: 'chat',
    status: 200,
    eventStream: true,
    stream: true,
    includeUsage: false,
    model: null,
  } as const
  assert.is(selectTranslation(facts), null)
  const error = selectTranslation({ ...facts, wrapped: TOOLS, status: 400, eventStream: false })
  const inForm = '{"error":{"message":"x","type":"t","param":null,"code":null}}'
  assert.is(error === null ? null : translate(error, [Buffer.from(inForm)]), inForm)
  const { events, left } = STREAMS[0] as Stream
  for (const eventStream of [true, false]) {
    const translation = selectTranslation({ ...facts, wrapped: TOOLS, eventStream, stream: eventStream })
    assert.ok(translation !== null)
    assert.is(translate(translation, [Buffer.from(events.join(''))]), left.join(''))
  }
})

test('the time grows with the size of the stream, however many calls it has in one event or in all', () => {
  const call = (index: number): string =>
    `{"index":${index},"id":"call_${index}","type":"function","function":{"name":"ApplyPatch","arguments":"{\\"input\\":\\"\\\\"}}`
  const numbers = (count: number): number[] => [...Array(count).keys()]
  const streams: Record<string, (count: number) => string> = {
    'one event': (count) => chunk(`{"tool_calls":[${numbers(count).map(call).join()}]}`) + FINISH,
    'all with one index': (count) => chunk(`{"tool_calls":[${numbers(count).fill(0).map(call).join()}]}`),
    'many events': (count) =>
      numbers(count)
        .map((n) => opened('ApplyPatch', '{"input":"\\', n))
        .join(''),
    'texts behind calls': (count) =>
      numbers(count)
        .map((n) => opened('ApplyPatch', '{"input":"a"}', n))
        .join('') + SAY.repeat(count),
    'an end in each event': (count) =>
      numbers(count)
        .map((n) => opened('ApplyPatch', '{"input":"a"}', n))
        .join('') + FINISH.repeat(count),
  }
  for (const [name, create] of Object.entries(streams))
    assertGrowsLinearly(
      name,
      1_000,
      (count) => Buffer.from(create(count)),
      (bytes) => translate(new UnwrapStream(TOOLS), [bytes]),
    )
})

test.run()
