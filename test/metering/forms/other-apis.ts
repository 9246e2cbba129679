import { type Json, type Shape, used } from './form.js'

/** Usage in the forms of Gemini's, Cohere's, Ollama's and llama.cpp's own APIs. */

const GEMINI_USAGE = {
  promptTokenCount: 31,
  toolUsePromptTokenCount: 65,
  cachedContentTokenCount: 16,
  candidatesTokenCount: 9,
  thoughtsTokenCount: 12,
  totalTokenCount: 117,
  trafficType: 'ON_DEMAND',
  promptTokensDetails: [
    { modality: 'TEXT', tokenCount: 6 },
    { modality: 'AUDIO', tokenCount: 20 },
    { modality: 'IMAGE', tokenCount: 5 },
  ],
  candidatesTokensDetails: [{ modality: 'TEXT', tokenCount: 9 }],
}
const geminiPart = (text: string, usage: Json, more: Json = {}): Json => ({
  candidates: [{ content: { role: 'model', parts: [{ text }] }, index: 0, ...more }],
  usageMetadata: usage,
  modelVersion: 'gemini',
})
const GEMINI_LAST = geminiPart(' there', GEMINI_USAGE, {
  finishReason: 'STOP',
  groundingMetadata: { webSearchQueries: ['one', 'two'] },
})

const COHERE_USAGE = {
  billed_units: { input_tokens: 17, output_tokens: 45 },
  tokens: { input_tokens: 90, output_tokens: 46 },
  cached_tokens: 16,
}
const LLAMA_TIMINGS = { cache_n: 200, prompt_n: 500, predicted_n: 5, predicted_ms: 61.5 }
const ollama = (more: Json): Json => ({ model: 'qwen', created_at: '2026-01-01T00:00:00Z', ...more })
const OLLAMA_DONE = {
  ...{ done_reason: 'stop', done: true, total_duration: 4_883_583_458, load_duration: 1_334_875 },
  ...{
    prompt_eval_count: 26,
    prompt_eval_duration: 342_546_000,
    eval_count: 282,
    eval_duration: 4_535_599_000,
  },
}

export const OTHER_API_SHAPES: readonly Shape[] = [
  {
    name: "Gemini's own API, with thoughts, results of tools, modalities and searches",
    preset: 'gemini-native',
    whole: GEMINI_LAST,
    events: [
      geminiPart('Hello', { promptTokenCount: 31, candidatesTokenCount: 1, thoughtsTokenCount: 12 }),
      geminiPart(' you', { promptTokenCount: 31, candidatesTokenCount: 4, thoughtsTokenCount: 12 }),
      GEMINI_LAST,
    ],
    usage: used(
      { prompt: 96, cached: 16, completion: 21, reasoning: 12 },
      { audioPrompt: 20, imagePrompt: 5, searches: 2 },
    ),
  },
  {
    name: "Gemini's own API, as an array",
    preset: 'gemini-native',
    whole: [geminiPart('Hello', { promptTokenCount: 31, candidatesTokenCount: 1 }), GEMINI_LAST],
    events: null,
    usage: used(
      { prompt: 96, cached: 16, completion: 21, reasoning: 12 },
      { audioPrompt: 20, imagePrompt: 5, searches: 2 },
    ),
  },
  {
    name: 'Cohere, where what is billed is less than what was read',
    preset: null,
    whole: {
      id: 'c1',
      finish_reason: 'COMPLETE',
      message: { role: 'assistant', content: [{ type: 'text', text: 'Hello there' }] },
      usage: COHERE_USAGE,
    },
    events: [
      {
        type: 'message-start',
        id: 'c1',
        delta: { message: { role: 'assistant', content: [], tool_calls: [] } },
      },
      { type: 'content-start', index: 0, delta: { message: { content: { type: 'text', text: '' } } } },
      { type: 'content-delta', index: 0, delta: { message: { content: { text: 'Hello' } } } },
      { type: 'content-delta', index: 0, delta: { message: { content: { text: ' there' } } } },
      { type: 'content-end', index: 0 },
      { type: 'message-end', delta: { finish_reason: 'COMPLETE', usage: COHERE_USAGE } },
    ],
    usage: used({ prompt: 17, cached: 16, completion: 45 }),
  },
  {
    name: 'Cohere, before version 2',
    preset: null,
    whole: {
      text: 'Hello',
      meta: { api_version: { version: '1' }, tokens: { input_tokens: 90, output_tokens: 46 } },
    },
    events: null,
    usage: used({ prompt: 90, completion: 46 }),
  },
  {
    name: "Ollama's own chats",
    preset: 'ollama',
    whole: ollama({ message: { role: 'assistant', content: 'Hello there' }, ...OLLAMA_DONE }),
    events: [
      ollama({ message: { role: 'assistant', content: '', thinking: 'hm' }, done: false }),
      ollama({ message: { role: 'assistant', content: 'Hello' }, done: false }),
      ollama({ message: { role: 'assistant', content: '' }, ...OLLAMA_DONE }),
    ],
    isLines: true,
    usage: used({ prompt: 26, completion: 282 }),
  },
  {
    name: "Ollama's own completions",
    preset: 'ollama',
    whole: ollama({ response: 'Hello there', ...OLLAMA_DONE }),
    events: [
      ollama({ response: 'Hello', done: false }),
      ollama({ response: '', context: [1, 2], ...OLLAMA_DONE }),
    ],
    isLines: true,
    usage: used({ prompt: 26, completion: 282 }),
  },
  {
    name: "llama.cpp's own API",
    preset: 'llama-cpp',
    whole: {
      content: 'Hello there',
      model: 'gguf',
      ...{ stop: true, stop_type: 'eos', tokens_predicted: 5, tokens_evaluated: 700, tokens_cached: 704 },
      timings: LLAMA_TIMINGS,
    },
    events: [
      { content: 'Hello', stop: false, tokens_predicted: 1, tokens_evaluated: 700 },
      {
        ...{ content: '', stop: true, stop_type: 'eos', tokens_predicted: 5, tokens_evaluated: 700 },
        timings: LLAMA_TIMINGS,
      },
    ],
    usage: used({ prompt: 700, cached: 200, completion: 5 }),
  },
  {
    name: 'llama.cpp, with timings alone',
    preset: 'llama-cpp',
    whole: {
      choices: [{ index: 0, message: { content: 'Hello' }, finish_reason: 'stop' }],
      timings: LLAMA_TIMINGS,
    },
    events: [
      {
        choices: [{ index: 0, delta: { content: 'Hello' } }],
        timings: { cache_n: 200, prompt_n: 500, predicted_n: 1 },
      },
      { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], timings: LLAMA_TIMINGS },
    ],
    usage: used({ prompt: 700, cached: 200, completion: 5 }),
  },
]
