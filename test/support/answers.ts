import * as zlib from 'node:zlib'
import {
  AZURE_STREAM,
  CHAT_ERRORS,
  CHAT_STREAM,
  DONE,
  GEMINI_ERROR,
  GEMINI_TOOL_CALL,
  GROQ_FINISH,
  KEEP_ALIVES,
  LLAMA_STREAM,
  MESSAGES_ERROR,
  MESSAGES_STREAM,
  RESPONSES_ERRORS,
  RESPONSES_STREAM,
} from './fixtures.js'
import { SSE } from './upstream.js'

/** Of a record in the ledger, what an answer decides. What is left out is not what an answer is here for. */
export type Decided = Readonly<Record<string, string | number | null>>

/** An answer as the upstream sends it, and what its record has to say. */
export interface Answer {
  readonly name: string
  /** Of the head: the status line behind the version, and lines of headers. */
  readonly status: string
  readonly headers: readonly string[]
  readonly body: Buffer
  readonly decided: Decided
}

export const JSON_TYPE = 'content-type: application/json'

// Parts of a record

/** Nothing was reported, and nothing was answered that could be counted. */
export const UNUSED: Decided = {
  prompt_tokens: null,
  cached_tokens: null,
  cache_write_tokens: null,
  completion_tokens: null,
  reasoning_tokens: null,
  usage_source: 'none',
}

/** Nothing was reported, so that the prompt "hi" and what passed are estimated. */
export function estimated(completion: number): Decided {
  return { ...UNUSED, prompt_tokens: 7, completion_tokens: completion, usage_source: 'estimated' }
}

export function used(prompt: number, completion: number, more: Decided = {}): Decided {
  return {
    ...UNUSED,
    prompt_tokens: prompt,
    completion_tokens: completion,
    usage_source: 'upstream',
    ...more,
  }
}

/** @param more than a stream of so many events without a tool call, a reason to stop, an error or a model */
export function stream(name: string, body: Buffer | string, events: number, more: Decided): Answer {
  return answer(name, '200 OK', [SSE], body, { events, ...more })
}

export function answer(
  name: string,
  status: string,
  headers: readonly string[],
  content: Buffer | string,
  more: Decided,
): Answer {
  const body = Buffer.from(content as string)
  const decided = {
    status: Number.parseInt(status, 10),
    end: 'done',
    upstream_model: null,
    bytes_out: body.length,
    tool_calls: 0,
    finish_reason: null,
    stream_error: null,
    ...more,
  }
  return { name, status, headers, body, decided }
}

// Streams of chat chunks

type Json = Readonly<Record<string, unknown>>

function chunk(delta: Json, more: Json = {}, finish: string | null = null): Json {
  return { model: 'gpt-x', choices: [{ index: 0, delta, finish_reason: finish }], ...more }
}

function usage(prompt: number, completion: number): Json {
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
}

export function data(...events: readonly (Json | string)[]): string {
  return events
    .map((event) => (typeof event === 'string' ? event : `data: ${JSON.stringify(event)}\n\n`))
    .join('')
}

const TEXT = 'naïve 🦉'
const STOP = chunk({}, {}, 'stop')
const LAST = { model: 'gpt-x', choices: [], usage: usage(9, 4) }
const STOPPED: Decided = { upstream_model: 'gpt-x', finish_reason: 'stop' }
const SAID = chunk({ content: TEXT })

