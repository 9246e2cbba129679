import { chat, counts, type Json, type Shape, used } from './form.js'

/** Usage in the forms of those who have chat completions alone, or beside their own API. */
const OPENAI_DETAILS = {
  prompt_tokens_details: { cached_tokens: 16, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: 4,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
}
const XAI = {
  ...{ prompt_tokens: 100, completion_tokens: 10, total_tokens: 160, num_sources_used: 0 },
  prompt_tokens_details: { text_tokens: 100, audio_tokens: 0, image_tokens: 0, cached_tokens: 64 },
  completion_tokens_details: { reasoning_tokens: 50, audio_tokens: 0 },
}
const GROQ = { queue_time: 0.061, prompt_time: 0.004, completion_time: 0.031, total_time: 0.035 }
const MOONSHOT = counts(900, 30, { cached_tokens: 768 })
const MISTRAL_AUDIO: Json = {
  ...{ prompt_audio_seconds: 203, prompt_tokens: 4, total_tokens: 3_264, completion_tokens: 635 },
  prompt_tokens_details: { cached_tokens: 0 },
}
const PERPLEXITY = counts(15, 240, {
  search_context_size: 'low',
  citation_tokens: 0,
  num_search_queries: 3,
  reasoning_tokens: 90,
  cost: {
    ...{ input_tokens_cost: 0.000_015, output_tokens_cost: 0.000_24, request_cost: 0.005 },
    total_cost: 0.005_255,
  },
})
const ALIBABA = counts(1_000, 20, {
  prompt_tokens_details: {
    cached_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 900 },
    cache_creation_input_tokens: 900,
    cache_type: 'ephemeral',
  },
})

