import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ChatRepairStream, repairCompletion } from '../../../src/translate/response/chat-repair.js'
import { ChunkWriter } from '../../../src/translate/response/chunk-writer.js'
import { readWholeCompletion } from '../../../src/translate/response/read-chat.js'
import { selectTranslation } from '../../../src/translate/response/select.js'
import { fc } from '../../support/property.js'

const chunk = (delta: object, reason: string | null = null, choice = 0): string =>
  `data: ${JSON.stringify({ id: 'x', created: 1, choices: [{ index: choice, delta, finish_reason: reason }] })}\n\n`
const part = (call: object): string => chunk({ tool_calls: [call] })
const end = (reason = 'tool_calls'): string => chunk({}, reason)
const made = (name: string, args: unknown = ''): object => ({
  type: 'function',
  function: { name, arguments: args },
})
const DONE = 'data: [DONE]\n\n'

/** All that the client gets, the stream cut in two at each place. */
function through(events: readonly string[]): string {
  const bytes = Buffer.from(events.join(''))
  const whole = run([bytes])
  for (let at = 0; at <= bytes.length; at++) {
    assert.is(run([bytes.subarray(0, at), bytes.subarray(at)]), whole)
  }
  return whole
}

function run(pieces: readonly Buffer[]): string {
  const stream = new ChatRepairStream()
  return Buffer.concat([...pieces.map((piece) => Buffer.from(stream.push(piece))), stream.end()]).toString()
}

const STREAMS: readonly [name: string, events: string[], wanted: string[]][] = [
  [
    'a custom call',
    [
      part({ index: 0, id: 'a', type: 'custom', custom: { name: 'Patch', input: '' } }),
      part({ index: 0, custom: { input: '*** "x"' } }),
      end(),
      DONE,
    ],
    [
      part({ index: 0, id: 'a', ...made('Patch') }),
      part({ index: 0, function: { arguments: '*** "x"' } }),
      end(),
      DONE,
    ],
  ],
  [
    'calls that all have index 0, and an end that says stop',
    [
      part({ index: 0, id: 'a', ...made('A', '{}') }),
      part({ index: 0, id: 'b', ...made('B', '{"x":1}') }),
      part({ index: 0, function: { arguments: ' ' } }),
      end('stop'),
      DONE,
    ],
    [
      part({ index: 0, id: 'a', ...made('A', '{}') }),
      part({ index: 1, id: 'b', ...made('B', '{"x":1}') }),
      part({ index: 1, function: { arguments: ' ' } }),
      end(),
      DONE,
    ],
  ],
  [
    'calls without an index',
    [
      part({ id: 'a', ...made('A') }),
      part({ function: { arguments: '{}' } }),
      chunk(
        {
          tool_calls: [
            { id: 'b', ...made('A', '{}') },
            { id: 'c', ...made('A', { n: 1 }) },
          ],
        },
        'stop',
      ),
    ],
    [
      part({ index: 0, id: 'a', ...made('A') }),
      part({ index: 0, function: { arguments: '{}' } }),
      chunk(
        {
          tool_calls: [
            { index: 1, id: 'b', ...made('A', '{}') },
            { index: 2, id: 'c', ...made('A', '{"n":1}') },
          ],
        },
        'tool_calls',
      ),
    ],
  ],
]

for (const [name, events, wanted] of STREAMS) {
  test(`calls in a stream are repaired wherever it is cut: ${name}`, () => {
    assert.is(through(events), wanted.join(''))
  })
}

test('a stream that needs no repair keeps its bytes, and an end without calls says what it says', () => {
  const streams = [
    [chunk({ content: 'the "tool_calls" and "finish_reason"' }), end('stop'), DONE],
    [
      part({ index: 0, id: 'a', ...made('A') }),
      ...['{"a', '":', '"x\\"'].map((args) => part({ index: 0, function: { arguments: args } })),
      part({ index: 1, id: 'b', ...made('B') }),
      part({ index: 0, function: { arguments: '}' } }),
      end('length'),
    ],
    [
      'data: {"tool_calls"\n\n',
      'data: "tool_calls"\n\n',
      ': "tool_calls"\n\n',
      'data: {"choices":7,"tool_calls":[]}\n\n',
    ],
  ]
  for (const events of streams) assert.is(through(events), events.join(''))
})

