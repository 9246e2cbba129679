import { createParser } from 'eventsource-parser'
import { fc } from '../support/property.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readEvent } from '../../src/metering/event-fields.js'
import { JsonMeter } from '../../src/metering/json-meter.js'
import type { Meter } from '../../src/metering/meter.js'
import { ResponseStats } from '../../src/metering/response-stats.js'
import { StreamMeter } from '../../src/metering/stream-meter.js'
import { type Expected, RECORDINGS, WORDS } from './streams.js'

const MIB = 1024 * 1024

/** Small chunks are read in batches, or (`at once`) each by itself, as a stream is cut where reading stops. */
type Reading = 'in batches' | 'at once'
const READINGS: readonly Reading[] = ['in batches', 'at once']
const READING = fc.constantFrom(...READINGS)

function scan(meter: Meter, chunks: readonly Buffer[], reading: Reading = 'in batches'): ResponseStats {
  for (const chunk of chunks) {
    const own = Buffer.from(chunk)
    meter.push(own)
    if (reading === 'in batches') continue
    meter.readStats()
    // Bytes that were read must not be needed once the chunk is gone.
    own.fill(0)
  }
  meter.end()
  return meter.readStats()
}

function facts(stats: ResponseStats): Expected {
  const { firstTokenAt, nonTextFacts, usage, estimator, usageIsPartial, skipEstimate, ...rest } = stats
  assert.is(firstTokenAt !== null, stats.deltas > 0 || stats.toolCalls > 0)
  return { ...rest, usage: usage === null ? null : { ...usage } } as unknown as Expected
}

function expectation(expected: Expected): unknown {
  const none = { prompt: null, cached: null, cacheWritten: null, completion: null, reasoning: null }
  return {
    deltas: 0,
    textBytes: 0,
    toolCalls: 0,
    finishReason: null,
    error: null,
    model: null,
    unparsed: 0,
    ended: false,
    ...expected,
    usage: expected.usage === undefined ? null : { ...none, ...expected.usage },
  }
}

