import { brotliCompressSync } from 'node:zlib'
import { type Decided, estimated, JSON_TYPE, UNUSED, used } from '../answers.js'
import { DONE } from '../fixtures.js'
import { CHAT_PATH, choice, chunk, chunks, type Quirk, quirk, stream, TEXT, usage } from './quirk.js'

// DeepSeek

const DEEPSEEK = { ...chunk, id: 'q4', model: 'deepseek-fixture', system_fingerprint: 'fp_q4' }
const DEEPSEEK_USAGE = {
  prompt_tokens_details: { cached_tokens: 64 },
  prompt_cache_hit_tokens: 64,
  prompt_cache_miss_tokens: 6,
  completion_tokens_details: { reasoning_tokens: 4 },
}
const DEEPSEEK_DECIDED: Decided = {
  upstream_model: 'deepseek-fixture',
  finish_reason: 'stop',
  ...used(70, 9, { cached_tokens: 64, reasoning_tokens: 4 }),
}

export const DEEPSEEK_QUIRKS: readonly Quirk[] = [
  stream(
    'deepseek',
    'keep-alives while it is queued, and thoughts',
    CHAT_PATH,
    chunks(
      DEEPSEEK,
      ': keep-alive\n\n',
      ': keep-alive\n\n',
      choice({ role: 'assistant', content: null, reasoning_content: '' }),
      choice({ content: null, reasoning_content: 'hm, ' }),
      ': keep-alive\n\n',
      choice({ content: TEXT, reasoning_content: null }),
      { ...choice({ content: '', reasoning_content: null }, 'stop'), ...usage(70, 9, DEEPSEEK_USAGE) },
      DONE,
    ),
    DEEPSEEK_DECIDED,
  ),
  quirk(
    'deepseek',
    'blank lines ahead of JSON',
    CHAT_PATH,
    '200 OK',
    [JSON_TYPE],
    `\n\n\n\n${JSON.stringify({
      id: 'q4',
      object: 'chat.completion',
      model: 'deepseek-fixture',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: TEXT, reasoning_content: 'hm' },
          finish_reason: 'stop',
        },
      ],
      ...usage(70, 9, DEEPSEEK_USAGE),
    })}`,
    DEEPSEEK_DECIDED,
  ),
]

// OpenRouter

const OPENROUTER = { ...chunk, id: 'gen-1-q5', provider: 'Provider', model: 'vendor/fixture' }
const OPENROUTER_BODY = chunks(
  OPENROUTER,
  ': OPENROUTER PROCESSING\n\n',
  ': OPENROUTER PROCESSING\n\n',
  choice({
    role: 'assistant',
    content: '',
    reasoning: 'hm',
    reasoning_details: [{ type: 'reasoning.text' }],
  }),
  ': OPENROUTER PROCESSING\n\n',
  choice({ role: 'assistant', content: TEXT }, null, { native_finish_reason: null, logprobs: null }),
  choice({ role: 'assistant', content: '' }, 'stop', { native_finish_reason: 'end_turn' }),
  {
    ...choice({ role: 'assistant', content: '' }),
    ...usage(26, 8, {
      cost: 0.000_142,
      is_byok: false,
      prompt_tokens_details: { cached_tokens: 0 },
      cost_details: { upstream_inference_cost: null },
      completion_tokens_details: { reasoning_tokens: 2 },
    }),
  },
  DONE,
)
const OPENROUTER_DECIDED: Decided = {
  upstream_model: 'vendor/fixture',
  finish_reason: 'stop',
  ...used(26, 8, { cached_tokens: 0, reasoning_tokens: 2 }),
}