test('an upstream that repeats names, or invents ids for parts, has one call', () => {
  const repeats = [
    part({ index: 0, id: 'a', ...made('A', '{') }),
    part({ index: 0, id: 'a', ...made('A', '"x"') }),
    part({ index: 0, id: '9', function: { arguments: ':1}' } }),
  ]
  assert.is(through(repeats), repeats.join(''))
})

test('calls without ids get one each, the same each time', () => {
  const events = [part({ index: 0, id: '', ...made('A', '{}') }), part({ index: 0, ...made('A', '{}') })]
  const got = through(events)
  const ids = [...got.matchAll(/"id":"(call_[0-9a-f]{24})"/g)].map(([, id]) => id)
  assert.is(new Set(ids).size, 2)
  assert.is(through(events), got)
})

const completion = (calls: unknown, reason = 'stop'): string =>
  JSON.stringify({ id: 'x', choices: [{ index: 0, message: { tool_calls: calls }, finish_reason: reason }] })

test('calls in a whole completion are repaired, and so are those that become a stream', () => {
  const custom = { id: 'a', type: 'custom', custom: { name: 'Patch', input: 'x "y"' } }
  const body = Buffer.from(
    completion([custom, { id: 'b', ...made('B', { n: 12345678901234567890n.toString() }) }]),
  )
  const wanted = [
    { id: 'a', ...made('Patch', 'x "y"') },
    { id: 'b', ...made('B', '{"n":"12345678901234567890"}') },
  ]
  assert.is(repairCompletion(body).toString(), completion(wanted, 'tool_calls'))
  const writer = new ChunkWriter(false, null)
  readWholeCompletion(body, writer)
  const stream = writer.take().toString()
  assert.match(stream, '"name":"Patch"')
  assert.match(stream, JSON.stringify('x "y"'))
  assert.match(stream, '"finish_reason":"tool_calls"')
  for (const same of [completion([]), completion(null), completion([null, 7]), '{"tool_calls"', ''])
    assert.is(repairCompletion(Buffer.from(same)).toString().replace('"tool_calls"}', '"stop"}'), same)
})

const ID = /call_[0-9a-f]{24}/g

test('a call of the older form becomes one that Cursor reads, in streams and in whole completions', () => {
  const old = (made: object): string => chunk({ function_call: made })
  const events = [
    chunk({ role: 'assistant', content: null }),
    old({ name: 'Read', arguments: '' }),
    old({ arguments: '{"a"' }),
    old({ arguments: ':1}' }),
    chunk({}, 'function_call'),
    DONE,
  ]
  const got = through(events)
  assert.is(new Set(got.match(ID)).size, 1)
  const wanted = [
    chunk({ role: 'assistant', content: null }),
    part({ index: 0, id: 'ID', type: 'function', function: { name: 'Read', arguments: '' } }),
    part({ index: 0, function: { arguments: '{"a"' } }),
    part({ index: 0, function: { arguments: ':1}' } }),
    end(),
    DONE,
  ]
  assert.is(got.replaceAll(ID, 'ID'), wanted.join(''))
  const whole = (message: object, reason: string): string =>
    JSON.stringify({ id: 'x', choices: [{ index: 0, message, finish_reason: reason }] })
  const call = {
    id: 'ID',
    type: 'function',
    function: { name: 'Read', arguments: '{"n":12345678901234567890}' },
  }
  for (const args of ['{"n":12345678901234567890}', 0]) {
    const text = whole({ content: null, function_call: { name: 'Read', arguments: args } }, 'function_call')
    const body = Buffer.from(args === 0 ? text.replace(':0}', ':{"n":12345678901234567890}}') : text)
    assert.is(
      repairCompletion(body).toString().replaceAll(ID, 'ID'),
      whole({ content: null, tool_calls: [call] }, 'tool_calls'),
    )
  }
  const beside = whole({ tool_calls: null, function_call: { name: 'Read', arguments: '{}' } }, 'stop')
  assert.equal(
    JSON.parse(repairCompletion(Buffer.from(beside)).toString().replaceAll(ID, 'ID')),
    JSON.parse(
      whole(
        { tool_calls: [{ ...call, function: { name: 'Read', arguments: '{}' } }], function_call: null },
        'tool_calls',
      ),
    ),
  )
})

