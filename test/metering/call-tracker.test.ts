import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { resolveUsage } from '../../src/exchange/token-usage.js'
import { JsonMeter } from '../../src/metering/json-meter.js'
import { PromptSample } from '../../src/metering/prompt-sample.js'
import type { ResponseStats } from '../../src/metering/response-stats.js'
import { StreamMeter } from '../../src/metering/stream-meter.js'
import { CALL_TOKENS } from '../../src/metering/token-estimator.js'
import { cutAt, scan } from './meters.js'

type Json = Readonly<Record<string, unknown>>

/** A call as the model makes it. */
interface Call {
  readonly name: string
  readonly args: string
}

const CALLS: readonly (readonly Call[])[] = [
  [{ name: 'get_user_country', args: '{}' }],
  [{ name: 'get_weather', args: '{"location":"Paris, France"}' }],
  [{ name: 'read_file', args: JSON.stringify({ path: 'src/metering/stream-meter.ts', start: 1, end: 250 }) }],
  [
    { name: 'run_terminal_cmd', args: JSON.stringify({ command: 'npm run build && git status --short' }) },
    { name: 'codebase_search', args: JSON.stringify({ query: 'Where are tokens counted?', limit: 10 }) },
    { name: 'codebase_search', args: JSON.stringify({ query: 'Who reads the usage of a stream?' }) },
  ],
  [
    {
      name: 'edit_file',
      args: JSON.stringify({
        path: 'README.md',
        text: '# Thinwire\n\nA relay between clients and the APIs that answer them. It knows who asked.\n',
      }),
    },
  ],
]

const trueTokens = (calls: readonly Call[]): number =>
  calls.reduce((sum, { name, args }) => sum + CALL_TOKENS + encode(name).length + encode(args).length, 0)

/** Cuts arguments as a model writes them, token by token. */
function tokensOf(args: string): string[] {
  return args.match(/[a-z]+|[^a-z]{1,3}/gi) ?? []
}

const sse = (...events: readonly Json[]): string =>
  events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')
const delta = (delta: Json): Json => ({ model: 'm', choices: [{ index: 0, delta, finish_reason: null }] })
const part = (call: Json): Json => delta({ tool_calls: [call] })

/** Ways in which upstreams send the same calls. */
const WAYS: Readonly<Record<string, (calls: readonly Call[]) => string>> = {
  'OpenAI: name and id first': (calls) =>
    sse(
      ...calls.flatMap(({ name, args }, index) => [
        part({ index, id: `call_${index}`, type: 'function', function: { name, arguments: '' } }),
        ...tokensOf(args).map((text) => part({ index, function: { arguments: text } })),
      ]),
    ),
  'name and id in each part': (calls) =>
    sse(
      ...calls.flatMap(({ name, args }, index) =>
        tokensOf(args).map((text) =>
          part({ index, id: `call_${index}`, type: 'function', function: { name, arguments: text } }),
        ),
      ),
    ),
  'the name in each part, without an id': (calls) =>
    sse(
      ...calls.flatMap(({ name, args }, index) =>
        tokensOf(args).map((text) => part({ index, function: { name, arguments: text } })),
      ),
    ),
  'an empty id and name in later parts': (calls) =>
    sse(
      ...calls.flatMap(({ name, args }, index) => [
        part({ index, id: `call_${index}`, function: { name, arguments: '' } }),
        ...tokensOf(args).map((text) => part({ index, id: '', function: { name: '', arguments: text } })),
      ]),
    ),
  'Gemini: whole calls without an index': (calls) =>
    sse(...calls.map(({ name, args }, n) => part({ id: `call_${n}`, function: { name, arguments: args } }))),
  'Ollama: whole calls that all have index 0': (calls) =>
    sse(
      delta({
        tool_calls: calls.map(({ name, args }, n) => ({
          id: `call_${n}`,
          index: 0,
          function: { name, arguments: args },
        })),
      }),
    ),
  'whole calls with neither index nor id': (calls) =>
    sse(delta({ tool_calls: calls.map(({ name, args }) => ({ function: { name, arguments: args } })) })),
  Responses: (calls) =>
    sse(
      ...calls.flatMap(({ name, args }, n) => [
        {
          type: 'response.output_item.added',
          item: { type: 'function_call', id: `fc_${n}`, name, arguments: '' },
        },
        ...tokensOf(args).map((text) => ({ type: 'response.function_call_arguments.delta', delta: text })),
        { type: 'response.function_call_arguments.done', arguments: args },
        { type: 'response.output_item.done', item: { type: 'function_call', name, arguments: args } },
      ]),
    ),
  Messages: (calls) =>
    sse(
      ...calls.flatMap(({ name, args }, index) => [
        { type: 'content_block_start', index, content_block: { type: 'tool_use', id: 't', name, input: {} } },
        ...tokensOf(args).map((text) => ({
          type: 'content_block_delta',
          index,
          delta: { type: 'input_json_delta', partial_json: text },
        })),
      ]),
    ),
  'Messages: input with the name': (calls) =>
    sse(
      ...calls.map(({ name, args }, index) => ({
        type: 'content_block_start',
        index,
        content_block: { type: 'tool_use', id: 't', name, input: JSON.parse(args) },
      })),
    ),
  'Gemini, own API': (calls) =>
    sse(
      ...calls.map(({ name, args }) => ({
        candidates: [{ content: { parts: [{ functionCall: { name, args: JSON.parse(args) } }] } }],
      })),
    ),
  Cohere: (calls) =>
    sse(
      ...calls.flatMap(({ name, args }, index) => [
        {
          type: 'tool-call-start',
          index,
          delta: {
            message: { tool_calls: { id: `c${index}`, type: 'function', function: { name, arguments: '' } } },
          },
        },
        ...tokensOf(args).map((text) => ({
          type: 'tool-call-delta',
          index,
          delta: { message: { tool_calls: { function: { arguments: text } } } },
        })),
        { type: 'tool-call-end', index },
      ]),
    ),
  'legacy function_call': ([call]) =>
    sse(
      delta({ function_call: { name: call?.name, arguments: '' } }),
      ...tokensOf(call?.args ?? '').map((text) => delta({ function_call: { arguments: text } })),
    ),
  'legacy function_call with its name in each part': ([call]) =>
    sse(
      ...tokensOf(call?.args ?? '').map((text) =>
        delta({ function_call: { name: call?.name, arguments: text } }),
      ),
    ),
}

