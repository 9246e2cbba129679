/**
 * Bodies and streams as real clients and APIs send them: the content is made up, the structure is theirs. Streams are
 * given as the bytes on the wire, which a relay may not change by one.
 */

type Json = Readonly<Record<string, unknown>>

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** An event without a name. */
function data(payload: Json): string {
  return `data: ${JSON.stringify(payload)}\n\n`
}

/** An event as the Responses and the Messages API send it: its name is in its payload, too. */
function named(payload: Json & { readonly type: string }): string {
  return `event: ${payload.type}\n${data(payload)}`
}

function stream(...events: string[]): Buffer {
  return Buffer.from(events.join(''))
}

export const DONE = 'data: [DONE]\n\n'

// Requests

const SHELL = {
  type: 'object',
  properties: { command: { type: 'string' } },
  required: ['command'],
}

/** What Cursor's agent posts to `/chat/completions` for models with names of the GPT family: a Responses body. */
export const RESPONSES_SHAPED_REQUEST = json({
  model: 'gpt-fixture',
  input: [
    { role: 'system', content: 'You are an editor.' },
    { role: 'user', content: [{ type: 'input_text', text: 'rename bar – naïvely' }] },
    { type: 'function_call', call_id: 'call_R1', name: 'Read', arguments: '{"path":"b.ts"}' },
    { type: 'function_call_output', call_id: 'call_R1', output: '1|bar' },
  ],
  tools: [
    { type: 'function', name: 'Shell', description: 'runs a command', parameters: SHELL },
    {
      type: 'custom',
      name: 'ApplyPatch',
      description: 'applies a patch',
      format: { type: 'grammar', syntax: 'lark', definition: 'start: /.+/' },
    },
  ],
  tool_choice: 'auto',
  stream: true,
  stream_options: { include_usage: true },
  include: ['reasoning.encrypted_content'],
  reasoning: { effort: 'medium', summary: 'auto' },
  text: { verbosity: 'low' },
  store: false,
  truncation: 'disabled',
  prompt_cache_retention: '24h',
  metadata: { cursorConversationId: '11111111-2222-3333-4444-555555555555' },
  user: 'hash_of_a_user',
})

/** The same for names with `claude-` in them: a Messages body with fields of the chat API among its own. */
export const MESSAGES_SHAPED_REQUEST = json({
  model: 'claude-fixture-thinking',
  max_tokens: 2048,
  stream: true,
  stream_options: { include_usage: true },
  system: [{ type: 'text', text: 'You are an editor.', cache_control: { type: 'ephemeral' } }],
  messages: [
    { role: 'user', content: [{ type: 'text', text: 'which files are there?' }] },
    {
      role: 'assistant',
      content: [{ type: 'tool_use', id: 'toolu_L1', name: 'LS', input: { path: '.' } }],
    },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_L1', content: 'b.ts' }] },
  ],
  tools: [
    {
      name: 'LS',
      description: 'lists files',
      input_schema: { type: 'object', properties: { path: { type: 'string' } } },
    },
  ],
  tool_choice: { type: 'auto' },
})

/** A chat body from Cursor: tools of two kinds in one array, the index of a tool call sent back as it came. */
export const CHAT_REQUEST = json({
  model: 'relay:fixture',
  temperature: 0,
  user: 'hash_of_a_user',
  messages: [
    { role: 'system', content: 'You are an editor.' },
    { role: 'user', content: 'what is open' },
    { role: 'user', content: 'what to do' },
    {
      role: 'assistant',
      content: '',
      tool_calls: [
        {
          type: 'function',
          id: 'call_Q1',
          index: 0,
          function: { name: 'read_file', arguments: '{"target_file":"b"}' },
        },
      ],
    },
    { role: 'tool', name: 'read_file', tool_call_id: 'call_Q1', content: 'its text' },
  ],
  tools: [
    { type: 'function', function: { name: 'read_file', parameters: { type: 'object' } } },
    {
      type: 'custom',
      name: 'ApplyPatch',
      format: { type: 'grammar', syntax: 'lark', definition: 'start: Y' },
    },
  ],
  tool_choice: { type: 'auto' },
  stream: true,
  reasoning: { effort: 'low' },
})

// Chat completions

function chatChunk(fields: Json): Json {
  return {
    id: 'chatcmpl-F1',
    object: 'chat.completion.chunk',
    created: 1_750_000_000,
    model: 'gpt-fixture',
    ...fields,
  }
}

