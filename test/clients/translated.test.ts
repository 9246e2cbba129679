import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ModelAnswer } from '../support/agent/answers.js'
import { type ModelName, type Stage, startStage } from '../support/agent/stage.js'
import { SEED } from '../support/random.js'

/** With `translate`, the official clients use a model of any API by the client's own. */
let stage: Stage

test.before(async () => {
  stage = await startStage(SEED * 2, { alias: { translate: true } })
})

test.after(() => stage.close())

const MODELS: readonly ModelName[] = ['m-chat', 'm-responses', 'm-messages', 'm-adaptive', 'm-gemini']
const SCHEMA = { type: 'object' as const, properties: { nonce: { type: 'string' } } }
const INPUT = '{"nonce":"n1x0","id":2512292042121000001,"f":1.0}'
const CALLING: ModelAnswer = {
  thinking: 'I need the file.',
  text: 'I look 🦊.',
  calls: [
    { name: 'Grep', input: INPUT, nonce: 'n1x0' },
    { name: 'Shell', input: '{"nonce":"n1x1"}', nonce: 'n1x1' },
  ],
}
const ENDING: ModelAnswer = { thinking: 'Good.', text: 'All done. Grüße!', calls: [] }

/** What a client has read, in one form for all. */
interface Read {
  readonly text: string
  readonly calls: readonly { readonly id: string; readonly name: string; readonly input: unknown }[]
  readonly reason: unknown
}

/** A conversation of an official client: it asks, and gives the results of the calls. */
interface Client {
  readonly name: string
  /** @param streamed whether it reads a stream */
  open(model: string, streamed: boolean): Talk
  /** The finish reasons behind calls, and at the end. */
  readonly reasons: readonly [calls: string, end: string]
}

interface Talk {
  ask(): Promise<Read>
  /** Adds the results of the calls that were read last. */
  answer(results: readonly string[]): void
}

const openai = (): OpenAI => new OpenAI({ baseURL: stage.relay.url, apiKey: stage.relay.key, maxRetries: 0 })
const anthropic = (): Anthropic =>
  new Anthropic({
    baseURL: stage.relay.url.replace(/\/v1$/, ''),
    apiKey: stage.relay.key,
    authToken: null,
    maxRetries: 0,
  })

const CHAT: Client = {
  name: 'chat completions of the openai client',
  reasons: ['tool_calls', 'stop'],
  open(model, streamed) {
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'find it' },
    ]
    const tools: OpenAI.ChatCompletionTool[] = ['Grep', 'Shell'].map((name) => ({
      type: 'function',
      function: { name, parameters: SCHEMA },
    }))
    let calls: readonly OpenAI.ChatCompletionMessageToolCall[] = []
    return {
      async ask() {
        const request = { model, messages, tools, reasoning_effort: 'medium' as const }
        const client = openai().chat.completions
        const completion = streamed
          ? await client.stream({ ...request, stream_options: { include_usage: true } }).finalChatCompletion()
          : await client.create(request)
        const [choice] = completion.choices
        if (choice === undefined) throw new Error('there is no choice')
        assert.ok((completion.usage?.prompt_tokens ?? 0) > 0)
        const { content } = choice.message
        calls = choice.message.tool_calls ?? []
        const toolCalls = calls.map((call) => {
          if (call.type !== 'function') throw new Error('an odd call')
          const { name, arguments: args } = call.function
          return { id: call.id, type: call.type, function: { name, arguments: args } }
        })
        // A client of DeepSeek's own API keeps its thinking. The openai client's stream does not.
        const thinking =
          model === 'm-chat' ? { reasoning_content: stage.doubles[model].made?.thinking } : null
        messages.push({ role: 'assistant', content, tool_calls: toolCalls, ...thinking })
        return {
          text: choice.message.content ?? '',
          reason: choice.finish_reason,
          calls: calls.map((call) => {
            if (call.type !== 'function') throw new Error('an odd call')
            return { id: call.id, name: call.function.name, input: call.function.arguments }
          }),
        }
      },
      answer(results) {
        for (const [n, call] of calls.entries())
          messages.push({ role: 'tool', tool_call_id: call.id, content: results[n] ?? '' })
      },
    }
  },
}

const RESPONSES: Client = {
  name: 'responses of the openai client',
  reasons: ['completed', 'completed'],
  open(model, streamed) {
    const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: 'find it' }]
    const tools: OpenAI.Responses.FunctionTool[] = ['Grep', 'Shell'].map((name) => ({
      type: 'function',
      name,
      parameters: SCHEMA,
      strict: false,
    }))
    let calls: readonly OpenAI.Responses.ResponseFunctionToolCall[] = []
    return {
      async ask() {
        const request = {
          model,
          input,
          tools,
          instructions: 'Be brief.',
          store: false,
          reasoning: { effort: 'medium' as const, summary: 'auto' as const },
          include: ['reasoning.encrypted_content' as const],
        }
        const client = openai().responses
        const response = streamed
          ? await client.stream(request).finalResponse()
          : await client.create(request)
        assert.ok((response.usage?.input_tokens ?? 0) > 0)
        for (const item of response.output) input.push(withoutParsed(item))
        calls = response.output.flatMap((item) => (item.type === 'function_call' ? [item] : []))
        return {
          text: response.output_text,
          reason: response.status,
          calls: calls.map(({ call_id: id, name, arguments: args }) => ({ id, name, input: args })),
        }
      },
      answer(results) {
        for (const [n, call] of calls.entries())
          input.push({ type: 'function_call_output', call_id: call.call_id, output: results[n] ?? '' })
      },
    }
  },
}

/** The openai client's streams add `parsed` and `parsed_arguments`, which no API takes back. */
function withoutParsed(item: OpenAI.Responses.ResponseOutputItem): OpenAI.Responses.ResponseInputItem {
  return JSON.parse(JSON.stringify(item, (key, value) => (key.startsWith('parsed') ? undefined : value)))
}

