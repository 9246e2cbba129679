import { gzipSync } from 'node:zlib'
import { CHAT, type Decided, estimated, JSON_TYPE, UNUSED, used } from '../answers.js'
import { CHAT_ERRORS, CHAT_STREAM, DONE, GEMINI_ERROR } from '../fixtures.js'
import { CHAT_PATH, choice, chunk, chunks, named, type Quirk, quirk, stream, TEXT, usage } from './quirk.js'

// OpenAI

const OPENAI = { ...chunk, id: 'chatcmpl-Q1', model: 'gpt-fixture', service_tier: 'default' }
const OPENAI_HEADERS = [
  'openai-organization: org-fixture',
  'openai-processing-ms: 212',
  'openai-version: 2020-10-01',
  'x-ratelimit-remaining-tokens: 149984',
  'x-ratelimit-reset-tokens: 6ms',
  'x-request-id: req_fixture',
]
const SAID = chunks(OPENAI, { ...choice({ role: 'assistant', content: TEXT }), obfuscation: 'x1' })
const FAILED_BEHIND_TEXT: Decided = {
  upstream_model: 'gpt-fixture',
  stream_error: 'server_error',
  ...estimated(5),
}

const RESPONSE = { id: 'resp_Q1', object: 'response', model: 'gpt-fixture', output: [] } as const
const RESPONSE_BEGUN = [
  { type: 'response.created', sequence_number: 0, response: { ...RESPONSE, status: 'queued', usage: null } },
  { type: 'response.in_progress', response: { ...RESPONSE, status: 'in_progress', usage: null } },
  {
    type: 'response.output_item.added',
    output_index: 0,
    item: { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'ls', arguments: '' },
  },
  { type: 'response.function_call_arguments.delta', item_id: 'fc_1', delta: '{"p":', obfuscation: '' },
  { type: 'response.output_text.delta', item_id: 'msg_1', delta: TEXT, logprobs: [], obfuscation: 'pq' },
] as const

export const OPENAI_QUIRKS: readonly Quirk[] = [
  stream(
    'openai',
    'padding, and usage in a chunk of its own',
    CHAT_PATH,
    CHAT_STREAM,
    CHAT,
    ...OPENAI_HEADERS,
  ),
  stream(
    'openai',
    'an error behind text',
    CHAT_PATH,
    `${SAID}${CHAT_ERRORS.plain}`,
    FAILED_BEHIND_TEXT,
    ...OPENAI_HEADERS,
  ),
  stream(
    'openai',
    'an error with a name behind text',
    CHAT_PATH,
    `${SAID}${CHAT_ERRORS.named}`,
    FAILED_BEHIND_TEXT,
  ),
  stream(
    'openai',
    'a response that is cut short by its limit',
    '/responses',
    named(...RESPONSE_BEGUN, {
      type: 'response.incomplete',
      sequence_number: 5,
      response: {
        ...RESPONSE,
        status: 'incomplete',
        incomplete_details: { reason: 'max_output_tokens' },
        usage: {
          input_tokens: 40,
          input_tokens_details: { cached_tokens: 16, cache_write_tokens: 0 },
          output_tokens: 12,
          output_tokens_details: { reasoning_tokens: 5 },
          total_tokens: 52,
        },
      },
    }),
    {
      upstream_model: 'gpt-fixture',
      tool_calls: 1,
      finish_reason: 'max_output_tokens',
      ...used(40, 12, { cached_tokens: 16, cache_write_tokens: 0, reasoning_tokens: 5 }),
    },
    ...OPENAI_HEADERS,
  ),
  stream(
    'openai',
    'an error within a response that had begun',
    '/responses',
    named(
      ...RESPONSE_BEGUN,
      {
        type: 'error',
        sequence_number: 5,
        error: { type: 'server_error', code: null, message: 'made up', param: null },
      },
      {
        type: 'response.failed',
        sequence_number: 6,
        response: {
          ...RESPONSE,
          status: 'failed',
          error: { code: 'server_error', message: 'x' },
          usage: null,
        },
      },
    ),
    {
      upstream_model: 'gpt-fixture',
      tool_calls: 1,
      finish_reason: 'failed',
      stream_error: 'server_error',
      ...estimated(17),
    },
  ),
]