function delta(
  fields: Json,
  obfuscation: string,
  rest: Json = { logprobs: null, finish_reason: null },
): string {
  return data(chatChunk({ choices: [{ index: 0, delta: fields, ...rest }], usage: null, obfuscation }))
}

/** Of OpenAI, with a tool call, usage in a chunk of its own, and random padding in each. */
export const CHAT_STREAM = stream(
  data(
    chatChunk({
      service_tier: 'default',
      system_fingerprint: 'fp_f1',
      choices: [
        {
          index: 0,
          delta: { role: 'assistant', content: '', refusal: null },
          logprobs: null,
          finish_reason: null,
        },
      ],
      usage: null,
      obfuscation: 'Qx7',
    }),
  ),
  delta({ content: 'déjà vu 🦉' }, 'p2'),
  delta(
    {
      tool_calls: [{ index: 0, id: 'call_S1', type: 'function', function: { name: 'Shell', arguments: '' } }],
    },
    '',
    { finish_reason: null },
  ),
  delta({ tool_calls: [{ index: 0, function: { arguments: '{"command":"pwd"}' } }] }, 'mm', {
    finish_reason: null,
  }),
  delta({}, 'v', { logprobs: null, finish_reason: 'tool_calls' }),
  data(
    chatChunk({
      choices: [],
      usage: {
        prompt_tokens: 47,
        completion_tokens: 11,
        total_tokens: 58,
        prompt_tokens_details: { cached_tokens: 32, audio_tokens: 0 },
        completion_tokens_details: {
          reasoning_tokens: 0,
          audio_tokens: 0,
          accepted_prediction_tokens: 0,
          rejected_prediction_tokens: 0,
        },
      },
      obfuscation: 'u',
    }),
  ),
  DONE,
)

/** How chat streams tell of an error after a 200, each in another way; the stream ends with it. */
export const CHAT_ERRORS = {
  /** OpenAI. */
  plain: stream(data({ error: { message: 'made up', type: 'server_error', param: null, code: null } })),
  /** vLLM. */
  thenDone: stream(
    data({ error: { message: 'made up', type: 'InternalServerError', param: null, code: 500 } }),
    DONE,
  ),
  /** OpenRouter. */
  inChunk: stream(
    data({
      id: 'gen-f1',
      object: 'chat.completion.chunk',
      created: 1_750_000_000,
      model: 'vendor/fixture',
      provider: 'Provider',
      error: { code: 502, message: 'made up', metadata: {} },
      choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error' }],
    }),
  ),
  /** An event with a name, which the SDKs know too. */
  named: stream(
    'event: error\n',
    data({ error: { message: 'made up', type: 'server_error', param: null, code: 'server_error' } }),
  ),
} as const

// Responses

function response(fields: Json): Json {
  return { id: 'resp_F1', object: 'response', model: 'gpt-fixture', output: [], ...fields }
}

export const RESPONSES_STREAM = stream(
  named({
    type: 'response.created',
    sequence_number: 0,
    response: response({ created_at: 1_750_000_000, status: 'in_progress', usage: null }),
  }),
  named({
    type: 'response.output_text.delta',
    sequence_number: 1,
    item_id: 'msg_F1',
    output_index: 0,
    content_index: 0,
    delta: 'hello',
    logprobs: [],
    obfuscation: 'Yd4',
  }),
  named({
    type: 'response.completed',
    sequence_number: 2,
    response: response({
      status: 'completed',
      usage: {
        input_tokens: 21,
        input_tokens_details: { cached_tokens: 8, cache_write_tokens: 0 },
        output_tokens: 5,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 26,
      },
    }),
  }),
)

const RESPONSE_FAILED = named({
  type: 'response.failed',
  sequence_number: 3,
  response: {
    id: 'resp_F2',
    status: 'failed',
    error: { code: 'insufficient_quota', message: 'made up' },
    usage: null,
  },
})

/** The error event as it is seen, with an object in it, and as it is specified, flat. Both are followed by a failure. */
export const RESPONSES_ERRORS = {
  nested: stream(
    named({
      type: 'error',
      sequence_number: 2,
      error: { type: 'server_error', code: 'server_error', message: 'made up', param: null },
    }),
    RESPONSE_FAILED,
  ),
  flat: stream(
    named({ type: 'error', code: 'server_error', message: 'made up', param: null, sequence_number: 2 }),
    RESPONSE_FAILED,
  ),
} as const

