import { data, estimated, JSON_TYPE, used } from '../answers.js'
import { CHAT_ERRORS, DONE, KEEP_ALIVES } from '../fixtures.js'
import {
  CHAT_PATH,
  choice,
  chunk,
  chunks,
  type Json,
  type Quirk,
  quirk,
  stream,
  TEXT,
  usage,
} from './quirk.js'

// Ollama

const OLLAMA = { ...chunk, id: 'chatcmpl-8', model: 'qwen-fixture', system_fingerprint: 'fp_ollama' }

export const OLLAMA_QUIRKS: readonly Quirk[] = [
  stream(
    'ollama',
    'reasons that are empty until there is one',
    CHAT_PATH,
    chunks(
      OLLAMA,
      choice({ role: 'assistant', content: 'où ' }, ''),
      choice({ role: 'assistant', content: '🦉?' }, ''),
      choice({ role: 'assistant', content: '' }, 'stop'),
      { choices: [], ...usage(11, 5) },
      DONE,
    ),
    { upstream_model: 'qwen-fixture', finish_reason: 'stop', ...used(11, 5) },
  ),
  stream(
    'ollama',
    'tool calls that all have index 0, or none, in one chunk',
    CHAT_PATH,
    chunks(
      OLLAMA,
      choice({
        role: 'assistant',
        content: '',
        tool_calls: [
          { id: 'call_1', index: 0, type: 'function', function: { name: 'f', arguments: '{}' } },
          { id: 'call_2', index: 0, type: 'function', function: { name: 'g', arguments: '{}' } },
          { id: 'call_3', type: 'function', function: { name: 'h', arguments: '{}' } },
        ],
      }),
      choice({ role: 'assistant', content: '' }, 'tool_calls'),
      DONE,
    ),
    { upstream_model: 'qwen-fixture', tool_calls: 3, finish_reason: 'tool_calls', ...estimated(30) },
  ),
]

// vLLM and SGLang

const VLLM = { ...chunk, id: 'chatcmpl-q9', model: 'served-fixture' }

export const VLLM_QUIRKS: readonly Quirk[] = [
  stream(
    'vllm',
    'usage with every chunk, thoughts, and a reason of its own',
    CHAT_PATH,
    chunks(
      VLLM,
      { ...choice({ role: 'assistant', content: '', reasoning: null }), ...usage(14, 0) },
      { ...choice({ reasoning: 'hm' }), ...usage(14, 1) },
      { ...choice({ content: 'où ' }), ...usage(14, 3) },
      { ...choice({ content: '🦉?' }), ...usage(14, 6) },
      { ...choice({ content: '' }, 'stop', { stop_reason: 151_645, token_ids: null }), ...usage(14, 7) },
      { choices: [], ...usage(14, 7, { prompt_tokens_details: null }) },
      DONE,
    ),
    { upstream_model: 'served-fixture', finish_reason: 'stop', ...used(14, 7) },
    'server: uvicorn',
  ),
  stream(
    'vllm',
    'an error behind text, and then [DONE]',
    CHAT_PATH,
    `${chunks(VLLM, choice({ role: 'assistant', content: TEXT }))}${CHAT_ERRORS.thenDone}`,
    { upstream_model: 'served-fixture', stream_error: '500', ...estimated(5) },
  ),
  stream(
    'vllm',
    'what SGLang says beside it',
    CHAT_PATH,
    chunks(
      VLLM,
      { ...choice({ role: 'assistant', content: '', reasoning_content: null }), usage: null },
      { ...choice({ content: TEXT }, null, { logprobs: null, matched_stop: null }), usage: null },
      { ...choice({ content: null }, 'stop', { matched_stop: 2 }), usage: null },
      { choices: [], ...usage(14, 4, { reasoning_tokens: 0, prompt_tokens_details: null }) },
      DONE,
    ),
    { upstream_model: 'served-fixture', finish_reason: 'stop', ...used(14, 4, { reasoning_tokens: 0 }) },
  ),
]

// llama.cpp

const LLAMA = { ...chunk, id: 'chatcmpl-q0', model: 'gguf-fixture', system_fingerprint: 'b1-q0' }
const PING = KEEP_ALIVES.emptyComment.toString()

function timings(cached: number, prompt: number, predicted: number): Json {
  return {
    timings: {
      cache_n: cached,
      prompt_n: prompt,
      prompt_ms: 210.4,
      prompt_per_second: 2_376.4,
      predicted_n: predicted,
      predicted_ms: 61.5,
    },
  }
}

/** Of its own API, which is neither OpenAI's nor has an end mark. */
function content(text: string, more: Json = {}): Json {
  return { index: 0, content: text, tokens: [], stop: false, id_slot: -1, ...more }
}

export const LLAMA_QUIRKS: readonly Quirk[] = [
  stream(
    'llama-cpp',
    'progress, pings, and timings with every chunk',
    CHAT_PATH,
    chunks(
      LLAMA,
      PING,
      {
        ...choice({ role: 'assistant', content: null }),
        prompt_progress: { total: 700, cache: 200, processed: 450, time_ms: 95 },
      },
      PING,
      { ...choice({ content: 'où ' }), ...timings(200, 500, 1) },
      PING,
      { ...choice({ content: '🦉?' }), ...timings(200, 500, 4) },
      { ...choice({}, 'stop'), ...timings(200, 500, 6) },
      DONE,
    ),
    { upstream_model: 'gguf-fixture', finish_reason: 'stop', ...used(700, 6, { cached_tokens: 200 }) },
    'Server: llama.cpp',
  ),
  stream(
    'llama-cpp',
    'a stream of its own API',
    '/completion',
    data(
      content('où ', { tokens_predicted: 1, tokens_evaluated: 700 }),
      content('🦉?', { tokens_predicted: 4, tokens_evaluated: 700 }),
      content('', {
        model: 'gguf-fixture',
        stop: true,
        tokens_predicted: 5,
        tokens_evaluated: 700,
        tokens_cached: 704,
        truncated: false,
        stop_type: 'eos',
        stopping_word: '',
        ...timings(200, 500, 5),
      }),
    ),
    { upstream_model: 'gguf-fixture', finish_reason: 'eos', ...used(700, 5, { cached_tokens: 200 }) },
  ),
  stream(
    'llama-cpp',
    'an error in its own API behind text',
    '/completion',
    data(content('où 🦉?'), { error: { code: 500, message: 'made up', type: 'server_error' } }),
    { stream_error: '500', ...estimated(5) },
  ),
  quirk(
    'llama-cpp',
    'what an editor asks of an infill, with the paths of its fields for names',
    '/infill',
    '200 OK',
    [`${JSON_TYPE}; charset=utf-8`],
    JSON.stringify({
      content: TEXT,
      'timings/prompt_n': 12,
      'timings/prompt_ms': 30.5,
      'timings/cache_n': 300,
      'timings/predicted_n': 5,
      'timings/predicted_ms': 41.1,
      truncated: false,
      tokens_cached: 316,
    }),
    used(312, 5, { cached_tokens: 300 }),
  ),
  quirk(
    'llama-cpp',
    'an infill that does not tell what it had in its cache',
    '/infill',
    '200 OK',
    [`${JSON_TYPE}; charset=utf-8`],
    JSON.stringify({ content: TEXT, 'timings/prompt_n': 2, 'timings/predicted_n': 6, tokens_cached: 316 }),
    // What was processed is a part of the prompt, which had better be estimated.
    estimated(6),
  ),
]
