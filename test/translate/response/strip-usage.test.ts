import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UsageStripper } from '../../../src/translate/response/strip-usage.js'
import { fc } from '../../support/property.js'

interface Stream {
  readonly name: string
  readonly events: readonly string[]
  /** The events for a client that did not ask for usage. */
  readonly left: readonly string[]
}

const CHUNK = '"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi"}}]'
const TOTAL = '"usage":{"prompt_tokens":1,"completion_tokens":2}'

const STREAMS: readonly Stream[] = [
  {
    name: 'as OpenAI sends it',
    events: [
      `data: {"id":"a",${CHUNK},"usage":null,"obfuscation":"x"}\n\n`,
      `data: {"id":"a",${CHUNK},"usage":null}\n\n`,
      `data: {"id":"a","choices":[],${TOTAL}}\n\n`,
      'data: [DONE]\n\n',
    ],
    left: [
      `data: {"id":"a",${CHUNK},"obfuscation":"x"}\n\n`,
      `data: {"id":"a",${CHUNK}}\n\n`,
      'data: [DONE]\n\n',
    ],
  },
  {
    name: 'with CRLF, comments and white space',
    events: [
      ': keep-alive\r\n\r\n',
      `data:{ "usage" : null , ${CHUNK} }\r\n\r\n`,
      `event: x\r\ndata: {"id":"a", "usage": null}\r\n\r\n`,
      `data: {"choices": [], ${TOTAL}}\r\n\r\n`,
      'data: [DONE]\r\n\r\n',
    ],
    left: [
      ': keep-alive\r\n\r\n',
      `data:{  ${CHUNK} }\r\n\r\n`,
      'event: x\r\ndata: {"id":"a"}\r\n\r\n',
      'data: [DONE]\r\n\r\n',
    ],
  },
  {
    name: 'with CR alone',
    events: [`data: {${CHUNK},"usage":null}\r\r`, `data: {"choices":[],${TOTAL}}\r\r`, 'data: [DONE]\r\r'],
    left: [`data: {${CHUNK}}\r\r`, 'data: [DONE]\r\r'],
  },
  ...[
    [': a comment\n\n'],
    [`data: {${CHUNK},${TOTAL}}\n\n`],
    ['data: {"choices":[],"prompt_filter_results":[]}\n\n'],
    [`data: {"x_groq":${TOTAL.slice(8)},"choices":[]}\n\n`],
    ['data: {"choices":[{"delta":{"content":",\\"usage\\":null"}}]}\n\n'],
    ['data: {"error":{"usage":1,"message":"x"}}\n\n', 'data: "usage"\n\n', 'data: {"usage":\n\n'],
    ['data: {"a":1,\ndata: "usage":null}\n\n', '\n\n\n', 'data: 1\n\n'],
    [`data: {${CHUNK}}\n\n`, 'data: {"choices":[{"delta":{"content":"no end'],
  ].map((events) => ({
    name: `where there is nothing to take out: ${events[0]?.slice(0, 60).trim()}`,
    events,
    left: events,
  })),
  {
    name: 'that ends with the usage',
    events: [`data: {${CHUNK},"usage":null}\n\n`, `data: {"choices":[],${TOTAL}}`],
    left: [`data: {${CHUNK}}\n\n`],
  },
]

function through(pieces: readonly Buffer[]): string {
  const unasked = new UsageStripper()
  const out = pieces.map((piece) => Buffer.from(unasked.push(Buffer.from(piece))))
  return Buffer.concat([...out, unasked.end()]).toString()
}

for (const { name, events, left } of STREAMS) {
  test(`unasked usage is removed and all else stays, wherever the stream is cut: ${name}`, () => {
    const bytes = Buffer.from(events.join(''))
    const wanted = left.join('')
    assert.is(through([bytes]), wanted)
    for (let at = 0; at <= bytes.length; at++)
      assert.is(through([bytes.subarray(0, at), bytes.subarray(at)]), wanted, `cut at ${at}`)
    assert.is(through(Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))), wanted, 'byte by byte')
  })
}