// Messages

const MESSAGE_START = named({
  type: 'message_start',
  message: {
    id: 'msg_F1',
    type: 'message',
    role: 'assistant',
    model: 'claude-fixture',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: {
      input_tokens: 33,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 12,
      output_tokens: 1,
    },
  },
})

const MESSAGE_BEGUN = [
  MESSAGE_START,
  named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
  named({ type: 'ping' }),
  named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hello' } }),
]

/** Its usage is in two places; the last one counts up, and is not to be added. */
export const MESSAGES_STREAM = stream(
  ...MESSAGE_BEGUN,
  named({ type: 'content_block_stop', index: 0 }),
  named({
    type: 'message_delta',
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { output_tokens: 9 },
  }),
  named({ type: 'message_stop' }),
)

/** The same, ended by an error in the middle. */
export const MESSAGES_ERROR = stream(
  ...MESSAGE_BEGUN,
  named({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }),
)

// Others

/** What keeps a connection alive and is no answer: DeepSeek, OpenRouter, an empty comment, Anthropic. */
export const KEEP_ALIVES = {
  comment: stream(': keep-alive\n\n'),
  processing: stream(': OPENROUTER PROCESSING\n\n'),
  emptyComment: stream(':\n\n'),
  ping: stream(named({ type: 'ping' })),
} as const

const UNHARMFUL = { hate: { filtered: false, severity: 'safe' } }

/** Azure: frames of the content filter without a choice and without a text, and no blank line at the end. */
export const AZURE_STREAM = stream(
  data({
    choices: [],
    created: 0,
    id: '',
    model: '',
    object: '',
    prompt_filter_results: [{ prompt_index: 0, content_filter_results: UNHARMFUL }],
  }),
  data({
    choices: [
      {
        content_filter_offsets: { check_offset: 12, start_offset: 12, end_offset: 48 },
        content_filter_results: UNHARMFUL,
        finish_reason: null,
        index: 0,
      },
    ],
    created: 0,
    id: '',
    model: '',
    object: '',
  }),
  DONE.trimEnd(),
)

/** Groq: the last chunk has the usage under a key of its own, with seconds among the counts. */
export const GROQ_FINISH = stream(
  data({
    id: 'chatcmpl-F2',
    object: 'chat.completion.chunk',
    created: 1_750_000_000,
    model: 'fixture',
    choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }],
    x_groq: {
      id: 'req_f1',
      usage: {
        queue_time: 0.05,
        prompt_tokens: 29,
        prompt_time: 0.004,
        completion_tokens: 17,
        completion_time: 0.031,
        total_tokens: 46,
        total_time: 0.035,
      },
    },
  }),
)

/** Gemini: a tool call without an index, with a signature that has to come back as it was. */
export const GEMINI_TOOL_CALL = stream(
  data({
    choices: [
      {
        delta: {
          role: 'assistant',
          tool_calls: [
            {
              extra_content: { google: { thought_signature: 'bWFkZSB1cA==' } },
              function: { arguments: '{"b":2}', name: 'g' },
              id: 'call_G1',
              type: 'function',
            },
          ],
        },
        index: 0,
      },
    ],
    model: 'gemini-fixture',
    object: 'chat.completion.chunk',
  }),
)

/** Gemini: the body of an error, which is an array. */
export const GEMINI_ERROR = json([{ error: { code: 400, message: 'made up', status: 'INVALID_ARGUMENT' } }])

/** llama.cpp: the progress of the prompt ahead of the answer, and the timings on the last chunk. */
export const LLAMA_STREAM = stream(
  data({
    choices: [{ index: 0, delta: { role: 'assistant', content: null }, finish_reason: null }],
    object: 'chat.completion.chunk',
    prompt_progress: { total: 700, cache: 200, processed: 450, time_ms: 95 },
  }),
  data({
    choices: [{ finish_reason: 'stop', index: 0, delta: {} }],
    object: 'chat.completion.chunk',
    usage: { completion_tokens: 6, prompt_tokens: 700, total_tokens: 706 },
    timings: { cache_n: 200, prompt_n: 500, prompt_ms: 210.4, predicted_n: 6, predicted_ms: 61.5 },
  }),
)