// Azure

const FILTER = {
  hate: { filtered: false, severity: 'safe' },
  self_harm: { filtered: false, severity: 'safe' },
}
const AZURE = { ...chunk, id: 'chatcmpl-Q2', model: 'gpt-fixture', system_fingerprint: 'fp_q2' }
const NOTHING = { id: '', object: '', created: 0, model: '' } as const
const AZURE_BODY = chunks(
  AZURE,
  {
    ...NOTHING,
    choices: [],
    prompt_filter_results: [{ prompt_index: 0, content_filter_results: FILTER }],
  },
  choice({ role: 'assistant', content: '', refusal: null }, null, { content_filter_results: {} }),
  choice({ content: 'a whole block of text, as the filter lets it go ' }, null, {
    content_filter_results: FILTER,
  }),
  {
    ...NOTHING,
    choices: [
      {
        index: 0,
        finish_reason: null,
        content_filter_results: FILTER,
        content_filter_offsets: { check_offset: 40, start_offset: 40, end_offset: 88 },
      },
    ],
  },
  choice({}, 'content_filter', { content_filter_results: { hate: { filtered: true, severity: 'high' } } }),
  { choices: [], ...usage(33, 14, { prompt_tokens_details: { cached_tokens: 0 } }) },
  DONE,
  // Its streams may end without the last blank line.
).trimEnd()
const AZURE_DECIDED: Decided = {
  upstream_model: 'gpt-fixture',
  finish_reason: 'content_filter',
  ...used(33, 14, { cached_tokens: 0 }),
}
const AZURE_HEADERS = [
  'apim-request-id: 0000-1111',
  'x-ms-region: Fixture Central',
  'azureml-model-session: d1',
]

export const AZURE_QUIRKS: readonly Quirk[] = (['azure', 'azure-deployments'] as const).map((preset) =>
  stream(
    preset,
    'frames of the filter, which ends it',
    CHAT_PATH,
    AZURE_BODY,
    AZURE_DECIDED,
    ...AZURE_HEADERS,
  ),
)

// Anthropic

const MESSAGE_BEGUN = named(
  { type: 'ping' },
  {
    type: 'message_start',
    message: {
      id: 'msg_Q1',
      type: 'message',
      role: 'assistant',
      model: 'claude-fixture',
      content: [],
      stop_reason: null,
      usage: {
        input_tokens: 5,
        cache_creation_input_tokens: 20,
        cache_read_input_tokens: 100,
        cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 0 },
        output_tokens: 1,
        service_tier: 'standard',
      },
    },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'hm' } },
  { type: 'ping' },
  { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'bWFkZSB1cA==' } },
  { type: 'content_block_stop', index: 0 },
)
const MESSAGE_BODY = `${MESSAGE_BEGUN}${named(
  {
    type: 'content_block_start',
    index: 1,
    content_block: { type: 'tool_use', id: 'toolu_1', name: 'ls', input: {} },
  },
  { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '{"p":"é' } },
  { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '"}' } },
  { type: 'content_block_stop', index: 1 },
  // It counts up, and is not to be added; the second one may tell the prompt once more.
  { type: 'message_delta', delta: { stop_reason: null }, usage: { output_tokens: 11 } },
  {
    type: 'message_delta',
    delta: { stop_reason: 'tool_use', stop_sequence: null },
    usage: {
      input_tokens: 5,
      cache_creation_input_tokens: 20,
      cache_read_input_tokens: 100,
      output_tokens: 23,
    },
  },
  { type: 'message_stop' },
)}`
const MESSAGE_DECIDED: Decided = {
  upstream_model: 'claude-fixture',
  tool_calls: 1,
  finish_reason: 'tool_use',
  ...used(125, 23, { cached_tokens: 100, cache_write_tokens: 20 }),
}
const MESSAGE_HEADERS = [
  'request-id: req_011Fixture',
  'anthropic-organization-id: 00000000-0000-0000-0000-000000000000',
  'anthropic-ratelimit-input-tokens-remaining: 199000',
]
const COMPATIBLE = { ...chunk, id: 'msg_Q2', model: 'claude-fixture' }

