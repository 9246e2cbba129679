import { argue, type Chunk, DONE, type Event, finish, open, ROLE, say, think } from './chunks.js'

export const created = {
  type: 'response.created',
  sequence_number: 0,
  response: {
    id: 'resp_T1',
    object: 'response',
    created_at: 1_700_000_000,
    status: 'in_progress',
    model: 'gpt-x-test',
  },
}
const usage = {
  input_tokens: 12,
  input_tokens_details: { cached_tokens: 4, cache_write_tokens: 0 },
  output_tokens: 3,
  output_tokens_details: { reasoning_tokens: 1 },
  total_tokens: 15,
}
export const completed = (more: object = {}) => ({
  type: 'response.completed',
  response: { id: 'resp_T1', status: 'completed', model: 'gpt-x-test', output: [], usage, ...more },
})
const USAGE: Chunk = {
  usage: {
    prompt_tokens: 12,
    completion_tokens: 3,
    total_tokens: 15,
    prompt_tokens_details: { cached_tokens: 4 },
    completion_tokens_details: { reasoning_tokens: 1 },
  },
}
const END = [finish('stop'), USAGE, DONE]
export const TOOLS_END = [finish('tool_calls'), USAGE, DONE]

export const text = (delta: string, item = 'msg_1', index = 0, more: object = {}) => ({
  type: 'response.output_text.delta',
  item_id: item,
  output_index: index,
  content_index: 0,
  delta,
  logprobs: [],
  obfuscation: 'Zk2',
  ...more,
})
const summary = (delta: string, part = 0) => ({
  type: 'response.reasoning_summary_text.delta',
  item_id: 'rs_1',
  output_index: 0,
  summary_index: part,
  delta,
})
export const added = (item: object, index: number) => ({
  type: 'response.output_item.added',
  output_index: index,
  item,
})
export const done = (item: object, index: number) => ({
  type: 'response.output_item.done',
  output_index: index,
  item,
})
export const call = (n: number, name: string, args = '') => ({
  id: `fc_${n}`,
  type: 'function_call',
  status: 'in_progress',
  call_id: `call_${n}`,
  name,
  arguments: args,
})
export const args = (n: number, index: number, delta: string) => ({
  type: 'response.function_call_arguments.delta',
  item_id: `fc_${n}`,
  output_index: index,
  delta,
})
export const allArgs = (n: number, index: number, all: string) => ({
  type: 'response.function_call_arguments.done',
  item_id: `fc_${n}`,
  output_index: index,
  arguments: all,
})
const PATCH = '*** Begin Patch\n*** Add File: a.ts\n+"ï 🦊"\n*** End Patch'
const patch = (input: string) => ({
  id: 'ctc_1',
  type: 'custom_tool_call',
  call_id: 'call_P',
  name: 'ApplyPatch',
  input,
})
export const message = (content: string, id = 'msg_1') => ({
  id,
  type: 'message',
  status: 'completed',
  role: 'assistant',
  content: [{ type: 'output_text', annotations: [], logprobs: [], text: content }],
})

