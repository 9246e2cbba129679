import { type Json, type Shape, used } from './form.js'

/** Usage in the forms of the Responses and the Messages API, and of Bedrock. */

const RESPONSES_USAGE = {
  input_tokens: 40,
  input_tokens_details: { cached_tokens: 16, cache_write_tokens: 0 },
  output_tokens: 12,
  output_tokens_details: { reasoning_tokens: 5 },
  total_tokens: 52,
}
const SEARCH = (id: string, action: string): Json => ({
  type: 'web_search_call',
  id,
  status: 'completed',
  action: { type: action, query: 'q' },
})
const RESPONSE = {
  id: 'resp_1',
  object: 'response',
  status: 'completed',
  model: 'm',
  output: [
    SEARCH('ws_1', 'search'),
    SEARCH('ws_2', 'search'),
    SEARCH('ws_3', 'open_page'),
    { type: 'message', id: 'msg_1', content: [{ type: 'output_text', text: 'Hello there' }] },
  ],
  service_tier: 'flex',
  tools: [{ type: 'web_search' }],
  usage: RESPONSES_USAGE,
}

const MESSAGE = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude' }
const ANSWER = [{ type: 'text', text: 'Hello there' }]
const STARTED = {
  input_tokens: 25,
  cache_creation_input_tokens: 60,
  cache_read_input_tokens: 900,
  cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 40 },
  output_tokens: 1,
  service_tier: 'standard',
}

/** A message whose last event repeats the input as its stream tells it. */
function message(name: string, ended: Json, usage: Shape['usage'], more: Json = {}): Shape {
  return {
    name,
    preset: 'anthropic',
    whole: { ...MESSAGE, content: ANSWER, stop_reason: 'end_turn', usage: { ...STARTED, ...more, ...ended } },
    events: [
      { type: 'message_start', message: { ...MESSAGE, content: [], usage: STARTED } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: ' there' } },
      { type: 'content_block_stop', index: 0 },
      {
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { ...more, ...ended },
      },
      { type: 'message_stop' },
    ],
    usage,
  }
}

