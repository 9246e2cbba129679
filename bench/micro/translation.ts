import { createParser } from 'eventsource-parser'
import type { BodyApi, ConversationApi } from '../../src/api/apis.js'
import { createResponseFacts } from '../../src/http/response-headers.js'
import { StreamMeter } from '../../src/metering/stream-meter.js'
import { UnwrapStream } from '../../src/translate/custom-tools/unwrap-stream.js'
import { createResponseTranslation } from '../../src/translate/response/select.js'
import type { ThoughtSink } from '../../src/translate/thinking/thought-sink.js'
import type { Translation } from '../../src/translate/translation.js'
import { streamOf } from './fixtures.js'
import type { Pair } from './pairs.js'

/** Number of text events; the streams have some more at either end. */
const EVENTS = 200

const WORDS = [
  'The',
  ' relay',
  ' keeps',
  '\n\n',
  ' "quoted"',
  ' naïve',
  ' 함수',
  '(',
  'x',
  ') {',
  ' and',
  '.',
]

const UPSTREAMS: readonly ConversationApi[] = ['chat', 'responses', 'messages', 'gemini']
const CLIENTS: readonly BodyApi[] = ['chat', 'responses', 'messages']

const NOTHING_KEPT: ThoughtSink = { remember: () => {} }

/**
 * The cost of a stream of 200 events, each in a read of its own:
 * - `translate_*`: from each API to each other, compared with the usual way: a parser of events, `JSON.parse`, an
 *   object, `JSON.stringify`;
 * - `agent_text` and `agent_calls`: chats with tools that pass, compared with the metering that every stream has.
 */
export function translationPairs(): Pair[] {
  return [...streamPairs(), ...agentPairs()]
}

/** Translates a stream as the relay does for a client of this API. */
export function createTranslation(from: ConversationApi, reads: BodyApi): Translation {
  const create = createResponseTranslation({
    from,
    reads,
    stream: true,
    includeUsage: true,
    model: null,
    hasTools: true,
    thoughts: NOTHING_KEPT,
  })
  const translation = create(200, { ...createResponseFacts(), eventStream: true })
  if (translation === null) throw new Error(`streams of ${from} are not translated`)
  return translation
}

export const PIECES: Readonly<Record<ConversationApi, () => Buffer[]>> = {
  chat: textPieces,
  responses: responsesPieces,
  messages: messagesPieces,
  gemini: geminiPieces,
}

function agentPairs(): Pair[] {
  return [
    { figure: 'agent_text', pieces: textPieces() },
    { figure: 'agent_calls', pieces: callPieces() },
  ].map(({ figure, pieces }) => ({
    figure,
    ours: () => translate(createTranslation('chat', 'chat'), pieces),
    usual: { name: 'metering', run: () => meter(pieces) },
  }))
}

function meter(pieces: readonly Buffer[]): number {
  const stream = new StreamMeter()
  for (const piece of pieces) stream.push(piece)
  stream.end()
  return stream.readStats().deltas
}

function streamPairs(): Pair[] {
  const pairs = UPSTREAMS.flatMap((from) =>
    CLIENTS.filter((reads) => reads !== from).map((reads) => ({
      figure: reads === 'chat' ? `translate_${from}` : `translate_${from}_${reads}`,
      pieces: PIECES[from](),
      make: () => createTranslation(from, reads),
    })),
  )
  return [
    ...pairs,
    {
      figure: 'unwrap_calls',
      pieces: callPieces(),
      make: () => new UnwrapStream(['ApplyPatch']),
    },
  ].map(({ figure, pieces, make }) => ({
    figure,
    ours: () => translate(make(), pieces),
    usual: { name: 'objects', run: () => translateByObjects(pieces) },
  }))
}

/** @returns the bytes that come out */
export function translate(translation: Translation, pieces: readonly Buffer[]): number {
  let bytes = 0
  for (const piece of pieces) bytes += translation.push(piece).length
  return bytes + translation.end().length
}