/** Streams of Responses beside the chunks that they become. */
export const STREAMS: readonly [name: string, events: readonly Event[], chunks: readonly Chunk[]][] = [
  ['a short one', [created, text('hi'), completed()], [ROLE, say('hi'), ...END]],
  [
    'reasoning in two parts, text, two parallel calls, a patch, and everything repeated at the end',
    [
      created,
      { type: 'response.in_progress', response: created.response },
      added({ id: 'rs_1', type: 'reasoning', summary: [], encrypted_content: 'x' }, 0),
      {
        type: 'response.reasoning_summary_part.added',
        item_id: 'rs_1',
        summary_index: 0,
        part: { text: '' },
      },
      summary('**Look'),
      summary('ing**'),
      {
        type: 'response.reasoning_summary_text.done',
        item_id: 'rs_1',
        output_index: 0,
        summary_index: 0,
        text: '**Looking**',
      },
      summary('**Writing**', 1),
      done({ id: 'rs_1', type: 'reasoning', summary: [{ type: 'summary_text', text: '**Looking**' }] }, 0),
      added({ id: 'msg_1', type: 'message', role: 'assistant', content: [] }, 1),
      {
        type: 'response.content_part.added',
        item_id: 'msg_1',
        output_index: 1,
        content_index: 0,
        part: { text: '' },
      },
      text('na', 'msg_1', 1),
      text('ïve 🦊 ', 'msg_1', 1),
      text('"\\\n\u0007', 'msg_1', 1),
      {
        type: 'response.output_text.annotation.added',
        item_id: 'msg_1',
        annotation: { type: 'url_citation' },
      },
      {
        type: 'response.output_text.done',
        item_id: 'msg_1',
        output_index: 1,
        content_index: 0,
        text: 'naïve 🦊 "\\\n\u0007',
      },
      {
        type: 'response.content_part.done',
        item_id: 'msg_1',
        output_index: 1,
        content_index: 0,
        part: { text: 'naïve' },
      },
      done(message('naïve 🦊 "\\\n\u0007'), 1),
      added(call(1, 'Shell'), 2),
      added(call(2, 'Read'), 3),
      args(1, 2, '{"command"'),
      args(2, 3, '{"path":'),
      args(1, 2, ':"ls"}'),
      args(2, 3, '"a"}'),
      allArgs(1, 2, '{"command":"ls"}'),
      done(call(1, 'Shell', '{"command":"ls"}'), 2),
      allArgs(2, 3, '{"path":"a"}'),
      done(call(2, 'Read', '{"path":"a"}'), 3),
      added(patch(''), 4),
      {
        type: 'response.custom_tool_call_input.delta',
        item_id: 'ctc_1',
        output_index: 4,
        delta: PATCH.slice(0, 9),
      },
      {
        type: 'response.custom_tool_call_input.delta',
        item_id: 'ctc_1',
        output_index: 4,
        delta: PATCH.slice(9),
      },
      { type: 'response.custom_tool_call_input.done', item_id: 'ctc_1', output_index: 4, input: PATCH },
      done(patch(PATCH), 4),
      completed({ output: [message('naïve'), call(1, 'Shell', '{}'), call(2, 'Read', '{}'), patch(PATCH)] }),
    ],
    [
      ROLE,
      think('**Look'),
      think('ing**'),
      think('\n\n**Writing**'),
      say('na'),
      say('ïve 🦊 '),
      say('"\\\n\u0007'),
      open(0, 'call_1', 'Shell'),
      open(1, 'call_2', 'Read'),
      argue(0, '{"command"'),
      argue(1, '{"path":'),
      argue(0, ':"ls"}'),
      argue(1, '"a"}'),
      open(2, 'call_P', 'ApplyPatch'),
      argue(2, PATCH.slice(0, 9)),
      argue(2, PATCH.slice(9)),
      ...TOOLS_END,
    ],
  ],
  [
    'complete parts without a delta',
    [
      created,
      {
        type: 'response.reasoning_summary_text.done',
        item_id: 'rs_1',
        output_index: 0,
        summary_index: 0,
        text: 'hm',
      },
      { type: 'response.output_text.done', item_id: 'msg_1', output_index: 1, content_index: 0, text: 'hi' },
      done(message('hi'), 1),
      added(call(1, 'Shell'), 2),
      allArgs(1, 2, '{"a":1}'),
      done(call(1, 'Shell', '{"a":1}'), 2),
      added(patch(''), 3),
      { type: 'response.custom_tool_call_input.done', item_id: 'ctc_1', output_index: 3, input: PATCH },
      completed(),
    ],
    [
      ROLE,
      think('hm'),
      say('hi'),
      open(0, 'call_1', 'Shell'),
      argue(0, '{"a":1}'),
      open(1, 'call_P', 'ApplyPatch'),
      argue(1, PATCH),
      ...TOOLS_END,
    ],
  ],
  [
    'complete items and nothing else',
    [
      done({ id: 'rs_1', type: 'reasoning', summary: [{ text: 'a' }, { text: 'b' }], content: [] }, 0),
      done(message('hi'), 1),
      done(call(1, 'Shell', '{"a":1}'), 2),
      done(call(2, 'Now'), 3),
      completed(),
    ],
    [
      ROLE,
      think('a'),
      think('\n\nb'),
      say('hi'),
      open(0, 'call_1', 'Shell'),
      argue(0, '{"a":1}'),
      open(1, 'call_2', 'Now'),
      argue(1, '{}'),
      ...TOOLS_END,
    ],
  ],
  [
    'the last event alone',
    [
      completed({
        output: [message('hi'), message('there', 'msg_2'), patch(PATCH), call(1, 'Shell', '{"a":1}')],
      }),
    ],
    [
      ROLE,
      say('hi'),
      say('\n\nthere'),
      open(0, 'call_P', 'ApplyPatch'),
      argue(0, PATCH),
      open(1, 'call_1', 'Shell'),
      argue(1, '{"a":1}'),
      ...TOOLS_END,
    ],
  ],
  [
    'a call that is in the last event only',
    [created, text('hi'), completed({ output: [message('hi'), call(1, 'Shell', '{"a":1}')] })],
    [ROLE, say('hi'), open(0, 'call_1', 'Shell'), argue(0, '{"a":1}'), ...TOOLS_END],
  ],
  [
    'refusals, and reasoning text instead of a summary',
    [
      created,
      {
        type: 'response.reasoning_text.delta',
        item_id: 'rs_1',
        output_index: 0,
        content_index: 0,
        delta: 'hm',
      },
      {
        type: 'response.reasoning_text.done',
        item_id: 'rs_1',
        output_index: 0,
        content_index: 0,
        text: 'hm',
      },
      { type: 'response.refusal.delta', item_id: 'msg_1', output_index: 1, content_index: 0, delta: 'I ' },
      {
        type: 'response.refusal.delta',
        item_id: 'msg_1',
        output_index: 1,
        content_index: 0,
        delta: 'will not',
      },
      {
        type: 'response.refusal.done',
        item_id: 'msg_1',
        output_index: 1,
        content_index: 0,
        refusal: 'I will not',
      },
      { type: 'response.refusal.done', item_id: 'msg_2', output_index: 2, content_index: 0, refusal: '.' },
      completed(),
    ],
    [
      ROLE,
      think('hm'),
      { delta: { refusal: 'I ' } },
      { delta: { refusal: 'will not' } },
      { delta: { refusal: '.' } },
      ...END,
    ],
  ],
  ...(
    [
      ['max_output_tokens', 'length'],
      ['content_filter', 'content_filter'],
    ] as const
  ).map(([reason, finished]): [string, Event[], Chunk[]] => [
    `a response that is incomplete for ${reason}`,
    [
      created,
      added(call(1, 'Shell'), 0),
      args(1, 0, '{"a'),
      {
        type: 'response.incomplete',
        response: { status: 'incomplete', incomplete_details: { reason }, usage },
      },
    ],
    [ROLE, open(0, 'call_1', 'Shell'), argue(0, '{"a'), finish(finished), USAGE, DONE],
  ]),
  [
    'tools that OpenAI runs, pings, comments and unknown events',
    [
      created,
      { type: 'ping' },
      added({ id: 'ws_1', type: 'web_search_call', status: 'in_progress' }, 0),
      { type: 'response.web_search_call.searching', item_id: 'ws_1', output_index: 0 },
      done({ id: 'ws_1', type: 'web_search_call', action: { query: 'x' } }, 0),
      added({ id: 'mcp_1', type: 'mcp_call', name: 'x', arguments: '' }, 1),
      { type: 'response.mcp_call_arguments.delta', item_id: 'mcp_1', output_index: 1, delta: '{}' },
      {
        type: 'response.code_interpreter_call_code.delta',
        item_id: 'ci_1',
        output_index: 2,
        delta: 'import',
      },
      { type: 'response.image_generation_call.partial_image', partial_image_b64: 'eA==' },
      { type: 'response.audio.delta', delta: 'eA==' },
      { type: 'response.new_thing.delta', delta: 'x', error: null },
      text('hi', 'msg_1', 3),
      completed(),
      text('late', 'msg_1', 3),
      completed(),
    ],
    [ROLE, ': keep-alive', say('hi'), ...END],
  ],
]