const PLACEMENTS: readonly Answer[] = [
  stream(
    'usage that is null everywhere',
    data(
      chunk({ content: TEXT }, { usage: null }),
      chunk({ content: 'b' }, { usage: null }),
      { ...STOP, usage: null },
      DONE,
    ),
    4,
    { ...STOPPED, ...estimated(6) },
  ),
  stream(
    'usage with every chunk, of which the last one counts',
    data(
      chunk({ role: 'assistant', content: '' }, { usage: usage(9, 0) }),
      chunk({ content: 'a' }, { usage: usage(9, 1) }),
      chunk({ content: 'b' }, { usage: usage(9, 2) }),
      chunk({ content: TEXT }, { usage: usage(9, 6) }),
      { ...STOP, usage: usage(9, 5) },
      DONE,
    ),
    6,
    { ...STOPPED, ...used(9, 5) },
  ),
  stream(
    'usage on the last chunk but one, then an empty one',
    data(SAID, { ...STOP, usage: usage(9, 4) }, { model: 'gpt-x', choices: [] }, DONE),
    4,
    { ...STOPPED, ...used(9, 4) },
  ),
  stream('usage on the chunk with the reason', data(SAID, { ...STOP, usage: usage(9, 4) }, DONE), 3, {
    ...STOPPED,
    ...used(9, 4),
  }),
  stream('usage, and then null', data(SAID, STOP, LAST, { ...STOP, usage: null }, DONE), 5, {
    ...STOPPED,
    ...used(9, 4),
  }),
  stream(
    'usage in two places, of which neither is added',
    data(SAID, { ...STOP, x_groq: { usage: usage(9, 4) } }, LAST, DONE),
    4,
    { ...STOPPED, ...used(9, 4) },
  ),
  stream('no usage', data(SAID, STOP, DONE), 3, { ...STOPPED, ...estimated(5) }),
  stream('usage and no [DONE]', data(SAID, STOP, LAST), 3, { ...STOPPED, ...used(9, 4) }),
  stream('usage and no blank line behind it', data(SAID, STOP, LAST).trimEnd(), 3, {
    ...STOPPED,
    ...used(9, 4),
  }),
  stream('no usage and no [DONE]', data(SAID, STOP), 2, { ...STOPPED, ...estimated(5) }),
]

// One stream, written in several ways

const EVENTS = [SAID, chunk({ content: 'b' }), STOP, LAST].map((event) => JSON.stringify(event))

function framed(name: string, write: (payload: string) => string, more: Decided = {}): Answer {
  const body = [...EVENTS, '[DONE]'].map(write).join('')
  return stream(name, body, 5, { ...STOPPED, ...used(9, 4), ...more })
}

const IMAGE = { type: 'image_generation.completed', b64_json: 'A'.repeat(5 * 1024 * 1024) }

const FRAMINGS: readonly Answer[] = [
  framed('CRLF', (payload) => `data: ${payload}\r\n\r\n`),
  framed('lone CR', (payload) => `data: ${payload}\r\r`),
  framed('no space behind the colon', (payload) => `data:${payload}\n\n`),
  framed('several data lines in an event', (payload) => {
    const text = payload === '[DONE]' ? payload : JSON.stringify(JSON.parse(payload), null, 1)
    return `${text.replace(/^/gm, 'data: ')}\n\n`
  }),
  framed('several data lines, and CRLF', (payload) => {
    const text = payload === '[DONE]' ? payload : JSON.stringify(JSON.parse(payload), null, 1)
    return `${text.replace(/^/gm, 'data:').replaceAll('\n', '\r\n')}\r\n\r\n`
  }),
  stream('a byte order mark', `\uFEFF${data(SAID, STOP, LAST, DONE)}`, 4, { ...STOPPED, ...used(9, 4) }),
  framed('events with a name only', (payload) => `event: only\n\ndata: ${payload}\n\n`),
  framed('id and retry lines', (payload) => `id: 7\nretry: 1500\ndata: ${payload}\nid: 8\n\nretry: 10\n\n`),
  framed('comments within events', (payload) => `: ahead\ndata: ${payload}\n: behind\n\n:\n\n`),
  stream('two [DONE]s', data(SAID, STOP, LAST, DONE, DONE), 5, { ...STOPPED, ...used(9, 4) }),
  stream(
    'a finish_reason that is empty until there is one',
    data(chunk({ content: TEXT }, {}, ''), chunk({ content: 'b' }, {}, ''), STOP, LAST, DONE),
    5,
    { ...STOPPED, ...used(9, 4) },
  ),
  stream('a finish_reason that is empty', data(chunk({ content: TEXT }, {}, ''), LAST, DONE), 3, {
    upstream_model: 'gpt-x',
    ...used(9, 4),
  }),
  stream(
    'a line of 5 MB',
    data({ ...IMAGE, usage: { input_tokens: 9, output_tokens: 4, total_tokens: 13 } }, DONE),
    2,
    used(9, 4),
  ),
]