/** @returns the bytes that come out */
export function translateByObjects(pieces: readonly Buffer[]): number {
  let bytes = 0
  const decoder = new TextDecoder()
  const parser = createParser({
    onEvent({ data }) {
      if (data === '[DONE]') return
      const parsed = JSON.parse(data)
      const delta =
        parsed.delta ?? parsed.choices?.[0]?.delta.content ?? parsed.candidates?.[0].content.parts[0]
      if (parsed.choices?.[0]?.delta.tool_calls !== undefined) {
        const [call] = parsed.choices[0].delta.tool_calls
        call.function.arguments = call.function.arguments.replaceAll('\\n', '\n').replaceAll('\\"', '"')
        bytes += Buffer.from(`data: ${JSON.stringify(parsed)}\n\n`).length
        return
      }
      const content: unknown = typeof delta === 'string' ? delta : delta?.text
      if (typeof content !== 'string') return
      const chunk = {
        id: 'chatcmpl-BenchBenchBenchBenchBench00',
        object: 'chat.completion.chunk',
        created: 1_750_000_000,
        model: 'gpt-x-test-2025-08-07',
        choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: null }],
      }
      bytes += Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`).length
    },
  })
  for (const piece of pieces) parser.feed(decoder.decode(piece, { stream: true }))
  return bytes
}

function responsesPieces(): Buffer[] {
  const response = {
    id: 'resp_Bench',
    created_at: 1_750_000_000,
    model: 'gpt-x-test-2025-08-07',
    usage: null,
  }
  const usage = { input_tokens: 900, output_tokens: EVENTS, total_tokens: 900 + EVENTS }
  return [
    { type: 'response.created', response },
    ...Array.from({ length: EVENTS }, (_, i) => ({
      type: 'response.output_text.delta',
      sequence_number: i + 4,
      item_id: 'msg_68a1f3c2d8e881a2b4c6d8e0f2a4b6c8d0e2f4a6b8c0d2e4',
      output_index: 1,
      content_index: 0,
      delta: WORDS[(i * 7) % WORDS.length],
      logprobs: [],
      obfuscation: 'QwErTyUiOpAsDfGh'.slice(i % 12),
    })),
    { type: 'response.completed', response: { ...response, status: 'completed', output: [], usage } },
  ].map(pieceOf)
}

function messagesPieces(): Buffer[] {
  const usage = { input_tokens: 900, output_tokens: 1 }
  return [
    { type: 'message_start', message: { id: 'msg_Bench', model: 'claude-test-1', usage } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    ...Array.from({ length: EVENTS }, (_, i) => ({
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'text_delta', text: WORDS[(i * 7) % WORDS.length] },
    })),
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: EVENTS } },
    { type: 'message_stop' },
  ].map(pieceOf)
}

function geminiPieces(): Buffer[] {
  return Array.from({ length: EVENTS }, (_, i) => {
    const content = { parts: [{ text: WORDS[(i * 7) % WORDS.length] }], role: 'model' }
    const finish = i === EVENTS - 1 ? { finishReason: 'STOP' } : {}
    const usageMetadata = { promptTokenCount: 900, candidatesTokenCount: i, totalTokenCount: 900 + i }
    const response = {
      candidates: [{ content, ...finish, index: 0 }],
      usageMetadata,
      modelVersion: 'gemini-x-test',
      responseId: 'BenchBenchBenchBench',
    }
    return Buffer.from(`data: ${JSON.stringify(response)}\r\n\r\n`)
  })
}

/** The text of a chat, each event in a read of its own. */
function textPieces(): Buffer[] {
  const events = streamOf(EVENTS).toString().split('\n\n').slice(0, -1)
  return events.map((event) => Buffer.from(`${event}\n\n`))
}

/** A patch in the arguments of a function call of a chat. */
function callPieces(): Buffer[] {
  const begun = { index: 0, id: 'call_Bench', type: 'function' }
  const calls = Array.from({ length: EVENTS }, (_, i) => {
    const text = JSON.stringify(WORDS[(i * 7) % WORDS.length]).slice(1, -1)
    return { index: 0, function: { arguments: text } }
  })
  const first = { ...begun, function: { name: 'ApplyPatch', arguments: '{"input":"' } }
  return [first, ...calls, { index: 0, function: { arguments: '"}' } }].map((call) => {
    const choice = { index: 0, delta: { tool_calls: [call] }, logprobs: null, finish_reason: null }
    const chunk = {
      id: 'chatcmpl-BenchBenchBenchBenchBench00',
      object: 'chat.completion.chunk',
      created: 1_750_000_000,
      model: 'gpt-x-test-2025-08-07',
      choices: [choice],
    }
    return Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`)
  })
}

function pieceOf(event: { readonly type: string }): Buffer {
  return Buffer.from(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
}