const COMPACTED = {
  ...{ input_tokens: 23_000, output_tokens: 1_000 },
  ...{ cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
  iterations: [
    {
      ...{ type: 'compaction', input_tokens: 180_000, output_tokens: 3_500 },
      ...{ cache_creation_input_tokens: 0, cache_read_input_tokens: 500 },
    },
    { type: 'message', input_tokens: 23_000, output_tokens: 1_000 },
  ],
}
const ADVISED = {
  ...{ input_tokens: 412, output_tokens: 531 },
  ...{ cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
  iterations: [
    { type: 'message', input_tokens: 412, output_tokens: 89 },
    { type: 'advisor_message', model: 'claude-large', input_tokens: 823, output_tokens: 1_612 },
    { type: 'message', input_tokens: 0, output_tokens: 442 },
  ],
}

const METRICS = {
  ...{ inputTokenCount: 25, outputTokenCount: 50, invocationLatency: 812, firstByteLatency: 390 },
  ...{ cacheReadInputTokenCount: 900, cacheWriteInputTokenCount: 60 },
}

export const OWN_API_SHAPES: readonly Shape[] = [
  {
    name: 'Responses, with web searches and a tier',
    preset: 'openai',
    whole: RESPONSE,
    events: [
      {
        type: 'response.created',
        response: { ...RESPONSE, status: 'queued', output: [], usage: null, service_tier: 'auto' },
      },
      { type: 'response.output_item.added', output_index: 0, item: { type: 'web_search_call', id: 'ws_1' } },
      { type: 'response.output_item.done', output_index: 0, item: SEARCH('ws_1', 'search') },
      { type: 'response.output_text.delta', item_id: 'msg_1', delta: 'Hello' },
      { type: 'response.output_text.delta', item_id: 'msg_1', delta: ' there' },
      { type: 'response.completed', response: RESPONSE },
    ],
    usage: used(
      { prompt: 40, cached: 16, cacheWritten: 0, completion: 12, reasoning: 5 },
      { searches: 2, tier: 'flex' },
    ),
  },
  {
    name: "xAI's Responses, with the searches of its own tools and what they cost",
    preset: 'xai',
    whole: {
      ...RESPONSE,
      output: [],
      service_tier: 'default',
      usage: {
        ...{ input_tokens: 9_212, output_tokens: 3_417, total_tokens: 12_629, num_sources_used: 0 },
        input_tokens_details: { cached_tokens: 3_072 },
        output_tokens_details: { reasoning_tokens: 100 },
        ...{ num_server_side_tools_used: 4, cost_in_usd_ticks: 318_319_000 },
        server_side_tool_usage_details: { web_search_calls: 1, x_search_calls: 3, code_interpreter_calls: 0 },
      },
    },
    events: null,
    usage: used(
      { prompt: 9_212, cached: 3_072, completion: 3_417, reasoning: 100 },
      { searches: 4, costNano: 31_831_900 },
    ),
  },
  {
    name: 'an image, with tokens of images',
    preset: 'openai',
    whole: {
      created: 1,
      data: [{ b64_json: 'AAAA' }],
      usage: {
        ...{ total_tokens: 100, input_tokens: 50, output_tokens: 50 },
        input_tokens_details: { text_tokens: 10, image_tokens: 40 },
        output_tokens_details: { image_tokens: 50, text_tokens: 0 },
      },
    },
    events: null,
    usage: used({ prompt: 50, completion: 50 }, { imagePrompt: 40, imageCompletion: 50 }),
  },
  {
    name: 'a transcription, with tokens of audio',
    preset: 'openai',
    whole: {
      text: 'Hello there',
      usage: {
        ...{ type: 'tokens', input_tokens: 14, output_tokens: 45, total_tokens: 59 },
        input_token_details: { text_tokens: 0, audio_tokens: 14 },
      },
    },
    events: null,
    usage: used({ prompt: 14, completion: 45 }, { audioPrompt: 14 }),
  },
  message(
    'Anthropic, with writes for an hour, searches, thoughts and the priority tier',
    {
      output_tokens: 50,
      output_tokens_details: { thinking_tokens: 30 },
      server_tool_use: { web_search_requests: 2, web_fetch_requests: 1 },
      service_tier: 'priority',
    },
    used(
      { prompt: 985, cached: 900, cacheWritten: 60, completion: 50, reasoning: 30 },
      { cacheWrittenHour: 40, searches: 2, tier: 'priority' },
    ),
  ),
  {
    ...message(
      'Anthropic, with zeros at the end',
      { output_tokens: 40, input_tokens: 0, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 },
      used({ prompt: 985, cached: 900, cacheWritten: 60, completion: 40 }, { cacheWrittenHour: 40 }),
    ),
    whole: null,
  },
  {
    ...message(
      'Anthropic, with a correction at the end, and nulls',
      { output_tokens: 40, input_tokens: 30, cache_read_input_tokens: null, cache_creation: null },
      used({ prompt: 990, cached: 900, cacheWritten: 60, completion: 40 }, { cacheWrittenHour: 40 }),
    ),
    whole: null,
  },
  {
    name: 'Anthropic, with a compaction',
    preset: 'anthropic',
    whole: { ...MESSAGE, content: ANSWER, stop_reason: 'end_turn', usage: COMPACTED },
    events: [
      {
        type: 'message_start',
        message: { ...MESSAGE, content: [], usage: { input_tokens: 23_000, output_tokens: 2 } },
      },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello' } },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: COMPACTED },
      { type: 'message_stop' },
    ],
    usage: used(
      { prompt: 203_500, cached: 500, cacheWritten: 0, completion: 4_500 },
      {
        passes: [
          { model: null, usage: used({ prompt: 180_500, cached: 500, cacheWritten: 0, completion: 3_500 }) },
          { model: null, usage: used({ prompt: 23_000, completion: 1_000 }) },
        ],
      },
    ),
  },
  {
    name: 'Anthropic, with the question to another model',
    preset: 'anthropic',
    whole: { ...MESSAGE, content: ANSWER, stop_reason: 'end_turn', usage: ADVISED },
    events: null,
    usage: used(
      { prompt: 1_235, cached: 0, cacheWritten: 0, completion: 2_143 },
      {
        passes: [
          { model: null, usage: used({ prompt: 412, completion: 89 }) },
          { model: 'claude-large', usage: used({ prompt: 823, completion: 1_612 }) },
          { model: null, usage: used({ prompt: 0, completion: 442 }) },
        ],
      },
    ),
  },
  {
    ...message(
      "Bedrock's numbers at the end of an Anthropic stream",
      { output_tokens: 50 },
      used({ prompt: 985, cached: 900, cacheWritten: 60, completion: 50 }, { cacheWrittenHour: 40 }),
    ),
    whole: null,
    events: [
      { type: 'message_start', message: { ...MESSAGE, content: [], usage: STARTED } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello' } },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 50 } },
      { type: 'message_stop', 'amazon-bedrock-invocationMetrics': METRICS },
    ],
  },
  {
    name: "Bedrock's numbers alone",
    preset: null,
    whole: null,
    events: [
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello' } },
      { type: 'message_stop', 'amazon-bedrock-invocationMetrics': METRICS },
    ],
    usage: used({ prompt: 985, cached: 900, cacheWritten: 60, completion: 50 }),
  },
  {
    name: "Bedrock's Converse",
    preset: null,
    whole: {
      output: { message: { role: 'assistant', content: [{ text: 'Hello' }] } },
      stopReason: 'end_turn',
      usage: {
        ...{ inputTokens: 25, outputTokens: 50, totalTokens: 975 },
        ...{ cacheReadInputTokens: 900, cacheWriteInputTokens: 0 },
      },
    },
    events: null,
    usage: used({ prompt: 925, cached: 900, cacheWritten: 0, completion: 50 }),
  },
  {
    name: 'embeddings',
    preset: 'openai',
    whole: {
      object: 'list',
      data: [{ embedding: [0.5] }],
      model: 'm',
      usage: { prompt_tokens: 8, total_tokens: 8 },
    },
    events: null,
    usage: used({ prompt: 8 }),
  },
]