// Framings

export interface Framing {
  readonly name: string
  readonly bytes: Buffer
  /** The data of its events as the event stream format defines them; a blank line is what makes an event. */
  readonly data: readonly string[]
}

const FIRST = '{"text":"première"}'
const SECOND = '{"text":"🦉"}'
const LONG = `{"image":"${'A'.repeat(1024 * 1024)}"}`

function framing(name: string, text: string, ...events: string[]): Framing {
  return { name, bytes: Buffer.from(text), data: events }
}

/** One short stream in each way in which the format lets it be written, and some that it does not. */
export const FRAMINGS: readonly Framing[] = [
  framing('LF', `data: ${FIRST}\n\ndata: ${SECOND}\n\n`, FIRST, SECOND),
  framing('CRLF', `data: ${FIRST}\r\n\r\ndata: ${SECOND}\r\n\r\n`, FIRST, SECOND),
  framing('a lone CR', `data: ${FIRST}\r\rdata: ${SECOND}\r\r`, FIRST, SECOND),
  framing('line ends of all kinds', `data: ${FIRST}\r\n\ndata: ${SECOND}\r\r\n`, FIRST, SECOND),
  framing('no space after the colon', `data:${FIRST}\n\ndata:${SECOND}\n\n`, FIRST, SECOND),
  framing('two spaces after the colon', `data:  ${FIRST}\n\n`, ` ${FIRST}`),
  framing('a byte order mark', `\uFEFFdata: ${FIRST}\n\ndata: ${SECOND}\n\n`, FIRST, SECOND),
  framing('data in several lines', 'data: {"text":\ndata: "one"\ndata: }\n\n', '{"text":\n"one"\n}'),
  framing('a line of 1 MiB', `data: ${LONG}\n\ndata: ${SECOND}\n\n`, LONG, SECOND),
  framing('an event with a name only', `event: ping\n\ndata: ${FIRST}\n\n`, FIRST),
  framing('id and retry lines', `id: 7\nretry: 1500\ndata: ${FIRST}\n\nretry: 10\n\n`, FIRST),
  framing('comments between and within', `:\n\ndata: ${FIRST}\n: within\n\n: between\n\n`, FIRST),
  framing('no blank line at the end', `data: ${FIRST}\n\ndata: ${SECOND}\n`, FIRST),
  framing('no line end at the end', `data: ${FIRST}\n\ndata: ${SECOND}`, FIRST),
  framing('two [DONE]s', `data: ${FIRST}\n\n${DONE}${DONE}`, FIRST, '[DONE]', '[DONE]'),
  framing('more after [DONE]', `data: ${FIRST}\n\n${DONE}data: ${SECOND}\n\n`, FIRST, '[DONE]', SECOND),
  framing(
    'an empty finish_reason',
    'data: {"choices":[{"index":0,"delta":{},"finish_reason":""}]}\n\n',
    '{"choices":[{"index":0,"delta":{},"finish_reason":""}]}',
  ),
  framing('empty data', 'data\n\ndata:\n\n', '', ''),
  framing('no events', ''),
]

export interface Split {
  readonly name: string
  readonly pieces: readonly Buffer[]
}

const CRLF_STREAM = Buffer.from(`data: ${FIRST}\r\n\r\ndata: ${SECOND}\r\n\r\n`)

/** One CRLF stream, cut where a reader of lines, of text or of events may stumble. */
export const SPLITS: readonly Split[] = [
  split('within a character', CRLF_STREAM.indexOf(0xc3) + 1, CRLF_STREAM.indexOf(0xf0) + 2),
  split('within a line end', CRLF_STREAM.indexOf('\r') + 1, CRLF_STREAM.lastIndexOf('\r') + 1),
  split('between the line ends', CRLF_STREAM.indexOf('\r') + 2),
  split('within the word data', 2, CRLF_STREAM.lastIndexOf('data') + 3),
  split('after the colon', 5, CRLF_STREAM.lastIndexOf('data') + 5),
  split('at every byte', ...Array.from({ length: CRLF_STREAM.length - 1 }, (_, i) => i + 1)),
]

function split(name: string, ...cuts: number[]): Split {
  const ends = [...cuts, CRLF_STREAM.length]
  return { name, pieces: ends.map((end, i) => CRLF_STREAM.subarray(ends[i - 1] ?? 0, end)) }
}