// Streams of each upstream

export const CHAT: Decided = {
  upstream_model: 'gpt-fixture',
  tool_calls: 1,
  finish_reason: 'tool_calls',
  ...used(47, 11, { cached_tokens: 32, reasoning_tokens: 0 }),
}
const FAILED: Decided = { finish_reason: 'failed', stream_error: 'insufficient_quota', ...UNUSED }
const QUIET = Buffer.concat(Object.values(KEEP_ALIVES))

const STREAMS: readonly Answer[] = [
  stream('OpenAI: usage, obfuscation and a tool call', CHAT_STREAM, 7, CHAT),
  stream('Responses', RESPONSES_STREAM, 3, {
    upstream_model: 'gpt-fixture',
    finish_reason: 'completed',
    ...used(21, 5, { cached_tokens: 8, cache_write_tokens: 0, reasoning_tokens: 0 }),
  }),
  stream('Responses: a nested error, and a failure', RESPONSES_ERRORS.nested, 2, FAILED),
  stream('Responses: a flat error, and a failure', RESPONSES_ERRORS.flat, 2, FAILED),
  stream('OpenAI: an error', CHAT_ERRORS.plain, 1, { stream_error: 'server_error', ...UNUSED }),
  stream('OpenAI: an error behind text', data(SAID, CHAT_ERRORS.plain.toString()), 2, {
    upstream_model: 'gpt-x',
    stream_error: 'server_error',
    ...estimated(5),
  }),
  stream('vLLM: an error, and [DONE]', CHAT_ERRORS.thenDone, 2, { stream_error: '500', ...UNUSED }),
  stream('OpenRouter: an error in a chunk', CHAT_ERRORS.inChunk, 1, {
    upstream_model: 'vendor/fixture',
    finish_reason: 'error',
    stream_error: '502',
    ...UNUSED,
  }),
  stream('an error as a named event', CHAT_ERRORS.named, 1, { stream_error: 'server_error', ...UNUSED }),
  stream('keep-alives', QUIET, 1, estimated(0)),
  stream('keep-alives ahead of an answer', Buffer.concat([QUIET, CHAT_STREAM]), 8, CHAT),
  stream('Azure: frames of its filter, and no blank line at the end', AZURE_STREAM, 3, estimated(0)),
  stream('Anthropic', MESSAGES_STREAM, 7, {
    upstream_model: 'claude-fixture',
    finish_reason: 'end_turn',
    ...used(45, 9, { cached_tokens: 12, cache_write_tokens: 0 }),
  }),
  // It has told the tokens of the prompt. Of the answer it had only begun to.
  stream('Anthropic: overloaded in the middle', MESSAGES_ERROR, 5, {
    upstream_model: 'claude-fixture',
    stream_error: 'overloaded_error',
    ...estimated(1),
    prompt_tokens: 45,
    cached_tokens: 12,
    cache_write_tokens: 0,
  }),
  stream('Groq: usage in a place of its own', GROQ_FINISH, 1, {
    upstream_model: 'fixture',
    finish_reason: 'stop',
    ...used(29, 17),
  }),
  stream('Gemini: a tool call', GEMINI_TOOL_CALL, 1, {
    upstream_model: 'gemini-fixture',
    tool_calls: 1,
    // Of which the name and what stands around the call are 9.
    ...estimated(14),
  }),
  answer('Gemini: an error in an array', '400 Bad Request', [JSON_TYPE], GEMINI_ERROR, {
    events: 1,
    stream_error: '400',
    ...UNUSED,
  }),
  stream('llama.cpp: progress, usage and timings', LLAMA_STREAM, 2, {
    finish_reason: 'stop',
    ...used(700, 6, { cached_tokens: 200 }),
  }),
]

// Bodies

