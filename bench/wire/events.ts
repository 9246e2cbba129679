import { type Api, STAMP_DIGITS, STAMP_MARK } from './plan.js'

/** The parts of a stream of the bench's upstream, each framed as a chunk. */
export interface StreamShape {
  /** Before the first event. */
  readonly begin: string
  /** An event in two parts, with its stamp between them. */
  readonly before: string
  readonly after: string
  /** After the last event, with the end of the body. */
  readonly end: string
}

const END = '0\r\n\r\n'

/** The API of a request, by the request line. */
export function apiOf(head: string): Api {
  const path = head.slice(0, head.indexOf('\r\n')).split(' ')[1] ?? ''
  if (path.includes(':streamGenerateContent')) return 'gemini'
  return path.endsWith('/responses') ? 'responses' : path.endsWith('/messages') ? 'messages' : 'chat'
}

/** @param bytes size of one event without framing; the event may be larger if its fields need more */
export function makeShape(api: Api, bytes: number): StreamShape {
  const { begin, delta, end } = PARTS[api]
  const [head = '', tail = ''] = delta.split(HOLE)
  const open = head + STAMP_MARK
  const filler = 'x'.repeat(Math.max(1, bytes - open.length - STAMP_DIGITS - tail.length))
  const close = filler + tail
  const length = open.length + STAMP_DIGITS + close.length
  return {
    begin: begin === '' ? '' : frame(begin),
    before: `${length.toString(16)}\r\n${open}`,
    after: `${close}\r\n`,
    end: frame(end) + END,
  }
}

function frame(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`
}

function eventsOf(
  ...events: readonly { readonly type: string; readonly [field: string]: unknown }[]
): string {
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
}

function generated(candidate: object): string {
  const usageMetadata = { promptTokenCount: 500, candidatesTokenCount: 100, totalTokenCount: 600 }
  const response = {
    candidates: [candidate],
    usageMetadata,
    modelVersion: 'bench-native',
    responseId: 'bench',
  }
  return `data: ${JSON.stringify(response)}\r\n\r\n`
}

/** The place of the stamp and the filler. */
const HOLE = '<text>'

const RESPONSE = { id: 'resp_bench', object: 'response', created_at: 1_750_000_000, model: 'bench-model' }
const ITEM = 'msg_68a1f3c2d8e881a2b4c6d8e0f2a4b6c8d0e2f4a6b8c0d2e4'
const OF_ITEM = { item_id: ITEM, output_index: 0, content_index: 0 }
const RESPONSE_USAGE = { input_tokens: 500, output_tokens: 100, total_tokens: 600 }
const MESSAGE_USAGE = { input_tokens: 500, output_tokens: 1 }
const MESSAGE = { id: 'msg_bench', type: 'message', role: 'assistant', model: 'bench-model', content: [] }

/** The events are as large as the real ones; around them are only the events that a complete stream needs. */
const PARTS: Readonly<Record<Api, { begin: string; delta: string; end: string }>> = {
  chat: {
    begin: '',
    delta: `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"${HOLE}"}}]}\n\n`,
    end: 'data: [DONE]\n\n',
  },
  responses: {
    begin: eventsOf(
      { type: 'response.created', response: { ...RESPONSE, status: 'in_progress', output: [] } },
      { type: 'response.output_item.added', output_index: 0, item: { id: ITEM, type: 'message' } },
    ),
    delta: eventsOf({
      type: 'response.output_text.delta',
      sequence_number: 4,
      ...OF_ITEM,
      delta: HOLE,
      logprobs: [],
      obfuscation: 'QwErTyUi',
    }),
    end: eventsOf({
      type: 'response.completed',
      response: { ...RESPONSE, status: 'completed', output: [], usage: RESPONSE_USAGE },
    }),
  },
  messages: {
    begin: eventsOf(
      { type: 'message_start', message: { ...MESSAGE, usage: MESSAGE_USAGE } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    ),
    delta: eventsOf({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: HOLE } }),
    end: eventsOf(
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 100 } },
      { type: 'message_stop' },
    ),
  },
  gemini: {
    begin: '',
    delta: generated({ content: { parts: [{ text: HOLE }], role: 'model' }, index: 0 }),
    end: generated({ content: { parts: [{ text: '' }], role: 'model' }, finishReason: 'STOP', index: 0 }),
  },
}