/** Cuts at these places, which need neither be in order nor within. */
function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set([0, ...places.map((place) => place % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  )
  return cuts.slice(1).map((cut, i) => bytes.subarray(cuts[i], cut))
}

for (const { name, bytes, expected } of RECORDINGS) {
  test(`${name}: the same, wherever it is cut`, () => {
    const whole = Buffer.from(bytes)
    const wanted = expectation(expected)
    const inOne = scan(new StreamMeter(), [whole])
    assert.equal(facts(inOne), wanted, 'in one piece')
    const single = Array.from(whole, (_, i) => whole.subarray(i, i + 1))
    for (const reading of READINGS) {
      for (let cut = 0; cut <= whole.length; cut++) {
        const inTwo = scan(new StreamMeter(), cutAt(whole, [cut]), reading)
        assert.equal(facts(inTwo), wanted, `cut at ${cut}, read ${reading}`)
        assert.is(inTwo.estimator.tokens, inOne.estimator.tokens, `tokens, cut at ${cut}, read ${reading}`)
      }
      assert.equal(facts(scan(new StreamMeter(), single, reading)), wanted, `byte by byte, read ${reading}`)
    }
  })
}

/** The same facts, had in the usual way. */
function reference(text: string): ResponseStats {
  const stats = new ResponseStats()
  const parser = createParser({
    onEvent({ data }) {
      stats.events++
      if (data.trim() === '[DONE]') {
        stats.ended = true
        return
      }
      try {
        readEvent(JSON.parse(data), stats)
      } catch {
        stats.unparsed++
        stats.ended = false
      }
    },
  })
  // It waits for what may come after a CR.
  parser.feed(`${text}\n`)
  return stats
}

test('any stream, in any pieces, says what a parser of events and a parser of JSON make of it', () => {
  const content = fc.oneof(fc.constantFrom(...WORDS), fc.string({ maxLength: 6, unit: 'grapheme' }))
  const event = fc.oneof(
    {
      weight: 6,
      arbitrary: content.map((word) => ({
        model: 'm',
        choices: [{ index: 0, delta: { content: word }, finish_reason: null }],
      })),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(content, fc.nat(20)).map(([word, n]) => ({
        type: 'response.output_text.delta',
        sequence_number: n,
        delta: word,
        obfuscation: 'x'.repeat(n),
      })),
    },
    content.map((word) => ({
      model: 'm',
      choices: [{ index: 0, delta: { content: word }, finish_reason: 'stop' }],
      usage: { prompt_tokens: word.length },
    })),
    content.map((word) => ({
      model: 'n',
      choices: [{ index: 0, delta: { content: word, reasoning: word }, finish_reason: null }],
    })),
    content.map((word) => ({
      choices: [{ index: 0, delta: { tool_calls: [{ function: { name: word, arguments: word } }] } }],
    })),
    fc.json().map((text) => JSON.parse(text) as unknown),
    fc.constant('[DONE]'),
    fc.constant('{broken'),
  )
  const line = fc.constantFrom('\n', '\r\n', '\r')
  const block = fc
    .tuple(event, fc.constantFrom('', ': c', 'event: x', 'id: 3'), fc.boolean())
    .map(([data, before, spaced]) => (end: string): string => {
      const value = typeof data === 'string' ? data : JSON.stringify(data)
      return `${before === '' ? '' : before + end}data:${spaced ? ' ' : ''}${value}${end}${end}`
    })
  const places = fc.array(fc.nat(5_000), { maxLength: 12 })
  fc.assert(
    fc.property(fc.array(block, { maxLength: 14 }), line, places, READING, (blocks, end, cuts, reading) => {
      const text = blocks.map((one) => one(end)).join('')
      const stats = scan(new StreamMeter(), cutAt(Buffer.from(text), cuts), reading)
      const wanted = reference(text)
      assert.equal(facts(stats), facts(wanted))
      assert.is(stats.estimator.tokens, wanted.estimator.tokens, text)
    }),
    { numRuns: 3_000 },
  )
})

test('a long stream in small pieces says the same, cut by size or at its line ends', () => {
  for (const end of ['\n', '\r\n', '\r']) {
    const events = Array.from({ length: 120 }, (_, i) => {
      const delta = i % 7 === 3 ? { content: `word ${i}`, reasoning: 'why' } : { content: `word ${i}` }
      const chunk = JSON.stringify({ model: i < 60 ? 'm' : 'n', choices: [{ index: 0, delta }] })
      return i % 11 === 5
        ? `data: ${chunk.slice(0, 9)}${end}data: ${chunk.slice(9)}${end}${end}`
        : `data: ${chunk}${end}${end}`
    })
    const bytes = Buffer.from(`${events.join('')}data: [DONE]${end}${end}`)
    const wanted = reference(bytes.toString())
    const lines = bytes.toString('latin1').split(/(?<=\n|\r(?!\n))/)
    const ways: Buffer[][] = [lines.map((line) => Buffer.from(line, 'latin1'))]
    for (let size = 1; size < 400; size += size < 40 ? 1 : 37) {
      const places = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => i * size)
      ways.push(cutAt(bytes, places))
    }
    for (const reading of READINGS) {
      for (const pieces of ways) {
        const stats = scan(new StreamMeter(), pieces, reading)
        assert.equal(
          facts(stats),
          facts(wanted),
          `${JSON.stringify(end)}, ${pieces.length} pieces, ${reading}`,
        )
        assert.is(stats.estimator.tokens, wanted.estimator.tokens)
      }
    }
  }
})

test('any bytes at all are survived, and cut anywhere they are the same', () => {
  const noise = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 8 }).map((bytes) =>
        Buffer.from(bytes)
          .toString('latin1')
          .replace(/[\x80-\xff]/g, '?'),
      ),
      fc.constantFrom(
        'data:',
        'data: {',
        '}',
        '"usage":{',
        '\r',
        '\n',
        '\n\n',
        '"content":"',
        'data: [DONE]',
      ),
    ),
    { maxLength: 30 },
  )
  fc.assert(
    fc.property(noise, fc.array(fc.nat(300), { maxLength: 8 }), READING, (parts, cuts, reading) => {
      const bytes = Buffer.from(parts.join(''))
      assert.equal(
        facts(scan(new StreamMeter(), cutAt(bytes, cuts), reading)),
        facts(scan(new StreamMeter(), [bytes])),
      )
    }),
    { numRuns: 3_000 },
  )
})