export const ANTHROPIC_QUIRKS: readonly Quirk[] = [
  stream(
    'anthropic',
    'thoughts, a tool, pings, and counts that go up',
    '/messages',
    MESSAGE_BODY,
    MESSAGE_DECIDED,
    ...MESSAGE_HEADERS,
  ),
  stream(
    'anthropic',
    'the same in gzip',
    '/messages?beta=true',
    gzipSync(MESSAGE_BODY),
    MESSAGE_DECIDED,
    'content-encoding: gzip',
    ...MESSAGE_HEADERS,
  ),
  stream(
    'anthropic',
    'overloaded in the middle',
    '/messages',
    MESSAGE_BEGUN + named({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }),
    {
      upstream_model: 'claude-fixture',
      stream_error: 'overloaded_error',
      ...estimated(1),
      prompt_tokens: 125,
      cached_tokens: 100,
      cache_write_tokens: 20,
    },
    ...MESSAGE_HEADERS,
  ),
  stream(
    'anthropic',
    "chat completions, with usage as OpenAI's",
    CHAT_PATH,
    chunks(
      COMPATIBLE,
      choice({ role: 'assistant', content: TEXT }),
      choice({
        tool_calls: [{ index: 0, id: 'toolu_1', type: 'function', function: { name: 'ls', arguments: '' } }],
      }),
      choice({ tool_calls: [{ index: 0, function: { arguments: '{}' } }] }),
      choice({}, 'tool_calls'),
      { choices: [], ...usage(18, 9) },
      DONE,
    ),
    { upstream_model: 'claude-fixture', tool_calls: 1, finish_reason: 'tool_calls', ...used(18, 9) },
    ...MESSAGE_HEADERS,
  ),
]

// Gemini

const GEMINI = { ...chunk, id: 'Q3', model: 'gemini-fixture' }

export const GEMINI_QUIRKS: readonly Quirk[] = [
  stream(
    'gemini',
    'tool calls without an index, a signature, and usage with each chunk',
    CHAT_PATH,
    chunks(
      GEMINI,
      { ...choice({ role: 'assistant', content: TEXT }), ...usage(21, 3) },
      {
        ...choice(
          {
            role: 'assistant',
            tool_calls: [
              {
                extra_content: { google: { thought_signature: 'c2lnbmF0dXJl+/8=' } },
                function: { arguments: '{"a":1}', name: 'f' },
                id: 'function-call-1',
                type: 'function',
              },
              { function: { arguments: '{"b":2}', name: 'g' }, id: 'function-call-2', type: 'function' },
            ],
          },
          'stop',
        ),
        ...usage(21, 17),
      },
      DONE,
    ),
    { upstream_model: 'gemini-fixture', tool_calls: 2, finish_reason: 'stop', ...used(21, 17) },
    'server: scaffolding on HTTPServer2',
  ),
  quirk('gemini', 'an error in an array', CHAT_PATH, '400 Bad Request', [JSON_TYPE], GEMINI_ERROR, {
    stream_error: '400',
    ...UNUSED,
  }),
  stream(
    'gemini',
    'an error in an array behind text',
    CHAT_PATH,
    `${chunks(GEMINI, choice({ role: 'assistant', content: TEXT }))}data: ${GEMINI_ERROR}\n\n`,
    { upstream_model: 'gemini-fixture', stream_error: '400', ...estimated(5) },
  ),
]
