import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LongJson } from '../../src/metering/long-json.js'
import { fc } from '../support/property.js'
import { cutAt } from './meters.js'

function read(text: string, cuts: readonly number[] = []): unknown {
  const reader = new LongJson()
  for (const chunk of cutAt(Buffer.from(text), cuts)) {
    const own = Buffer.from(chunk)
    reader.push(own)
    own.fill(0)
  }
  return reader.root
}

const FACTS = {
  model: 'm',
  choices: [{ finish_reason: 'stop', usage: { prompt_tokens: 1 } }],
  usage: { prompt_tokens: 3, details: { x: [1, { y: 'z' }] } },
  response: {
    model: 'n',
    usage: { total_tokens: 9 },
    output: [{ type: 'web_search_call', id: 'w', action: { type: 'search' } }],
  },
  error: null,
  stop: true,
}

test('facts are kept in the form of the text, and all else is left out', () => {
  const text = JSON.stringify({
    filler: ['x', { usage: 1 }, '{"usage":{"prompt_tokens":5}}'],
    ...FACTS,
    choices: [{ index_: 0, message_: { usage: 7 }, ...FACTS.choices[0], text: 'usage' }],
    response: { ...FACTS.response, text: { usage: { a: 1 } } },
    last: { model: 'o' },
  })
  const wanted = { ...FACTS }
  assert.equal(read(text), wanted)
  const spaced = JSON.stringify(JSON.parse(text), null, 2)
  for (let cut = 0; cut < spaced.length; cut++) assert.equal(read(spaced, [cut]), wanted, `cut at ${cut}`)
  const all = Array.from({ length: text.length }, (_, i) => i)
  assert.equal(read(text, all), wanted, 'byte by byte')
  assert.equal(read(`[${text},${text}]`), [wanted, wanted])
})

test('keys and values may be escaped, and the last of doubled keys counts', () => {
  assert.equal(read('{"\\u0075sage":{"a":"\\"}"},"model":"\\ud83e\\udd8a"}'), {
    usage: { a: '"}' },
    model: '🦊',
  })
  assert.equal(read('{"model":"a","model":"b"}'), { model: 'b' })
})

test('facts that are too long are left out, and what follows them is read', () => {
  const long = 'x'.repeat(100_000)
  assert.equal(read(`{"model":"${long}","${long}":1,"usage":{"a":1}}`, [50_000, 150_000]), {
    usage: { a: 1 },
  })
})

test('of a text that is no JSON, or is cut, the facts ahead of that are kept', () => {
  assert.equal(read('{"model":"m",]"usage":{"a":1}}'), { model: 'm' })
  assert.equal(read('{"model":"m","usage":{"a":'), { model: 'm' })
  assert.equal(read('{"model":"m"} {"usage":{}}'), { model: 'm' })
  for (const text of ['', '7', '"x"', '<html>', ']', '}']) assert.is(read(text), undefined, text)
})

test('deep nesting and very many elements stay bounded', () => {
  assert.equal(read(`${'{"response":'.repeat(5_000)}{"model":"m"}${'}'.repeat(5_000)}`), {
    response: { response: { response: { response: { response: {} } } } },
  })
  const root = read(`{"choices":[${'{"model":"m"},'.repeat(200_000)}{}],"usage":{"a":1}}`) as {
    choices: unknown[]
  }
  assert.ok(root.choices.length <= 10_000)
})

test('any bytes are read without an error, wherever they are cut', () => {
  const part = fc.oneof(
    fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      '"usage"',
      '"model":"m"',
      '"choices":[',
      '{"a":1}',
      ' ',
      '7',
      'null',
    ),
    fc.string({ maxLength: 4 }),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 25 }), fc.array(fc.nat(200), { maxLength: 6 }), (parts, cuts) => {
      const text = parts.join('')
      assert.equal(read(text, cuts), read(text))
    }),
    { numRuns: 3_000 },
  )
})

test.run()