const PROMPT = PromptSample.of([Buffer.from('{"messages":[]}')])

function estimate(stats: ResponseStats): number {
  const { usage, source } = resolveUsage({ stats, prompt: PROMPT, status: 200, end: 'done' })
  assert.is(source, 'estimated')
  return usage?.completion ?? 0
}

function assertClose(stats: ResponseStats, calls: readonly Call[], way: string): void {
  const wanted = trueTokens(calls)
  assert.is(stats.toolCalls, calls.length, way)
  const error = estimate(stats) / wanted - 1
  assert.ok(Math.abs(error) <= 0.1, `${way}: ${estimate(stats)} for ${wanted}, ${JSON.stringify(calls)}`)
}

for (const [way, write] of Object.entries(WAYS)) {
  test(`tool calls are counted once each and estimated to a tenth, wherever the stream is cut: ${way}`, () => {
    for (const all of CALLS) {
      const calls = way.startsWith('legacy') ? all.slice(0, 1) : all
      // Where nothing tells two calls of one name apart, they would be one.
      const bytes = Buffer.from(write(calls))
      const whole = scan(new StreamMeter(), [bytes])
      assertClose(whole, calls, way)
      for (let cut = 1; cut < bytes.length; cut += 7) {
        const stats = scan(new StreamMeter(), cutAt(bytes, [cut]), 'at once')
        assert.equal([stats.toolCalls, estimate(stats)], [calls.length, estimate(whole)], `cut at ${cut}`)
      }
    }
  })
}

test('tool calls of a whole response are estimated to a tenth', () => {
  const list = (calls: readonly Call[]): Json[] =>
    calls.map(({ name, args }) => ({ id: 'same', type: 'function', function: { name, arguments: args } }))
  for (const calls of CALLS) {
    const bodies: readonly (Json | Json[])[] = [
      {
        choices: [
          {
            message: {
              content: null,
              tool_calls: calls.map((call, n) => ({ ...list([call])[0], id: `c${n}` })),
            },
          },
        ],
      },
      {
        object: 'response',
        output: calls.map(({ name, args }) => ({ type: 'function_call', name, arguments: args })),
      },
      { content: calls.map(({ name, args }) => ({ type: 'tool_use', name, input: JSON.parse(args) })) },
      {
        candidates: [
          {
            content: {
              parts: calls.map(({ name, args }) => ({ functionCall: { name, args: JSON.parse(args) } })),
            },
          },
        ],
      },
      {
        message: {
          tool_calls: calls.map(({ name, args }) => ({ function: { name, arguments: JSON.parse(args) } })),
        },
      },
    ]
    for (const body of bodies)
      assertClose(
        scan(new JsonMeter(), [Buffer.from(JSON.stringify(body))]),
        calls,
        JSON.stringify(body).slice(0, 60),
      )
  }
})

test('text in parts, and thoughts in lists of parts, are text', () => {
  const words = ['Where ', 'do ', 'the ', 'tokens ', 'go ', 'when ', 'nobody ', 'counts ', 'them?']
  const text = words.join('')
  const streams: Json[][] = [
    words.map((word) => delta({ content: [{ type: 'text', text: word }] })),
    words.map((word) => delta({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: word }] }] })),
    words.map((word) => ({
      type: 'content-delta',
      index: 0,
      delta: { message: { content: { thinking: word } } },
    })),
    words.map((word) => ({ type: 'tool-plan-delta', delta: { message: { tool_plan: word } } })),
    words.map((word) => ({ message: { content: '', thinking: word }, done: false })),
  ]
  for (const events of streams) {
    const stats = scan(new StreamMeter(), [Buffer.from(sse(...events))])
    assert.equal([stats.deltas, stats.textBytes], [words.length, text.length])
    assert.ok(stats.firstTokenAt !== null)
    assert.ok(Math.abs(estimate(stats) / encode(text).length - 1) <= 0.1)
  }
  const message = {
    content: [
      { type: 'thinking', thinking: [{ type: 'text', text }] },
      { type: 'text', text },
    ],
  }
  const whole = scan(new JsonMeter(), [Buffer.from(JSON.stringify({ choices: [{ message }] }))])
  assert.is(whole.textBytes, text.length * 2)
})

test.run()