test('what only looks like a call of the older form passes byte for byte', () => {
  const events = [
    chunk({ content: '"function_call":{', function_call: null }),
    chunk({ function_call: {} }),
    chunk({ function_call: 'x' }),
    end('stop'),
  ]
  assert.is(through(events), events.join(''))
})

test('calls of one answer with the same id get one each, and their parts follow', () => {
  const events = [
    part({ index: 0, id: 'a', ...made('A', '{}') }),
    part({ index: 1, id: 'a', ...made('B', '') }),
    part({ index: 1, id: 'a', function: { arguments: '{}' } }),
    end(),
  ]
  const wanted = [
    part({ index: 0, id: 'a', ...made('A', '{}') }),
    part({ index: 1, id: 'ID', ...made('B', '') }),
    part({ index: 1, id: 'ID', function: { arguments: '{}' } }),
    end(),
  ]
  assert.is(through(events).replaceAll(ID, 'ID'), wanted.join(''))
  const body = repairCompletion(
    Buffer.from(
      completion([
        { id: 'a', ...made('A') },
        { id: 'a', ...made('B') },
      ]),
    ),
  )
  assert.is(
    body.toString().replaceAll(ID, 'ID'),
    completion(
      [
        { id: 'a', ...made('A') },
        { id: 'ID', ...made('B') },
      ],
      'tool_calls',
    ),
  )
})

test('numbers in arguments that are an object keep their digits', () => {
  const body =
    '{"choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"A","arguments":{"id":2512292042121000001,"y":1e400}}}]}}]}'
  assert.match(
    repairCompletion(Buffer.from(body)).toString(),
    String.raw`"{\"id\":2512292042121000001,\"y\":1e400}"`,
  )
})

test('a wrapped tool is unwrapped behind the repair', () => {
  const facts = {
    from: 'chat',
    status: 200,
    eventStream: true,
    stream: true,
    includeUsage: false,
    model: null,
  } as const
  const translation = selectTranslation({ ...facts, wrapped: ['Patch'], hasTools: true })
  const events = ['a', 'b'].map((id) =>
    part({ index: 0, id, ...made('Patch', JSON.stringify({ input: id })) }),
  )
  const got = Buffer.concat([translation?.push(Buffer.from(events.join(''))) ?? Buffer.alloc(0)]).toString()
  assert.is(
    got,
    [0, 1].map((index) => part({ index, id: 'ab'[index], ...made('Patch', 'ab'[index]) })).join(''),
  )
})

test('any event passes through, whatever it has', () => {
  const value = fc.jsonValue()
  fc.assert(
    fc.property(
      fc.array(fc.record({ index: value, id: value, type: value, function: value, custom: value })),
      (calls) => {
        const event = part(calls[0] ?? {})
        const got = run([Buffer.from(event), Buffer.from(chunk({ tool_calls: calls }, 'stop'))])
        for (const line of got.split('\n\n').filter((each) => each !== '')) JSON.parse(line.slice(6))
      },
    ),
    { numRuns: 300 },
  )
})

test('an id that is made is never that of another response, also where nothing tells them apart', () => {
  const call = '{"index":0,"type":"function","function":{"name":"Read","arguments":"{}"}}'
  for (const head of ['', '"id":null,', '"id":"","created":0,', '"created":null,']) {
    const event = `data: {${head}"choices":[{"index":0,"delta":{"tool_calls":[${call}]},"finish_reason":null}]}\n\n`
    const body = `{${head}"choices":[{"index":0,"message":{"tool_calls":[${call}]},"finish_reason":"stop"}]}`
    const made = [0, 1].flatMap(() => [
      new ChatRepairStream().push(Buffer.from(event)).toString(),
      repairCompletion(Buffer.from(body)).toString(),
    ])
    const ids = made.map((text) => /"id":"(call_[0-9a-f]{24})"/.exec(text)?.[1])
    assert.is(new Set(ids).size, 4, head)
  }
})

test.run()
