import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { collectModels } from '../../src/json/deep-models.js'
import { Peeker, peekFields } from '../../src/json/peek.js'
import { assertGrowsLinearly } from '../support/growth.js'
import { fc } from '../support/property.js'

/** Bodies, and what may be read as the model in them, where that is not one string. */
const COPIES: readonly (readonly [string, readonly (string | null)[]])[] = [
  ['{"model":"a"}', []],
  ['{"model":null}', []],
  ['{"x":"model","y":{"model":"b","Model":"c"},"models_":1,"modem":"d"}', []],
  ['{"model":"a","model":"b"}', ['a', 'b']],
  ['{"model":"a","x":1,"model":"a"}', ['a', 'a']],
  ['{"Model":"a"}', ['a']],
  ['{"MODEL":"a","model":"b"}', ['a', 'b']],
  ['{"model":"a","\\u004dodel":"b"}', ['a', 'b']],
  ['{"model":"a","model\\u0000":"b"}', ['a', 'b']],
  ['{"mod\\u0065l":"a"}', []],
  ['{"model":null,"model":"b"}', [null, 'b']],
  ['{"model":["a"]}', [null]],
  ['{"model":{"id":"a"}}', [null]],
  ['{"model":1}', [null]],
  [`{"model":"${'a'.repeat(1_100)}"}`, [null]],
  [`{${'"model":"a",'.repeat(40)}"x":1}`, [...Array<string>(8).fill('a'), null]],
]

test('all that may be read as the model is found, wherever the body is cut', () => {
  for (const [text, wanted] of COPIES) {
    const body = Buffer.from(text)
    for (let at = 0; at <= Math.min(body.length, 200); at++) {
      const peeker = new Peeker()
      peeker.push(body.subarray(0, at))
      peeker.push(body.subarray(at))
      assert.equal(
        peeker.found.modelCopies.map(({ value }) => value),
        wanted,
        `${text} at ${at}`,
      )
    }
  }
})

test('a body is whole if it is one JSON object', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.constantFrom('', ' ', '\r\n\t'),
      (value, space) => {
        const text = JSON.stringify(value)
        assert.ok(peekFields(Buffer.from(`${space}${text}${space}`)).isWhole)
        for (let at = 0; at < text.length; at++)
          assert.not(peekFields(Buffer.from(text.slice(0, at))).isWhole)
        for (const rest of ['x', '{}', ',', '\0', '}'])
          assert.not(peekFields(Buffer.from(text + rest)).isWhole)
        assert.not(peekFields(Buffer.from(text, 'utf16le')).isWhole)
        assert.not(peekFields(Buffer.from(`[${text}]`)).isWhole)
      },
    ),
    { numRuns: 300 },
  )
})

test('a body is read in a time that grows with its length, whatever names its model has', () => {
  for (const member of [
    '"model":"a",',
    '"Model":[1],',
    '"\\u004dodel":"b",',
    '"x":{"model":"a"},',
    '"model',
    '\0{"',
  ])
    assertGrowsLinearly(
      member,
      20_000,
      (count) => Buffer.from(`{${member.repeat(count)}"x":1}`),
      (body) => {
        peekFields(body)
        collectModels(body, 8)
      },
    )
})

test('the models of a session and of a batch are found at their levels', () => {
  const rows: readonly (readonly [string, number, readonly (string | null)[]])[] = [
    ['{"session":{"model":"a","audio":{"input":{"transcription":{"model":"b"}}}}}', 8, ['a', 'b']],
    ['{"session":{"tools":[{"parameters":{"properties":{"model":{"type":"string"}}}}]}}', 8, []],
    ['{"requests":[{"params":{"model":"a"}},{"params":{"Model":"b"}}]}', 4, ['a', 'b']],
    [
      '{"requests":[{"params":{"model":"a","messages":[{"content":[{"input":{"model":"car"}}]}]}}]}',
      4,
      ['a'],
    ],
    ['{"requests":[{"params":{"model":null}},{"params":{"model":[1]}}]}', 4, [null]],
    ['{"a":"\\"model\\":\\"x\\"","b":"model"}', 8, []],
  ]
  for (const [text, depth, wanted] of rows)
    assert.equal(collectModels(Buffer.from(text), depth), wanted, text)
})

test.run()