test('an event of five megabytes passes in little memory, and its usage is found', () => {
  const usage = '"usage":{"input_tokens":3,"output_tokens":4,"details":{"x":1}}'
  const event = Buffer.from(
    `data: {"type":"image_generation.completed","b64_json":"${'A'.repeat(5 * MIB)}",${usage}}\n\ndata: [DONE]\n\n`,
  )
  for (const size of [event.length, 65_536, 1_000]) {
    const meter = new StreamMeter()
    for (let at = 0; at < event.length; at += size) meter.push(event.subarray(at, at + size))
    meter.end()
    const { events, unparsed, usage: found, ended } = meter.readStats()
    assert.equal({ events, unparsed, ended }, { events: 2, unparsed: 1, ended: true }, `pieces of ${size}`)
    assert.is(found?.prompt, 3)
    assert.is(found?.completion, 4)
  }
})

test('what is too long is too long wherever it is cut', () => {
  for (const length of [MIB - 20, MIB - 8, MIB - 7, MIB - 6, MIB - 2, MIB - 1, MIB, MIB + 20]) {
    const bytes = Buffer.from(`data: {"usage":{"prompt_tokens":1},"x":"${'y'.repeat(length)}"}\n\n`)
    const wanted = facts(scan(new StreamMeter(), [bytes]))
    for (const cut of [3, 7, 1_000, bytes.length - 2, bytes.length - 1]) {
      assert.equal(facts(scan(new StreamMeter(), cutAt(bytes, [cut]))), wanted, `${length}, cut at ${cut}`)
    }
  }
})

test('a stream without a line end keeps little, and ends without a word', () => {
  const meter = new StreamMeter()
  for (let i = 0; i < 200; i++) meter.push(Buffer.alloc(65_536, i % 2 === 0 ? 'data: ' : ':'))
  meter.end()
  assert.is(meter.readStats().deltas, 0)
  assert.ok(meter.readStats().unparsed <= 1)
})

test('an event of very many data lines costs no more for each line than one of few', () => {
  const line = Buffer.from('data\n')
  const meter = new StreamMeter()
  // If the lines that came before are copied again with each batch, the runner's limit ends this.
  for (let i = 0; i < 400_000; i++) meter.push(line)
  meter.push(Buffer.from('data: {"usage":{"prompt_tokens":1}}\n\n'))
  meter.end()
  const { events, unparsed, usage } = meter.readStats()
  assert.equal({ events, unparsed }, { events: 1, unparsed: 0 })
  assert.is(usage?.prompt, 1)
})

test('what is too long is so too behind events of the same shape', () => {
  const event = (text: string): string => `data: {"choices":[{"delta":{"content":"${text}"}}]}\n\n`
  for (const length of [4_000, 5_000, 70_000, MIB + 20]) {
    const bytes = Buffer.from(event('a') + event('b') + event('y'.repeat(length)) + event('c'))
    const isLong = length > MIB
    const wanted = {
      events: 4,
      deltas: isLong ? 3 : 4,
      textBytes: isLong ? 3 : length + 3,
      unparsed: isLong ? 1 : 0,
    }
    for (const cut of [0, 90, 100, 130, 1_000, bytes.length - 60, bytes.length - 1]) {
      const seen = facts(scan(new StreamMeter(), cutAt(bytes, [cut])))
      assert.equal(seen, expectation(wanted), `${length}, cut at ${cut}`)
    }
  }
})

test('a stream in which any byte is another says what the parsers make of it', () => {
  const streams = [
    (n: number): string =>
      `data: {"model":"m","choices":[{"index":0,"delta":{"content":"${'word'.slice(n % 4)}"}}],"obfuscation":"${'x'.repeat(n)}"}\n\n`,
    (n: number): string =>
      `event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":${n},"delta":"${'word'.slice(n % 4)}"}\n\n`,
    (n: number): string => `id: ${n}\nevent: x\ndata: {"content":"${'word'.slice(n % 4)}"}\n\n`,
  ]
  const byte = fc.oneof(
    fc.integer({ min: 0x20, max: 0x7f }),
    fc.constantFrom(...Buffer.from('\0\t\n\r"\\019')),
  )
  const others = fc.array(fc.tuple(fc.nat(2_000), byte), { maxLength: 3 })
  const places = fc.array(fc.nat(2_000), { maxLength: 8 })
  fc.assert(
    fc.property(fc.constantFrom(...streams), others, places, READING, (stream, changes, cuts, reading) => {
      const bytes = Buffer.from(Array.from({ length: 10 }, (_, n) => stream(n)).join(''))
      // The last line end stays, as the two do not agree on an event without it.
      for (const [place, other] of changes) bytes[place % (bytes.length - 2)] = other
      assert.equal(
        facts(scan(new StreamMeter(), cutAt(bytes, cuts), reading)),
        facts(reference(bytes.toString('latin1'))),
      )
    }),
    { numRuns: 5_000 },
  )
})

