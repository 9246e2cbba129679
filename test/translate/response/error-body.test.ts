import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readErrorBody } from '../../../src/translate/response/error-body.js'
import { fc } from '../../support/property.js'

const read = (body: unknown, status = 400, type: string | null = 'application/json') =>
  readErrorBody(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), type, status)

const LONG = 'context_length_exceeded'

for (const [name, body, status, expected] of [
  [
    "OpenAI's",
    { error: { message: 'x', type: 'invalid_request_error', param: 'tools', code: 'y' } },
    400,
    { message: 'x', type: 'invalid_request_error', param: 'tools', code: 'y' },
  ],
  [
    "Anthropic's",
    { type: 'error', error: { type: 'overloaded_error', message: 'x' } },
    529,
    { type: 'overloaded_error' },
  ],
  [
    "Gemini's",
    [{ error: { code: 400, message: 'x', status: 'INVALID_ARGUMENT' } }],
    400,
    { type: 'INVALID_ARGUMENT', code: 400 },
  ],
  ['a text in error', { error: 'x' }, 401, { type: 'authentication_error' }],
  ["FastAPI's", { detail: 'x' }, 404, { type: 'invalid_request_error' }],
  ["FastAPI's list", { detail: [{ loc: ['body'], msg: 'x', type: 'missing' }] }, 422, {}],
  ['a list of errors', { errors: [{ message: 'x' }] }, 403, { type: 'permission_error' }],
  [
    'a flat one',
    { object: 'error', message: 'x', type: 'BadRequestError', code: 400 },
    400,
    { type: 'BadRequestError', code: 400 },
  ],
  ["AWS's", { Message: 'x' }, 500, { type: 'server_error' }],
  ['a JSON text', '"x"', 429, { type: 'rate_limit_error' }],
  ['a plain text', 'x\r\n', 502, { type: 'server_error' }],
  [
    'a page',
    '<!DOCTYPE html><html><head><title>\n x </title></head><body>y</body></html>',
    520,
    { type: 'server_error' },
  ],
] as const) {
  test(`the body of an error is read: ${name}`, () => {
    const error = read(body, status)
    assert.is(error.message, 'x')
    assert.equal(Object.keys(error).sort(), ['code', 'message', 'param', 'type'])
    for (const [member, value] of Object.entries(expected))
      assert.is(error[member as 'message'], value as string, member)
  })
}

test('a body without a message gets one that has the status', () => {
  for (const body of [
    '',
    '{}',
    '[]',
    '{"error":{}}',
    '{"error":null}',
    '{"mess',
    '<html><body>x</body></html>',
    'x'.repeat(2000),
    '<b>x</b>',
  ])
    assert.match(read(body, 524).message, /status 524/, body)
})

test("entities in a page's title are decoded", () => {
  assert.is(read('<html><title>a &amp; b &lt;c&gt;</title>', 413, 'text/html').message, 'a & b <c>')
})

test('a prompt that is too long has the code that clients know, and other errors do not', () => {
  for (const message of [
    'prompt is too long: 215000 tokens > 200000 maximum',
    'input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length',
    "This model's maximum context length is 128000 tokens. However, you requested 130000 tokens",
    'Your input exceeds the context window of this model. Please adjust your input and try again.',
    'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
    "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
    'the request exceeds the available context size, try increasing it',
    'Input is too long for requested model.',
  ]) {
    assert.is(read({ type: 'error', error: { type: 'invalid_request_error', message } }).code, LONG, message)
    assert.is(read({ error: { message } }, 429).code, null)
  }
  for (const message of [
    'max_tokens is too large',
    'the name of the tool is too long',
    'rate limit of tokens exceeded',
  ])
    assert.is(read({ error: { message } }).code, null, message)
})

test('any body gives a message', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc.string().map((text) => `<${text}`),
      ),
      (body) => {
        const { message, type } = read(body, 500, null)
        assert.ok(typeof message === 'string' && message !== '' && typeof type === 'string')
      },
    ),
    { numRuns: 2_000 },
  )
})

test.run()