const MESSAGES: Client = {
  name: 'messages of the anthropic client',
  reasons: ['tool_use', 'end_turn'],
  open(model, streamed) {
    const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'find it' }]
    const tools: Anthropic.Tool[] = ['Grep', 'Shell'].map((name) => ({ name, input_schema: SCHEMA }))
    let calls: readonly Anthropic.ToolUseBlock[] = []
    return {
      async ask() {
        const request: Anthropic.MessageCreateParamsNonStreaming = {
          model,
          messages,
          tools,
          max_tokens: 16_000,
          system: 'Be brief.',
          thinking: { type: 'enabled', budget_tokens: 2048 },
        }
        const client = anthropic().messages
        const message = streamed ? await client.stream(request).finalMessage() : await client.create(request)
        assert.ok(message.usage.input_tokens > 0)
        messages.push({ role: 'assistant', content: message.content })
        calls = message.content.filter((block) => block.type === 'tool_use')
        return {
          text: message.content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
          reason: message.stop_reason,
          calls: calls.map(({ id, name, input }) => ({ id, name, input })),
        }
      },
      answer(results) {
        messages.push({
          role: 'user',
          content: calls.map(({ id }, n) => ({
            type: 'tool_result',
            tool_use_id: id,
            content: results[n] ?? '',
            is_error: n === 1,
          })),
        })
      },
    }
  },
}

const CLIENTS: readonly Client[] = [CHAT, RESPONSES, MESSAGES]

for (const client of CLIENTS) {
  for (const model of MODELS) {
    for (const streamed of [true, false]) {
      test(`${client.name}: ${model} calls tools and answers, ${streamed ? 'streamed' : 'whole'}`, async () => {
        const double = stage.doubles[model]
        const ask = async (talk: Talk, next: ModelAnswer): Promise<Read> => {
          double.refusal = null
          double.next = next
          try {
            return await talk.ask()
          } catch (error) {
            throw new Error(double.refusal ?? String(error))
          }
        }
        const talk = client.open(model, streamed)
        const first = await ask(talk, CALLING)
        assert.is(first.text, CALLING.text)
        assert.is(first.reason, client.reasons[0])
        assert.is(first.calls.length, 2)
        for (const [n, { name, input }] of CALLING.calls.entries()) {
          assert.is(first.calls[n]?.name, name)
          // The anthropic client parses the input by itself.
          const expected = client === MESSAGES ? JSON.parse(input) : input
          assert.equal(first.calls[n]?.input, expected)
        }
        talk.answer(['found', 'exit code 1'])
        const second = await ask(talk, ENDING)
        assert.is(second.text, ENDING.text)
        assert.is(second.reason, client.reasons[1])
        assert.equal(second.calls, [])
      })
    }
  }
}

interface Refused {
  readonly status: string
  readonly openai: string
  readonly anthropic: string
}

const ERRORS: readonly Refused[] = [
  { status: '400 Bad Request', openai: 'BadRequestError', anthropic: 'BadRequestError' },
  { status: '401 Unauthorized', openai: 'AuthenticationError', anthropic: 'AuthenticationError' },
  { status: '404 Not Found', openai: 'NotFoundError', anthropic: 'NotFoundError' },
  { status: '429 Too Many Requests', openai: 'RateLimitError', anthropic: 'RateLimitError' },
  { status: '503 Service Unavailable', openai: 'InternalServerError', anthropic: 'ServiceUnavailableError' },
]

const ERROR_BODIES: Readonly<Record<string, string>> = {
  'm-chat':
    '{"error":{"message":"told by the model","type":"invalid_request_error","param":null,"code":null}}',
  'm-responses': '{"error":{"message":"told by the model","type":"server_error","param":null,"code":"x"}}',
  'm-messages':
    '{"type":"error","error":{"type":"overloaded_error","message":"told by the model"},"request_id":"req_1"}',
  'm-gemini': '{"error":{"code":429,"message":"told by the model","status":"RESOURCE_EXHAUSTED"}}',
}

for (const client of CLIENTS) {
  for (const model of ['m-chat', 'm-responses', 'm-messages', 'm-gemini'] as const) {
    test(`${client.name}: an error of ${model} is the client's own error, with the model's words`, async () => {
      const double = stage.doubles[model]
      for (const { status, ...names } of ERRORS) {
        for (const streamed of [true, false]) {
          double.next = ENDING
          double.failure = { status, body: ERROR_BODIES[model] as string }
          let thrown: unknown = null
          try {
            await client.open(model, streamed).ask()
          } catch (error) {
            thrown = error
          }
          double.failure = null
          if (!(thrown instanceof Error)) throw new Error(`nothing was thrown for ${status}`)
          const expected = client === MESSAGES ? names.anthropic : names.openai
          assert.is(thrown.constructor.name, expected, String(thrown))
          assert.match(thrown.message, 'told by the model')
          const { error } = thrown as unknown as { error: Record<string, unknown> }
          if (client === MESSAGES) {
            assert.is(error.type, 'error')
            assert.type((error.error as { type: unknown }).type, 'string')
          } else assert.type(error.message, 'string')
        }
      }
    })

    test(`${client.name}: a stream of ${model} that is cut throws`, async () => {
      const double = stage.doubles[model]
      for (const streamed of [true, false]) {
        for (const at of [0.2, 0.6, 0.99]) {
          double.next = CALLING
          double.breakAt = at
          let read: unknown = null
          try {
            read = await client.open(model, streamed).ask()
          } catch {}
          double.breakAt = null
          assert.is(read, null, `a cut at ${at} looks complete`)
        }
      }
    })
  }
}

test.run()
