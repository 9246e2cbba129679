import type { Usage } from '../../src/metering/usage.js'

import { ARGS, CALL, chat, DONE, data, named, text, usage, WORD_BYTES, WORDS } from './stream-parts.js'

/** The stats that a meter must find. A field that is missing must be 0, null or false. */
export interface Expected {
  events: number
  deltas?: number
  textBytes?: number
  toolCalls?: number
  usage?: Partial<Usage>
  finishReason?: string
  error?: string
  model?: string
  unparsed?: number
  ended?: boolean
}

export interface Recording {
  readonly name: string
  readonly bytes: string
  readonly expected: Expected
}

/** Streams in the form that each upstream writes, with our own contents. */
export const RECORDINGS: readonly Recording[] = [
  {
    name: 'chat completions with usage, obfuscation and a tool call',
    bytes: data(
      chat({ role: 'assistant', content: '', refusal: null }, { usage: null, obfuscation: 'aB3' }),
      ...WORDS.map((word, i) => text(word, { usage: null, obfuscation: 'k'.repeat(i) })),
      CALL,
      ARGS('{"command":'),
      ARGS('"ls"}'),
      chat({}, { usage: null }, 'tool_calls'),
      {
        id: 'chatcmpl-7',
        model: 'gpt-x-test',
        choices: [],
        usage: {
          ...usage(31, 9),
          prompt_tokens_details: { cached_tokens: 16, audio_tokens: 0 },
          completion_tokens_details: { reasoning_tokens: 2 },
        },
      },
      DONE,
    ),
    expected: {
      events: WORDS.length + 7,
      deltas: WORDS.length + 2,
      textBytes: WORD_BYTES + 16,
      toolCalls: 1,
      usage: { prompt: 31, completion: 9, cached: 16, reasoning: 2 },
      finishReason: 'tool_calls',
      model: 'gpt-x-test',
      ended: true,
    },
  },
  {
    name: "a stream of Gemini's own API, with thoughts and a call",
    bytes: data(
      {
        candidates: [{ content: { parts: [{ text: 'hmm', thought: true }], role: 'model' }, index: 0 }],
        usageMetadata: { promptTokenCount: 31, thoughtsTokenCount: 12, totalTokenCount: 43 },
        modelVersion: 'gemini-3-pro-test',
      },
      ...WORDS.map((word, i) => ({
        candidates: [{ content: { parts: [{ text: word }], role: 'model' }, index: 0 }],
        usageMetadata: { promptTokenCount: 31, candidatesTokenCount: i + 1, thoughtsTokenCount: 12 },
      })),
      {
        candidates: [
          {
            content: { parts: [{ functionCall: { name: 'f', args: { a: 1 } } }], role: 'model' },
            finishReason: 'STOP',
          },
        ],
        usageMetadata: { promptTokenCount: 31, cachedContentTokenCount: 16, candidatesTokenCount: 9 },
      },
    ),
    expected: {
      events: WORDS.length + 2,
      deltas: WORDS.length + 2,
      textBytes: WORD_BYTES + 10,
      toolCalls: 1,
      usage: { prompt: 31, completion: 21, cached: 16, reasoning: 12 },
      finishReason: 'STOP',
      model: 'gemini-3-pro-test',
    },
  },
  {
    name: 'a Responses stream',
    bytes: named(
      {
        type: 'response.created',
        sequence_number: 0,
        response: { status: 'in_progress', model: 'gpt-x-test', usage: null },
      } as never,
      ...WORDS.map(
        (word, i) =>
          ({
            type: 'response.output_text.delta',
            sequence_number: i + 1,
            item_id: 'msg_1',
            delta: word,
            obfuscation: 'Zk2',
          }) as never,
      ),
      {
        type: 'response.completed',
        sequence_number: 99,
        response: {
          status: 'completed',
          model: 'gpt-x-test',
          usage: {
            input_tokens: 12,
            input_tokens_details: { cached_tokens: 4, cache_write_tokens: 1 },
            output_tokens: 3,
            output_tokens_details: { reasoning_tokens: 0 },
          },
        },
      } as never,
    ),
    expected: {
      events: WORDS.length + 2,
      deltas: WORDS.length,
      textBytes: WORD_BYTES,
      usage: { prompt: 12, cached: 4, cacheWritten: 1, completion: 3, reasoning: 0 },
      finishReason: 'completed',
      model: 'gpt-x-test',
      ended: true,
    },
  },
  ...[
    {
      type: 'error',
      sequence_number: 2,
      error: { type: 'server_error', code: 'server_error', message: 'x' },
    },
    { type: 'error', code: 'server_error', message: 'x', param: null, sequence_number: 2 },
  ].map((error, i) => ({
    name: `a Responses error, ${i === 0 ? 'nested' : 'flat'}`,
    bytes: named(error),
    expected: { events: 1, error: 'server_error', ended: true },
  })),
  {
    name: 'a Responses stream that failed',
    bytes: named({
      type: 'response.failed',
      response: { status: 'failed', error: { code: 'insufficient_quota', message: 'x' }, usage: null },
    } as never),
    expected: { events: 1, error: 'insufficient_quota', finishReason: 'failed', ended: true },
  },
  {
    name: 'an error that is followed by the end mark, as vLLM writes it',
    bytes: data({ error: { message: 'x', type: 'InternalServerError', param: null, code: 500 } }, DONE),
    expected: { events: 2, error: '500', ended: true },
  },
  {
    name: "OpenRouter's error within a chunk",
    bytes: data({ ...chat({ content: '' }, {}, 'error'), error: { code: 502, message: 'x' } }),
    expected: { events: 1, error: '502', finishReason: 'error', model: 'gpt-x-test', ended: true },
  },
  {
    name: 'an error as a named event',
    bytes: `event: error\n${data({ error: { message: 'x', type: 'server_error', code: null } })}`,
    expected: { events: 1, error: 'server_error', ended: true },
  },
  {
    name: 'keep-alives, which are no tokens',
    bytes: `: keep-alive\n\n: OPENROUTER PROCESSING\n\n:\n\n${named({ type: 'ping' })}`,
    expected: { events: 1 },
  },
  {
    name: 'Azure with filter results, annotations, and no blank line at the end',
    bytes: `${data(
      { choices: [], id: '', model: '', prompt_filter_results: [{ prompt_index: 0 }] },
      {
        choices: [{ content_filter_offsets: { check_offset: 10 }, finish_reason: null, index: 0 }],
        model: '',
      },
    )}data: [DONE]`,
    expected: { events: 3, ended: true },
  },
  {
    name: 'Anthropic Messages',
    bytes: named(
      {
        type: 'message_start',
        message: {
          model: 'claude-test-1',
          usage: {
            input_tokens: 25,
            cache_creation_input_tokens: 5,
            cache_read_input_tokens: 10,
            output_tokens: 1,
          },
        },
      } as never,
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } } as never,
      { type: 'ping' },
      ...WORDS.map(
        (word) =>
          ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: word } }) as never,
      ),
      {
        type: 'content_block_start',
        index: 1,
        content_block: { type: 'tool_use', id: 'toolu_1', name: 'LS', input: {} },
      } as never,
      {
        type: 'content_block_delta',
        index: 1,
        delta: { type: 'input_json_delta', partial_json: '{}' },
      } as never,
      { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 7 } } as never,
      { type: 'message_stop' },
    ),
    expected: {
      events: WORDS.length + 7,
      deltas: WORDS.length + 1,
      textBytes: WORD_BYTES + 2,
      toolCalls: 1,
      usage: { prompt: 40, cached: 10, cacheWritten: 5, completion: 7 },
      finishReason: 'tool_use',
      model: 'claude-test-1',
      ended: true,
    },
  },
  {
    name: 'Anthropic Messages with an overload error in the middle',
    bytes: named({ type: 'error', error: { type: 'overloaded_error', message: 'x' } } as never),
    expected: { events: 1, error: 'overloaded_error', ended: true },
  },
  {
    name: "Groq's usage in `x_groq`",
    bytes: data(chat({}, { x_groq: { id: 'r', usage: { queue_time: 0.07, ...usage(23, 19) } } }, 'stop')),
    expected: { events: 1, usage: { prompt: 23, completion: 19 }, finishReason: 'stop', model: 'gpt-x-test' },
  },
  {
    name: "Gemini's tool call without an index",
    bytes: data({
      choices: [{ delta: { tool_calls: [{ function: { arguments: '{"a":1}', name: 'f' }, id: 'c' }] } }],
    }),
    expected: { events: 1, deltas: 1, textBytes: 7, toolCalls: 1 },
  },
  {
    name: 'llama.cpp with progress, timings and usage',
    bytes: data(
      {
        choices: [{ index: 0, delta: { role: 'assistant', content: null } }],
        prompt_progress: { total: 900 },
      },
      {
        choices: [{ finish_reason: 'stop', delta: {} }],
        usage: usage(900, 5),
        timings: { cache_n: 100, prompt_n: 800, predicted_n: 5 },
      },
    ),
    expected: { events: 2, usage: { prompt: 900, cached: 100, completion: 5 }, finishReason: 'stop' },
  },
  {
    name: 'llama.cpp with timings and no usage',
    bytes: data({ choices: [], timings: { cache_n: 100, prompt_n: 800, predicted_n: 5 } }),
    expected: { events: 1, usage: { prompt: 900, cached: 100, completion: 5 } },
  },
  {
    name: "llama.cpp's own stream",
    bytes: data({ content: 'ab', stop: false }, { content: '', stop: true, stop_type: 'limit' }),
    expected: { events: 2, deltas: 1, textBytes: 2, finishReason: 'limit', ended: true },
  },
  {
    name: 'usage in every chunk, of which the last one counts',
    bytes: data(
      text('a', { usage: usage(5, 1) }),
      text('b', { usage: usage(5, 2) }),
      text('c', { usage: usage(5, 3) }),
      DONE,
    ),
    expected: {
      events: 4,
      deltas: 3,
      textBytes: 3,
      usage: { prompt: 5, completion: 3 },
      model: 'gpt-x-test',
      ended: true,
    },
  },
  {
    name: 'usage in the last chunk but one, then an empty chunk',
    bytes: data(text('a'), text('b', { usage: usage(5, 1) }), chat({}), DONE),
    expected: {
      events: 4,
      deltas: 2,
      textBytes: 2,
      usage: { prompt: 5, completion: 1 },
      model: 'gpt-x-test',
      ended: true,
    },
  },
  {
    name: 'usage written with spaces, in an event that looks like those before it',
    bytes: `${data(text('a'), text('b'))}data: {"model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}\n\n`,
    expected: { events: 3, deltas: 2, textBytes: 2, usage: { prompt: 3, completion: 4 }, model: 'm' },
  },
  {
    name: 'no usage and no end mark',
    bytes: data(text('a'), text('b'), chat({}, {}, 'stop')),
    expected: { events: 3, deltas: 2, textBytes: 2, finishReason: 'stop', model: 'gpt-x-test' },
  },
  {
    name: 'two end marks, and a finish reason that is empty at first',
    bytes: data(chat({ content: 'a' }, {}, ''), chat({}, {}, 'stop'), DONE, DONE),
    expected: { events: 4, deltas: 1, textBytes: 1, finishReason: 'stop', model: 'gpt-x-test', ended: true },
  },
  {
    name: 'two models in turn, of which the last one counts',
    bytes: data(text('a'), text('b'), { ...text('c'), model: 'other' }, text('d')),
    expected: { events: 4, deltas: 4, textBytes: 4, model: 'gpt-x-test' },
  },
  {
    name: 'CRLF, a BOM, no space after the colon, comments, ids and retries',
    bytes: `\ufeffdata:${JSON.stringify(text('a'))}\r\nid: 1\r\n\r\n: x\r\nretry: 5\r\ndata: ${JSON.stringify(text('b'))}\r\n\r\nevent: only\r\n\r\ndata: [DONE]\r\n\r\n`,
    expected: { events: 3, deltas: 2, textBytes: 2, model: 'gpt-x-test', ended: true },
  },
  {
    name: 'lone CRs',
    bytes: `data: ${JSON.stringify(text('a'))}\r\rdata: ${JSON.stringify(text('b'))}\r\rdata: [DONE]\r\r`,
    expected: { events: 3, deltas: 2, textBytes: 2, model: 'gpt-x-test', ended: true },
  },
  {
    name: 'JSON over several data lines',
    bytes: `data: {"choices":[{"delta":\ndata: {"content":"ab"}}]}\n\ndata\ndata: [DONE]\n\n`,
    expected: { events: 2, deltas: 1, textBytes: 2, ended: true },
  },
  {
    name: 'data that is not JSON or not an object, and lines that are no events',
    bytes:
      'data: {"choices":\n\ndata: 7\n\ndata: "x"\n\ndatum: {}\n\n<html>\n\n\0\0\n\ndata: [{"error":{"code":400}}]\n\n',
    expected: { events: 4, unparsed: 3, error: '400', ended: true },
  },
  {
    name: 'fields with wrong types',
    bytes: data({
      choices: [null, 7, { delta: 'x', text: 5 }],
      usage: 'many',
      model: 7,
      error: 'x',
      x_groq: [],
      timings: null,
    }),
    expected: { events: 1, error: 'error', ended: true },
  },
]