const ANSWERS: { name: string; body: unknown; expected: Expected }[] = [
  {
    name: 'a chat completion with a tool call',
    body: {
      model: 'm',
      choices: [
        {
          message: { content: 'hi', tool_calls: [{ function: { name: 'f', arguments: '{}' } }] },
          finish_reason: 'tool_calls',
        },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 2 },
    },
    expected: {
      events: 1,
      deltas: 1,
      textBytes: 4,
      toolCalls: 1,
      usage: { prompt: 3, completion: 2 },
      finishReason: 'tool_calls',
      model: 'm',
    },
  },
  {
    name: 'a response',
    body: {
      object: 'response',
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      model: 'm',
      output: [
        { type: 'message', content: [{ type: 'output_text', text: 'hey' }] },
        { type: 'function_call', arguments: '{}' },
      ],
      usage: { input_tokens: 3, output_tokens: 2 },
    },
    expected: {
      events: 1,
      deltas: 1,
      textBytes: 5,
      toolCalls: 1,
      usage: { prompt: 3, completion: 2 },
      finishReason: 'max_output_tokens',
      model: 'm',
    },
  },
  {
    name: 'an Anthropic message',
    body: {
      type: 'message',
      model: 'claude',
      content: [
        { type: 'text', text: 'hey' },
        { type: 'tool_use', input: { a: 1 } },
      ],
      stop_reason: 'tool_use',
      usage: { input_tokens: 3, cache_read_input_tokens: 4, output_tokens: 2 },
    },
    expected: {
      events: 1,
      deltas: 1,
      textBytes: 10,
      toolCalls: 1,
      usage: { prompt: 7, cached: 4, completion: 2 },
      finishReason: 'tool_use',
      model: 'claude',
    },
  },
  { name: 'an error', body: { error: { code: 'x', message: 'y' } }, expected: { events: 1, error: 'x' } },
  {
    name: "Gemini's errors in an array",
    body: [{ error: { code: 400 } }],
    expected: { events: 1, error: '400' },
  },
  {
    name: 'embeddings',
    body: { data: [{ embedding: [1] }], usage: { prompt_tokens: 8, total_tokens: 8 } },
    expected: { events: 1, usage: { prompt: 8 } },
  },
  { name: 'a number', body: 7, expected: { events: 1, unparsed: 1 } },
]

for (const { name, body, expected } of ANSWERS) {
  test(`the JSON answer ${name} says what it has used, wherever it is cut`, () => {
    const bytes = Buffer.from(`\n\n${JSON.stringify(body)}\n`)
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.equal(facts(scan(new JsonMeter(), cutAt(bytes, [cut]))), expectation(expected), `cut at ${cut}`)
    }
  })
}

test('a JSON answer that is cut, or is not JSON, says nothing', () => {
  for (const body of ['{"usage":{"prompt_tokens":1}', '<html>']) {
    assert.equal(facts(scan(new JsonMeter(), [Buffer.from(body)])), expectation({ events: 1, unparsed: 1 }))
  }
})

test('of a JSON answer that is too long, the usage is found at its end', () => {
  const body = Buffer.from(`{"data":"${'x'.repeat(3 * MIB)}","usage":{"prompt_tokens":8}}`)
  for (const cut of [10, 2 * MIB, body.length - 3]) {
    const wanted = expectation({ events: 1, unparsed: 1, usage: { prompt: 8 } })
    assert.equal(facts(scan(new JsonMeter(), cutAt(body, [cut]))), wanted)
  }
})

test.run()
