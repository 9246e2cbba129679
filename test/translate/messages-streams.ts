import { argue, type Chunk, DONE, type Event, finish, open, ROLE, say, think } from './chunks.js'

export const START: Event = {
  type: 'message_start',
  message: {
    id: 'msg_T1',
    type: 'message',
    role: 'assistant',
    model: 'claude-test-1',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: {
      input_tokens: 25,
      cache_creation_input_tokens: 5,
      cache_read_input_tokens: 10,
      output_tokens: 1,
    },
  },
}
export const STOP: Event = { type: 'message_stop' }

export const opened = (index: number, block: object): Event => ({
  type: 'content_block_start',
  index,
  content_block: block,
})
export const delta = (index: number, delta: object): Event => ({ type: 'content_block_delta', index, delta })
export const closed = (index: number): Event => ({ type: 'content_block_stop', index })
export const stopped = (reason: string, usage: object = { output_tokens: 7 }): Event => ({
  type: 'message_delta',
  delta: { stop_reason: reason, stop_sequence: null },
  usage,
})

const text = (index: number, text: string): Event => delta(index, { type: 'text_delta', text })
const json = (index: number, part: string): Event =>
  delta(index, { type: 'input_json_delta', partial_json: part })
const usage = (prompt: number, completion: number, more: object = {}): Chunk => ({
  usage: {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: 10 },
    ...more,
  },
})

/** Streams of Messages beside the chunks that they become. */
export const MESSAGES: readonly [name: string, events: readonly Event[], chunks: readonly Chunk[]][] = [
  [
    'a short one',
    [
      START,
      opened(0, { type: 'text', text: '' }),
      { type: 'ping' },
      text(0, 'hi'),
      closed(0),
      stopped('end_turn'),
      STOP,
    ],
    [ROLE, ': keep-alive', say('hi'), finish('stop'), usage(40, 7), DONE],
  ],
  [
    'thinking, text and two tools',
    [
      START,
      opened(0, { type: 'thinking', thinking: '', signature: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'Let me ' }),
      delta(0, { type: 'thinking_delta', thinking: 'see' }),
      delta(0, { type: 'signature_delta', signature: 'c2ln' }),
      closed(0),
      opened(1, { type: 'redacted_thinking', data: 'x' }),
      closed(1),
      opened(2, { type: 'text', text: '' }),
      text(2, 'naïve 🦊'),
      closed(2),
      opened(3, { type: 'tool_use', id: 'toolu_1', name: 'LS', input: {} }),
      json(3, ''),
      json(3, '{"path"'),
      json(3, ':"."}'),
      closed(3),
      opened(4, { type: 'tool_use', id: 'toolu_2', name: 'Now', input: {} }),
      json(4, ''),
      closed(4),
      stopped('tool_use', { output_tokens: 7, output_tokens_details: { thinking_tokens: 3 } }),
      STOP,
    ],
    [
      ROLE,
      think('Let me '),
      think('see'),
      say('naïve 🦊'),
      open(0, 'toolu_1', 'LS'),
      argue(0, '{"path"'),
      argue(0, ':"."}'),
      open(1, 'toolu_2', 'Now'),
      argue(1, '{}'),
      finish('tool_calls'),
      usage(40, 7, { completion_tokens_details: { reasoning_tokens: 3 } }),
      DONE,
    ],
  ],
  [
    'complete blocks, blocks that are never closed, and thinking between tools',
    [
      START,
      opened(0, { type: 'thinking', thinking: 'a' }),
      closed(0),
      opened(1, { type: 'text', text: 'b' }),
      opened(2, { type: 'tool_use', id: 'toolu_1', name: 'LS', input: { path: '.' } }),
      closed(2),
      opened(3, { type: 'thinking', thinking: '' }),
      delta(3, { type: 'thinking_delta', thinking: 'c' }),
      opened(4, { type: 'tool_use', id: 'toolu_2', name: 'LS', input: { path: 'd' } }),
      stopped('tool_use'),
      STOP,
    ],
    [
      ROLE,
      think('a'),
      say('b'),
      open(0, 'toolu_1', 'LS'),
      argue(0, '{"path":"."}'),
      think('\n\nc'),
      open(1, 'toolu_2', 'LS'),
      argue(1, '{"path":"d"}'),
      finish('tool_calls'),
      usage(40, 7),
      DONE,
    ],
  ],
  [
    'tools that Anthropic runs, citations and unknown events',
    [
      START,
      opened(0, { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} }),
      json(0, '{"query":"x"}'),
      closed(0),
      opened(1, {
        type: 'web_search_tool_result',
        tool_use_id: 'srvtoolu_1',
        content: [{ type: 'x', text: 'no' }],
      }),
      closed(1),
      opened(2, { type: 'text', text: '', citations: [] }),
      delta(2, { type: 'citations_delta', citation: { cited_text: 'no' } }),
      text(2, 'hi'),
      closed(2),
      { type: 'content_block_new', text: 'no' },
      opened(3, { type: 'new', text: 'no' }),
      delta(3, { type: 'new_delta', text: 'no' }),
      delta(3, { type: 'text_delta' }),
      stopped('end_turn'),
      STOP,
      text(2, 'late'),
      STOP,
    ],
    [ROLE, say('hi'), finish('stop'), usage(40, 7), DONE],
  ],
  [
    'usage that grows: the last count of each member is used, and null is not a count',
    [
      START,
      text(0, 'h'),
      { type: 'message_delta', delta: { stop_reason: null }, usage: { output_tokens: 3 } },
      text(0, 'i'),
      stopped('end_turn', { input_tokens: 30, cache_creation_input_tokens: null, output_tokens: 9 }),
      STOP,
    ],
    [ROLE, say('h'), say('i'), finish('stop'), usage(45, 9), DONE],
  ],
]
