import { createParser } from 'eventsource-parser'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readEvent } from '../../src/metering/event-fields.js'
import { ResponseStats } from '../../src/metering/response-stats.js'
import { StreamMeter } from '../../src/metering/stream-meter.js'
import { fc } from '../support/property.js'
import { cutAt, cutsOf, expectation, facts, MIB, READING, READINGS, scan } from './meters.js'
import { WORDS } from './stream-parts.js'
import { RECORDINGS } from './streams.js'

for (const { name, bytes, expected } of RECORDINGS) {
  test(`a stream is metered the same wherever it is cut: ${name}`, () => {
    const whole = Buffer.from(bytes)
    const wanted = expectation(expected)
    const inOne = scan(new StreamMeter(), [whole])
    assert.equal(facts(inOne), wanted, 'in one chunk')
    const single = Array.from(whole, (_, i) => whole.subarray(i, i + 1))
    for (const reading of READINGS) {
      for (const cut of cutsOf(whole, reading)) {
        const inTwo = scan(new StreamMeter(), cutAt(whole, [cut]), reading)
        assert.equal(facts(inTwo), wanted, `cut at ${cut}, read ${reading}`)
        assert.is(inTwo.estimator.tokens, inOne.estimator.tokens, `tokens, cut at ${cut}, read ${reading}`)
      }
      assert.equal(facts(scan(new StreamMeter(), single, reading)), wanted, `byte by byte, read ${reading}`)
    }
  })
}

/** The same facts, read with a common event parser and JSON.parse. */
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
  // After a CR, the parser waits for a possible LF.
  parser.feed(`${text}\n`)
  return stats
}

test('any stream in any chunks has the stats that an event parser and a JSON parser find', () => {
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

test('a long stream in small chunks has the same stats, cut by size or at line ends', () => {
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
      for (const chunks of ways) {
        const stats = scan(new StreamMeter(), chunks, reading)
        assert.equal(
          facts(stats),
          facts(wanted),
          `${JSON.stringify(end)}, ${chunks.length} chunks, ${reading}`,
        )
        assert.is(stats.estimator.tokens, wanted.estimator.tokens)
      }
    }
  }
})

test('any bytes are read without an error, and have the same stats wherever they are cut', () => {
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

test('the usage of an event of five megabytes is found at its end', () => {
  const usage = '"usage":{"input_tokens":3,"output_tokens":4,"details":{"x":1}}'
  const event = Buffer.from(
    `data: {"type":"image_generation.completed","b64_json":"${'A'.repeat(5 * MIB)}",${usage}}\n\ndata: [DONE]\n\n`,
  )
  for (const size of [event.length, 65_536, 1_000]) {
    const meter = new StreamMeter()
    for (let at = 0; at < event.length; at += size) meter.push(event.subarray(at, at + size))
    meter.end()
    const { events, unparsed, usage: found, ended } = meter.readStats()
    assert.equal({ events, unparsed, ended }, { events: 2, unparsed: 1, ended: true }, `chunks of ${size}`)
    assert.is(found?.prompt, 3)
    assert.is(found?.completion, 4)
  }
})

test('whether an event is too long does not depend on where it is cut', () => {
  for (const length of [MIB - 20, MIB - 8, MIB - 7, MIB - 6, MIB - 2, MIB - 1, MIB, MIB + 20]) {
    const bytes = Buffer.from(`data: {"usage":{"prompt_tokens":1},"x":"${'y'.repeat(length)}"}\n\n`)
    const wanted = facts(scan(new StreamMeter(), [bytes]))
    for (const cut of [3, 7, 1_000, bytes.length - 2, bytes.length - 1]) {
      assert.equal(facts(scan(new StreamMeter(), cutAt(bytes, [cut]))), wanted, `${length}, cut at ${cut}`)
    }
  }
})

test('a stream without a line end has at most one unparsed event', () => {
  const meter = new StreamMeter()
  for (let i = 0; i < 200; i++) meter.push(Buffer.alloc(65_536, i % 2 === 0 ? 'data: ' : ':'))
  meter.end()
  assert.is(meter.readStats().deltas, 0)
  assert.ok(meter.readStats().unparsed <= 1)
})

test('an event of very many data lines costs no more for each line than one of few', () => {
  const line = Buffer.from('data\n')
  const meter = new StreamMeter()
  // If the lines that came before were copied again with each batch, the runner's limit would end this.
  for (let i = 0; i < 400_000; i++) meter.push(line)
  meter.push(Buffer.from('data: {"usage":{"prompt_tokens":1}}\n\n'))
  meter.end()
  const { events, unparsed, usage } = meter.readStats()
  assert.equal({ events, unparsed }, { events: 1, unparsed: 0 })
  assert.is(usage?.prompt, 1)
})

test('an event is too long also after events that match the same template', () => {
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

test('a stream with changed bytes has the stats that the parsers find', () => {
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

test('an LF that comes in another chunk than its CR ends no event, before the first token and after it', () => {
  const [first, second] = ['{"choices":', '[{"index":0,"delta":{"content":"word"}}]}']
  // The JSON is in two lines, so that one line end too many would make two broken events of it.
  const event = (filler: number): string => `data: ${first}\r\ndata: ${second}${' '.repeat(filler)}\r\n\r\n`
  for (const filler of [0, 2_000]) {
    const bytes = Buffer.from(event(filler).repeat(3))
    const wanted = facts(scan(new StreamMeter(), [bytes]))
    assert.equal([wanted.deltas, wanted.unparsed], [3, 0])
    for (const reading of READINGS)
      for (let cut = bytes.indexOf(0x0d); cut !== -1; cut = bytes.indexOf(0x0d, cut + 1))
        assert.equal(
          facts(scan(new StreamMeter(), cutAt(bytes, [cut + 1]), reading)),
          wanted,
          `after the CR at ${cut}`,
        )
  }
})

test.run()
