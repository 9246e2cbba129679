import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CONVERSATION_APIS } from '../../../src/api/apis.js'
import { readCorrection } from '../../../src/translate/corrections/read-correction.js'
import { fc } from '../../support/property.js'
import { FIELDS, REFUSALS } from './refusals.js'

for (const { name, status = 400, body, api, expected } of REFUSALS) {
  const found = expected === null ? 'nothing to change' : `the correction ${JSON.stringify(expected)}`
  test(`an error has ${found}: ${name}`, () => {
    const correction = readCorrection(status, Buffer.from(JSON.stringify(body)), { api, fields: FIELDS[api] })
    assert.equal(correction, expected)
  })
}

test('a limit by the newer name is sent by the older one where that is refused', () => {
  const body = Buffer.from(
    JSON.stringify({
      detail: [{ type: 'extra_forbidden', loc: ['body', 'max_completion_tokens'], msg: 'Extra inputs' }],
    }),
  )
  const fields = ['model', 'messages', 'max_completion_tokens']
  assert.equal(readCorrection(422, body, { api: 'chat', fields }), { kind: 'limitField', to: 'max_tokens' })
  assert.is(readCorrection(422, body, { api: 'chat', fields: ['model'] }), null)
})

test('an error of another status, or that is no JSON or too long, has nothing to change', () => {
  const sent = { api: 'chat', fields: FIELDS.chat } as const
  const text = JSON.stringify({ error: { message: "Unknown parameter: 'seed'" } })
  assert.equal(readCorrection(400, Buffer.from(text), sent), { kind: 'drop', fields: ['seed'] })
  for (const status of [200, 401, 403, 408, 409, 413, 429, 500, 503])
    assert.is(readCorrection(status, Buffer.from(text), sent), null, String(status))
  for (const body of ['', '<html>', text.slice(0, -1), `${text}${' '.repeat(70_000)}`])
    assert.is(readCorrection(400, Buffer.from(body), sent), null)
})

test('no error leads to a change of the conversation, whatever is in it', () => {
  const words = fc.constantFrom(
    ...[
      'Unsupported parameter: ',
      "'messages'",
      "'temperature'",
      ' is not supported',
      'Extra inputs are not permitted',
    ],
    ...[
      'use /v1/responses',
      'Unknown name "tools"',
      ': Cannot find field',
      '`stream`',
      "Invalid value: 'custom'",
    ],
    ...['{"error":', '}', '[', "'loc': ('body', 'n')", "{'type': 'extra_forbidden', ", 'model: ', '\\', '\n'],
  )
  const text = fc.array(words, { maxLength: 12 }).map((parts) => parts.join(''))
  const leaf = fc.oneof(
    text,
    fc.constant(null),
    fc.integer(),
    fc.boolean(),
    fc.constantFrom('messages', 'custom'),
  )
  const key = fc.constantFrom(
    'error',
    'message',
    'detail',
    'param',
    'code',
    'type',
    'loc',
    'input',
    'metadata',
    'raw',
  )
  const { body } = fc.letrec((tie) => ({
    body: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc.array(tie('body'), { maxLength: 4 }),
      fc.dictionary(key, tie('body'), { maxKeys: 5 }),
    ),
  }))
  const kept = new Set([
    'model',
    'messages',
    'input',
    'contents',
    'tools',
    'stream',
    'n',
    'system',
    'instructions',
  ])
  fc.assert(
    fc.property(body, fc.constantFrom(...CONVERSATION_APIS), (value, api) => {
      const correction = readCorrection(400, Buffer.from(JSON.stringify(value)), { api, fields: FIELDS[api] })
      if (correction?.kind === 'api') assert.is.not(correction.to, api)
      if (correction?.kind !== 'drop') return
      assert.ok(correction.fields.length > 0)
      for (const field of correction.fields) assert.ok(FIELDS[api].includes(field) && !kept.has(field), field)
    }),
  )
})

test('no bytes make it throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...CONVERSATION_APIS), (bytes, api) => {
      readCorrection(400, Buffer.from(bytes), { api, fields: FIELDS[api] })
    }),
  )
  const deep = Buffer.from('['.repeat(30_000) + ']'.repeat(30_000))
  assert.is(readCorrection(400, deep, { api: 'chat', fields: FIELDS.chat }), null)
})

test('the longest error that is read takes little time', () => {
  for (const piece of [
    "'a' and ",
    'messages',
    "Unsupported value: 'a",
    '{"a":',
    'a: Extra inputs are not permitted ',
    "'type': 'a', ",
  ]) {
    const body = Buffer.from(JSON.stringify({ error: { message: piece.repeat(50_000 / piece.length) } }))
    const start = performance.now()
    readCorrection(400, body, { api: 'chat', fields: FIELDS.chat })
    assert.ok(performance.now() - start < 500, piece)
  }
})

test.run()
