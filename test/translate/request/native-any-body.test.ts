import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fc } from '../../support/property.js'
import {
  CHAT_BODY,
  count,
  loosely,
  MESSAGES_BODY,
  RESPONSES_BODY,
  requireUntouchedOutside,
  tool,
  toolChoice,
  word,
} from '../bodies.js'
import { chatFor, messagesFor, responsesFor } from '../model.js'
import { build, PLAIN, sent } from '../native.js'

const maybe = <T>(arb: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arb, { nil: undefined })
const truth = fc.constantFrom<unknown>(true, false, null, 'true')
const object = fc.constantFrom<unknown>({}, { effort: 'low' }, { verbosity: null, format: 3 }, null, 'x', [])
const text = fc.constantFrom<unknown>('', 'a "b" \\n 🦊', null)
const block = fc.record({ type: fc.constantFrom('text', 'tool_use', 'input_text'), text: fc.string() })
const message = fc.oneof(
  fc.record({
    role: fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool'),
    content: fc.oneof(text, fc.array(block, { maxLength: 3 })),
  }),
  fc.constantFrom<unknown>(null, 'system', {}, []),
)
const fields = {
  model: maybe(word),
  temperature: maybe(fc.double({ noNaN: true })),
  user: maybe(word),
  n: maybe(count),
  tools: maybe(fc.oneof(fc.array(tool, { maxLength: 5 }), fc.constant(null))),
  tool_choice: maybe(toolChoice),
  parallel_tool_calls: maybe(truth),
  stream: maybe(truth),
  stop: maybe(fc.oneof(word, fc.constant(['a']))),
  max_tokens: maybe(count),
  max_completion_tokens: maybe(count),
  max_output_tokens: maybe(count),
  reasoning: maybe(object),
  text: maybe(object),
  reasoning_effort: maybe(word),
  verbosity: maybe(word),
  logprobs: maybe(truth),
  seed: maybe(count),
  store: maybe(truth),
  stop_sequences: maybe(object),
  system: maybe(fc.oneof(text, fc.array(block, { maxLength: 2 }))),
  messages: maybe(fc.array(message)),
  service_tier: maybe(fc.constantFrom('auto', 'default', null, 'standard_only')),
  thinking: maybe(fc.constantFrom({ type: 'enabled', budget_tokens: 1024 }, { type: 'adaptive' }, null)),
  metadata: maybe(
    fc.constantFrom({}, { user_id: 'o' }, { user_id: null, cursorConversationId: 'c' }, null, 'x'),
  ),
  stream_options: maybe(
    fc.constantFrom(
      { include_usage: true },
      { include_usage: false, include_obfuscation: true },
      {},
      null,
      7,
    ),
  ),
  response_format: maybe(
    fc.constantFrom(...[{ type: 'text' }, { type: 'json_object' }, null, 'json'], {
      type: 'json_schema',
      json_schema: { name: 'n', schema: { a: [1, '}'] }, strict: true },
    }),
  ),
}

/** Members in any order. */
const anyBody = fc
  .record(fields)
  .chain((body) =>
    fc
      .shuffledSubarray(Object.keys(body), { minLength: 0 })
      .map((keys) => keys.map((key) => [key, body[key as keyof typeof body]] as const)),
  )
  .map((entries) => Object.fromEntries(entries.filter(([, value]) => value !== undefined)))

const anyLooseBody = fc.record({ body: anyBody, seed: fc.nat() }).map(({ body, seed }) => {
  let state = seed
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  return loosely(body, random)
})

for (const [shape, options, model] of [
  ['responses', {}, responsesFor],
  ['messages', {}, messagesFor],
  ['chat', {}, (body: object) => chatFor({ ...body }, true, true)],
  ['chat', PLAIN, (body: object) => chatFor({ ...body }, false, false)],
] as const) {
  const plain = options === PLAIN ? ' with few capabilities' : ''
  test(`any ${shape} body${plain} changes by the rules, and all other bytes stay`, () => {
    fc.assert(
      fc.property(anyLooseBody, (body) => {
        assert.equal(sent(shape, body, options), model(JSON.parse(body)), body)
        const again = build(shape, Buffer.from(JSON.stringify(sent(shape, body, options))), options)
        assert.equal(again.edits, [], 'a changed body needs no further change')
      }),
      { numRuns: 500 },
    )
  })
}

test('damaged bodies throw nothing, and no byte outside the edits changes', () => {
  const given = fc.record({
    text: fc.constantFrom(RESPONSES_BODY, MESSAGES_BODY, CHAT_BODY),
    at: fc.nat(2000),
    length: fc.nat(40),
    bytes: fc.uint8Array({ maxLength: 20 }),
  })
  fc.assert(
    fc.property(given, ({ text, at, length, bytes }) => {
      const whole = Buffer.from(text)
      const body = Buffer.concat([whole.subarray(0, at), bytes, whole.subarray(at + length)])
      for (const shape of ['chat', 'responses', 'messages'] as const) {
        requireUntouchedOutside(body, build(shape, body).edits)
      }
    }),
  )
})

test.run()