test('an event passes the usage stripper as soon as it is complete', () => {
  const unasked = new UsageStripper()
  assert.is(unasked.push(Buffer.from('data: 1\n\ndata: 2')).toString(), 'data: 1\n\n')
  assert.is(unasked.push(Buffer.from('\n')).toString(), '')
  assert.is(unasked.push(Buffer.from('\n')).toString(), 'data: 2\n\n')
})

test('an event that is too long to hold passes as it arrives', () => {
  const unasked = new UsageStripper()
  const part = Buffer.alloc(400_000, 'x')
  assert.is(unasked.push(Buffer.from('data: "')).length, 0)
  assert.is(unasked.push(part).length, 0)
  assert.is(unasked.push(part).length, 0)
  assert.is(unasked.push(part).length, 1_200_007)
  assert.is(unasked.push(part).length, 400_000)
  assert.is(
    unasked.push(Buffer.from(`"usage":null"\n\ndata: {"a":1,"usage":null}\n\n`)).toString(),
    `"usage":null"\n\ndata: {"a":1}\n\n`,
  )
})

test('usage behind an event that was too long is removed, wherever its end is cut', () => {
  for (const end of ['\n\n', '\r\n\r\n', '\r\r']) {
    const bytes = Buffer.from(`"${end}data: {"a":1,"usage":null}${end}`)
    for (let at = 0; at <= bytes.length; at++) {
      const unasked = new UsageStripper()
      unasked.push(Buffer.from(`data: "${'x'.repeat(1_100_000)}`))
      const out = [unasked.push(bytes.subarray(0, at)), unasked.push(bytes.subarray(at))]
      assert.is(
        Buffer.concat(out).toString(),
        `"${end}data: {"a":1}${end}`,
        `${JSON.stringify(end)} cut at ${at}`,
      )
    }
  }
})

test('an event of a megabyte may arrive byte by byte', () => {
  const unasked = new UsageStripper()
  const byte = Buffer.from('x')
  // If each byte made all earlier ones be read again, the time limit of the runner would end this test.
  for (let i = 0; i < 1_000_000; i++) unasked.push(byte)
  assert.is(unasked.end().length, 1_000_000)
})

test('an event that breaks off shows no unasked usage', () => {
  for (const { events, left } of STREAMS.slice(0, 3)) {
    const bytes = Buffer.from(events.join(''))
    const wanted = left.join('')
    for (let at = 0; at <= bytes.length; at++) {
      const unasked = new UsageStripper()
      const out = Buffer.concat([unasked.push(bytes.subarray(0, at)), unasked.breakOff()]).toString()
      assert.not.ok(out.includes('"usage'), out)
      // The beginning of the usage chunk is the beginning of any chunk, so it may be there.
      const known = out.replace(/data: \{[^{}]*$/, '')
      assert.ok(wanted.startsWith(known), `cut at ${at}: ${out}`)
      const came = bytes.toString('utf8', 0, at)
      if (!came.includes('"usage')) assert.is(out, came.replace(/[{,]\s*(?:"(?:u|us|usa|usag)?)?$/, ''))
    }
  }
})

test('any bytes pass, and those without usage are not changed', () => {
  const sign = fc.constantFrom(
    'data: ',
    '"choices":',
    '\n',
    '\r',
    '\r\n',
    '\n\n',
    '{',
    '}',
    '"usage":',
    'null',
    ',',
    '[]',
    'x',
    'ü',
  )
  fc.assert(
    fc.property(fc.array(sign), fc.array(fc.nat(80)), (parts, cuts) => {
      const bytes = Buffer.from(parts.join(''))
      const ends = [...cuts.filter((at) => at < bytes.length), bytes.length].sort((a, b) => a - b)
      const out = through(ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end)))
      assert.is(out, through([bytes]))
      if (!parts.includes('"usage":')) assert.is(out, bytes.toString())
    }),
    { numRuns: 2_000 },
  )
})

test.run()