export const OPENROUTER_QUIRKS: readonly Quirk[] = [
  stream(
    'openrouter',
    'comments while it works, and what it cost',
    CHAT_PATH,
    OPENROUTER_BODY,
    OPENROUTER_DECIDED,
    'X-Generation-Id: gen-1-q5',
  ),
  stream(
    'openrouter',
    'the same in Brotli',
    CHAT_PATH,
    brotliCompressSync(OPENROUTER_BODY),
    OPENROUTER_DECIDED,
    'content-encoding: br',
  ),
  stream(
    'openrouter',
    'an error in a chunk behind text',
    CHAT_PATH,
    chunks(
      OPENROUTER,
      ': OPENROUTER PROCESSING\n\n',
      choice({ role: 'assistant', content: TEXT }),
      {
        error: { code: 502, message: 'made up', metadata: { provider_name: 'Provider', raw: 'made up' } },
        ...choice({ content: '' }, 'error'),
      },
      DONE,
    ),
    { upstream_model: 'vendor/fixture', finish_reason: 'error', stream_error: '502', ...estimated(5) },
    'X-Generation-Id: gen-1-q5',
  ),
  quirk(
    'openrouter',
    'no credits, with a code that is a number',
    CHAT_PATH,
    '402 Payment Required',
    [JSON_TYPE],
    '{"error":{"message":"Insufficient credits","code":402},"user_id":"user_fixture"}',
    { stream_error: '402', ...UNUSED },
  ),
]

// Groq

const GROQ = { ...chunk, id: 'chatcmpl-q6', model: 'llama-fixture', system_fingerprint: 'fp_q6' }
const GROQ_TIMES = {
  queue_time: 0.061,
  prompt_time: 0.004,
  completion_time: 0.031,
  total_time: 0.035,
}
const GROQ_BEGUN = [
  { ...choice({ role: 'assistant', content: '' }), x_groq: { id: 'req_01fixture', seed: 7 } },
  choice({ content: TEXT }),
]
const GROQ_END = {
  ...choice({}, 'stop'),
  x_groq: { id: 'req_01fixture', ...usage(29, 17, GROQ_TIMES) },
}
const GROQ_DECIDED: Decided = { upstream_model: 'llama-fixture', finish_reason: 'stop', ...used(29, 17) }

export const GROQ_QUIRKS: readonly Quirk[] = [
  stream(
    'groq',
    'usage under a name of its own, with seconds among the counts',
    CHAT_PATH,
    chunks(GROQ, ...GROQ_BEGUN, GROQ_END, DONE),
    GROQ_DECIDED,
    'x-groq-region: fixture',
  ),
  stream(
    'groq',
    'usage in both places',
    CHAT_PATH,
    chunks(GROQ, ...GROQ_BEGUN, GROQ_END, { choices: [], ...usage(29, 17, GROQ_TIMES) }, DONE),
    GROQ_DECIDED,
  ),
  stream(
    'groq',
    'an error under a name of its own',
    CHAT_PATH,
    chunks(
      GROQ,
      ...GROQ_BEGUN,
      { choices: [], x_groq: { id: 'req_01fixture', error: 'over capacity' } },
      DONE,
    ),
    { upstream_model: 'llama-fixture', stream_error: 'error', ...estimated(5) },
  ),
]

// xAI

const XAI = { ...chunk, id: 'q7', model: 'grok-fixture', system_fingerprint: 'fp_q7' }

export const XAI_QUIRKS: readonly Quirk[] = [
  stream(
    'xai',
    'usage on the last chunk but one, and then an empty one',
    CHAT_PATH,
    chunks(
      XAI,
      choice({ role: 'assistant', reasoning_content: 'hm' }),
      { ...choice({ content: TEXT }), ...usage(31, 2) },
      {
        ...choice({}, 'stop'),
        ...usage(31, 6, {
          num_sources_used: 0,
          prompt_tokens_details: { cached_tokens: 12, text_tokens: 31 },
          completion_tokens_details: { reasoning_tokens: 3 },
        }),
      },
      { choices: [] },
      DONE,
    ),
    {
      upstream_model: 'grok-fixture',
      finish_reason: 'stop',
      ...used(31, 6, { cached_tokens: 12, reasoning_tokens: 3 }),
    },
  ),
]