const COMPLETION = JSON.stringify({
  id: 'fixture',
  object: 'chat.completion',
  model: 'deepseek-fixture',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', reasoning_content: 'hm', content: TEXT },
      finish_reason: 'stop',
    },
  ],
  usage: {
    ...usage(9, 4),
    prompt_cache_hit_tokens: 5,
    prompt_cache_miss_tokens: 4,
    completion_tokens_details: { reasoning_tokens: 1 },
  },
})
const COMPLETED: Decided = {
  upstream_model: 'deepseek-fixture',
  events: 1,
  finish_reason: 'stop',
  ...used(9, 4, { cached_tokens: 5, reasoning_tokens: 1 }),
}
const LIMITED = JSON.stringify({
  error: { message: 'slow down', type: 'requests', param: null, code: 'rate_limit_exceeded' },
})
/** Nothing looks at it. */
const UNSEEN: Decided = { events: null, tool_calls: null }

const BODIES: readonly Answer[] = [
  answer('DeepSeek: blank lines, and then JSON', '200 OK', [JSON_TYPE], `\n\n\n${COMPLETION}`, COMPLETED),
  answer(
    'JSON where a stream was asked for',
    '200 OK',
    [`${JSON_TYPE}; charset=utf-8`],
    COMPLETION,
    COMPLETED,
  ),
  compressed('gzip', zlib.gzipSync(CHAT_STREAM), CHAT),
  compressed('deflate', zlib.deflateSync(CHAT_STREAM), CHAT),
  compressed('br', zlib.brotliCompressSync(CHAT_STREAM), CHAT),
  compressed('zstd', zstd(CHAT_STREAM), hasZstd() ? CHAT : { ...UNSEEN, ...UNUSED }),
  answer(
    'an error, in JSON and gzip',
    '400 Bad Request',
    [JSON_TYPE, 'content-encoding: gzip'],
    zlib.gzipSync(JSON.stringify({ error: { message: 'no', type: 'invalid_request_error', code: null } })),
    { events: 1, stream_error: 'invalid_request_error', ...UNUSED },
  ),
  answer(
    'too many requests',
    '429 Too Many Requests',
    [
      JSON_TYPE,
      'retry-after-ms: 1500',
      'retry-after: 2',
      'x-should-retry: true',
      'x-ratelimit-limit-requests: 60',
      'x-ratelimit-remaining-requests: 0',
      'x-ratelimit-reset-requests: 1.5s',
    ],
    LIMITED,
    { events: 1, stream_error: 'rate_limit_exceeded', ...UNUSED },
  ),
  answer(
    'llama.cpp: still loading',
    '503 Service Unavailable',
    [`${JSON_TYPE}; charset=utf-8`],
    '{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}',
    { events: 1, stream_error: '503', ...UNUSED },
  ),
  answer(
    'a page of a CDN',
    '524 A Timeout Occurred',
    ['content-type: text/html; charset=UTF-8'],
    '<!DOCTYPE html>\n<html><head><title>524: A timeout occurred</title></head><body>…</body></html>\n',
    { ...UNSEEN, ...UNUSED },
  ),
]

function compressed(coding: string, body: Buffer, decided: Decided): Answer {
  const events = decided.events === undefined ? { events: 7 } : {}
  return answer(`a stream in ${coding}`, '200 OK', [SSE, `content-encoding: ${coding}`], body, {
    ...events,
    ...decided,
  })
}

/** What Node cannot make everywhere: a frame of one block that is as it was (RFC 8878, 3.1.1). */
function zstd(bytes: Buffer): Buffer {
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x60, 0, 0, 0, 0, 0])
  // A single segment, with its size less 256 in two bytes; the last block, raw.
  head.writeUInt16LE(bytes.length - 256, 5)
  head.writeUIntLE((bytes.length << 3) | 1, 7, 3)
  return Buffer.concat([head, bytes])
}

/** Since Node 22.15. */
function hasZstd(): boolean {
  return 'createZstdDecompress' in zlib
}

export const ANSWERS: readonly Answer[] = [...STREAMS, ...PLACEMENTS, ...FRAMINGS, ...BODIES]
