import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CONVERSATION_APIS, type ConversationApi } from '../../../src/api/apis.js'
import { unwrapInput } from '../../../src/translate/custom-tools/input-decoder.js'
import { cutAt } from '../../support/cuts.js'
import { fc } from '../../support/property.js'
import { eventsOf, tellStream, tellWhole } from '../readers.js'
import type { Told } from '../recording-writer.js'

// One answer, written in each API as a stream and as a whole, is reported in the same words by all readers.

interface Answer {
  readonly thought: string
  readonly text: string
  readonly calls: readonly { readonly name: string; readonly args: string }[]
}

const piece = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom('ï', '🦊', '\n\n', '"', 'data: x', '\r', '\\'),
)
const words = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''))
/** JSON with numbers that do not survive being parsed and printed. */
const args = fc.constantFrom(
  '{"id":2512292042121000001,"y":1e400,"x":1.0,"z":-0}',
  '{"a":"\\u00e9\\n","b":[1,{"c":null}]}',
  '{"z":1,"a":2,"z":3.10}',
)
const answer: fc.Arbitrary<Answer> = fc.record({
  thought: words,
  text: words,
  calls: fc.array(fc.record({ name: fc.constantFrom('A', 'B', 'Wrapped'), args }), { maxLength: 3 }),
})

/** Writes an answer as whole JSON, with inputs that are objects as raw text. */
const WHOLE: Readonly<Record<ConversationApi, (answer: Answer) => string>> = {
  chat: ({ thought, text, calls }) => {
    const list = calls.map(
      ({ name, args }, i) => `{"id":"id_${i}","function":${JSON.stringify({ name, arguments: args })}}`,
    )
    const message = `{"reasoning_content":${JSON.stringify(thought)},"content":${JSON.stringify(text)},"tool_calls":[${list}]}`
    return `{"choices":[{"index":0,"message":${message},"finish_reason":"stop"}]}`
  },
  responses: ({ thought, text, calls }) =>
    JSON.stringify({
      output: [
        { type: 'reasoning', summary: [{ text: thought }] },
        { type: 'message', content: [{ type: 'output_text', text }] },
        ...calls.map(({ name, args }, i) => ({
          type: 'function_call',
          call_id: `id_${i}`,
          name,
          arguments: args,
        })),
      ],
    }),
  messages: ({ thought, text, calls }) => {
    const list = calls.map(
      ({ name, args }, i) => `,{"type":"tool_use","id":"id_${i}","name":"${name}","input":${args}}`,
    )
    const said = [
      { type: 'thinking', thinking: thought },
      { type: 'text', text },
    ].map((block) => JSON.stringify(block))
    return `{"content":[${said}${list.join('')}],"stop_reason":"end_turn"}`
  },
  gemini: (answer) => `{"candidates":[{"content":{"parts":[${geminiParts(answer)}]},"finishReason":"STOP"}]}`,
}

function geminiParts({ thought, text, calls }: Answer): string[] {
  return [
    JSON.stringify({ text: thought, thought: true }),
    JSON.stringify({ text }),
    ...calls.map(({ name, args }, i) => `{"functionCall":{"id":"id_${i}","name":"${name}","args":${args}}}`),
  ]
}

/** Texts in two halves. */
const halves = (text: string): string[] => {
  const all = [...text]
  const middle = all.length >> 1
  return [all.slice(0, middle).join(''), all.slice(middle).join('')]
}

const STREAM: Readonly<Record<ConversationApi, (answer: Answer) => unknown[]>> = {
  chat: ({ thought, text, calls }) => [
    ...halves(thought).map((reasoning_content) => ({ choices: [{ delta: { reasoning_content } }] })),
    ...halves(text).map((content) => ({ choices: [{ delta: { content } }] })),
    ...calls.flatMap(({ name, args }, index) => {
      const [first, second] = halves(args)
      return [
        { index, id: `id_${index}`, function: { name, arguments: first } },
        { index, function: { arguments: second } },
      ].map((call) => ({ choices: [{ delta: { tool_calls: [call] } }] }))
    }),
    { choices: [{ delta: {}, finish_reason: 'stop' }] },
    '[DONE]',
  ],
  responses: ({ thought, text, calls }) => [
    ...halves(thought).map((delta) => ({
      type: 'response.reasoning_summary_text.delta',
      output_index: 0,
      delta,
    })),
    ...halves(text).map((delta) => ({ type: 'response.output_text.delta', output_index: 1, delta })),
    ...calls.flatMap(({ name, args }, i) => [
      {
        type: 'response.output_item.added',
        output_index: i + 2,
        item: { type: 'function_call', call_id: `id_${i}`, name },
      },
      ...halves(args).map((delta) => ({
        type: 'response.function_call_arguments.delta',
        output_index: i + 2,
        delta,
      })),
    ]),
    { type: 'response.completed', response: {} },
  ],
  messages: ({ thought, text, calls }) => [
    ...halves(thought).map((thinking) => ({
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'thinking_delta', thinking },
    })),
    ...halves(text).map((text) => ({
      type: 'content_block_delta',
      index: 1,
      delta: { type: 'text_delta', text },
    })),
    ...calls.flatMap(({ name, args }, i) => [
      {
        type: 'content_block_start',
        index: i + 2,
        content_block: { type: 'tool_use', id: `id_${i}`, name, input: {} },
      },
      ...halves(args).map((partial_json) => ({
        type: 'content_block_delta',
        index: i + 2,
        delta: { type: 'input_json_delta', partial_json },
      })),
      { type: 'content_block_stop', index: i + 2 },
    ]),
    { type: 'message_delta', delta: { stop_reason: 'end_turn' } },
    { type: 'message_stop' },
  ],
  gemini: (answer) => [
    ...geminiParts(answer).map((part) => `{"candidates":[{"content":{"parts":[${part}]}}]}`),
    { candidates: [{ finishReason: 'STOP' }] },
  ],
}

test('an answer is reported alike by the readers of all APIs, streamed or whole', () => {
  const options = { wrapped: ['Wrapped'] }
  fc.assert(
    fc.property(answer, fc.array(fc.nat(), { maxLength: 8 }), (answer, cuts) => {
      const expected: Partial<Told> = {
        content: answer.text,
        reasoning: answer.thought,
        finish: answer.calls.length > 0 ? 'tool_calls' : 'stop',
        error: null,
      }
      const calls = answer.calls.map(({ name, args }, i) => ({
        id: `id_${i}`,
        name,
        input: name === 'Wrapped' ? unwrapInput(args) : args,
        isCustom: name === 'Wrapped',
      }))
      for (const api of CONVERSATION_APIS) {
        const stream = Buffer.from(eventsOf(...STREAM[api](answer)))
        const places = cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b)
        for (const told of [
          tellStream(api, cutAt(stream, places), options),
          tellWhole(api, WHOLE[api](answer), options),
        ]) {
          const { content, reasoning, finish, error } = told
          assert.equal({ content, reasoning, finish, error }, expected, api)
          assert.equal(told.calls, calls, api)
        }
      }
    }),
    { numRuns: 500 },
  )
})

test.run()