export const CHAT_SHAPES: readonly Shape[] = [
  chat(
    'openai',
    'OpenAI, with a tier',
    counts(31, 9, OPENAI_DETAILS),
    used({ prompt: 31, cached: 16, completion: 9, reasoning: 4 }, { tier: 'priority' }),
    { whole: { service_tier: 'priority' } },
  ),
  chat(
    'openai',
    'OpenAI, with audio in and out, at the usual tier',
    counts(300, 200, {
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 250 },
      completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 180, text_tokens: 20 },
    }),
    used(
      { prompt: 300, cached: 0, completion: 200, reasoning: 0 },
      { audioPrompt: 250, audioCompletion: 180 },
    ),
    { whole: { service_tier: 'default' } },
  ),
  chat(
    'azure',
    'Azure, with the results of its filter',
    counts(33, 14, { prompt_tokens_details: { cached_tokens: 0 } }),
    used({ prompt: 33, cached: 0, completion: 14 }),
    { whole: { prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }] } },
  ),
  chat(
    'gemini',
    "Gemini's compatible API, with thoughts in the total alone",
    { prompt_tokens: 100, completion_tokens: 10, total_tokens: 160 },
    used({ prompt: 100, completion: 60 }),
  ),
  chat(
    'gemini',
    "Gemini's compatible API, with nothing but thoughts",
    { prompt_tokens: 100, total_tokens: 150 },
    used({ prompt: 100, completion: 50 }),
  ),
  chat(
    null,
    'a total that nothing explains',
    { prompt_tokens: 100, completion_tokens: 10, total_tokens: 160 },
    used({ prompt: 100, completion: 10 }),
  ),
  chat(
    'xai',
    'xAI, with reasoning beside the completion',
    XAI,
    used({ prompt: 100, cached: 64, completion: 60, reasoning: 50 }),
  ),
  chat(
    'xai',
    'xAI, with reasoning in the completion, and what it cost',
    { ...XAI, completion_tokens: 60, cost_in_usd_ticks: 318_319_000 },
    used({ prompt: 100, cached: 64, completion: 60, reasoning: 50 }, { costNano: 31_831_900 }),
  ),
  chat(
    'deepseek',
    'DeepSeek, with 0 beside its own name',
    counts(1_000, 9, {
      prompt_tokens_details: { cached_tokens: 0 },
      prompt_cache_hit_tokens: 900,
      prompt_cache_miss_tokens: 100,
      completion_tokens_details: { reasoning_tokens: 4 },
    }),
    used({ prompt: 1_000, cached: 900, completion: 9, reasoning: 4 }),
  ),
  chat(
    'moonshot',
    'Moonshot, with the usage in the last choice',
    MOONSHOT,
    used({ prompt: 900, cached: 768, completion: 30 }),
    {
      last: {
        id: 'c1',
        model: 'm',
        choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage: MOONSHOT }],
      },
    },
  ),
  chat(
    'mistral',
    'Mistral, with all its names for cached tokens',
    counts(500, 20, { num_cached_tokens: 384, prompt_token_details: { cached_tokens: 384 } }),
    used({ prompt: 500, cached: 384, completion: 20 }),
  ),
  chat(
    'mistral',
    'Mistral, with audio in the total alone',
    MISTRAL_AUDIO,
    used({ prompt: 2_629, cached: 0, completion: 635 }, { audioPrompt: 2_625 }),
  ),
  chat(
    null,
    "Mistral's audio by an upstream without a preset",
    MISTRAL_AUDIO,
    used({ prompt: 2_629, cached: 0, completion: 635 }, { audioPrompt: 2_625 }),
  ),
  chat(
    'groq',
    'Groq, with seconds among the counts, and a tier',
    counts(29, 17, { ...GROQ, prompt_tokens_details: { cached_tokens: 8 } }),
    used({ prompt: 29, cached: 8, completion: 17 }, { tier: 'flex' }),
    {
      whole: { service_tier: 'flex' },
      last: {
        model: 'm',
        service_tier: 'flex',
        choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
        x_groq: { id: 'r', usage: counts(29, 17, { ...GROQ, prompt_tokens_details: { cached_tokens: 8 } }) },
      },
    },
  ),
  chat(
    'together',
    'Together, with cached tokens at the top',
    counts(70, 5, { cached_tokens: 64 }),
    used({ prompt: 70, cached: 64, completion: 5 }),
  ),
  chat(
    'fireworks',
    'Fireworks',
    counts(70, 5, { prompt_tokens_details: { cached_tokens: 64 } }),
    used({ prompt: 70, cached: 64, completion: 5 }),
  ),
  chat(
    'openrouter',
    'OpenRouter, with the cost, what it wrote to the cache, and a search',
    counts(26, 8, {
      cost: 0.000_142,
      is_byok: false,
      prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 12, audio_tokens: 0, video_tokens: 0 },
      cost_details: { upstream_inference_cost: null },
      completion_tokens_details: { reasoning_tokens: 2, image_tokens: 0 },
      server_tool_use: { web_search_requests: 1 },
    }),
    used(
      { prompt: 26, cached: 4, cacheWritten: 12, completion: 8, reasoning: 2 },
      { costNano: 142_000, searches: 1 },
    ),
  ),
  chat(
    'openrouter',
    'OpenRouter, free of charge',
    counts(26, 8, { cost: 0 }),
    used({ prompt: 26, completion: 8 }, { costNano: 0 }),
  ),
  chat(
    null,
    'Perplexity, with searches and their cost',
    PERPLEXITY,
    used({ prompt: 15, completion: 240, reasoning: 90 }, { searches: 3, costNano: 5_255_000 }),
  ),
  chat(
    'alibaba',
    'Alibaba, with what it wrote to the cache among the details',
    ALIBABA,
    used({ prompt: 1_000, cached: 0, cacheWritten: 900, completion: 20 }),
  ),
  chat('vllm', 'vLLM', counts(14, 7, { prompt_tokens_details: null }), used({ prompt: 14, completion: 7 })),
  chat(
    'vllm',
    'SGLang, with reasoning at the top',
    counts(14, 40, { reasoning_tokens: 30, prompt_tokens_details: { cached_tokens: 12 } }),
    used({ prompt: 14, cached: 12, completion: 40, reasoning: 30 }),
  ),
  chat(
    'llama-cpp',
    'llama.cpp, with usage and timings',
    counts(700, 6),
    used({ prompt: 700, cached: 200, completion: 6 }),
    {
      whole: {
        timings: { cache_n: 200, prompt_n: 500, prompt_ms: 210.4, predicted_n: 6, predicted_ms: 61.5 },
      },
    },
  ),
  chat(
    'lm-studio',
    'LM Studio, with its statistics',
    counts(24, 9, { completion_tokens_details: { reasoning_tokens: 3 } }),
    used({ prompt: 24, completion: 9, reasoning: 3 }),
    { whole: { stats: {}, system_fingerprint: 'm' } },
  ),
  chat(
    'litellm',
    "LiteLLM in front of Anthropic, whose names stand beside OpenAI's",
    counts(935, 40, {
      prompt_tokens_details: {
        ...{ cached_tokens: 900, cache_creation_tokens: 10 },
        cache_creation_token_details: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 6 },
      },
      cache_creation_input_tokens: 10,
      cache_read_input_tokens: 900,
      completion_tokens_details: { reasoning_tokens: 5 },
    }),
    used(
      { prompt: 935, cached: 900, cacheWritten: 10, completion: 40, reasoning: 5 },
      { cacheWrittenHour: 6 },
    ),
  ),
]
