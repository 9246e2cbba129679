import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ArrayMeter } from '../../src/metering/array-meter.js'
import { fc } from '../support/property.js'
import { cutAt, expectation, facts, READING, READINGS, scan } from './meters.js'

const EVENTS = [
  { candidates: [{ content: { parts: [{ text: 'na\u00efve "]}\\' }] } }], modelVersion: 'gemini-x' },
  { candidates: [{ content: { parts: [{ text: ' \ud83e\udd8a, [{' }] } }] },
  {
    candidates: [{ content: { parts: [{ functionCall: { name: 'f', args: { a: [1, { b: '\n' }] } } }] } }],
    usageMetadata: { promptTokenCount: 12 },
  },
  {
    candidates: [{ finishReason: 'STOP' }],
    usageMetadata: {
      promptTokenCount: 12,
      candidatesTokenCount: 5,
      thoughtsTokenCount: 3,
      totalTokenCount: 20,
    },
  },
]
const TEXT_BYTES = Buffer.byteLength('na\u00efve "]}\\ \ud83e\udd8a, [{{"a":[1,{"b":"\\n"}]}')
const READ = expectation({
  events: 4,
  deltas: 3,
  textBytes: TEXT_BYTES,
  toolCalls: 1,
  usage: { prompt: 12, completion: 8, reasoning: 3 },
  finishReason: 'STOP',
  model: 'gemini-x',
} as never)

const SPELLINGS = {
  'in one line': JSON.stringify(EVENTS),
  'as Google spaces it': `[${EVENTS.map((event) => JSON.stringify(event, null, 2)).join('\n,\r\n')}\n]\n`,
}

for (const [name, text] of Object.entries(SPELLINGS)) {
  const bytes = Buffer.from(text)

  test(`a stream that is a JSON array, ${name}, is read as its elements come, cut at every byte`, () => {
    for (const reading of READINGS)
      for (let cut = 0; cut <= bytes.length; cut++)
        assert.equal(facts(scan(new ArrayMeter(), cutAt(bytes, [cut]), reading)), READ, `${cut}`)
  })

  test(`a stream that is a JSON array, ${name}, is read the same however it is cut`, () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 30 }), READING, (places, reading) => {
        assert.equal(facts(scan(new ArrayMeter(), cutAt(bytes, places), reading)), READ)
      }),
    )
  })
}

test('the first token is seen when its element is complete, and not at the end', () => {
  const meter = new ArrayMeter()
  meter.push(Buffer.from(`[${JSON.stringify(EVENTS[0])}`))
  assert.is(meter.readStats().deltas, 1)
  assert.ok(meter.readStats().firstTokenAt !== null)
})

test('an error in an array, and an error behind an answer, are seen', () => {
  const error = { error: { code: 503, message: 'overloaded', status: 'UNAVAILABLE' } }
  for (const elements of [[error], [...EVENTS.slice(0, 2), error]]) {
    const stats = scan(new ArrayMeter(), [Buffer.from(JSON.stringify(elements))])
    assert.is(stats.error !== null, true)
    assert.is(stats.ended, true)
  }
})

test('what is no array of objects does no harm', () => {
  for (const text of ['[]', '[1, "a", null]', '[[{"x":1}]]', '[{', '[{"a":"', '[}]', ']', '[{"a":1}}]x'])
    scan(new ArrayMeter(), [Buffer.from(text)])
})

test.run()
