import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EventReader } from '../../../src/sse/event-reader.js'
import { convertErrorBody } from '../../../src/translate/response/error-body.js'
import { type ResponseContext, selectTranslation } from '../../../src/translate/response/select.js'
import type { Translation } from '../../../src/translate/translation.js'
import {
  FRAMINGS,
  GEMINI_ERROR,
  KEEP_ALIVES,
  MESSAGES_ERROR,
  MESSAGES_STREAM,
  RESPONSES_ERRORS,
  RESPONSES_STREAM,
  SPLITS,
} from '../../support/fixtures.js'
import { type Chunk, cutsOf, DONE, finish, ROLE, readChunks, say, translate } from '../chunks.js'

const KEPT = ': keep-alive'
const error = (more: object): Chunk => ({
  error: { message: 'made up', type: 'server_error', param: null, code: 'server_error', ...more },
})
const usage = (prompt: number, completion: number, cached: number, more: object = {}): Chunk => ({
  usage: {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
    ...more,
  },
})

function translation(from: ResponseContext['from']): Translation {
  const facts = { from, status: 200, eventStream: true, stream: true, includeUsage: true, model: null }
  return selectTranslation(facts) as Translation
}

const STREAMS: readonly [
  name: string,
  from: ResponseContext['from'],
  bytes: Buffer,
  chunks: readonly Chunk[],
][] = [
  [
    'a response',
    'responses',
    RESPONSES_STREAM,
    [
      ROLE,
      say('hello'),
      finish('stop'),
      usage(21, 5, 8, { completion_tokens_details: { reasoning_tokens: 0 } }),
      DONE,
    ],
  ],
  ['an error of a response, nested', 'responses', RESPONSES_ERRORS.nested, [error({})]],
  ['an error of a response, flat', 'responses', RESPONSES_ERRORS.flat, [error({})]],
  [
    'a message',
    'messages',
    MESSAGES_STREAM,
    [ROLE, KEPT, say('hello'), finish('stop'), usage(45, 9, 12), DONE],
  ],
  [
    'a message with an error',
    'messages',
    MESSAGES_ERROR,
    [ROLE, KEPT, say('hello'), error({ message: 'Overloaded', type: 'overloaded_error', code: null })],
  ],
]

for (const [name, from, bytes, chunks] of STREAMS) {
  test(`a recorded stream becomes chunks wherever it is cut, even without its last line ends: ${name}`, () => {
    for (const pieces of cutsOf(bytes))
      assert.equal(readChunks(translate(translation(from), pieces)).chunks, chunks)
    for (const left of [1, 2])
      assert.equal(readChunks(translate(translation(from), [bytes.subarray(0, -left)])).chunks, chunks)
  })
}

test('keep-alives reach the client in a form that every client can read', () => {
  for (const [name, bytes] of Object.entries(KEEP_ALIVES)) {
    const wanted = name === 'ping' ? ': keep-alive\n\n' : bytes.toString()
    for (const from of ['responses', 'messages'] as const)
      assert.is(translation(from).push(bytes).toString(), wanted, name)
  }
})

function dataOf(pieces: readonly Buffer[]): string[] {
  const seen: string[] = []
  const reader = new EventReader({
    // A name alone is no event in the format, but Anthropic's pings may come so.
    takeEvent: (name, data) => (name === 'ping' ? 0 : seen.push(data)),
    takeComment: () => {},
  })
  for (const piece of pieces) reader.push(piece)
  reader.end()
  return seen
}

for (const { name, bytes, data } of FRAMINGS) {
  test(`events are read in every framing: ${name}`, () => {
    // The format leaves out what lacks its blank line; Azure ends so.
    const more = /^no (blank line|line end)/.test(name) ? ['{"text":"🦉"}'] : []
    assert.equal(dataOf([bytes]), [...data, ...more])
  })
}

for (const { name, pieces } of SPLITS) {
  test(`events are read however they are cut: ${name}`, () => {
    assert.equal(dataOf(pieces), ['{"text":"première"}', '{"text":"🦉"}'])
  })
}

test("Gemini's error becomes one of OpenAI's", () => {
  const { error } = JSON.parse(convertErrorBody(GEMINI_ERROR, 'chat', 400).toString())
  assert.is(error.type, 'INVALID_ARGUMENT')
  assert.is(error.code, 400)
})

test.run()
